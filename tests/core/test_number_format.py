"""Which number format training takes: what was measured here, kept for this processor and this torch."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from distill_core.training.prior import number_format as module
from distill_core.training.prior.number_format import bfloat16_gain, number_format, processor_name

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def _forgets(monkeypatch: pytest.MonkeyPatch) -> None:
    """Begin as a process that knows nothing; the layer that it measures is a small one, which takes a tenth."""
    module._measured.cache_clear()
    monkeypatch.setattr(module, "_POSITIONS", 16)


def _answers(caches: Path) -> list[Path]:
    return sorted((caches / "distill" / "number_format").glob("*.json"))


def test_it_is_measured_once_and_the_answer_kept(caches: Path) -> None:
    for answer in _answers(caches):
        answer.unlink()
    found = number_format("auto", CPU)
    (answer,) = _answers(caches)
    told = json.loads(answer.read_text())
    assert told["format"] == found == ("bfloat16" if told["gain"] >= 1.3 else "float32")
    other = {"bfloat16": "float32", "float32": "bfloat16"}[found]
    answer.write_text(json.dumps({"format": other}))
    assert number_format("auto", CPU) == found  # this process knows
    module._measured.cache_clear()
    assert number_format("auto", CPU) == other  # and another one reads


@pytest.mark.parametrize("content", ["", "rubbish", "[]", '{"format": "float8"}', '{"format": ["float32"]}', "\0\xff"])
def test_an_answer_that_is_none_is_measured_again(caches: Path, content: str) -> None:
    number_format("auto", CPU)
    (answer,) = _answers(caches)
    answer.write_text(content)
    module._measured.cache_clear()
    assert number_format("auto", CPU) in ("float32", "bfloat16")
    assert json.loads(answer.read_text())["format"] in ("float32", "bfloat16")


def test_a_choice_is_not_measured(caches: Path) -> None:
    for answer in _answers(caches):
        answer.unlink()
    assert number_format("bfloat16", CPU) == "bfloat16"
    assert number_format("float32", CPU) == "float32"
    assert not _answers(caches)


def test_a_cache_that_takes_nothing_is_no_obstacle(caches: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (caches / "a file").write_text("")
    monkeypatch.setattr(module, "cache_folder", lambda: caches / "a file" / "below")
    assert number_format("auto", CPU) in ("float32", "bfloat16")


def test_measuring_leaves_training_s_random_numbers_alone() -> None:
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    assert bfloat16_gain(CPU) > 0
    assert torch.equal(torch.rand(2), expected)


def test_the_processor_is_named_with_its_vector_units() -> None:
    assert torch.backends.cpu.get_cpu_capability() in processor_name()
