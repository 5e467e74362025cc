"""A second thread that works ahead: codes are drawn while the sound of those before is made."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from contextlib import suppress
from dataclasses import dataclass
from queue import Full, Queue
from threading import Event, Thread
from typing import Generic, TypeVar

from distill_core.events import ShouldStop, Stopped

_Item = TypeVar("_Item")
_PATIENCE_S = 0.1


@dataclass(frozen=True, slots=True)
class _End:
    """The end of the items: None, or the exception that ended them."""

    error: BaseException | None


class _Worker(Generic[_Item]):
    def __init__(self, make: Callable[[ShouldStop], Iterator[_Item]], most: int, should_stop: ShouldStop) -> None:
        self.items: Queue[_Item | _End] = Queue(most)
        self.is_over = Event()
        self._make, self._should_stop = make, should_stop

    def run(self) -> None:
        """Put the items into the queue, and at last an end."""
        try:
            for item in self._make(self._stops):
                self._put(item)
            end = _End(None)
        except BaseException as error:  # noqa: BLE001 - the thread that takes the items raises it
            end = _End(error)
        with suppress(Stopped):
            self._put(end)

    def _stops(self) -> bool:
        return self.is_over.is_set() or self._should_stop()

    def _put(self, item: _Item | _End) -> None:
        while not self.is_over.is_set():
            with suppress(Full):
                self.items.put(item, timeout=_PATIENCE_S)
                return
        raise Stopped


def ahead(make: Callable[[ShouldStop], Iterator[_Item]], most: int, should_stop: ShouldStop) -> Generator[_Item]:
    """Yield the items that `make(should_stop)` yields on a thread of its own, up to `most` of them ahead.

    The thread ends with the iterator, whoever ends that. Exceptions pass through.
    """
    worker = _Worker(make, most, should_stop)
    thread = Thread(target=worker.run, name="ahead", daemon=True)
    thread.start()
    try:
        while not isinstance(item := worker.items.get(), _End):
            yield item
        if item.error is not None:
            raise item.error
    finally:
        worker.is_over.set()
        thread.join()
