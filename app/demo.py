"""The main job on the bundled demo, done in the real window without a person."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QTimer, Slot
from PySide6.QtWidgets import QApplication

from app.flows.demo_files import copying
from app.session.activity import Subject
from app.session.problems import Problem

if TYPE_CHECKING:
    from app.main_window import MainWindow
    from app.session import Session
    from app.session.tasks.generating import MadeTake
    from app.session.tasks.shelving import WrittenTakes
    from distill_core.training.prior.events import PriorEpochMetrics

_PAINT_MS = 300


def _fail(text: str) -> None:
    print(text, file=sys.stderr)  # noqa: T201 - the command's answer
    QApplication.exit(1)


class DemoRun(QObject):
    """Opens the demo, trains, saves, has a take made, takes a picture and quits; a signal begins each of these."""

    def __init__(self, session: Session, window: MainWindow, folder: Path, say: Callable[[str], object]) -> None:
        super().__init__(window)
        self._session, self._window, self._folder, self._say = session, window, folder, say
        self._is_saved = False
        self._take: MadeTake | None = None
        session.dataset_changed.connect(self._on_dataset)
        session.epoch_finished.connect(self._on_epoch)
        session.training_ended.connect(self._on_trained)
        session.saved.connect(self._on_saved)
        session.take_made.connect(self._on_take)
        session.takes_written.connect(self._on_written)
        session.failed.connect(self._on_failed)

    @Slot()
    def start(self) -> None:
        """Open a copy of the demo's model and sounds."""
        self._session.do(copying(self._folder))  # the window opens the copy by itself

    @Slot(object)
    def _on_dataset(self, dataset: object) -> None:
        self._window.stage.train_button.click()

    @Slot(object)
    def _on_epoch(self, epoch: PriorEpochMetrics) -> None:
        self._say(
            f"Epoch {epoch.epoch}/{epoch.total_epochs} | train_loss: {epoch.train_loss:.4f} "
            f"| val_loss: {epoch.val_loss:.4f} | perplexity: {epoch.val_perplexity:.1f} "
            f"| best: {epoch.best_perplexity:.1f}"
        )

    @Slot(object)
    def _on_trained(self, trained: object) -> None:
        self._window.commands.saving.save()

    @Slot(object)
    def _on_saved(self, path: Path) -> None:
        self._say(f"Saved into {path}")
        self._is_saved = True
        self._write_take()

    @Slot(object)
    def _on_take(self, made: MadeTake) -> None:
        if made.problem:
            _fail(made.problem)
            return
        self._take = made  # the window makes one by itself when a training ends
        self._write_take()

    def _write_take(self) -> None:
        """Write the take beside the picture, once the prior is saved, too."""
        take = None if self._take is None else self._session.state.takes.numbered(self._take.number)
        if self._is_saved and take is not None:
            target = self._folder / self._window.commands.takes.name_of(take)
            self._session.write_takes([take], [target], replace_files=True)

    @Slot(object)
    def _on_written(self, written: WrittenTakes) -> None:
        self._say(f"Sound: {written.paths[0]}")
        QTimer.singleShot(_PAINT_MS, self._finish)

    @Slot()
    def _finish(self) -> None:
        picture = self._folder / "distill.png"
        self._window.grab().save(str(picture))
        self._say(f"Picture of the window: {picture}")
        self._window.close()

    @Slot(object, object)
    def _on_failed(self, subject: Subject, problem: Problem) -> None:
        _fail(f"{problem.message} {problem.hint}\n{problem.details}")
