"""Sequences of codes cut into windows no longer than a prior's context, and the batches of an epoch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TypeAlias

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

Version: TypeAlias = Sequence[Tensor]  # rows of codes `[T]` in a prior's order


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
    codes_T: Tensor
    begins: bool


def _length(version: Version) -> int:
    return sum(map(len, version))


class CodeWindows:
    """Sounds of one or more versions each, for training in random cuts and for validation in fixed ones.

    A row longer than `context` codes is cut at multiples of `unit` codes (a time step). A batch holds about
    `codes_per_batch` codes, in windows of nearly the same length. An epoch hands out one version of every sound, once,
    in `len()` batches.
    """

    def __init__(self, sounds: Sequence[Sequence[Version]], unit: int, context: int, codes_per_batch: int) -> None:
        self._sounds, self._unit, self._context = sounds, unit, context // unit * unit
        self._total = sum(_length(versions[0]) for versions in sounds)
        # Never more than there are windows of the longest kind: the schedule counts on them all.
        rows = (len(row) for versions in sounds for version in versions for row in version)
        longest = max(1, min(self._context, max(rows, default=1)))
        least = sum(min(map(_length, versions)) for versions in sounds)
        self._batches = max(1, min(-(-self._total // codes_per_batch), least // longest))

    def __len__(self) -> int:
        return self._batches

    def repeated(self, times: int) -> CodeWindows:
        """Return the same sounds so many times, as a set that is too small for an epoch needs."""
        return CodeWindows([*self._sounds] * times, self._unit, self._context, -(-self._total // self._batches))

    def fixed(self) -> Iterator[Batch]:
        """Yield the windows of each sound's first version from its begin on, one after another."""
        rows = [row_T for versions in self._sounds for row_T in versions[0]]
        yield from self._batch_up([window for row_T in rows for window in self._cut(row_T, self._context)])

    def random(self, generator: torch.Generator | None) -> Iterator[Batch]:
        """Yield the windows of one epoch in random order, of other versions and cut elsewhere than in the last one."""
        rows = [row_T for versions in self._sounds for row_T in _one_of(versions, generator)]
        windows = [window for row_T in rows for window in self._cut(row_T, self._first_cut(row_T, generator))]
        shuffled = [windows[index] for index in torch.randperm(len(windows), generator=generator).tolist()]
        batches = self._batch_up(shuffled)
        for index in torch.randperm(len(batches), generator=generator).tolist():
            yield batches[index]

    def _first_cut(self, row_T: Tensor, generator: torch.Generator | None) -> int:
        if len(row_T) <= self._context:
            return self._context
        return self._unit * (1 + int(torch.randint(self._context // self._unit, (), generator=generator)))

    def _cut(self, row_T: Tensor, first: int) -> list[_Window]:
        cuts = [0, *range(first, len(row_T), self._context), len(row_T)]
        return [_Window(row_T[start:stop], start == 0) for start, stop in pairwise(cuts)]

    def _batch_up(self, windows: list[_Window]) -> list[Batch]:
        """Return batches of as equal a number of codes as whole windows allow: each goes where its middle falls."""
        members: dict[int, list[_Window]] = {}
        taken, total = 0, sum(len(window.codes_T) for window in windows)
        for window in sorted(windows, key=lambda window: len(window.codes_T)):
            length = len(window.codes_T)
            members.setdefault((2 * taken + length) * self._batches // (2 * total), []).append(window)
            taken += length
        return [_batch(each) for each in members.values()]


def _one_of(versions: Sequence[Version], generator: torch.Generator | None) -> Version:
    return versions[int(torch.randint(len(versions), (), generator=generator))] if len(versions) > 1 else versions[0]


def _batch(windows: list[_Window]) -> Batch:
    return Batch(
        pad_sequence([each.codes_T for each in windows], batch_first=True),
        torch.tensor([len(each.codes_T) for each in windows]),
        torch.tensor([each.begins for each in windows]),
    )
