"""Another program: a window that takes files, and prints the paths of those that are dropped into it."""

from __future__ import annotations

import sys

from PySide6.QtCore import Qt, QTimer
from PySide6.QtGui import QDragEnterEvent, QDropEvent
from PySide6.QtWidgets import QApplication, QWidget

LONGEST_MS = 120_000  # nobody waits for a drop that went astray


def say(line: str) -> None:
    """Tell the test a line at once."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


class DropTarget(QWidget):
    """Takes copies of files."""

    def __init__(self) -> None:
        super().__init__()
        self.setAcceptDrops(True)

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        if event.mimeData().hasFormat("text/uri-list") and event.possibleActions() & Qt.DropAction.CopyAction:
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent) -> None:
        event.acceptProposedAction()
        for url in event.mimeData().urls():
            say(url.toLocalFile())


def main() -> int:
    application = QApplication(sys.argv)
    target = DropTarget()
    target.setWindowTitle("drop target")
    target.setGeometry(100, 100, 300, 300)
    target.show()
    QTimer.singleShot(LONGEST_MS, application.quit)
    say("ready")
    return application.exec()


if __name__ == "__main__":
    sys.exit(main())
