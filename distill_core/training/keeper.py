"""The keeper of a run: writes each epoch to disk before its event is passed on."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from time import monotonic
from typing import Any, Protocol

from distill_core.errors import ConfigError, NotEnoughMemoryError, SaveError
from distill_core.events import OnEvent, ShouldStop, never
from distill_core.memory import memory_in_words
from distill_core.training.events import Ended, EpochMetrics, RunNotKept
from distill_core.training.loop import KeptWeights
from distill_core.training.run_folder.folder import RunFolder


@dataclass(frozen=True, slots=True)
class WritingRule:
    """How often a training's state is written.

    `pause_s` takes the seconds of a write and returns the seconds without one that follow it. With `each_best` a new
    best epoch is written within them too. Without it the last whole epoch's state is held in memory, so that an end
    within an epoch can write it.
    """

    pause_s: Callable[[float], float]
    each_best: bool


class KeptRun(Protocol):
    """The part of a training that a keeper reads."""

    run_id: str
    best: KeptWeights
    is_inside_an_epoch: bool

    @property
    def history(self) -> Sequence[EpochMetrics]:
        """The epochs so far."""


class StateOf(Protocol):
    """A function that returns the state after the last epoch; `ended` None: the training is under way."""

    def __call__(self, ended: Ended | None, should_stop: ShouldStop) -> dict[str, Any]:
        """Return the state as plain values and tensors.

        Raises:
            Stopped: `should_stop()` turned true.
        """


class Keeper:
    """A listener that writes each epoch to the run folder, then passes its event on.

    A stop abandons the write of an epoch and leaves the file as it was; `keep_end`, which nothing stops, writes that
    epoch, unless it is on disk already.
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
        self._held: dict[str, Any] = {}
        self._next_at, self._has_warned = 0.0, False
        # The last epoch and the best one of the state on disk; 0 without a state of this run.
        self._kept_epoch = self._last_epoch
        self._kept_best = run.best.epoch

    @property
    def _last_epoch(self) -> int:
        return self._run.history[-1].epoch if self._run.history else 0

    def _is_epoch(self, event: object) -> bool:
        return bool(self._run.history) and event is self._run.history[-1]

    def on_event(self, event: object) -> None:
        """Write the state after an epoch, then pass the event on.

        Raises:
            Stopped: training was asked to end; `keep_end` writes the state and passes the event on.
        """
        if self._is_epoch(event):
            self._not_passed_on = event
            self._keep_epoch()
        self._not_passed_on = None
        self._on_event(event)

    def _keep_epoch(self) -> None:
        is_due = monotonic() >= self._next_at or (self._rule.each_best and not self.has_best)
        is_needed = is_due or not self._rule.each_best
        if self._folder is None or not self._run.best.state or not is_needed:
            return
        started = monotonic()
        with self._warning_once():
            values = self._state_of(None, self._should_stop if is_due else never)
            self._held = {} if self._rule.each_best else values
            if is_due:
                self._write(values, self._should_stop)
        if is_due:
            self._next_at = monotonic() + self._rule.pause_s(monotonic() - started)

    @property
    def has_best(self) -> bool:
        """Whether the best epoch so far is on disk."""
        return self._kept_best == self._run.best.epoch

    @property
    def run_id(self) -> str:
        """The id of the run once a state of it is on disk, before that ""."""
        return self._run.run_id if self._kept_epoch else ""

    def keep_end(self, ended: Ended, more: Mapping[str, Any] | None = None) -> None:
        """Write the final state, with `more` values that only the end has.

        After a stop nothing is written if the last epoch's state is on disk and `more` is empty. Inside an epoch only
        the state that is held can be written.
        """
        is_on_disk = ended is Ended.STOPPED and self._kept_epoch == self._last_epoch and not more
        if self._folder is not None and self._run.best.state and not is_on_disk:
            with self._warning_once():
                self._write_end(ended, more or {})
        if self._not_passed_on is not None:
            self._on_event(self._not_passed_on)

    def _write_end(self, ended: Ended, more: Mapping[str, Any]) -> None:
        if not self._run.is_inside_an_epoch:
            self._write({**self._state_of(ended, never), **more}, never)
        elif self._held:
            self._write({**self._held, "ended": ended.value, **more}, never)

    def _write(self, values: dict[str, Any], should_stop: ShouldStop) -> None:
        if self._folder is not None:
            self._folder.save(values, should_stop)
            self._kept_epoch, self._kept_best = self._last_epoch, self._run.best.epoch

    @contextmanager
    def _warning_once(self) -> Iterator[None]:
        """Warn once that the state could not be written; the next epoch tries again."""
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
