"""Sentences of window and terminal about a prior: its facts, and the prior in a file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from distill_core.models.temperature import temperature_of
from distill_core.text import file_name, printable
from distill_core.training.prior.events import KEPT_WORDS, Keep
from distill_core.training.run_folder.facts import Kind
from distill_core.training.words import BY_AN_OLDER_MEASURE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from distill_core.models.summary import ModelSummary
    from distill_core.training.prior.events import FilePrior, PriorTrainingStartEvent

PRIOR = Kind("prior", measure="perplexity", digits=2, makes_a_model=False)
_LONGEST_NAME = 40
_MOST_GROUPS, _MOST_NAMES = 3, 6  # of near-copies that a sentence names, and of sounds in each
SAVING_REPLACES = "Saving replaces it."
AGREEMENT, PREDICTABLE = "sibling agreement", "very predictable"  # labels of a prior's facts


def perplexity_words(value: float, *, counts_padding: bool) -> str:
    """Return a perplexity with its name; one that counts padding, and compares with no newer one, is marked."""
    return f"{PRIOR.measured(value)} {BY_AN_OLDER_MEASURE}" if counts_padding else PRIOR.measured(value)


def known_perplexity(file: ModelSummary) -> str:
    """Return the perplexity of a file's prior with its name, or "" for a file that gives none."""
    reached = file.perplexity
    return "" if reached is None else perplexity_words(reached, counts_padding=file.counts_padding)


def has_prior_words(name: str, known: str = "") -> str:
    """Return that a file, whose name is as it is shown, has a prior already; `known` is a fact about that prior."""
    about = f" ({known})" if known else ""
    return f"“{name}” already has a prior{about}."


def no_longer_opens_words(saved_to: Path, backup: Path) -> str:
    """Return the note on a file that no longer opens in the program that Distill descends from."""
    name, kept = file_name(saved_to, _LONGEST_NAME), file_name(backup, _LONGEST_NAME)
    return f"The older Distill no longer opens “{name}”; “{kept}” keeps it as it was until the next save."


def newer_prior_words(architecture: str) -> str:
    """Return the note on a prior that this Distill cannot read."""
    return f"Its prior (“{architecture}”) was made by a newer Distill; the model itself can be used."


def file_prior_words(before: FilePrior) -> str:
    """Return the perplexity of the prior that a save replaces, on this run's held-out sounds."""
    if before.perplexity is None:
        return "The prior in the file can't be measured on these held-out sounds."
    may_know = "" if before.decides else ", which it may have learned from"
    return f"The prior in the file has {PRIOR.measured(before.perplexity)} on these held-out sounds{may_know}."


def _names_in_words(names: Sequence[str]) -> str:
    shown = ", ".join(printable(name, _LONGEST_NAME) for name in names[:_MOST_NAMES])
    rest = len(names) - _MOST_NAMES
    return f"{shown} and {rest:,} more" if rest > 0 else shown


def near_copies_words(start: PriorTrainingStartEvent) -> str:
    """Return which sounds of a training are nearly the same, and what becomes of them, or ""."""
    groups, sounds = start.near_copies, start.train_files + start.validation_files
    if not groups or start.sameness:
        return ""
    if len(groups[0]) == sounds:
        return f"All {sounds} sounds are nearly the same: those kept for validation say nothing about new sound."
    named = "; ".join(map(_names_in_words, groups[:_MOST_GROUPS]))
    if len(groups) == 1:
        return f"{len(groups[0])} sounds are nearly the same: {named}; they stay on one side of the split."
    rest = len(groups) - _MOST_GROUPS
    more = f"; and {rest:,} more group{'s' * (rest > 1)}" if rest > 0 else ""
    return f"Some sounds are nearly the same: {named}{more}; each group stays on one side of the split."


def agreement_words(share: object) -> str:
    """Return how alike validation and training sounds are, or "" for a value of a stranger's file that is no share."""
    if isinstance(share, bool) or not isinstance(share, int | float) or not 0 <= share <= 1:
        return ""
    return f"{share:.0%} of a validation sound's codes are those of its nearest training sound (median)"


def predictable_words(was_below_limit: object) -> str:
    """Return whether an epoch was below the fixed limit, or "" for a value of a stranger's file that is no bool."""
    if not isinstance(was_below_limit, bool):
        return ""
    return "yes, in some epoch" if was_below_limit else "no"


def end_words(has_ends: bool | None) -> str:
    """Return what a prior knows of where sounds end, or "" for one that can know nothing."""
    if has_ends is None:
        return ""
    return "learned" if has_ends else "learned silence; train again for clean endings"


def temperature_words(temperature: object) -> str:
    """Return a fitted temperature, or "" for a value of a stranger's file that cannot be one."""
    fitted = temperature_of({"temperature": temperature})
    return f"{fitted:.2f} (fitted on held-out sounds)" if fitted == temperature else ""


def kept_words(kept: object) -> str:
    """Return the choice of weights in words, or "" for a value of a stranger's file that is no choice."""
    return KEPT_WORDS[Keep(kept)] if isinstance(kept, str) and kept in [*Keep] else ""
