"""Windows of sounds' codes, no longer than a prior's context, and the batches of an epoch."""

from __future__ import annotations

import copy
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple, TypeAlias

import torch
from torch import Tensor
from torch.nn import functional
from torch.nn.utils.rnn import pad_sequence

from distill_core.models.prior import Prior, Windows
from distill_core.training.data.sound_codes import SoundCodes


class Row(NamedTuple):
    """A row of codes `[W, H, Q]`, from which windows are cut; the first `counted` steps are sound.

    `length` is the number of codes that a network computes for the row, up to the last one that is sound. `has_end`:
    its sound ends after the counted steps.
    """

    codes_WHQ: Tensor
    counted: int
    length: int
    has_end: bool = True


Version: TypeAlias = Sequence[Row]


def chunks_of(sound: SoundCodes, chunk_steps: int) -> Iterator[tuple[Tensor, int]]:
    """Yield a sound's chunks, all of the same length, with the number of steps of each that are sound."""
    padded_WHQ = functional.pad(sound.codes_WHQ, (0, 0, 0, 0, 0, -len(sound.codes_WHQ) % chunk_steps))
    for first, codes_WHQ in zip(range(0, len(padded_WHQ), chunk_steps), padded_WHQ.split(chunk_steps), strict=True):
        yield codes_WHQ, min(len(codes_WHQ), sound.steps - first)


def rows_of(prior: Prior, sound: SoundCodes) -> list[Row]:
    """Return a sound's rows in a prior's layout: one for each chunk, or one without padding."""
    bands = sound.codes_WHQ.shape[1]
    if prior.layout == "rows":
        parts = [(sound.sound_WHQ, sound.steps)]
    else:
        parts = [*chunks_of(sound, prior.context_steps(bands))]
    rows = [Row(codes, counted, prior.code_count(len(codes), counted, bands), False) for codes, counted in parts]
    return [*rows[:-1], rows[-1]._replace(has_end=sound.has_end)]


@dataclass(frozen=True, slots=True)
class Batch:
    """Windows, and the place of each: the row's number, counted through all sounds, and its steps."""

    windows: Windows
    places: tuple[tuple[int, slice], ...]


@dataclass(frozen=True, slots=True)
class _Window:
    row: Row
    index: int
    start: int
    stop: int

    def __len__(self) -> int:
        return self.row.length * (self.stop - self.start) // len(self.row.codes_WHQ)

    @property
    def ends(self) -> bool:
        """Whether its last counted step is its sound's last."""
        return self.row.has_end and self.start < self.row.counted <= self.stop


def _length(version: Version) -> int:
    return sum(row.length for row in version)


def _uncounted(version: Version) -> Version:
    return [row._replace(counted=0) for row in version]


