"""Windows of sounds' codes, no longer than a prior's context, and the batches of an epoch.

What is known of all windows stands in columns of numbers; codes are read for one batch at a time.
"""

from __future__ import annotations

import copy
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from distill_core.models.prior import Prior, Windows
from distill_core.training.data.code_store import Versions
from distill_core.training.data.row_table import Ints, Row, RowTable, table_of, table_of_rows
from distill_core.training.data.sound_codes import SoundCodes


def chunks_of(sound: SoundCodes, chunk_steps: int) -> Iterator[tuple[Tensor, int]]:
    """Yield a sound's chunks, all of the same length, with the number of steps of each that are sound."""
    padded_WHQ = functional.pad(sound.codes_WHQ, (0, 0, 0, 0, 0, -len(sound.codes_WHQ) % chunk_steps))
    for first, codes_WHQ in zip(range(0, len(padded_WHQ), chunk_steps), padded_WHQ.split(chunk_steps), strict=True):
        yield codes_WHQ, min(len(codes_WHQ), sound.steps - first)


@dataclass(frozen=True, slots=True)
class Batch:
    """Windows, and the place of each: the row's number, counted through all sounds, and its steps."""

    windows: Windows
    places: tuple[tuple[int, slice], ...]


@dataclass(frozen=True, slots=True)
class _Cut:
    """Windows in columns: rows of the table, their numbers, the first step and the one after the last, the codes."""

    rows_N: Ints
    numbers_N: Ints
    starts_N: Ints
    stops_N: Ints
    lengths_N: Ints

    def __len__(self) -> int:
        return len(self.rows_N)

    def __getitem__(self, chosen: Ints | slice) -> _Cut:
        columns = (self.rows_N, self.numbers_N, self.starts_N, self.stops_N, self.lengths_N)
        return _Cut(*(column[chosen] for column in columns))


def _drawn(high: int, count: int, generator: torch.Generator | None) -> Ints:
    """Return random numbers below `high`, the same as if they were drawn one by one."""
    return torch.randint(high, (count,), generator=generator).numpy()


def _drawn_below(highs_N: Ints, generator: torch.Generator | None) -> Ints:
    """Return a random number below each of `highs_N`, drawn in order; of 1 nothing is drawn."""
    drawn_N = np.zeros(len(highs_N), np.int64)
    places_M = np.flatnonzero(highs_N > 1)
    for run in np.split(places_M, np.flatnonzero(np.diff(highs_N[places_M])) + 1):
        if len(run):
            drawn_N[run] = _drawn(int(highs_N[run[0]]), len(run), generator)
    return drawn_N


