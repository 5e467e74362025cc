"""The store of codes: small numbers, out of memory's way; and windows in the order that former versions drew."""

from __future__ import annotations

import errno
import logging
import shutil
from itertools import pairwise
from pathlib import Path
from typing import IO

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from distill_core.errors import TrainingError
from distill_core.models.flat import CodePrior
from distill_core.models.frames import FramesPrior
from distill_core.training.data import scratch
from distill_core.training.data.code_store import CodeStore, Sounds, Versions
from distill_core.training.data.scratch import Scratch
from distill_core.training.data.sound_codes import SoundCodes
from distill_core.training.data.windows import CodeWindows, as_windows, chunks_of


def _sounds(count: int, codebook_size: int, seed: int = 0) -> list[SoundCodes]:
    generator = torch.Generator().manual_seed(seed)
    steps = torch.randint(1, 20, (count,), generator=generator).tolist()
    codes = [torch.randint(0, codebook_size, (each, 2, 3), generator=generator) for each in steps]
    padded = [torch.nn.functional.pad(each, (0, 0, 0, 0, 0, -len(each) % 6)) for each in codes]
    return [SoundCodes(each, each_steps, bool(each_steps % 2)) for each, each_steps in zip(padded, steps, strict=True)]


def _same(one: SoundCodes, other: SoundCodes) -> bool:
    return torch.equal(one.codes_WHQ, other.codes_WHQ) and (one.steps, one.has_end) == (other.steps, other.has_end)


# The store


@pytest.mark.parametrize("codebook_size", [2, 256, 257, 65_536, 65_537])
def test_sounds_come_back_as_they_were(codebook_size: int) -> None:
    sounds = _sounds(40, codebook_size)
    stored = Sounds.of(sounds, codebook_size)
    assert all(map(_same, stored, sounds))
    assert all(_same(stored[index], sounds[index]) for index in (0, 7, -1))
    assert all(map(_same, stored[3:9], sounds[3:9]))
    assert stored.steps_N.tolist() == [sound.steps for sound in sounds]
    assert stored.code_count == sum(sound.count for sound in sounds)


def test_a_code_that_is_none_of_the_codebook_is_refused() -> None:
    store = CodeStore(64)
    for code in (-1, 64):
        with pytest.raises(ValueError, match="64"):
            store.add(SoundCodes.whole(torch.full((1, 1, 1), code)))


def test_a_version_that_could_not_be_read_is_left_out() -> None:
    sounds = _sounds(4, 64)
    versions = Versions.of([[sounds[0], sounds[1]], [sounds[2]], [sounds[3], sounds[0]]], 64)
    assert [len(each) for each in versions] == [2, 1, 2]
    assert all(map(_same, versions.first, [sounds[0], sounds[2], sounds[3]]))
    assert _same(versions[2][1], sounds[0])
    assert [len(each) for each in versions.until(1)] == [1, 1, 1]


# Where the bytes are


def _folder(caches: Path) -> Path:
    return caches / "distill"


def test_much_goes_into_a_file_that_nobody_can_see(caches: Path) -> None:
    store = Scratch(most_in_memory=1000)
    offsets = [store.append(bytes([number]) * 100) for number in range(50)]
    assert [bytes(store.read(offset, 100)) for offset in offsets] == [bytes([number]) * 100 for number in range(50)]
    assert store._file is not None
    assert not [*_folder(caches).glob("scratch*")]


def test_a_file_takes_no_memory(caches: Path) -> None:
    store = Scratch(most_in_memory=1000)
    store.append(bytes(10_000))
    assert not store._memory


def test_where_no_file_can_be_made_all_stays_in_memory(caches: Path) -> None:
    shutil.rmtree(_folder(caches))
    _folder(caches).write_bytes(b"in the way")
    store = Scratch(most_in_memory=10)
    offsets = [store.append(bytes([number]) * 7) for number in range(9)]
    assert [bytes(store.read(offset, 7)) for offset in offsets] == [bytes([number]) * 7 for number in range(9)]


class _FullDisk:
    """A real file on a disk that has room for some bytes more, and takes a part of a call's bytes at the end."""

    def __init__(self, file: IO[bytes], room: int) -> None:
        self._file, self._room = file, room

    def write(self, content: memoryview) -> int:
        if not self._room:
            raise OSError(errno.ENOSPC, "No space left on device")
        taken = min(len(content), self._room)
        self._room -= taken
        return self._file.write(content[:taken])

    def __getattr__(self, name: str) -> object:
        return getattr(self._file, name)


@pytest.mark.parametrize("room", [0, 50, 1005, 3333])
def test_a_full_disk_loses_nothing(
    caches: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, room: int
) -> None:
    caplog.set_level(logging.INFO)  # whoever keeps the log keeps the error, and all that its frames hold
    open_file = scratch._open
    monkeypatch.setattr(scratch, "_open", lambda: _FullDisk(open_file(), room))
    store = Scratch(most_in_memory=200)
    offsets = [store.append(bytes([number]) * 100) for number in range(50)]
    assert [bytes(store.read(offset, 100)) for offset in offsets] == [bytes([number]) * 100 for number in range(50)]


