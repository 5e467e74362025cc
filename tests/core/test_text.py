"""What strangers write into names and files, as a terminal and a window show it."""

from __future__ import annotations

import os
import subprocess
import sys
import unicodedata
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from distill_core.errors import DistillError
from distill_core.files.archive import read_archive
from distill_core.text import LONGEST_LINE, LONGEST_NAME, file_name, printable
from tests.warm_python import warm_python

_NEVER = {"Cc", "Cf", "Cs", "Zl", "Zp"}
WILD = st.text(st.characters(), max_size=400) | st.text(
    st.sampled_from("a\u00ad\u200b\u200d\u202e\u2066\ufeff\U000e0041\u034f\u3164\x00\x1b\n\u2028\ud800é👨"),
    max_size=400,
)


def _is_shown(text: str) -> bool:
    return not any(unicodedata.category(char) in _NEVER for char in text) and len(text.splitlines()) <= 1


@given(WILD, st.integers(1, 300))
def test_wild_text_becomes_one_visible_line_of_bounded_length(text: str, most: int) -> None:
    shown = printable(text, most)
    assert _is_shown(shown)
    assert len(shown) <= most
    assert printable(shown, most) == shown
    if len(text) <= most and _is_shown(text) and not set(text) & set("\u034f\u3164\u115f\u1160\u17b4\u17b5\uffa0"):
        assert shown == text


@given(WILD, WILD)
def test_errors_hold_no_wild_text(message: str, hint: str) -> None:
    error = DistillError(message * 20, hint * 20)
    assert _is_shown(error.message)
    assert _is_shown(error.hint)
    assert _is_shown(str(error))
    assert max(len(error.message), len(error.hint)) <= LONGEST_LINE


def test_a_long_text_keeps_its_end() -> None:
    assert printable("/home/" + "x" * 10**6 + "/drums.distill", 40) == "/home/xxxxxxxxxxxxx…xxxxxx/drums.distill"


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such names")
def test_a_name_that_is_not_utf8_can_be_shown() -> None:
    assert file_name(Path(os.fsdecode(b"/tmp/caf\xe9\xff.wav"))) == "caf\ufffd\ufffd.wav"
    assert len(file_name(Path("x" * 1000))) == LONGEST_NAME


def fill_with_wild_text(model: Path) -> None:
    """Put a megabyte of characters that are invisible or turn the direction into every text of a model's facts."""
    wild = "\u202e\u200b\u2066\u00ad" * 90_000  # 1 MB, the most that the loader takes
    listed = [wild[:10_000]] * 40
    values, _ = read_archive(model)
    nested: dict[str, Any] = {"list": [[[wild]]], wild: {"x": [wild]}}
    metadata = ["name", "description", "model_id", "training_date", "save_date", "dataset_name"]
    values["metadata"] |= dict.fromkeys(metadata, wild) | {wild: wild}
    values["training_config"] = nested
    values["codebook_health_snapshot"] = {wild: {"utilization": 0.5, "perplexity": 2.0}, "level_0": nested}
    if values.get("has_prior"):
        labels = "kept kept_epoch verdict run_verdict best_epoch ended epochs_trained format training_date dataset_name"
        labels += " dataset_file_count device dataset_total_duration_s unigram_perplexity was_memorizing"
        values["prior_metadata"] |= dict.fromkeys(labels.split(), wild)
        values["prior_metadata"] |= {
            "level_perplexities": listed,
            "unigram_by_level": nested,
            "final_perplexity": nested,
        }
        values["prior_metadata"] |= {"validation_files": listed, "sibling_agreement": [listed] * 3}
    torch.save(values, model)


def test_inspect_shows_little_of_megabytes_of_wild_text(tiny_model: Path, sounds_folder: Path) -> None:
    train = ["train-prior", str(tiny_model), str(sounds_folder), "--epochs", "1", "--no-audit"]
    small = ["--hidden-size", "32", "--layers", "1", "--heads", "2"]
    subprocess.run([*warm_python(), "-m", "distill_core.cli", *train, *small], capture_output=True, check=True)
    fill_with_wild_text(tiny_model)
    command = [*warm_python(), "-m", "distill_core.cli", "inspect", str(tiny_model)]
    run = subprocess.run(command, capture_output=True, check=True)
    assert 500 < len(run.stdout) < 20_000
    assert all(map(_is_shown, run.stdout.decode().split("\n")))
