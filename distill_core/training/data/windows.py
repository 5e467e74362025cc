"""Sequences of codes cut into windows no longer than a prior's context, and the batches of an epoch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple, TypeAlias

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence


class Row(NamedTuple):
    """A sequence of codes `[T]` in a prior's order, and which of them count: padding is neither learned nor scored.

    Windows are cut from the first `length` codes: nothing that counts comes after them, or depends on what does.
    """

    codes_T: Tensor
    counted_T: Tensor
    length: int


Version: TypeAlias = Sequence[Row]


def row_of(codes_T: Tensor, counted_T: Tensor) -> Row:
    """Return a row of codes of which some count."""
    return Row(codes_T, counted_T, 1 + int(counted_T.nonzero()[-1]))


def whole_row(codes_T: Tensor) -> Row:
    """Return a row of which every code counts."""
    return row_of(codes_T, torch.ones(len(codes_T), dtype=torch.bool))


@dataclass(frozen=True, slots=True)
class Batch:
    """Windows of codes `[B, T]`, those that count, and which of the windows begin where their sound does.

    `places` has the row that each window was cut from, counted through all sounds, and which part of it.
    """

    codes_BT: Tensor
    counted_BT: Tensor
    begins_B: Tensor
    places: tuple[tuple[int, slice], ...] = ()

    @property
    def count(self) -> int:
        """How many of the codes count."""
        return int(self.counted_BT.sum())

    def to(self, device: torch.device) -> Batch:
        """Return the batch on a device."""
        return Batch(self.codes_BT.to(device), self.counted_BT.to(device), self.begins_B.to(device), self.places)

    def targets(self, ignored: int) -> Tensor:
        """Return the codes `[B, T]` with `ignored` in place of those that do not count."""
        return self.codes_BT.where(self.counted_BT, ignored)


@dataclass(frozen=True, slots=True)
class _Window:
    row: Row
    index: int
    start: int
    stop: int

    def __len__(self) -> int:
        return self.stop - self.start


def _length(version: Version) -> int:
    return sum(row.length for row in version)


class CodeWindows:
    """Sounds of one or more versions each, for training in random cuts and for validation in fixed ones.

    A row longer than `context` codes is cut at multiples of `unit` codes (a time step). A batch holds about
    `codes_per_batch` codes, in windows of nearly the same length. An epoch hands out one version of every sound, once,
    in `len()` batches, or fewer where its versions are shorter than the sounds as they are.
    """

    def __init__(self, sounds: Sequence[Sequence[Version]], unit: int, context: int, codes_per_batch: int) -> None:
        self._sounds, self._unit, self._context = sounds, unit, context // unit * unit
        # The sounds as they are decide, so that a version that joins later moves neither the batches nor the schedule.
        self._total = sum(_length(versions[0]) for versions in sounds)
        rows = (row.length for versions in sounds for row in versions[0])
        longest = max(1, min(self._context, max(rows, default=1)))
        # Never more than there are windows of the longest kind: the schedule counts on them all.
        self._batches = max(1, min(-(-self._total // codes_per_batch), self._total // longest))

    def __len__(self) -> int:
        return self._batches

    @property
    def first_versions(self) -> list[Version]:
        """The sounds as they are, whose rows `Batch.places` counts through."""
        return [versions[0] for versions in self._sounds]

    def repeated(self, times: int) -> CodeWindows:
        """Return the same sounds so many times, as a set that is too small for an epoch needs."""
        return CodeWindows([*self._sounds] * times, self._unit, self._context, -(-self._total // self._batches))

    def fixed(self) -> Iterator[Batch]:
        """Yield the windows of each sound's first version from its begin on, one after another."""
        rows = [row for version in self.first_versions for row in version]
        windows = [window for index, row in enumerate(rows) for window in self._cut(row, index, self._context)]
        yield from self._batch_up(windows)

    def random(self, generator: torch.Generator | None) -> Iterator[Batch]:
        """Yield the windows of one epoch in random order, of other versions and cut elsewhere than in the last one."""
        rows = [row for versions in self._sounds for row in _one_of(versions, generator)]
        windows = [
            window
            for index, row in enumerate(rows)
            for window in self._cut(row, index, self._first_cut(row.length, generator))
        ]
        shuffled = [windows[index] for index in torch.randperm(len(windows), generator=generator).tolist()]
        batches = self._batch_up(shuffled)
        for index in torch.randperm(len(batches), generator=generator).tolist():
            yield batches[index]

    def _first_cut(self, length: int, generator: torch.Generator | None) -> int:
        if length <= self._context:
            return self._context
        return self._unit * (1 + int(torch.randint(self._context // self._unit, (), generator=generator)))

    def _cut(self, row: Row, index: int, first: int) -> list[_Window]:
        cuts = [0, *range(first, row.length, self._context), row.length]
        return [_Window(row, index, start, stop) for start, stop in pairwise(cuts)]

    def _batch_up(self, windows: list[_Window]) -> list[Batch]:
        """Return batches of as equal a number of codes as whole windows allow: each goes where its middle falls."""
        members: dict[int, list[_Window]] = {}
        taken, total = 0, sum(map(len, windows))
        for window in sorted(windows, key=len):
            members.setdefault((2 * taken + len(window)) * self._batches // (2 * total), []).append(window)
            taken += len(window)
        return [_batch(each) for each in members.values()]


def _one_of(versions: Sequence[Version], generator: torch.Generator | None) -> Version:
    return versions[int(torch.randint(len(versions), (), generator=generator))] if len(versions) > 1 else versions[0]


def _batch(windows: list[_Window]) -> Batch:
    codes = [each.row.codes_T[each.start : each.stop] for each in windows]
    counted = [each.row.counted_T[each.start : each.stop] for each in windows]
    return Batch(
        pad_sequence(codes, batch_first=True),
        pad_sequence(counted, batch_first=True),
        torch.tensor([each.start == 0 for each in windows]),
        tuple((each.index, slice(each.start, each.stop)) for each in windows),
    )
