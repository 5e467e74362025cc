"""How well a prior knows its sounds, as a table."""

from __future__ import annotations

import math

import pytest

from distill_core.training.prior.events import Verdict
from distill_core.training.prior.knowledge import Knowledge, knowledge, measured_in, share_saved


@pytest.mark.parametrize(
    ("perplexity", "unigram", "verdict", "level"),
    [
        (9.16, 51.5, "", Knowledge.WELL),
        (4.4, 51.5, "learning", Knowledge.VERY_WELL),
        (3.75, 7.5, "fitting", Knowledge.WELL),
        (4.37, 7.5, "learning", Knowledge.WELL),
        (6.0, 7.5, "learning", Knowledge.A_LITTLE),
        (7.0, 7.5, "learning", Knowledge.BARELY),
        (7.5, 7.5, "learning", Knowledge.NOTHING),
        (90.0, 7.5, "cant_tell", Knowledge.NOTHING),
        (1.02, 51.5, "memorizing", Knowledge.BY_HEART),
        (None, None, "memorizing", Knowledge.BY_HEART),
        (4.4, 51.5, "cant_tell", Knowledge.UNTOLD),
        (4.4, 51.5, "siblings", Knowledge.UNTOLD),
        (4.4, None, "learning", Knowledge.UNTOLD),
        (None, 51.5, "learning", Knowledge.UNTOLD),
        (0.0, 51.5, "learning", Knowledge.UNTOLD),
        (4.4, 0.0, "learning", Knowledge.UNTOLD),
        (math.nan, 51.5, "learning", Knowledge.UNTOLD),
        (1.0, 1.0, "learning", Knowledge.NOTHING),
        (4.4, 51.5, ["memorizing"], Knowledge.VERY_WELL),
    ],
)
def test_the_level(perplexity: float | None, unigram: float | None, verdict: object, level: Knowledge) -> None:
    assert knowledge(perplexity, unigram, verdict) is level


def test_fewer_doubts_are_never_less_knowledge() -> None:
    order = [Knowledge.VERY_WELL, Knowledge.WELL, Knowledge.A_LITTLE, Knowledge.BARELY, Knowledge.NOTHING]
    for unigram in (1.5, 7.5, 51.5, 900.0):
        places = [order.index(knowledge(1 + number / 50 * unigram, unigram)) for number in range(80)]
        assert places == sorted(places)
        assert places[0] == 0
        assert places[-1] == len(order) - 1


def test_the_share_of_bits() -> None:
    assert share_saved(1.0, 8.0) == 1
    assert share_saved(2.0, 8.0) == pytest.approx(2 / 3)
    assert share_saved(8.0, 8.0) == 0
    assert share_saved(64.0, 8.0) == -1


@pytest.mark.parametrize("verdict", [*Verdict])
def test_numbers_that_count_padding_tell_no_level(verdict: Verdict) -> None:
    facts = {"final_perplexity": 4.4, "unigram_by_level": [51.5], "verdict": verdict.value}
    older, newer = measured_in(facts), measured_in(facts | {"measure": 2})
    assert older.counts_padding
    assert not newer.counts_padding
    assert older.level is (Knowledge.BY_HEART if verdict is Verdict.MEMORIZING else Knowledge.UNTOLD)
    assert (older.perplexity, newer.perplexity) == (4.4, 4.4)


def test_facts_of_a_stranger_are_unknown() -> None:
    for nonsense in (None, "4.4", [4.4], {}, True, -1.0, math.inf):
        facts = {"measure": 2, "final_perplexity": nonsense, "unigram_perplexity": nonsense, "verdict": nonsense}
        assert (measured_in(facts).perplexity, measured_in(facts).level) == (None, Knowledge.UNTOLD)
