"""The verdict on an epoch: from what training and held-out losses say together."""

from __future__ import annotations

import math

import pytest
import torch

from distill_core import check_memorization
from distill_core.training.prior.events import VERDICT_WORDS, Verdict, verdict_words
from distill_core.training.prior.memorization import Evidence, memorization_message, standard_error, verdict_on, worst


def _evidence(
    train: float,
    val: float,
    *,
    error: float = 0.01,
    codes: int = 1000,
    is_one_sound: bool = False,
    agreement: float = 0.5,
) -> Evidence:
    return Evidence(math.log(train), math.log(val), error, codes, is_one_sound, agreement)


@pytest.mark.parametrize(
    ("evidence", "verdict"),
    [
        (_evidence(1.02, 4.9, codes=99), "cant_tell"),
        (_evidence(1.02, 4.9, is_one_sound=True), "cant_tell"),
        (_evidence(1.02, 4.9, agreement=0.95), "siblings"),
        (_evidence(1.02, 4.9), "memorizing"),
        (_evidence(1.02, 3.05), "fitting"),
        (_evidence(1.9, 5.8), "memorizing"),
        (_evidence(2.1, 30.0), "fitting"),
        (_evidence(1.02, 4.9, error=0.8), "fitting"),
        (_evidence(1.02, 4.9, error=math.nan), "fitting"),
        (_evidence(8.0, 8.2), "learning"),
        (_evidence(8.0, 7.0), "learning"),
        (_evidence(8.0, 12.1), "fitting"),
    ],
)
def test_the_first_verdict_that_fits_is_taken(evidence: Evidence, verdict: str) -> None:
    assert verdict_on(evidence) == verdict


def test_every_verdict_has_words_and_a_place_among_the_worst() -> None:
    assert set(VERDICT_WORDS) == set(Verdict)
    assert verdict_words("learning") == VERDICT_WORDS[Verdict.LEARNING]
    assert not verdict_words(["learning"])
    assert not verdict_words("by a newer Distill")
    assert worst([Verdict.LEARNING, Verdict.MEMORIZING, Verdict.FITTING]) is Verdict.MEMORIZING
    assert worst([Verdict.LEARNING, Verdict.FITTING]) is Verdict.FITTING
    assert {worst([verdict]) for verdict in Verdict} == set(Verdict)


def test_memorizing_is_told_whatever_the_limit_says() -> None:
    evidence = _evidence(1.02, 4.9)
    message = memorization_message(Verdict.MEMORIZING, evidence, "")
    assert "1.02" in message
    assert "4.90" in message
    assert "4.8 times" in message


def test_below_the_limit_only_is_told_in_milder_words() -> None:
    _, passed = check_memorization(1.84, 64, 12)
    assert "listen for copies" in passed
    assert memorization_message(Verdict.LEARNING, _evidence(1.7, 1.84), passed) == passed
    assert not memorization_message(Verdict.LEARNING, _evidence(8.0, 9.0), "")


def test_near_copies_are_named_where_the_limit_is_passed() -> None:
    evidence = _evidence(1.02, 1.1, agreement=0.97)
    _, passed = check_memorization(1.1, 64, 12)
    assert "near-copies" in memorization_message(Verdict.SIBLINGS, evidence, passed)
    assert not memorization_message(Verdict.SIBLINGS, evidence, "")


def test_the_standard_error_is_that_of_means_over_files() -> None:
    generator = torch.Generator().manual_seed(0)
    means = torch.randn(40, generator=generator)
    files = [mean + torch.zeros(10, 4, 3) for mean in means]
    assert standard_error(files, 6) == pytest.approx(float(means.std()) / math.sqrt(40), rel=0.15)
    assert standard_error([torch.zeros(10, 4, 3)] * 5, 6) == 0.0


def test_few_files_are_taken_apart_and_the_error_is_doubled() -> None:
    generator = torch.Generator().manual_seed(0)
    by_second = torch.randn(30, generator=generator)
    one_file = by_second.repeat_interleave(6)[:, None, None].expand(-1, 4, 3)
    assert standard_error([one_file], 6) == pytest.approx(2 * float(by_second.std()) / math.sqrt(30), rel=0.2)
    two_short = [torch.tensor([1.0, 2.0])[:, None, None], torch.tensor([4.0, 3.0])[:, None, None]]
    assert standard_error(two_short, 6) > 0.5  # over the four steps


def test_a_loss_that_is_none_counts_nowhere() -> None:
    files = [torch.full((4, 2, 1), value) for value in (1.0, 2.0, 3.0)]
    with_padding = [torch.cat([file, torch.full((9, 2, 1), math.nan)]) for file in files]
    assert standard_error(with_padding, 6) == pytest.approx(standard_error(files, 6))
