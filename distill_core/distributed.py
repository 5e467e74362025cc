"""The processes of one training: ranks that torchrun starts, on one machine or on many; alone, nothing changes.

torchrun's rendezvous and restarts, and torch's process group, do the work (Li et al. 2020, "PyTorch Distributed").
Values travel as `messages`.
"""

from __future__ import annotations

import json
import logging
import os
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from time import sleep
from typing import TYPE_CHECKING, Any, TypeVar, cast
from uuid import uuid4

from distill_core.errors import DistillError, LostRankError
from distill_core.events import ShouldStop, Stopped, never, stop_point
from distill_core.launch import is_launched
from distill_core.messages import empty_tensors, put_together, taken_apart

if TYPE_CHECKING:
    from torch import Tensor
    from torch.distributed.distributed_c10d import Store

_T = TypeVar("_T")
logger = logging.getLogger("distill")
# One rank may encode for hours while the others wait. A machine that falls silent is torchrun's to notice.
_PATIENCE = timedelta(hours=12)
_MEETING, _LOOKING, _PAUSE_S = "distill/meeting", timedelta(seconds=2), 0.1
# The words of gloo, NCCL and torch for a peer that is gone.
_LOST_WORDS = re.compile(
    r"connection (was likely )?(closed|reset|refused)|broken pipe|gloo|tcpstore|socket (timeout|closed)|timed out"
    r"|got 0 bytes|connect to \S+ failed|nccl.*(remote|network|peer|timeout|abort)",
    re.IGNORECASE | re.DOTALL,
)


def _as_bytes(tensor: Tensor) -> Tensor:
    import torch

    return tensor.reshape(-1).view(torch.uint8)


def _error_of(told: dict[str, Any]) -> DistillError:
    error = DistillError(told["message"], told["hint"])
    error.exit_code = told["exit"]
    return error


