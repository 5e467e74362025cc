"""Has the best codec of a training on disk, so that no crash loses hours."""

from __future__ import annotations

from time import monotonic

from distill_core.audio.dataset import AudioDataset
from distill_core.errors import NotEnoughMemoryError, SaveError
from distill_core.events import OnEvent
from distill_core.memory import memory_in_words
from distill_core.training.codec.events import VQVAEEpochMetrics
from distill_core.training.codec.run import VQVAERun
from distill_core.training.codec.state import state_of
from distill_core.training.events import Ended, RunNotKept
from distill_core.training.run_folder.folder import RunFolder

PAUSE_IN_WRITING_S = 60.0  # a codec gets better in most epochs: a crash costs a minute, and the epoch under way


class CodecKeeper:
    """Passes events on, and has the best codec in the run folder, written once a minute at most."""

    def __init__(self, folder: RunFolder | None, run: VQVAERun, dataset: AudioDataset, on_event: OnEvent) -> None:
        self._folder, self._run, self._dataset, self._on_event = folder, run, dataset, on_event
        self._next_at, self._kept_best, self._has_warned = 0.0, 0, False

    @property
    def run_id(self) -> str:
        """The run's name as soon as anything of it is on disk, before that ""."""
        return self._run.run_id if self._kept_best else ""

    def on_event(self, event: object) -> None:
        """Keep the best after an epoch, then pass the event on."""
        is_new = self._run.best.epoch != self._kept_best
        if isinstance(event, VQVAEEpochMetrics) and is_new and monotonic() >= self._next_at:
            self._keep()
            self._next_at = monotonic() + PAUSE_IN_WRITING_S
        self._on_event(event)

    def keep_end(self, ended: Ended, codebook_health: dict[str, dict[str, float]]) -> None:
        """Write the final state."""
        self._keep(ended, codebook_health)

    def _keep(self, ended: Ended | None = None, codebook_health: dict[str, dict[str, float]] | None = None) -> None:
        """Write the run's state; that it fails is told once, and tried again later."""
        folder, run = self._folder, self._run
        if folder is None or not run.best.state:
            return
        try:
            with memory_in_words("keep what the training reached"):
                folder.save(state_of(run, folder.model.resolve(), self._dataset, ended, codebook_health))
            self._kept_best = run.best.epoch
        except (SaveError, NotEnoughMemoryError) as error:
            if not self._has_warned:
                self._on_event(RunNotKept(error.message))
            self._has_warned = True
