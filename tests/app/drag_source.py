"""The window with a model that has takes; it prints where on the screen the first one's clip is."""

from __future__ import annotations

import sys
from pathlib import Path

from PySide6.QtCore import QPoint, QSettings, QTimer
from PySide6.QtWidgets import QApplication

from app.main_window import MainWindow
from app.session import Session
from tests.app.drop_target import LONGEST_MS, say


def main() -> int:
    application = QApplication(sys.argv[:1])
    model = Path(sys.argv[1])
    QSettings.setPath(QSettings.Format.IniFormat, QSettings.Scope.UserScope, str(model.parent / "settings"))
    session = Session()
    window = MainWindow(session)
    window.setGeometry(20, 60, 760, 560)
    window.show()
    session.open_model(model)

    def tell() -> None:
        if window.takes.clips and not session.is_busy:
            clip = next(iter(window.takes.clips.values()))
            where = clip.mapToGlobal(QPoint(30, 18))
            say(f"{where.x()} {where.y()}")
            timer.stop()

    timer = QTimer(window)
    timer.timeout.connect(tell)
    timer.start(200)
    QTimer.singleShot(LONGEST_MS, application.quit)
    return application.exec()


if __name__ == "__main__":
    sys.exit(main())