@dataclass(frozen=True, slots=True)
class Ranks:
    """This process's rank among the `size` processes of a training.

    All ranks call the same methods in the same order, for they wait for one another.
    """

    rank: int = 0
    size: int = 1
    # An entry for each work that is under way in `together`: within it a stop of this rank alone is heard.
    _works: list[None] = field(default_factory=list, init=False, repr=False, compare=False)

    @property
    def is_first(self) -> bool:
        """Whether this rank tells what happens, and is the only one that writes."""
        return self.rank == 0

    @property
    def is_alone(self) -> bool:
        """Whether there are no others."""
        return self.size == 1

    def shared(self, value: _T, source: int = 0) -> _T:
        """Return the value of the first rank, or of another `source`: plain values and tensors (on the CPU)."""
        import torch
        from torch import distributed

        if self.is_alone:
            return value
        tensors: list[Tensor] = []
        plain, text = None, b""
        if self.rank == source:
            plain = taken_apart(value, tensors)
            text = json.dumps(plain).encode()
        length = torch.tensor([len(text)])
        distributed.broadcast(length, source)
        sent = torch.frombuffer(bytearray(text or bytes(int(length))), dtype=torch.uint8)
        distributed.broadcast(sent, source)
        if self.rank != source:
            plain = json.loads(sent.numpy().tobytes())
            tensors = [tensor for _, tensor in sorted(empty_tensors(plain), key=lambda pair: pair[0])]
        for tensor in tensors:
            if tensor.numel():
                distributed.broadcast(_as_bytes(tensor), source)
        return value if self.rank == source else put_together(plain, tensors)

    def each(self, value: _T) -> list[_T]:
        """Return the values of all ranks, in their order."""
        return [self.shared(value, source) for source in range(self.size)]

    def have_same(self, value: object) -> bool:
        """Tell whether all ranks have an equal value."""
        return len({*self.each(value)}) == 1

    def in_turn(self, count: int, work: Callable[[int], _T], at_once: int) -> Iterator[_T]:
        """Yield what `work` makes of each of `count` numbers, in order; each rank does its share, `at_once` at a time.

        Raises:
            DistillError: some rank's work raised it.
            Stopped: some rank's work was stopped.
        """
        block = 1 if self.is_alone else at_once * self.size
        for first in range(0, count, block):
            numbers = range(first, min(first + block, count))
            own = self.share(numbers)
            parts = self.each(self.together(lambda own=own: [work(number) for number in own]))  # type: ignore[misc]
            yield from (parts[place % self.size][place // self.size] for place in range(len(numbers)))

    def share(self, items: Sequence[_T]) -> Sequence[_T]:
        """Return this rank's share of what all ranks have."""
        return items[self.rank :: self.size]

    def add_up(self, tensor: Tensor) -> Tensor:
        """Make a tensor on the CPU the sum of all ranks' tensors, in place, and return it."""
        if not self.is_alone:
            from torch import distributed

            distributed.all_reduce(tensor)
        return tensor

    def together(self, work: Callable[[], _T]) -> _T:
        """Return what this rank's work returns, once all have done theirs; what ends one ends all, also a stop.

        The work meets no other rank itself: one that a stop ends would leave the others waiting there.

        Raises:
            DistillError: this rank's work raised it, or another's.
            Stopped: some rank's work was stopped.
        """
        if self.is_alone:
            return work()
        failure: Exception | None = None
        self._works.append(None)
        try:
            result = work()
        except (DistillError, Stopped) as error:
            failure = error
        finally:
            self._works.pop()
        told = self.each(_told(failure))
        if failure is not None:
            raise failure
        for other in filter(None, told):
            raise Stopped if other["is_stop"] else _error_of(other)
        return result

    def from_first(self, work: Callable[[], _T]) -> _T:
        """Return what the first rank's work returns; the others only wait for it.

        Raises:
            DistillError: the work raised it.
            Stopped: the work was stopped.
        """
        found = self.together(work if self.is_first else lambda: None)
        return self.shared(cast(_T, found))

    def stopping(self, should_stop: ShouldStop) -> ShouldStop:
        """Return a `should_stop` that turns true on all ranks at the same place, once any rank's has."""
        return should_stop if self.is_alone else _CommonStop(self, should_stop)


ALONE = Ranks()


def _told(failure: Exception | None) -> dict[str, Any]:
    if isinstance(failure, DistillError):
        return {"is_stop": False, "message": failure.message, "hint": failure.hint, "exit": failure.exit_code}
    return {} if failure is None else {"is_stop": True}


class _CommonStop:
    """A stop that ranks agree on at certain places alone, so that all of them take the same way in between.

    Work that `Ranks.together` shares hears this rank's own, for all stop after it.
    """

    def __init__(self, ranks: Ranks, asked: ShouldStop) -> None:
        self._ranks, self._asked, self._is_agreed = ranks, asked, False

    def __call__(self) -> bool:
        return self._is_agreed or (bool(self._ranks._works) and self._asked())

    def agree(self) -> None:
        import torch

        self._is_agreed = bool(self._ranks.add_up(torch.tensor([int(self._asked())])).item())


def stop_together(should_stop: ShouldStop) -> None:
    """Stop here on request of any rank; all ranks come here, and equally often.

    Raises:
        Stopped: `should_stop()` is true on some rank.
    """
    if isinstance(should_stop, _CommonStop):
        should_stop.agree()
    stop_point(should_stop)


@contextmanager
def _in_words() -> Iterator[None]:
    """Turn the loss of another rank into a sentence.

    Raises:
        LostRankError: another rank is gone.
    """
    try:
        yield
    except RuntimeError as error:
        if not _LOST_WORDS.search(str(error)):
            raise
        logger.info("another rank is lost: %s", error)
        raise LostRankError(
            "Another process of this training has ended, or cannot be reached; what it had reached is kept.",
            "torchrun starts all of them again if it may (--max-restarts); or go on later with --resume.",
        ) from error


def _heard(store: Store, key: str, should_stop: ShouldStop) -> str:
    """Wait for a word of another process; a signal ends that.

    Raises:
        DistNetworkError: the store has ended with its process.
        KeyboardInterrupt: `should_stop()` turned true.
    """
    from torch.distributed import DistStoreError

    while True:
        if should_stop():
            raise KeyboardInterrupt
        with suppress(DistStoreError):  # it has not come yet
            store.wait([key], _LOOKING)
            return store.get(key).decode()


def _own_store(store: Store, rank: int, size: int, should_stop: ShouldStop) -> Store:
    """Return the part of torchrun's store that only the processes of this start know.

    torchrun keeps its store for those that it starts again, and torch would have them call at the addresses of the
    dead. So the first rank opens a meeting, all others give it a name of their own, and it lists these.
    """
    from torch.distributed import DistStoreError
    from torch.distributed.distributed_c10d import PrefixStore

    own = uuid4().hex
    if rank == 0:
        store.set(_MEETING, own)
        names = [_heard(store, f"{own}/{other}", should_stop) for other in range(1, size)]
        store.set(f"{own}/all", json.dumps(names))
        return PrefixStore(own, store)
    while True:
        meeting = _heard(store, _MEETING, should_stop)  # it may still be a former one
        store.set(f"{meeting}/{rank}", own)
        with suppress(DistStoreError):  # nobody lists the names there
            store.wait([f"{meeting}/all"], _LOOKING)
            if own in json.loads(store.get(f"{meeting}/all")):
                return PrefixStore(meeting, store)
        sleep(_PAUSE_S)


def _join(should_stop: ShouldStop) -> Ranks:
    import torch
    from torch import distributed
    from torch.distributed.rendezvous import rendezvous

    backend = "gloo"
    if torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]) % torch.cuda.device_count())
        backend = "cpu:gloo,cuda:nccl"
    store, rank, size = next(rendezvous("env://", timeout=_PATIENCE))
    own = _own_store(store, rank, size, should_stop)
    distributed.init_process_group(backend, store=own, rank=rank, world_size=size, timeout=_PATIENCE)
    return Ranks(rank, size)


@contextmanager
def joined_ranks(should_stop: ShouldStop = never) -> Iterator[Ranks]:
    """Join the processes that torchrun started with this one, in the body; yield `ALONE` without torchrun.

    Tensors on the CPU travel by gloo, those on CUDA devices by NCCL; each rank of a machine has a device of its own.

    Raises:
        KeyboardInterrupt: `should_stop()` turned true while the others were waited for.
        LostRankError: another rank is gone.
    """
    if not is_launched():
        yield ALONE
        return
    from torch import distributed

    with _in_words():
        ranks = _join(should_stop)
        try:
            yield ranks
        finally:
            distributed.destroy_process_group()
