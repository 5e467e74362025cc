"""The judgement of how well a prior knows its sounds, from its perplexity on sounds kept aside."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypeGuard

from distill_core.models.value_reader import known_number
from distill_core.training.prior.events import Verdict


class Knowledge(StrEnum):
    """How well a prior knows its sounds; UNTOLD if the file gives too little to judge by."""

    UNTOLD = "untold"
    NOTHING = "nothing"
    BARELY = "barely"
    A_LITTLE = "a_little"
    WELL = "well"
    VERY_WELL = "very_well"
    BY_HEART = "by_heart"


# The least share of bits that each saves against guessing by frequency. On the demo's sounds a quick training saves
# 0.27, a normal one 0.34.
_LEAST_SHARES = (
    (0.55, Knowledge.VERY_WELL),
    (0.25, Knowledge.WELL),
    (0.1, Knowledge.A_LITTLE),
    (0.0, Knowledge.BARELY),
)


def share_saved(perplexity: float, unigram: float) -> float:
    """Return the share of the bits of guessing each code by its frequency that a prior saves; below 0 it costs bits."""
    if unigram <= 1:
        return 0.0  # one code alone: there is nothing to know
    return 1 - math.log(max(1.0, perplexity)) / math.log(unigram)


def _can_be(perplexity: float | None) -> TypeGuard[float]:
    """Tell whether a perplexity is known; a file may hold 0 for an unknown one."""
    return perplexity is not None and perplexity >= 1


def knowledge(perplexity: float | None, unigram: float | None, verdict: object = "") -> Knowledge:
    """Return how well a prior knows its sounds, by its perplexity and that of guessing by frequency; None is unknown.

    A prior with the verdict that it memorizes knows them by heart, whatever its perplexity. Nothing is told where a
    number is missing, nor of a prior that does better than guessing where too little sound was kept aside, or where
    that is near-copies of the rest.
    """
    if verdict == Verdict.MEMORIZING:
        return Knowledge.BY_HEART
    if not _can_be(perplexity) or not _can_be(unigram):
        return Knowledge.UNTOLD
    share = share_saved(perplexity, unigram)
    if share > 0 and verdict in (Verdict.CANT_TELL, Verdict.SIBLINGS):
        return Knowledge.UNTOLD
    return next((level for least, level in _LEAST_SHARES if share > least), Knowledge.NOTHING)


@dataclass(frozen=True, slots=True)
class Measured:
    """The perplexity of a prior on sounds kept aside, None if unknown, and how well it knows its sounds.

    `counts_padding`: it was measured by an older Distill, and compares with no newer one.
    """

    perplexity: float | None
    level: Knowledge
    counts_padding: bool


def measured_in(facts: Mapping[str, Any]) -> Measured:
    """Return the measure of a prior by its facts as a file holds them; one that counts padding tells no level."""
    from distill_core.models.summary import MEASURE, unigram_of  # loads torch

    final, best = (known_number(facts.get(key)) for key in ("final_perplexity", "best_perplexity"))
    reached, verdict = best if final is None else final, facts.get("verdict")
    counts_padding = facts.get("measure") != MEASURE
    unigram = None if counts_padding else unigram_of(facts)
    return Measured(reached if _can_be(reached) else None, knowledge(reached, unigram, verdict), counts_padding)
