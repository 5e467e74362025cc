"""The program, whose window tells a test what it opens, and where on the screen the first take's clip is."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from PySide6.QtCore import QCoreApplication, QPoint, QTimer, Slot

import app.main_window
from app.__main__ import main
from tests.app.drop_target import LONGEST_MS, say

if TYPE_CHECKING:
    from app.session import Session
    from distill_core import AudioDataset, ModelSummary

_LOOK_MS = 200


class TellingWindow(app.main_window.MainWindow):
    """Has a place on the screen."""

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self.setGeometry(500, 60, 760, 560)
        session.model_changed.connect(self._tell_model)
        session.dataset_changed.connect(self._tell_sounds)
        self._timer = QTimer(self)
        self._timer.timeout.connect(self._tell_clip)
        self.shown.connect(self._tell_shown)

    @Slot()
    def _tell_shown(self) -> None:
        QTimer.singleShot(LONGEST_MS, QCoreApplication.quit)
        say("shown")

    @Slot(object)
    def _tell_model(self, model: ModelSummary) -> None:
        say(f"model {model.path}")
        self._timer.start(_LOOK_MS)

    @Slot(object)
    def _tell_sounds(self, dataset: AudioDataset) -> None:
        say(f"sounds {' '.join(path.name for path in dataset.sources)}")

    @Slot()
    def _tell_clip(self) -> None:
        if self.takes.clips and not self._session.is_busy:
            self._timer.stop()
            where = next(iter(self.takes.clips.values())).mapToGlobal(QPoint(30, 18))
            say(f"clip {where.x()} {where.y()}")


if __name__ == "__main__":
    app.main_window.MainWindow = TellingWindow  # type: ignore[misc]
    sys.exit(main(sys.argv[1:]))
