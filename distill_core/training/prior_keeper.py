"""Has each epoch of a training on disk before anybody hears of it."""

from __future__ import annotations

from pathlib import Path
from time import monotonic

from distill_core.audio.dataset import AudioDataset
from distill_core.errors import SaveError
from distill_core.events import OnEvent
from distill_core.training.checkpoint import RunFolder
from distill_core.training.metrics import Ended, PriorEpochMetrics, RunNotKept
from distill_core.training.prior_run import PriorRun
from distill_core.training.prior_state import state_of

PAUSE_IN_WRITING_TIMES = 5  # so that keeping epochs that are no best takes a sixth of the time at most


class Keeper:
    """Passes events on, and has each epoch in the run folder before anybody hears of it.

    Each best is written: with the demo's sounds and the prior that they get (11 MB a state) 29 of 40 epochs were one,
    at 55 ms each, 12 % of the training time; the tiniest prior, with epochs of 70 ms, pays a third. Of the other epochs
    some are left out where they are shorter than the writing: a crash then costs a few writing times.
    """

    def __init__(
        self, folder: RunFolder | None, model_path: Path, run: PriorRun, dataset: AudioDataset, on_event: OnEvent
    ) -> None:
        self._folder, self._model_path = folder, model_path.resolve()
        self._run, self._dataset, self._on_event = run, dataset, on_event
        self._next_at, self._has_warned = 0.0, False
        # The last epoch, and the best one, of the state that is on disk; 0 for none of this run.
        self._kept_epoch = run.history[-1].epoch if run.history else 0
        self._kept_best = run.best.epoch

    def on_event(self, event: object) -> None:
        """Keep what there is after an epoch, then pass the event on."""
        if isinstance(event, PriorEpochMetrics) and (not self.has_best or monotonic() >= self._next_at):
            started = monotonic()
            self._keep()
            self._next_at = monotonic() + PAUSE_IN_WRITING_TIMES * (monotonic() - started)
        self._on_event(event)

    @property
    def has_best(self) -> bool:
        """Whether the best prior so far is on disk."""
        return self._kept_best == self._run.best.epoch

    @property
    def run_id(self) -> str:
        """The run's name as soon as anything of it is on disk, before that ""."""
        return self._run.run_id if self._kept_epoch else ""

    def keep_end(self, ended: Ended) -> None:
        """Write the final state, unless the run was left inside an epoch: it goes on from the whole one on disk."""
        if not self._run.is_inside_an_epoch:
            self._keep(ended)

    def _keep(self, ended: Ended | None = None) -> None:
        """Write the run's state; that it fails is told once, and tried again with the next epoch."""
        folder, run = self._folder, self._run
        if folder is None or not run.best.state:
            return
        try:
            folder.save(state_of(run, self._model_path, self._dataset, ended))
            self._kept_epoch, self._kept_best = run.history[-1].epoch, run.best.epoch
        except SaveError as error:
            if not self._has_warned:
                self._on_event(RunNotKept(error.message))
            self._has_warned = True