class CodeWindows:
    """Windows of sounds in one version or more each, cut at random for training and at fixed steps for validation.

    A row longer than `context` steps is cut between steps. A batch has about `codes_per_batch` codes, in windows of
    nearly the same length. An epoch has one version of every sound, once, in `len()` batches, or fewer if its versions
    are shorter than the sounds as they are.
    """

    def __init__(
        self, sounds: RowTable | Sequence[Sequence[Sequence[Row]]], context: int, codes_per_batch: int
    ) -> None:
        self._table = sounds if isinstance(sounds, RowTable) else table_of_rows(sounds)
        self._context = context
        # Only the sounds as they are count, so a version that joins later changes neither batches nor schedule.
        rows_N = self._table.originals_R
        lengths_N, steps_N = (
            column_R[rows_N].astype(np.int64) for column_R in (self._table.lengths_R, self._table.steps_R)
        )
        self._total = int(lengths_N.sum())
        longest = max(1, int((lengths_N * np.minimum(steps_N, context) // steps_N).max(initial=1)))
        # No more batches than windows of the longest kind, so that none is empty: the schedule counts on all.
        self._batches = max(1, min(-(-self._total // codes_per_batch), self._total // longest))

    def __len__(self) -> int:
        return self._batches

    @property
    def code_count(self) -> int:
        """The number of codes that a network computes for the sounds as they are."""
        return self._total

    @property
    def step_shape(self) -> tuple[int, int]:
        """The bands and levels of a step."""
        return self._table.store.step_shape

    @property
    def row_steps_N(self) -> Ints:
        """The steps of each row of the sounds as they are, through which `Batch.places` counts."""
        return self._table.steps_R[self._table.originals_R].astype(np.int64)

    @property
    def sound_steps_N(self) -> Ints:
        """The steps of all rows of each sound as it is, together."""
        rows_N = self._table.row_counts_V[self._table.first_versions_S]
        ends_N, steps_N = np.cumsum(rows_N), np.cumsum(self.row_steps_N)
        return np.diff(steps_N[ends_N - 1], prepend=0)

    def repeated(self, times: int) -> CodeWindows:
        """Return the same sounds `times` times, for a set that is too small for an epoch."""
        return CodeWindows(self._table.repeated(times), self._context, -(-self._total // self._batches))

    def without(self, sounds: Collection[int]) -> CodeWindows:
        """Return the same windows, of which those of some sounds, by number, don't count: nothing is learned from them.

        So all else stays as it is: the batches, their order, and the random numbers that are drawn for them.
        """
        windows = copy.copy(self)
        windows._table = self._table.without(sounds)
        return windows

    def fixed(self) -> Iterator[Batch]:
        """Yield the windows of the sounds as they are, cut from the beginning on."""
        rows_N = self._table.originals_R
        for part in self._batch_up(self._cut(rows_N, np.full(len(rows_N), self._context))):
            yield self._batch(part)

    def random(self, generator: torch.Generator | None, first: int = 0) -> Iterator[Batch]:
        """Yield the windows of one epoch in random order, of random versions and with random cuts.

        The batches before the number `first` are left out, at no cost.
        """
        table = self._table
        versions_S = table.first_versions_S + _drawn_below(table.version_counts_S, generator)
        rows_N = table.rows_of(versions_S)
        windows = self._cut(rows_N, self._first_cuts(rows_N, generator))
        shuffled = windows[torch.randperm(len(windows), generator=generator).numpy()]
        parts = self._batch_up(shuffled)
        for index in torch.randperm(len(parts), generator=generator).tolist()[first:]:
            yield self._batch(parts[index])

    def _first_cuts(self, rows_N: Ints, generator: torch.Generator | None) -> Ints:
        """Return the first cut of each row: a random step of those longer than the context."""
        cuts_N = np.full(len(rows_N), self._context)
        is_long_N = self._table.steps_R[rows_N] > self._context
        cuts_N[is_long_N] = 1 + _drawn(self._context, int(is_long_N.sum()), generator)
        return cuts_N

    def _cut(self, rows_N: Ints, first_cuts_N: Ints) -> _Cut:
        """Return the windows of rows, each of which ends at its first cut, then after every `context` steps."""
        steps_N = self._table.steps_R[rows_N].astype(np.int64)
        counts_N = 1 + np.maximum(0, -(-(steps_N - first_cuts_N) // self._context))
        numbers_M = np.repeat(np.arange(len(rows_N)), counts_N)
        later_M = np.arange(len(numbers_M)) - np.repeat(np.cumsum(counts_N) - counts_N, counts_N)
        stops_M = first_cuts_N[numbers_M] + later_M * self._context
        starts_M = np.maximum(0, np.where(later_M > 0, stops_M - self._context, 0))
        stops_M = np.minimum(stops_M, steps_N[numbers_M])
        rows_M = rows_N[numbers_M]
        lengths_M = self._table.lengths_R[rows_M].astype(np.int64) * (stops_M - starts_M) // steps_N[numbers_M]
        return _Cut(rows_M, numbers_M, starts_M, stops_M, lengths_M)

    def _batch_up(self, windows: _Cut) -> list[_Cut]:
        """Return batches of nearly equal numbers of codes: each window goes where its middle falls."""
        if not len(windows):
            return []
        windows = windows[np.argsort(windows.lengths_N, kind="stable")]
        lengths_N, total = windows.lengths_N, int(windows.lengths_N.sum())
        taken_N = np.cumsum(lengths_N) - lengths_N
        batch_N = (2 * taken_N + lengths_N) * self._batches // (2 * total)
        edges = [0, *(np.flatnonzero(np.diff(batch_N)) + 1).tolist(), len(windows)]
        return [windows[slice(start, stop)] for start, stop in pairwise(edges)]

    def _batch(self, part: _Cut) -> Batch:
        starts_B1, stops_B1 = part.starts_N[:, None], part.stops_N[:, None]
        counted_B1 = self._table.counted_R[part.rows_N][:, None]
        steps_BW = starts_B1 + np.arange(int((stops_B1 - starts_B1).max(initial=0)))
        counted_BW = (steps_BW < counted_B1) & (steps_BW < stops_B1)
        ends_B1 = self._table.have_end_R[part.rows_N][:, None] & (starts_B1 < counted_B1) & (counted_B1 <= stops_B1)
        flags = (torch.from_numpy(each) for each in (counted_BW, part.starts_N == 0, ends_B1[:, 0]))
        slices = map(slice, part.starts_N.tolist(), part.stops_N.tolist())
        return Batch(
            Windows(self._codes_BWHQ(part, steps_BW.shape[1]), *flags),
            tuple(zip(part.numbers_N.tolist(), slices, strict=True)),
        )

    def _codes_BWHQ(self, part: _Cut, steps: int) -> Tensor:
        codes_BWHQ = np.zeros((len(part), steps, *self.step_shape), np.int64)
        columns = (part.rows_N.tolist(), part.starts_N.tolist(), part.stops_N.tolist())
        for codes_WHQ, row, start, stop in zip(codes_BWHQ, *columns, strict=True):
            found_WHQ = self._table.part(row, start, stop)
            codes_WHQ[: len(found_WHQ)] = found_WHQ
        return torch.from_numpy(codes_BWHQ)


def as_windows(prior: Prior, sounds: Versions | Iterable[Iterable[SoundCodes]], codes_per_batch: int) -> CodeWindows:
    """Return the codes of sounds, each in one version or more, as windows of the prior's context."""
    versions = sounds if isinstance(sounds, Versions) else Versions.of(sounds, prior.codebook_size)
    bands = versions.store.step_shape[0] or prior.bands
    return CodeWindows(table_of(prior, versions), prior.context_steps(bands), codes_per_batch)


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
