"""A row of widgets that goes on in a second line where one is too narrow."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QSize
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QHBoxLayout, QLayout, QVBoxLayout, QWidget

from app.theme import TIGHT


class WrappingRow(QWidget):
    """A widget whose parts stand in one line, or in two with the parts from `breaks_at` on in the second one."""

    def __init__(self) -> None:
        super().__init__()
        self._parts: list[QWidget] = []
        self._breaks_at, self._stretched = 0, -1
        self._lines = (QHBoxLayout(), QHBoxLayout())
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(TIGHT)
        column.setSizeConstraint(QLayout.SizeConstraint.SetNoConstraint)  # it would keep the one line
        for line in self._lines:
            column.addLayout(line)

    def place(self, parts: Sequence[QWidget], *, breaks_at: int, stretched: int) -> None:
        """Place the parts in one line; the one at `stretched` takes the room that is left."""
        self._parts, self._breaks_at, self._stretched = [*parts], breaks_at, stretched
        self._fill(len(parts))

    @property
    def is_wrapped(self) -> bool:
        """Whether there are two lines."""
        return self._lines[1].count() > 0

    def _fill(self, in_first: int) -> None:
        for place, part in enumerate(self._parts):
            self._lines[place >= in_first].addWidget(part, int(place == self._stretched))
        self.updateGeometry()

    def _width_of(self, parts: Sequence[QWidget]) -> int:
        return sum(_least(part).width() for part in parts) + self._lines[0].spacing() * max(0, len(parts) - 1)

    def minimumSizeHint(self) -> QSize:
        """Ask for the width of the wider one of two lines."""
        lines = (self._parts[: self._breaks_at], self._parts[self._breaks_at :])
        return QSize(max(map(self._width_of, lines)), super().minimumSizeHint().height())

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Take one line or two."""
        super().resizeEvent(event)
        wraps = self._width_of(self._parts) > event.size().width()
        if self._parts and wraps is not self.is_wrapped:
            self._fill(self._breaks_at if wraps else len(self._parts))


def _least(part: QWidget) -> QSize:
    """Return the least size of a part as a layout sees it."""
    hint, least = part.minimumSizeHint(), part.minimumSize()
    return QSize(least.width() or hint.width(), least.height() or hint.height())
