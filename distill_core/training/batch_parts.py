"""Batches that are too large for the memory: they are taken in parts, and nothing else changes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import Any, TypeVar

from distill_core.events import OnEvent, ignore
from distill_core.memory import give_back_cached, is_short_of_memory, let_go
from distill_core.training.events import BatchHalved
from distill_core.training.run_folder.checks import is_count, require

BATCH_PARTS = "batch_parts"  # the key of a run's number of parts
_MOST_PARTS = 2**20
_Found = TypeVar("_Found")


def _slices(size: int, parts: int) -> list[slice]:
    """Return the parts of a batch, of nearly the same size."""
    ends = [size * number // parts for number in range(parts + 1)]
    return [slice(begin, end) for begin, end in pairwise(ends)]


def _unless_short(work: Callable[[], _Found], *, can_be_less: bool) -> tuple[_Found] | None:
    """Return what the work makes, None if memory is short and the work `can_be_less`; nothing of it stays in memory."""
    try:
        return (work(),)
    except Exception as error:
        if not can_be_less or not is_short_of_memory(error):
            raise
        let_go(error)
    give_back_cached()
    return None


def in_halves(size: int, work: Callable[[slice], _Found]) -> list[_Found]:
    """Return what `work` makes of a batch of `size`: of the whole, or where memory is short, of halves, and so on."""

    def of(begin: int, end: int) -> list[_Found]:
        found = _unless_short(lambda: work(slice(begin, end)), can_be_less=end - begin > 1)
        if found is not None:
            return [*found]
        middle = (begin + end) // 2
        return [*of(begin, middle), *of(middle, end)]

    return of(0, size)


class BatchParts:
    """The number of parts in which a training takes its batches: 1, and twice as many after each lack of memory.

    It is a part of the run's state: a training that goes on rounds as before. Where several ranks take a batch together
    none `can_halve` its own share: the others may be waiting for gradients that it would never send.
    """

    def __init__(self, count: int = 1, *, can_halve: bool = True) -> None:
        self.count, self._can_halve = count, can_halve

    def until_it_fits(
        self,
        size: int,
        take: Callable[[list[slice]], _Found],
        undo: Callable[[], None],
        on_event: OnEvent = ignore,
    ) -> _Found:
        """Return what `take` makes of the parts of a batch of `size`; after a lack of memory, `undo` and halve them.

        An error that says so passes if each part has one window or chunk already.
        """
        before = self.count
        while (found := self._taken(size, take)) is None:
            undo()
            self.count *= 2
        if self.count > before:
            on_event(BatchHalved(self.count))
        return found[0]

    def _taken(self, size: int, take: Callable[[list[slice]], _Found]) -> tuple[_Found] | None:
        parts = _slices(size, min(self.count, size))
        return _unless_short(lambda: take(parts), can_be_less=self._can_halve and len(parts) < size)

    def restore(self, values: Mapping[str, Any]) -> None:
        """Take the number in a run's state; a former version's has none.

        Raises:
            ModelFileError: it cannot be.
        """
        count = values.get(BATCH_PARTS, 1)
        require(is_count(count, 1, _MOST_PARTS))
        self.count = count
