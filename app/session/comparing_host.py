"""The commands that compare the kept epochs of a training, looser to closer."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Slot

from app.session.comparing import ComparingState
from app.session.evidence_host import EvidenceHost
from app.session.take_host import new_seed
from app.session.tasks import comparing
from app.session.tasks.comparing import MadeEpochTake
from distill_core.generation.takes.verdict import Copying

if TYPE_CHECKING:
    from app.session.jobs import Job
    from app.session.state import State
    from distill_core.training.prior.events import Keep


class ComparingHost(EvidenceHost):
    """Makes the same take with each kept epoch, has it judged, and forgets all that with the training."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._compared: list[Job] = []
        self.epoch_take_made.connect(self._on_epoch_take)
        self.dataset_changed.connect(self._on_sounds)
        self.state_changed.connect(self._on_comparing)

    def compare_epochs(self, *, anew: bool = False) -> None:
        """Make the takes of all kept epochs that are not made yet, or `anew` those of another seed."""
        _, trained = self._require_trained()
        if anew:
            self._forget_comparison()
        self.make_epoch_takes([which for which, _ in trained.looser_to_closer], new_seed() if anew else 0)

    def make_epoch_takes(self, choices: Collection[Keep], seed: int = 0) -> None:
        """Make the takes of some kept epochs, unless they are made or under way; the first has the chosen seed."""
        model, trained = self._require_trained()
        if not self._state.comparing.is_of(trained):
            options = self._state.takes.options.unasked
            options = replace(options, seed=seed or options.seed)
            self._become(replace(self._state, comparing=ComparingState(trained.weights, options)))
        missing = self._state.comparing.missing(choices)
        self._become(replace(self._state, comparing=self._state.comparing.begun(missing)))
        options = self._state.comparing.options
        for which in missing:
            task = comparing.making(model.path, trained, which, options, self._voices)
            self._compared.append(self._do_before_unasked(task))

    def _forget_comparison(self) -> None:
        for job in self._compared:
            job.stop.set()
        self._compared = []
        self._become(replace(self._state, comparing=ComparingState()))

    def _judge_epoch(self, made: MadeEpochTake) -> None:
        task = comparing.judging(
            self._require_model().path, made, self._state.sounds_learned_from, self._judges, self._voices
        )
        self._compared.append(self.do_later(task))

    @Slot(object)
    def _on_epoch_take(self, made: MadeEpochTake) -> None:
        self._judge_epoch(made)

    @Slot(object)
    def _on_sounds(self, dataset: object) -> None:
        """Judge again what could not be told without the sounds."""
        trained = self._state.training.trained
        if trained is None or not self._state.comparing.is_of(trained):
            return
        for which, take in self._state.comparing.takes.items():
            if take.verdict is None or take.verdict.verdict is Copying.CANT_TELL:
                self._judge_epoch(MadeEpochTake(trained, which, take))

    @Slot(object)
    def _on_comparing(self, state: State) -> None:
        if state.comparing.of is not None and not state.comparing.is_of(state.training.trained):
            self._forget_comparison()