class CodeWindows:
    """Windows of sounds in one version or more each, cut at random for training and at fixed steps for validation.

    A row longer than `context` steps is cut between steps. A batch has about `codes_per_batch` codes, in windows of
    nearly the same length. An epoch has one version of every sound, once, in `len()` batches, or fewer if its versions
    are shorter than the sounds as they are.
    """

    def __init__(self, sounds: Sequence[Sequence[Version]], context: int, codes_per_batch: int) -> None:
        self._sounds, self._context = sounds, context
        # Only the sounds as they are count, so a version that joins later changes neither batches nor schedule.
        self._total = sum(_length(versions[0]) for versions in sounds)
        longest = max(1, max((self._longest_window(row) for versions in sounds for row in versions[0]), default=1))
        # No more batches than windows of the longest kind, so that none is empty: the schedule counts on all.
        self._batches = max(1, min(-(-self._total // codes_per_batch), self._total // longest))

    def __len__(self) -> int:
        return self._batches

    def _longest_window(self, row: Row) -> int:
        steps = len(row.codes_WHQ)
        return row.length * min(steps, self._context) // steps

    @property
    def code_count(self) -> int:
        """The number of codes that a network computes for the sounds as they are."""
        return self._total

    @property
    def first_versions(self) -> list[Version]:
        """The sounds as they are, through whose rows `Batch.places` counts."""
        return [versions[0] for versions in self._sounds]

    def repeated(self, times: int) -> CodeWindows:
        """Return the same sounds `times` times, for a set that is too small for an epoch."""
        return CodeWindows([*self._sounds] * times, self._context, -(-self._total // self._batches))

    def without(self, sounds: Collection[int]) -> CodeWindows:
        """Return the same windows, of which those of some sounds, by number, don't count: nothing is learned from them.

        So all else stays as it is: the batches, their order, and the random numbers that are drawn for them.
        """
        windows = copy.copy(self)
        windows._sounds = [
            [_uncounted(version) for version in versions] if number in sounds else versions
            for number, versions in enumerate(self._sounds)
        ]
        return windows

    def fixed(self) -> Iterator[Batch]:
        """Yield the windows of the sounds as they are, cut from the beginning on."""
        rows = [row for version in self.first_versions for row in version]
        windows = [window for index, row in enumerate(rows) for window in self._cut(row, index, self._context)]
        yield from self._batch_up(windows)

    def random(self, generator: torch.Generator | None) -> Iterator[Batch]:
        """Yield the windows of one epoch in random order, of random versions and with random cuts."""
        rows = [row for versions in self._sounds for row in _one_of(versions, generator)]
        windows = [
            window
            for index, row in enumerate(rows)
            for window in self._cut(row, index, self._first_cut(len(row.codes_WHQ), generator))
        ]
        shuffled = [windows[index] for index in torch.randperm(len(windows), generator=generator).tolist()]
        batches = self._batch_up(shuffled)
        for index in torch.randperm(len(batches), generator=generator).tolist():
            yield batches[index]

    def _first_cut(self, steps: int, generator: torch.Generator | None) -> int:
        if steps <= self._context:
            return self._context
        return 1 + int(torch.randint(self._context, (), generator=generator))

    def _cut(self, row: Row, index: int, first: int) -> list[_Window]:
        steps = len(row.codes_WHQ)
        cuts = [0, *range(first, steps, self._context), steps]
        return [_Window(row, index, start, stop) for start, stop in pairwise(cuts)]

    def _batch_up(self, windows: list[_Window]) -> list[Batch]:
        """Return batches of nearly equal numbers of codes: each window goes where its middle falls."""
        members: dict[int, list[_Window]] = {}
        taken, total = 0, sum(map(len, windows))
        for window in sorted(windows, key=len):
            members.setdefault((2 * taken + len(window)) * self._batches // (2 * total), []).append(window)
            taken += len(window)
        return [_batch(each) for each in members.values()]


def _one_of(versions: Sequence[Version], generator: torch.Generator | None) -> Version:
    return versions[int(torch.randint(len(versions), (), generator=generator))] if len(versions) > 1 else versions[0]


def _batch(windows: list[_Window]) -> Batch:
    codes = [each.row.codes_WHQ[each.start : each.stop] for each in windows]
    counted = [torch.arange(each.start, each.stop) < each.row.counted for each in windows]
    begins_B = torch.tensor([each.start == 0 for each in windows])
    ends_B = torch.tensor([each.ends for each in windows])
    return Batch(
        Windows(pad_sequence(codes, batch_first=True), pad_sequence(counted, batch_first=True), begins_B, ends_B),
        tuple((each.index, slice(each.start, each.stop)) for each in windows),
    )


def as_windows(prior: Prior, sounds: Iterable[Iterable[SoundCodes]], codes_per_batch: int) -> CodeWindows:
    """Return the codes of sounds, each in one version or more, as windows of the prior's context."""
    versions = [[rows_of(prior, version) for version in sound] for sound in sounds]
    bands = versions[0][0][0].codes_WHQ.shape[1] if versions else prior.bands
    return CodeWindows(versions, prior.context_steps(bands), codes_per_batch)


def _as_steps(prior: Prior, codes: Tensor) -> Tensor:
    """Return `[N, W, H, Q]` for `[N, S, Q]`, whose positions come band by band, or `[N, T]` in the prior's order.

    Raises:
        ValueError: they are none, or no whole steps.
    """
    bands, levels = prior.bands, prior.num_quantizers
    if codes.dim() not in (2, 3) or not codes.numel() or codes[0].numel() % (bands * levels):
        shape = tuple(codes.shape)
        raise ValueError(f"codes of shape {shape} are no whole steps of {bands} bands × {levels} levels")
    if codes.dim() == 2:
        steps_NWHQ: Tensor = codes.unflatten(1, (-1, bands, levels))
        return steps_NWHQ
    codes_NHWQ: Tensor = codes.unflatten(1, (bands, -1))
    return codes_NHWQ.transpose(1, 2)


def windows_of(prior: Prior, codes: Tensor | CodeWindows, batch_size: int) -> CodeWindows:
    """Return codes `[N, S, Q]`, or `[N, T]` in the prior's order, as windows, `batch_size` of the N in a batch.

    Raises:
        ValueError: they are none, or no whole steps.
    """
    if isinstance(codes, CodeWindows):
        return codes
    sounds = [[SoundCodes.whole(codes_WHQ)] for codes_WHQ in _as_steps(prior, codes)]
    return as_windows(prior, sounds, batch_size * codes[0].numel())
