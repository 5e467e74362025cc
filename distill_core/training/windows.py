"""Sequences of codes cut into windows no longer than a prior's context, and the batches of an epoch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence


@dataclass(frozen=True, slots=True)
class Batch:
    """Windows of codes: zeros fill `[B, T]` beyond each one's length; some begin where their sound does."""

    codes_BT: Tensor
    lengths_B: Tensor
    begins_B: Tensor

    @property
    def count(self) -> int:
        """How many codes there are without what only fills."""
        return int(self.lengths_B.sum())

    def to(self, device: torch.device) -> Batch:
        """Return the batch on a device."""
        return Batch(self.codes_BT.to(device), self.lengths_B.to(device), self.begins_B.to(device))

    def targets(self, ignored: int) -> Tensor:
        """Return the codes `[B, T]` with `ignored` in place of what only fills."""
        places_T = torch.arange(self.codes_BT.shape[1], device=self.codes_BT.device)
        return self.codes_BT.where(places_T < self.lengths_B[:, None], ignored)


@dataclass(frozen=True, slots=True)
class _Window:
    row: int
    start: int
    stop: int

    @property
    def length(self) -> int:
        return self.stop - self.start


class CodeWindows:
    """Rows of codes `[T]` in a prior's order, for training in random cuts and for validation in fixed ones.

    A row longer than `context` codes is cut at multiples of `unit` codes (a time step). A batch holds about
    `codes_per_batch` codes, in windows of nearly the same length; an epoch hands out every code once, in `len()`
    batches.
    """

    def __init__(self, rows: Sequence[Tensor], unit: int, context: int, codes_per_batch: int) -> None:
        self._rows, self._unit, self._context = rows, unit, context // unit * unit
        self._total = sum(map(len, rows))
        # Never more than there are windows of the longest kind: the schedule counts on them all.
        longest = min(self._context, max(map(len, rows), default=1))
        self._batches = max(1, min(-(-self._total // codes_per_batch), self._total // max(1, longest)))

    def __len__(self) -> int:
        return self._batches

    def repeated(self, times: int) -> CodeWindows:
        """Return the same rows so many times, as a set that is too small for an epoch needs."""
        return CodeWindows([*self._rows] * times, self._unit, self._context, -(-self._total // self._batches))

    def fixed(self) -> Iterator[Batch]:
        """Yield the windows from each row's begin on, one after another."""
        rows = range(len(self._rows))
        yield from self._batch_up([window for row in rows for window in self._cut(row, self._context)])

    def random(self, generator: torch.Generator | None) -> Iterator[Batch]:
        """Yield the windows of one epoch in random order, each row cut elsewhere than in the epoch before."""
        rows = range(len(self._rows))
        windows = [window for row in rows for window in self._cut(row, self._first_cut(row, generator))]
        shuffled = [windows[index] for index in torch.randperm(len(windows), generator=generator).tolist()]
        batches = self._batch_up(shuffled)
        for index in torch.randperm(len(batches), generator=generator).tolist():
            yield batches[index]

    def _first_cut(self, row: int, generator: torch.Generator | None) -> int:
        if len(self._rows[row]) <= self._context:
            return self._context
        return self._unit * (1 + int(torch.randint(self._context // self._unit, (), generator=generator)))

    def _cut(self, row: int, first: int) -> list[_Window]:
        length = len(self._rows[row])
        cuts = [0, *range(first, length, self._context), length]
        return [_Window(row, start, stop) for start, stop in pairwise(cuts)]

    def _batch_up(self, windows: list[_Window]) -> list[Batch]:
        """Return batches of as equal a number of codes as whole windows allow: each goes where its middle falls."""
        members: dict[int, list[_Window]] = {}
        taken = 0
        for window in sorted(windows, key=lambda window: window.length):
            index = (2 * taken + window.length) * self._batches // (2 * self._total)
            members.setdefault(index, []).append(window)
            taken += window.length
        return [self._batch(each) for each in members.values()]

    def _batch(self, windows: list[_Window]) -> Batch:
        return Batch(
            pad_sequence([self._rows[each.row][each.start : each.stop] for each in windows], batch_first=True),
            torch.tensor([each.length for each in windows]),
            torch.tensor([each.start == 0 for each in windows]),
        )
