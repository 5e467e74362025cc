"""The keeper of a run: writes it to disk after epochs and within long ones, before anybody hears of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from time import monotonic
from typing import Any, Protocol

from distill_core.errors import ConfigError, NotEnoughMemoryError, SaveError
from distill_core.events import OnEvent, ShouldStop, never
from distill_core.memory import memory_in_words
from distill_core.training.events import Ended, EpochMetrics, RunNotKept, StepMetrics
from distill_core.training.loop import Diverged, KeptWeights
from distill_core.training.run_folder.folder import RunFolder
from distill_core.training.under_way import EpochUnderWay

PAUSE_IN_WRITING_TIMES = 5  # writing takes a sixth of the time at most
PAUSE_WITHIN_AN_EPOCH_S = 60.0


def a_minute_or_more(writing_s: float) -> float:
    """Return the seconds without a write within an epoch that follow a write: a crash costs a minute.

    A gigabyte, the state of 80 to 120 million weights, takes some 10 s; from there on a crash costs more.
    """
    return max(PAUSE_WITHIN_AN_EPOCH_S, PAUSE_IN_WRITING_TIMES * writing_s)


@dataclass(frozen=True, slots=True)
class WritingRule:
    """How often a training's state is written.

    `pause_s` takes the seconds of a write and returns the seconds that follow it in which no epoch is written; with
    `each_best` a new best one is all the same. `pause_within_s` returns those that follow it, and the beginning of the
    training, in which nothing is written within an epoch.
    """

    pause_s: Callable[[float], float]
    each_best: bool
    pause_within_s: Callable[[float], float] = a_minute_or_more


class KeptRun(Protocol):
    """The part of a training that a keeper reads."""

    run_id: str
    best: KeptWeights
    under_way: EpochUnderWay[Any] | None

    @property
    def history(self) -> Sequence[EpochMetrics]:
        """The epochs so far."""


class StateOf(Protocol):
    """A function that returns the state of the training; `ended` None: it is under way."""

    def __call__(self, ended: Ended | None, should_stop: ShouldStop) -> dict[str, Any]:
        """Return the state as plain values and tensors.

        Raises:
            Stopped: `should_stop()` turned true.
        """


class Keeper:
    """A listener that writes the run's state to its folder, then passes the event on.

    A stop abandons a write and leaves the file as it was; `keep_end`, which nothing stops, writes the state, unless it
    is on disk already.
    """

    def __init__(
        self,
        folder: RunFolder | None,
        run: KeptRun,
        state_of: StateOf,
        rule: WritingRule,
        on_event: OnEvent,
        should_stop: ShouldStop,
    ) -> None:
        self._folder, self._run, self._state_of, self._rule = folder, run, state_of, rule
        self._on_event, self._should_stop = on_event, should_stop
        self._not_passed_on: object = None
        self._next_at, self._has_warned = 0.0, False
        self._next_within_at = self._long_from = monotonic() + rule.pause_within_s(0.0)
        # How far the state on disk came, and its best epoch; 0 without a state of this run.
        self._kept = self._reached
        self._kept_best = run.best.epoch

    @property
    def _reached(self) -> tuple[int, int]:
        """The epoch under way and its optimizer steps so far; the last epoch and 0 between two epochs."""
        under_way, history = self._run.under_way, self._run.history
        if under_way is not None and under_way.step:
            return under_way.epoch, under_way.step
        return (history[-1].epoch if history else 0), 0

    def _is_epoch(self, event: object) -> bool:
        return bool(self._run.history) and event is self._run.history[-1]

    def on_event(self, event: object) -> None:
        """Write the state after an epoch, or after an optimizer step if that is due, then pass the event on.

        Raises:
            Stopped: training was asked to end; `keep_end` writes the state and passes the event on.
        """
        if self._is_epoch(event):
            self._not_passed_on = event
            self._keep_epoch()
        elif isinstance(event, StepMetrics):
            self._keep_part()
        self._not_passed_on = None
        self._on_event(event)

    def _keep_epoch(self) -> None:
        if monotonic() >= self._next_at or (self._rule.each_best and not self.has_best):
            self._keep()

    def _keep_part(self) -> None:
        """Write the epoch under way if that is due, but not weights that may be no numbers any more."""
        under_way = self._run.under_way
        if monotonic() >= self._next_within_at and under_way is not None and not under_way.sums.bad_in_a_row:
            self._keep()

    def _keep(self) -> None:
        if self._folder is None or not self._has_a_place:
            return
        started = monotonic()
        with self._warning_once():
            self._write(self._state_of(None, self._should_stop), self._should_stop)
        ended = monotonic()
        self._next_at = ended + self._rule.pause_s(ended - started)
        self._next_within_at = ended + self._rule.pause_within_s(ended - started)

    @property
    def _has_a_place(self) -> bool:
        """Whether a run's file can have the state: it has a best epoch, or no epoch at all."""
        return bool(self._run.best.state) or not self._run.history

    @property
    def has_best(self) -> bool:
        """Whether the best epoch so far is on disk."""
        return self._kept_best == self._run.best.epoch

    @property
    def run_id(self) -> str:
        """The id of the run once a state of it is on disk, before that ""."""
        return self._run.run_id if self._kept != (0, 0) else ""

    def keep_end(self, ended: Ended, more: Mapping[str, Any] | None = None) -> None:
        """Write the final state, with `more` values that only the end has.

        After a stop nothing is written if the state is on disk and `more` is empty, nor of a first epoch that has just
        begun.
        """
        is_on_disk = ended is Ended.STOPPED and self._kept == self._reached and not more
        if self._folder is not None and self._is_worth_keeping and not is_on_disk:
            with self._warning_once():
                self._write({**self._state_of(ended, never), **(more or {})}, never)
        if self._not_passed_on is not None:
            self._on_event(self._not_passed_on)

    @property
    def _is_worth_keeping(self) -> bool:
        """Whether there is a best epoch, or so much of the first one that it would be written within it."""
        is_long = bool(self.run_id) or monotonic() >= self._long_from
        return bool(self._run.best.state) or (not self._run.history and self._reached != (0, 0) and is_long)

    def _write(self, values: dict[str, Any], should_stop: ShouldStop) -> None:
        if self._folder is not None:
            self._folder.save(values, should_stop)
            self._kept, self._kept_best = self._reached, self._run.best.epoch

    @contextmanager
    def forgetting_what_diverged(self) -> Iterator[None]:
        """Remove what was written of a training that diverges before any epoch was worth keeping."""
        try:
            yield
        except Diverged:
            if self._folder is not None and self._kept != (0, 0):
                self._folder.forget()
            raise

    @contextmanager
    def _warning_once(self) -> Iterator[None]:
        """Warn once that the state could not be written; the next write tries again."""
        try:
            with memory_in_words("keep what the training reached"):
                yield
        except (SaveError, NotEnoughMemoryError) as error:
            if not self._has_warned:
                self._on_event(RunNotKept(error.message))
            self._has_warned = True


@contextmanager
def run_folder_in_use(run_folder: RunFolder | None, on_event: OnEvent, *, resume: bool) -> Iterator[RunFolder | None]:
    """Keep other trainings out of a run folder while this one runs; yield None if nothing can be kept there.

    Raises:
        ConfigError: nothing can be kept, and there is a run to go on with.
    """
    if run_folder is None:
        yield None
        return
    with run_folder.in_use() as obstacle:
        if obstacle and resume:
            raise ConfigError("resume", f"{obstacle} Nothing was changed.", "Try again when that has changed.")
        if obstacle:
            on_event(RunNotKept(obstacle))
        yield None if obstacle else run_folder