def test_a_disk_that_gives_nothing_back_ends_the_training_with_a_sentence(caches: Path) -> None:
    store = Scratch(most_in_memory=0)
    store.append(bytes(100))
    assert store._file is not None
    store._file.truncate(10)
    with pytest.raises(TrainingError, match="did not give back"):
        store.read(0, 100)


# The order of former versions, drawn one number after another


class _Former:
    """Windows of an epoch as a former version drew them, kept here as the measure of the order."""

    def __init__(self, sounds: list[list[list[tuple[Tensor, int, int, bool]]]], context: int, batches: int) -> None:
        self._sounds, self._context, self._batches = sounds, context, batches

    def random(self, generator: torch.Generator) -> list[tuple[Tensor, Tensor, list[tuple[int, slice]]]]:
        chosen = [
            versions[int(torch.randint(len(versions), (), generator=generator))] if len(versions) > 1 else versions[0]
            for versions in self._sounds
        ]
        rows = [row for version in chosen for row in version]
        windows = []
        for index, (codes_WHQ, counted, length, _) in enumerate(rows):
            steps, first = len(codes_WHQ), self._context
            if steps > self._context:
                first = 1 + int(torch.randint(self._context, (), generator=generator))
            for start, stop in pairwise([0, *range(first, steps, self._context), steps]):
                windows.append((codes_WHQ[start:stop], counted, index, start, stop, length * (stop - start) // steps))
        shuffled = [windows[index] for index in torch.randperm(len(windows), generator=generator).tolist()]
        members: dict[int, list[tuple[Tensor, int, int, int, int, int]]] = {}
        taken, total = 0, sum(window[-1] for window in windows)
        for window in sorted(shuffled, key=lambda window: window[-1]):
            members.setdefault((2 * taken + window[-1]) * self._batches // (2 * total), []).append(window)
            taken += window[-1]
        batches = [*members.values()]
        return [_former_batch(batches[i]) for i in torch.randperm(len(batches), generator=generator).tolist()]


def _former_batch(
    windows: list[tuple[Tensor, int, int, int, int, int]],
) -> tuple[Tensor, Tensor, list[tuple[int, slice]]]:
    codes = pad_sequence([codes for codes, *_ in windows], batch_first=True)
    counted = [torch.arange(start, stop) < counted for _, counted, _, start, stop, _ in windows]
    places = [(index, slice(start, stop)) for _, _, index, start, stop, _ in windows]
    return codes, pad_sequence(counted, batch_first=True), places


def _former_rows(prior: CodePrior | FramesPrior, sound: SoundCodes) -> list[tuple[Tensor, int, int, bool]]:
    parts = [(sound.sound_WHQ, sound.steps)]
    if prior.layout == "chunks":
        parts = [*chunks_of(sound, prior.context_steps(2))]
    return [(codes, counted, prior.code_count(len(codes), counted, 2), sound.has_end) for codes, counted in parts]


@pytest.mark.parametrize("layout", ["rows", "chunks"])
@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000), count=st.integers(1, 12), per_batch=st.integers(6, 400))
def test_batches_come_in_the_order_of_former_versions(layout: str, seed: int, count: int, per_batch: int) -> None:
    prior = FramesPrior(8, 3, 2, 6, 32, 1, 2) if layout == "rows" else CodePrior(8, 3, 36, 32, 1, 2)
    generator = torch.Generator().manual_seed(seed)
    numbers = torch.randint(1, 4, (count,), generator=generator).tolist()
    pool = iter(_sounds(sum(numbers), 8, seed))
    sounds = [[next(pool) for _ in range(number)] for number in numbers]
    windows = as_windows(prior, sounds, per_batch)
    rows = [[_former_rows(prior, version) for version in versions] for versions in sounds]
    former = _Former(rows, prior.context_steps(2), len(windows))
    own, others = (torch.Generator().manual_seed(seed) for _ in range(2))
    for _ in range(2):
        batches, before = [*windows.random(own)], former.random(others)
        assert len(batches) == len(before)
        for batch, (codes_BWHQ, counted_BW, places) in zip(batches, before, strict=True):
            assert torch.equal(batch.windows.codes_BWHQ, codes_BWHQ)
            assert torch.equal(batch.windows.counted_BW, counted_BW)
            assert [*batch.places] == places
    assert torch.equal(own.get_state(), others.get_state())


def _numbers(windows: CodeWindows, first: int = 0) -> list[list[int]]:
    return [batch.windows.codes_BWHQ.flatten().tolist() for batch in windows.random(torch.Generator(), first)]


def test_an_epoch_can_begin_at_a_later_batch() -> None:
    windows = as_windows(FramesPrior(8, 3, 2, 6, 32, 1, 2), [[sound] for sound in _sounds(30, 8)], 120)
    assert _numbers(windows, 3) == _numbers(windows)[3:]
    assert len(windows) > 3
