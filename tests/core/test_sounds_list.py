"""The list of a training's sounds in a model's file: each sound once, no name of an anonymous one."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from distill_core import PriorConfig, read_summary, scan, train_prior
from distill_core.audio.dataset import AudioFile
from distill_core.files.archive import read_archive
from distill_core.models.persistence import save_prior_to_model
from distill_core.models.sounds_list import SOUNDS, is_anonymous, learned_sounds, sounds_list, total_of
from distill_core.text import printable
from distill_core.training.codec.train import train_codec
from distill_core.training.kinds import prior_runs
from tests.conftest import WriteSound
from tests.toy_codec import toy_codec

__all__ = ["toy_codec"]
TINY = PriorConfig(max_epochs=1, hidden_size=32, num_layers=1, num_heads=2)


def test_a_prior_lists_each_of_its_sounds(tiny_model: Path, sounds_folder: Path) -> None:
    dataset = scan(sounds_folder)
    trained = train_prior(tiny_model, dataset, TINY)
    assert trained.prior is not None
    save_prior_to_model(tiny_model, trained.prior, trained.config, trained.metadata)
    sounds = learned_sounds(read_summary(tiny_model).prior_metadata)
    assert [(sound.digest, sound.name) for sound in sounds] == [(file.digest, file.name) for file in dataset.files]
    assert {sound.name for sound in sounds if sound.held_out} == set(trained.metadata["validation_files"])
    assert total_of(sounds).seconds == pytest.approx(8.75, abs=0.01)
    assert (total_of(sounds).count, total_of(sounds).held_out) == (6, 1)
    assert not read_summary(tiny_model).is_anonymous


def test_an_anonymous_prior_lists_digests_alone_also_in_its_run(tiny_model: Path, sounds_folder: Path) -> None:
    folder, dataset = prior_runs(tiny_model), scan(sounds_folder)
    trained = train_prior(tiny_model, dataset, replace(TINY, anonymous=True), run_folder=folder)
    assert trained.prior is not None
    kept = folder.load()["prior_metadata"]
    save_prior_to_model(tiny_model, trained.prior, trained.config, trained.metadata)
    summary = read_summary(tiny_model)
    assert summary.is_anonymous
    for facts in (kept, read_archive(tiny_model)[0]):
        assert not any(file.name in repr(facts) or file.path.stem in repr(facts) for file in dataset.files)
    assert [sound.digest for sound in learned_sounds(kept)] == [file.digest for file in dataset.files]


def test_a_single_sound_is_not_held_out(tiny_model: Path, tmp_path: Path, write_sound: WriteSound) -> None:
    trained = train_prior(tiny_model, write_sound(tmp_path / "one.wav", seconds=6.0), TINY)
    (sound,) = learned_sounds(trained.metadata)
    assert (sound.name, sound.held_out) == ("one.wav", False)


@pytest.mark.parametrize("anonymous", [False, True])
def test_a_codec_lists_its_sounds_too(toy_codec: str, sounds_folder: Path, tmp_path: Path, anonymous: bool) -> None:
    settings = {"codebook_size": 16, "anonymous": anonymous}
    model = train_codec(sounds_folder, settings, architecture="toy").save(tmp_path / "toy.distill")
    summary = read_summary(model)
    sounds = learned_sounds(summary.training_config)
    assert len(sounds) == 6
    assert all(bool(sound.name) is not anonymous for sound in sounds)
    assert summary.is_anonymous is anonymous


def _file(number: int) -> AudioFile:
    return AudioFile(f"/sounds/{number}.wav", f"{number} ü.wav", 1.5, 48_000, 1, f"{number:032x}")


def test_many_sounds_take_little_of_a_files_list_of_contents(tiny_model: Path) -> None:
    from distill_core import CodePrior

    files = [_file(number) for number in range(12_000)]
    listed = sounds_list(files, files[:9_000], files[9_000:], anonymous=False)
    config = {"hidden_size": 32, "num_layers": 1, "num_heads": 2}
    save_prior_to_model(tiny_model, CodePrior(16, 2, 96, 32, 1, 2), config, {SOUNDS: listed})
    sounds = learned_sounds(read_summary(tiny_model).prior_metadata)
    assert [(sound.digest, sound.name) for sound in sounds] == [(file.digest, file.name) for file in files]
    assert total_of(sounds).held_out == 3_000


def test_sounds_that_could_not_be_read_are_not_listed() -> None:
    files = [_file(number) for number in range(3)]
    listed = sounds_list(files, files[:1], files[2:], anonymous=False)
    assert [entry["name"] for entry in listed] == ["0 ü.wav", "2 ü.wav"]


_good = {"digest": "ab", "duration_s": 1.0, "held_out": False, "name": "x"}


@pytest.mark.parametrize(
    "wrong",
    [
        None,
        "kick.wav",
        json.dumps({"digest": "ab"}),
        "[" * 100_000,
        {},
        _good | {"digest": ""},
        _good | {"digest": 5},
        _good | {"digest": "x" * 65},
        _good | {"duration_s": float("nan")},
        _good | {"duration_s": -1.0},
        _good | {"duration_s": True},
        _good | {"held_out": 1},
    ],
)
def test_an_impossible_entry_counts_as_no_list(wrong: object) -> None:
    assert len(learned_sounds({SOUNDS: [_good]})) == 1
    found = learned_sounds({SOUNDS: [_good, wrong]})
    assert found == () or wrong == json.dumps({"digest": "ab"})  # a text without a list has no sounds
    assert learned_sounds({SOUNDS: wrong}) == ()


_keys = st.sampled_from(["digest", "duration_s", "held_out", "name"])
_leaves = st.none() | st.booleans() | st.floats() | st.text() | st.integers()


@given(st.recursive(_leaves, lambda inner: st.lists(inner) | st.dictionaries(_keys, inner), max_leaves=20))
def test_whatever_a_stranger_lists_is_read_without_an_error(value: Any) -> None:
    for sound in learned_sounds({SOUNDS: value}):
        assert (printable(sound.digest), printable(sound.name)) == (sound.digest, sound.name)
        assert 0 <= sound.duration_s < float("inf")


def test_an_older_file_lists_nothing_and_says_by_its_settings_that_it_is_anonymous() -> None:
    assert learned_sounds(None) == learned_sounds({}) == ()
    assert is_anonymous({}, {"anonymous": True})
    assert not is_anonymous({}, {"anonymous": "no"})
    assert not is_anonymous(None)
