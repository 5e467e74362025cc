"""Cards in as many columns as there is room for."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QEvent, QSize
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QGridLayout, QLayout, QWidget

from app.theme import SPACE

_SHARES = 3  # of the width at least, where they fit


class CardGrid(QWidget):
    """Places cards in rows, each as wide as the others."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._cards: list[QWidget] = []
        self._columns = 0
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setSpacing(SPACE)
        self._grid.setSizeConstraint(QLayout.SizeConstraint.SetNoConstraint)  # it would keep the columns

    def show_cards(self, cards: Sequence[QWidget]) -> None:
        """Show these in place of the former ones, which are deleted."""
        for former in self._cards:
            self._grid.removeWidget(former)
            former.hide()
            former.deleteLater()
        self._cards = [*cards]
        self._place(self._wanted_columns())
        for card in self._cards:
            card.show()  # at once, so that it can take the focus

    @property
    def columns(self) -> int:
        """The number of columns."""
        return self._columns

    def _fitting(self) -> int:
        widest = max((card.minimumSizeHint().width() for card in self._cards), default=1)
        return (self.width() + SPACE) // (widest + SPACE)

    def _wanted_columns(self) -> int:
        return max(1, min(self._fitting(), len(self._cards)))

    def _place(self, columns: int) -> None:
        shares = max(columns, min(self._fitting(), _SHARES))  # a card alone is no banner
        for column in range(max(shares, self._columns, _SHARES)):
            self._grid.setColumnStretch(column, 1 if column < shares else 0)
        self._columns = columns
        for place, card in enumerate(self._cards):
            self._grid.addWidget(card, place // columns, place % columns)
        self.updateGeometry()

    def minimumSizeHint(self) -> QSize:
        """Ask for the width of one card alone; the layout's own hint would keep the columns."""
        hints = [card.minimumSizeHint() for card in self._cards]
        return QSize(max((hint.width() for hint in hints), default=0), super().minimumSizeHint().height())

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Take other columns for another width."""
        super().resizeEvent(event)
        if self._cards and (columns := self._wanted_columns()) != self._columns:
            self._place(columns)

    def changeEvent(self, event: QEvent) -> None:
        """Follow the font."""
        super().changeEvent(event)
        if event.type() is QEvent.Type.FontChange and self._cards:
            self._place(self._wanted_columns())
