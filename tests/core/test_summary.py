"""What a file's facts say of its prior, also in files of before."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from typer.testing import CliRunner

from distill_core import read_summary
from distill_core.cli import app
from distill_core.files.archive import read_archive
from distill_core.models.summary import unigram_of

DATA = Path(__file__).parents[1] / "data"


@pytest.fixture
def with_facts(tmp_path: Path) -> Any:
    """Return `write(**prior_metadata)`: a real model file whose prior's facts are those."""

    def write(**facts: Any) -> Path:
        values, _ = read_archive(DATA / "ref_small_prior.distill")
        torch.save(values | {"prior_metadata": facts}, tmp_path / "model.distill")
        return tmp_path / "model.distill"

    return write


def test_a_pooled_baseline_of_before_is_shown_by_level(with_facts: Any) -> None:
    levels = [16.0, 8.0, 4.0]
    model = with_facts(unigram_perplexity=24.3, unigram_by_level=levels, best_perplexity=7.0)
    summary = read_summary(model)
    assert summary.unigram_perplexity == pytest.approx(8.0)
    assert summary.counts_padding
    told = json.loads(CliRunner().invoke(app, ["inspect", "--json", str(model)]).stdout)
    assert told["prior_metadata"]["unigram_perplexity"] == pytest.approx(8.0)
    shown = CliRunner().invoke(app, ["inspect", str(model)]).stdout
    assert "guessing by frequency alone: 8.00" in shown
    assert "older measure" in shown


@pytest.mark.parametrize(
    ("facts", "unigram"),
    [
        ({}, None),
        ({"unigram_perplexity": 24.3}, 24.3),
        ({"unigram_perplexity": 24.3, "unigram_by_level": []}, 24.3),
        ({"unigram_perplexity": 24.3, "unigram_by_level": [4.0, "eight"]}, 24.3),
        ({"unigram_perplexity": 24.3, "unigram_by_level": [4.0, -1.0]}, 24.3),
        ({"unigram_perplexity": math.nan, "unigram_by_level": [4.0, math.inf]}, None),
        ({"unigram_perplexity": True}, None),
        ({"unigram_perplexity": 10**400, "unigram_by_level": [10**400, 2.0]}, None),
        ({"unigram_by_level": [2.0, 8.0]}, 4.0),
    ],
)
def test_odd_facts_give_what_they_can(facts: dict[str, Any], unigram: float | None) -> None:
    found = unigram_of(facts)
    assert found is None if unigram is None else found == pytest.approx(unigram)


def test_the_perplexity_shown_is_that_of_the_weights_in_the_file(with_facts: Any) -> None:
    facts = {"best_perplexity": 7.0, "final_perplexity": 9.5, "kept": "last", "verdict": "fitting", "measure": 2}
    summary = read_summary(with_facts(**facts))
    assert summary.perplexity == 9.5
    assert summary.best_perplexity == 7.0
    assert not summary.counts_padding
    shown = CliRunner().invoke(app, ["inspect", str(summary.path)]).stdout
    assert "  perplexity: 9.50" in shown
    assert "verdict: fitting" in shown
    assert read_summary(with_facts(best_perplexity=7.0)).perplexity == 7.0
    assert read_summary(with_facts()).perplexity is None
