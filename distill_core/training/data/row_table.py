"""The rows from which windows are cut, as columns of numbers: many thousand sounds need no object each."""

from __future__ import annotations

from array import array
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from distill_core.models.prior import Prior
from distill_core.training.data.code_store import NO_SOUND, CodeStore, Versions
from distill_core.training.data.sound_codes import SoundCodes

Ints: TypeAlias = NDArray[np.int64]


class Row(NamedTuple):
    """A row of codes `[W, H, Q]`, from which windows are cut; the first `counted` steps are sound.

    `length` is the number of codes that a network computes for the row, up to the last one that is sound. `has_end`:
    its sound ends after the counted steps.
    """

    codes_WHQ: Tensor
    counted: int
    length: int
    has_end: bool = True


class _Place(NamedTuple):
    """A row's place in its sound: from a step on, so many steps, of which some are sound."""

    first: int
    steps: int
    counted: int


def _places_of(prior: Prior, padded: int, steps: int, bands: int) -> Iterator[_Place]:
    """Yield the places of a sound's rows in a prior's layout: one for each chunk, or one without padding."""
    if prior.layout == "rows":
        yield _Place(0, steps, steps)
        return
    chunk = prior.context_steps(bands)
    for first in range(0, padded, chunk):
        yield _Place(first, chunk, min(chunk, steps - first))


def ranges_of(starts_N: Ints, counts_N: Ints) -> Ints:
    """Return the numbers of ranges, one range after another."""
    before_N = np.cumsum(counts_N) - counts_N
    return np.repeat(starts_N - before_N, counts_N) + np.arange(counts_N.sum())


@dataclass(frozen=True, slots=True)
class RowTable:
    """The rows of sounds in one version or more each.

    A sound's versions are `version_counts_S` from `first_versions_S` on, a version's rows `row_counts_V` from
    `first_rows_V` on. A row is `steps_R` steps of a sound of `store` from a step on, of which `counted_R` count.
    """

    store: CodeStore
    first_versions_S: Ints
    version_counts_S: Ints
    first_rows_V: Ints
    row_counts_V: Ints
    sounds_R: NDArray[np.int32]
    firsts_R: NDArray[np.int32]
    steps_R: NDArray[np.int32]
    counted_R: NDArray[np.int32]
    lengths_R: NDArray[np.int32]
    have_end_R: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.first_versions_S)

    @property
    def originals_R(self) -> Ints:
        """The rows of the sounds as they are."""
        return self.rows_of(self.first_versions_S)

    def rows_of(self, versions_N: Ints) -> Ints:
        """Return the rows of versions, one version after another."""
        return ranges_of(self.first_rows_V[versions_N], self.row_counts_V[versions_N])

    def repeated(self, times: int) -> RowTable:
        """Return the same sounds `times` times."""
        columns = (self.first_versions_S, self.version_counts_S)
        first_versions_S, version_counts_S = (np.tile(column, times) for column in columns)
        return replace(self, first_versions_S=first_versions_S, version_counts_S=version_counts_S)

    def without(self, sounds: Collection[int]) -> RowTable:
        """Return the same rows, of which those of some sounds, by number, don't count."""
        chosen_N = np.array(sorted(sounds), np.int64)
        versions_N = ranges_of(self.first_versions_S[chosen_N], self.version_counts_S[chosen_N])
        counted_R = self.counted_R.copy()
        counted_R[self.rows_of(versions_N)] = 0
        return replace(self, counted_R=counted_R)

    def part(self, row: int, start: int, stop: int) -> NDArray[Any]:
        """Return a row's codes `[w, H, Q]` from a step to another; padding that is not stored is left out."""
        first = int(self.firsts_R[row])
        return self.store.part(int(self.sounds_R[row]), first + start, first + stop)


class _Writer:
    """A writer of a table, a sound after another, a version of it after another."""

    def __init__(self, store: CodeStore) -> None:
        self._store = store
        self._version_counts, self._row_counts = array("i"), array("i")
        self._rows = [array("i") for _ in range(6)]

    def add_sound(self, versions: int) -> None:
        self._version_counts.append(versions)

    def add_version(self, rows: int) -> None:
        self._row_counts.append(rows)

    def add_row(self, *row: int) -> None:
        for column, value in zip(self._rows, row, strict=True):
            column.append(value)

    def table(self) -> RowTable:
        version_counts_S, row_counts_V = (np.array(each, np.int64) for each in (self._version_counts, self._row_counts))
        sounds_R, firsts_R, steps_R, counted_R, lengths_R, have_end_R = (
            np.array(column, np.int32) for column in self._rows
        )
        return RowTable(
            self._store,
            np.cumsum(version_counts_S) - version_counts_S,
            version_counts_S,
            np.cumsum(row_counts_V) - row_counts_V,
            row_counts_V,
            sounds_R,
            firsts_R,
            steps_R,
            counted_R,
            lengths_R,
            have_end_R.astype(np.bool_),
        )


def table_of(prior: Prior, versions: Versions) -> RowTable:
    """Return the rows of sounds in a prior's layout."""
    store, bands = versions.store, versions.store.step_shape[0] or prior.bands
    writer = _Writer(store)
    for numbers_V in versions.numbers_NV:
        known = [number for number in numbers_V.tolist() if number != NO_SOUND]
        writer.add_sound(len(known))
        for number in known:
            padded, steps, has_end = store.shape_of(number)
            places = [*_places_of(prior, padded, steps, bands)]
            writer.add_version(len(places))
            for place in places:
                length = prior.code_count(place.steps, place.counted, bands)
                writer.add_row(number, *place, length, has_end and place is places[-1])
    return writer.table()


def table_of_rows(sounds: Sequence[Sequence[Sequence[Row]]]) -> RowTable:
    """Return rows that are given, of sounds in one version or more each."""
    rows = [row for versions in sounds for version in versions for row in version]
    store = CodeStore(1 + max((int(row.codes_WHQ.max()) for row in rows), default=0))
    writer = _Writer(store)
    for versions in sounds:
        writer.add_sound(len(versions))
        for version in versions:
            writer.add_version(len(version))
            for row in version:
                steps = len(row.codes_WHQ)
                number = store.add(SoundCodes.whole(row.codes_WHQ))
                writer.add_row(number, 0, steps, row.counted, row.length, row.has_end)
    return writer.table()
