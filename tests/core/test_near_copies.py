"""Sounds that are nearly the same are found before training, stay on one side of the split, and are named."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch
from torch import Tensor
from typer.testing import CliRunner

from distill_core import (
    PriorConfig,
    PriorEpochMetrics,
    PriorTrainingStartEvent,
    TrainedPrior,
    load_model_v2,
    scan,
    train_prior,
)
from distill_core.audio.dataset import AudioFile, groups_of_copies, split_files
from distill_core.cli import app
from distill_core.events import Stopped, never
from distill_core.training.data.codes import SoundEncoder
from distill_core.training.data.encoding import codes_of_silence
from distill_core.training.data.near_copies import NEAR_COPIES, near_copies
from distill_core.training.data.sound_codes import SoundCodes
from distill_core.training.data.split_codes import SplitCodes
from distill_core.training.kinds import prior_runs
from distill_core.training.prior.state import KNOWS_NEAR_COPIES, codes_digest
from distill_core.training.prior.words import near_copies_words
from tests.conftest import WriteSound

TINY = PriorConfig(
    hidden_size=32,
    num_layers=1,
    num_heads=2,
    max_epochs=3,
    batch_size=4,
    patience=0,
    variants=1,
    device="cpu",
    precision="float32",
)
RATE = 48_000
SILENCE = torch.full((1, 4, 3), 63)


@pytest.fixture
def copies_folder(sounds_folder: Path, write_sound: WriteSound) -> Path:
    """Six sounds and one more under two names, at half the gain, and as FLAC: two steps shorter, and two later."""
    sound, _ = soundfile.read(write_sound(sounds_folder / "a.wav", seed=9, seconds=6.0), dtype="float32")
    shutil.copy(sounds_folder / "a.wav", sounds_folder / "again.wav")
    soundfile.write(sounds_folder / "soft.wav", 0.5 * sound, RATE)
    soundfile.write(sounds_folder / "cut.flac", sound[: len(sound) - 2 * 8192], RATE)
    soundfile.write(sounds_folder / "late.flac", np.append(np.zeros(2 * 8192, dtype=np.float32), sound), RATE)
    return sounds_folder


COPIES = {"a.wav", "again.wav", "soft.wav", "cut.flac", "late.flac"}


def _split(model: Path, folder: Path, seed: int = 0, **more: Any) -> SplitCodes:
    loaded = load_model_v2(model)
    encoder = SoundEncoder(loaded, "rows", None, codes_of_silence(loaded, "rows", never))
    return encoder.split(scan(folder), 0.3, seed, **more)


def _names(files: tuple[AudioFile, ...]) -> set[str]:
    return {file.name for file in files}


def _start(events: list[object]) -> PriorTrainingStartEvent:
    (start,) = (event for event in events if isinstance(event, PriorTrainingStartEvent))
    return start


def _same(one: TrainedPrior, other: TrainedPrior) -> bool:
    assert one.prior is not None
    assert other.prior is not None
    weights = other.prior.state_dict()
    return all(torch.equal(value, weights[key]) for key, value in one.prior.state_dict().items())


# The split of real sounds


def test_one_recording_in_several_files_stays_on_one_side(shared_klt_model: Path, copies_folder: Path) -> None:
    sides = set()
    for seed in range(6):
        split = _split(shared_klt_model, copies_folder, seed)
        (group,) = split.near_copies or ()
        assert _names(group) == COPIES
        held_out = _names(split.val_files)
        assert held_out
        assert held_out & COPIES in (set(), COPIES)
        assert not held_out & _names(split.train_files)
        assert len(held_out | _names(split.train_files)) == 11
        sides.add(bool(held_out & COPIES))
    parted = [_split(shared_klt_model, copies_folder, seed, looks_for_copies=False) for seed in range(6)]
    assert any(0 < len(_names(split.val_files) & COPIES) < len(COPIES) for split in parted)


def test_sounds_without_near_copies_are_split_as_ever(shared_klt_model: Path, shared_sounds_folder: Path) -> None:
    for seed in range(4):
        split = _split(shared_klt_model, shared_sounds_folder, seed)
        before = _split(shared_klt_model, shared_sounds_folder, seed, looks_for_copies=False)
        assert (split.near_copies, before.near_copies) == ((), None)
        assert (split.train_files, split.val_files) == split_files(scan(shared_sounds_folder).files, 0.3, seed)
        assert (split.train_files, split.val_files) == (before.train_files, before.val_files)
        assert codes_digest(split, None) == codes_digest(before, None)


def test_a_file_under_two_names_is_grouped_even_if_no_such_number_is_wanted(
    shared_klt_model: Path, sounds_folder: Path
) -> None:
    for number in range(5):
        shutil.copy(sounds_folder / "sound 0.wav", sounds_folder / f"copy {number}.wav")
    for seed in range(6):
        split = _split(shared_klt_model, sounds_folder, seed)
        (group,) = split.near_copies or ()
        held_out = {file.digest for file in split.val_files}
        assert len(group) == 6
        assert held_out
        assert not held_out & {file.digest for file in split.train_files}


def test_a_set_of_one_recording_is_split_all_the_same(
    shared_klt_model: Path, tmp_path: Path, write_sound: WriteSound
) -> None:
    sound, _ = soundfile.read(write_sound(tmp_path / "same" / "0.wav", seed=3, seconds=2.0), dtype="float32")
    for number in (1, 2, 3):
        soundfile.write(tmp_path / "same" / f"{number}.wav", sound / (1 + number), RATE, subtype="FLOAT")
    events: list[object] = []
    trained = train_prior(shared_klt_model, tmp_path / "same", replace(TINY, max_epochs=1), on_event=events.append)
    start = _start(events)
    assert trained.prior is not None
    assert (len(start.near_copies[0]), start.train_files + start.validation_files) == (4, 4)
    assert start.validation_files > 0
    assert "All 4 sounds" in (start.sameness or near_copies_words(start))


# Told


def test_a_training_tells_them_and_the_file_has_their_digests(shared_klt_model: Path, copies_folder: Path) -> None:
    events: list[object] = []
    trained = train_prior(shared_klt_model, copies_folder, replace(TINY, max_epochs=1), on_event=events.append)
    start = _start(events)
    assert [set(group) for group in start.near_copies] == [COPIES]
    assert set(start.validation_names) == set(trained.metadata["validation_files"])
    digests = {file.name: file.digest for file in scan(copies_folder).files}
    (group,) = trained.metadata["near_copies"]
    assert sorted(group) == sorted(digests[name] for name in COPIES)
    words = near_copies_words(start)
    assert words.startswith("5 sounds are nearly the same: ")
    assert words.endswith("; they stay on one side of the split.")
    assert all(name in words for name in COPIES)


def test_the_terminal_says_them(shared_klt_model: Path, copies_folder: Path, tmp_path: Path) -> None:
    model = shutil.copy(shared_klt_model, tmp_path / "model.distill")
    arguments = [
        "train-prior",
        "--no-audit",
        str(model),
        str(copies_folder),
        "--epochs",
        "1",
        "--hidden-size",
        "32",
        "--device",
        "cpu",
    ]
    result = CliRunner().invoke(app, [*arguments, "--variants", "0", "--heads", "2", "--layers", "1", "--json"])
    assert result.exit_code == 0, result.output
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    (start,) = (line for line in lines if line["event"] == "start")
    assert [set(group) for group in start["near_copies"]] == [COPIES]
    assert "5 sounds are nearly the same: " in result.stderr


@pytest.mark.parametrize(
    ("groups", "words"),
    [
        ((), ""),
        ((("a", "b", "c"),), "3 sounds are nearly the same: a, b, c; they stay on one side of the split."),
        (
            (("a", "b"), ("c", "d")),
            "Some sounds are nearly the same: a, b; c, d; each group stays on one side of the split.",
        ),
        (
            tuple((f"{number}a", f"{number}b") for number in range(5)),
            "Some sounds are nearly the same: 0a, 0b; 1a, 1b; 2a, 2b; and 2 more groups; each group stays on one side "
            "of the split.",
        ),
        (
            (tuple(map(str, range(9))),),
            "9 sounds are nearly the same: 0, 1, 2, 3, 4, 5 and 3 more; they stay on one side of the split.",
        ),
        (
            (tuple(map(str, range(11))),),
            "All 11 sounds are nearly the same: those kept for validation say nothing about new sound.",
        ),
        (
            (("a\nb", "c\x1b[2J"),),
            "2 sounds are nearly the same: a\ufffdb, c\ufffd[2J; they stay on one side of the split.",
        ),
    ],
)
def test_the_sentence(groups: tuple[tuple[str, ...], ...], words: str) -> None:
    start = PriorTrainingStartEvent(9, 2, 20, 51.5, 2.0, 0, 2, 50, 9000, (51.5,), None, PriorConfig())
    assert near_copies_words(replace(start, near_copies=groups)) == words
    assert not near_copies_words(replace(start, near_copies=groups, sameness="All are one."))


# Going on


class _Crash(BaseException):
    pass


def _crash_after(epoch: int) -> Callable[[object], None]:
    def crash(event: object) -> None:
        if isinstance(event, PriorEpochMetrics) and event.epoch == epoch:
            raise _Crash

    return crash


def test_a_training_of_near_copies_goes_on_bit_for_bit(shared_klt_model: Path, copies_folder: Path) -> None:
    folder = prior_runs(shared_klt_model)
    whole = train_prior(shared_klt_model, copies_folder, TINY)
    with pytest.raises(_Crash):
        train_prior(shared_klt_model, copies_folder, TINY, on_event=_crash_after(1), run_folder=folder)
    assert folder.load()[KNOWS_NEAR_COPIES] is True
    events: list[object] = []
    rest = train_prior(shared_klt_model, copies_folder, run_folder=folder, resume=True, on_event=events.append)
    assert _same(whole, rest)
    assert [set(group) for group in _start(events).near_copies] == [COPIES]


def test_a_run_of_an_older_release_goes_on_with_its_own_split(shared_klt_model: Path, copies_folder: Path) -> None:
    parted = next(
        seed
        for seed in range(20)
        if 0 < len(_names(_split(shared_klt_model, copies_folder, seed, looks_for_copies=False).val_files) & COPIES) < 5
    )
    config = replace(TINY, seed=parted, val_fraction=0.3, variants=0)
    folder = prior_runs(shared_klt_model)
    with pytest.raises(_Crash):
        train_prior(shared_klt_model, copies_folder, config, on_event=_crash_after(1), run_folder=folder)
    values, former = folder.load(), _split(shared_klt_model, copies_folder, parted, looks_for_copies=False)
    del values[KNOWS_NEAR_COPIES]
    (file,) = folder.folder.rglob("run.distill-run")
    torch.save(values | {"codes_digest": codes_digest(former, None)}, file)
    events: list[object] = []
    rest = train_prior(shared_klt_model, copies_folder, run_folder=folder, resume=True, on_event=events.append)
    assert [epoch.epoch for epoch in rest.history] == [1, 2, 3]
    assert set(_start(events).validation_names) == _names(former.val_files)
    assert _start(events).near_copies == ()
    assert "near_copies" not in rest.metadata
    assert folder.load()[KNOWS_NEAR_COPIES] is False


# The finder, by codes


def _random(steps: int, generator: torch.Generator, codes: int = 60) -> Tensor:
    return torch.randint(0, codes, (steps, 4, 3), generator=generator)


def _agreement(one_WHQ: Tensor, other_WHQ: Tensor) -> float:
    """Return the best agreement over all shifts, by comparing everything."""
    short, long = sorted((one_WHQ, other_WHQ), key=lambda codes: int((codes != SILENCE).flatten(1).any(1).sum()))
    best = 0
    for shift in range(1 - len(short), len(long)):
        first, end = max(0, -shift), min(len(short), len(long) - shift)
        own, others = short[first:end], long[first + shift : end + shift]
        both_W = ((own != SILENCE).flatten(1).any(1)) & ((others != SILENCE).flatten(1).any(1))
        best = max(best, int((own == others)[both_W].sum()))
    return best / max(1, int((short != SILENCE).flatten(1).any(1).sum()) * 12)


@pytest.mark.parametrize("seed", range(3))
def test_it_finds_what_comparing_everything_at_every_shift_finds(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    known = [_random(int(steps), generator) for steps in torch.randint(2, 12, (12,), generator=generator)]
    changed = []
    for number, codes_WHQ in enumerate(known):
        noise = torch.rand(codes_WHQ.shape, generator=generator) < 0.02 * (number % 5)
        other_WHQ = torch.where(noise, 61, codes_WHQ)
        before, after = SILENCE.expand(number % 4, 4, 3), SILENCE.expand(number % 3, 4, 3)
        changed.append(torch.cat([before, other_WHQ[number % 2 :], after]))
    codes = [*known, *changed]
    sounds = [SoundCodes.whole(each) for each in codes]
    expected = {
        (first, second)
        for first in range(len(codes))
        for second in range(first + 1, len(codes))
        if _agreement(codes[first], codes[second]) >= NEAR_COPIES
    }
    assert 3 < len(expected) < 12, "the sounds test both answers"
    assert {*near_copies(sounds, SILENCE)} == expected


def test_a_group_holds_what_hangs_together() -> None:
    generator = torch.Generator().manual_seed(0)
    first = _random(50, generator)
    second, third = first.clone(), first.clone()
    second[:2], third[:4] = 61, 61  # 4 % of the codes differ from one to the next, and 8 % in all
    alone = _random(50, generator)
    sounds = [SoundCodes.whole(each) for each in (first, alone, third, second)]
    assert near_copies(sounds, SILENCE) == ((0, 2, 3),)
    assert near_copies(sounds[:3], SILENCE) == ()


def test_silence_makes_no_near_copies() -> None:
    generator = torch.Generator().manual_seed(0)
    silence = SILENCE.expand(200, 4, 3)
    heard = [torch.cat([silence, _random(3, generator), silence]) for _ in range(8)]
    mute = [silence, silence, silence[:9]]
    assert near_copies([SoundCodes.whole(each) for each in (*heard, *mute)], SILENCE) == ()


def test_a_short_part_of_a_sound_is_no_copy_of_it() -> None:
    generator = torch.Generator().manual_seed(0)
    long = _random(40, generator)
    assert near_copies([SoundCodes.whole(long), SoundCodes.whole(long[20:29])], SILENCE) == ()
    assert near_copies([SoundCodes.whole(long), SoundCodes.whole(long[20:30])], SILENCE) == ((0, 1),)


def test_a_copy_of_a_long_sound_is_found_far_from_its_beginning() -> None:
    generator = torch.Generator().manual_seed(0)
    long = _random(3000, generator, codes=3)
    sounds = [SoundCodes.whole(each) for each in (long, _random(2500, generator, codes=3), long[777:])]
    assert near_copies(sounds, SILENCE) == ((0, 2),)


def test_looking_for_copies_can_be_stopped() -> None:
    codes_WHQ = _random(4, torch.Generator().manual_seed(0))
    other_WHQ = codes_WHQ.clone()
    other_WHQ[0, 0, 0] = 61
    with pytest.raises(Stopped):
        near_copies([SoundCodes.whole(codes_WHQ), SoundCodes.whole(other_WHQ)], SILENCE, lambda: True)


def test_groups_hang_together_by_digest_and_by_near_copy() -> None:
    files = [AudioFile(name, name, 1.0, RATE, 1, digest) for name, digest in zip("abcdef", "uvuwxy", strict=True)]
    groups = groups_of_copies(files, [(files[1], files[3]), (files[2], files[3])])
    assert [[file.name for file in group] for group in groups] == [["a", "b", "c", "d"], ["e"], ["f"]]
    assert [len(group) for group in groups_of_copies(files)] == [2, 1, 1, 1, 1]
