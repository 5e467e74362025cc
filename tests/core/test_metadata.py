"""The name and the notes of a model are changed in its file, and nothing else is."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from distill_core import (
    ChangedOnDiskError,
    CodePrior,
    ConfigError,
    ModelFileError,
    ReadOnlyError,
    load_model_v2,
    read_previous_version,
    read_summary,
    restore_previous_version,
    save_metadata,
    save_prior_to_model,
)
from distill_core.files.archive import read_archive
from distill_core.files.backup import backup_of
from distill_core.models.metadata import MOST_NAME, MOST_NOTES, name_obstacle, notes_obstacle

DATA = Path(__file__).parents[1] / "data"
DEMO = Path(__file__).parents[2] / "resources" / "demo" / "demo.distill"


def _bits(value: Any) -> Any:
    """Return a value to compare bit by bit."""
    if isinstance(value, torch.Tensor):
        return str(value.dtype), tuple(value.shape), value.contiguous().numpy().tobytes()
    if isinstance(value, dict):
        return {key: _bits(inner) for key, inner in value.items()}
    return [_bits(inner) for inner in value] if isinstance(value, list | tuple) else repr(value)


def _contents(path: Path) -> dict[str, Any]:
    """Return all that a file holds, without its name and notes."""
    values, _ = read_archive(path)
    kept = {key: value for key, value in values["metadata"].items() if key not in ("name", "description")}
    contents: dict[str, Any] = _bits(values | {"metadata": kept})
    return contents


def _with_prior(path: Path) -> Path:
    config = {"hidden_size": 32, "num_layers": 1, "num_heads": 2}
    return save_prior_to_model(path, CodePrior(16, 2, 96, 32, 1, 2), config, {"seed": 3})


@pytest.mark.parametrize("kind", ["the ancestor's", "the demo", "with a prior of ours"])
def test_all_else_in_the_file_stays_to_the_last_bit(kind: str, tiny_model: Path, tmp_path: Path) -> None:
    model = tmp_path / "model.distill"
    source = {"the ancestor's": DATA / "ref_small_prior.distill", "the demo": DEMO}.get(kind) or _with_prior(tiny_model)
    shutil.copy(source, model)
    before, keys = _contents(model), list(read_archive(model)[0])
    stamp = read_summary(model).stamp
    assert save_metadata(model, {"name": " Bells é ", "description": "one\ntwo"}, expected=stamp) == model.resolve()
    summary = read_summary(model)
    assert (summary.name, summary.notes) == ("Bells é", "one\ntwo")
    assert _contents(model) == before
    assert list(read_archive(model)[0]) == keys
    assert load_model_v2(model).has_prior is summary.has_prior
    assert list(tmp_path.glob("*.tmp*")) == []


def test_one_of_both_leaves_the_other(tiny_model: Path) -> None:
    save_metadata(tiny_model, {"description": "warm"})
    save_metadata(tiny_model, {"name": "Kicks"})
    summary = read_summary(tiny_model)
    assert (summary.name, summary.notes) == ("Kicks", "warm")
    assert read_previous_version(tiny_model).notes != "warm", "the version before stays that of the first save"


def test_a_restored_model_takes_a_name_without_losing_the_prior_of_the_version_before(tiny_model: Path) -> None:
    _with_prior(tiny_model)
    restore_previous_version(tiny_model)
    kept = backup_of(tiny_model).read_bytes()
    save_metadata(tiny_model, {"name": "Kicks"})
    assert backup_of(tiny_model).read_bytes() == kept
    restore_previous_version(tiny_model)
    assert read_summary(tiny_model).has_prior
    assert read_previous_version(tiny_model).name == "Kicks"


def test_a_file_that_another_program_changed_stays_as_that_left_it(tiny_model: Path) -> None:
    stamp = read_summary(tiny_model).stamp
    values, _ = read_archive(tiny_model)
    torch.save(values | {"metadata": values["metadata"] | {"name": "theirs"}}, tiny_model)
    theirs = tiny_model.read_bytes()
    with pytest.raises(ChangedOnDiskError):
        save_metadata(tiny_model, {"name": "ours"}, expected=stamp)
    assert tiny_model.read_bytes() == theirs
    assert not backup_of(tiny_model).exists()


def test_a_read_only_file_is_left_alone(tiny_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = tiny_model.read_bytes()
    monkeypatch.setattr("os.access", lambda path, mode: False)  # root may write everything
    with pytest.raises(ReadOnlyError):
        save_metadata(tiny_model, {"name": "ours"})
    assert tiny_model.read_bytes() == before


def test_no_model_is_no_place_for_a_name(tmp_path: Path) -> None:
    other = tmp_path / "notes.distill"
    other.write_bytes(b"not a model" * 500)
    with pytest.raises(ModelFileError):
        save_metadata(other, {"name": "ours"})
    assert other.read_bytes() == b"not a model" * 500


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"name": ""}, "name"),
        ({"name": "  "}, "name"),
        ({"name": "two\nlines"}, "name"),
        ({"name": "\x1b[31mred"}, "name"),
        ({"name": "two\u2028lines"}, "name"),
        ({"name": "half \ud800"}, "name"),
        ({"name": "n" * (MOST_NAME + 1)}, "name"),
        ({"name": "fine", "description": "bell \x07"}, "description"),
        ({"description": "n" * (MOST_NOTES + 1)}, "description"),
    ],
)
def test_a_text_that_cannot_be_is_refused_before_the_file_is_touched(
    tiny_model: Path, changes: dict[str, str], field: str
) -> None:
    before = tiny_model.read_bytes()
    with pytest.raises(ConfigError) as refused:
        save_metadata(tiny_model, changes)
    assert refused.value.field == field
    assert tiny_model.read_bytes() == before


def test_no_other_key_can_be_changed(tiny_model: Path) -> None:
    before = tiny_model.read_bytes()
    with pytest.raises(ValueError, match="not model_id"):
        save_metadata(tiny_model, {"model_id": "mine"})
    assert tiny_model.read_bytes() == before


def test_what_can_be() -> None:
    for name in ("n" * MOST_NAME, "♪ Trommeln & Glöckchen", "  in the middle  "):
        assert name_obstacle(name) == ""
    for notes in ("", "n" * MOST_NOTES, "one\n\ttwo", "👩\u200d🎤"):
        assert notes_obstacle(notes) == ""


def test_a_file_tells_whether_the_ancestor_made_it(tiny_model: Path) -> None:
    assert read_summary(DATA / "ref_small_prior.distill").comes_from_the_ancestor
    assert not read_summary(DEMO).comes_from_the_ancestor, "its codec opens nowhere else"
    values, _ = read_archive(tiny_model)
    torch.save(values | {"training_config": {"mean_frame_l1": 0.4}}, tiny_model)
    summary = read_summary(tiny_model)
    assert summary.opens_in_the_ancestor
    assert not summary.comes_from_the_ancestor
