"""A titled list of labels and values, which can be selected and fit into any width."""

from __future__ import annotations

import re

from PySide6.QtCore import QEvent, QSize, Qt
from PySide6.QtGui import QPaintEvent, QResizeEvent
from PySide6.QtWidgets import QGridLayout, QLabel, QSizePolicy, QVBoxLayout, QWidget

from app.widgets.focus import draw_focus
from app.widgets.tips import set_tip

_LONGEST_SHOWN = 160
_SELECTABLE = Qt.TextInteractionFlag.TextSelectableByMouse | Qt.TextInteractionFlag.TextSelectableByKeyboard


class FactLabel(QLabel):
    """Plain text that wraps; a word wider than the label loses its middle, and the tooltip has all of it."""

    def __init__(self, text: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._whole = text
        self.setTextFormat(Qt.TextFormat.PlainText)  # a stranger's name may look like HTML
        self.setWordWrap(True)
        self.setTextInteractionFlags(_SELECTABLE)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)  # Qt alone would let only a click give it the keyboard
        self.setAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignTop)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self._fit()

    def set_whole_text(self, text: str) -> None:
        """Show another text."""
        self._whole = text
        self._fit()

    def whole_text(self) -> str:
        """Return the text with nothing left out."""
        return self._whole

    def minimumSizeHint(self) -> QSize:
        """Ask for one line: the number of lines follows from the width."""
        return QSize(0, self.fontMetrics().height())

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Fit the words to the new width."""
        super().resizeEvent(event)
        self._fit()

    def paintEvent(self, event: QPaintEvent) -> None:
        """Show the focus; Qt's own cursor alone is easily overlooked."""
        super().paintEvent(event)
        draw_focus(self)

    def changeEvent(self, event: QEvent) -> None:
        """Fit the words to a new font."""
        super().changeEvent(event)
        if event.type() == QEvent.Type.FontChange:
            self._fit()

    def _fit(self) -> None:
        text, metrics = self._whole, self.fontMetrics()
        if len(text) > _LONGEST_SHOWN:
            text = f"{text[: _LONGEST_SHOWN // 2]}…{text[-_LONGEST_SHOWN // 2 :]}"
        width = max(self.contentsRect().width() - 2, metrics.averageCharWidth() * 4)
        shown = re.sub(r"\S+", lambda word: metrics.elidedText(word[0], Qt.TextElideMode.ElideMiddle, width), text)
        if shown != self.text():
            self.setText(shown)
        set_tip(self, "" if shown == self._whole else self._whole)


class FactSection(QWidget):
    """A title above a body that each model replaces; "" is no title."""

    def __init__(self, title: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.title = title
        self._rows: list[tuple[str, str]] = []
        self._body = QWidget(self)
        self.setAccessibleName(title)
        heading = QLabel(title, self)
        font = heading.font()
        font.setBold(True)
        heading.setFont(font)
        heading.setVisible(bool(title))
        self._layout = QVBoxLayout(self)
        self._layout.setContentsMargins(0, 0, 0, 0)
        self._layout.setSpacing(4)
        self._layout.addWidget(heading)
        self._layout.addWidget(self._body)

    def rows(self) -> list[tuple[str, str]]:
        """Return the rows of label and whole value."""
        return list(self._rows)

    def focus_stops(self) -> list[QWidget]:
        """Return the labels and pictures that the Tab key reaches, in reading order."""
        parts = self._body.findChildren(QWidget)
        return [part for part in parts if part.focusPolicy() & Qt.FocusPolicy.TabFocus]

    def new_body(self, rows: list[tuple[str, str]]) -> QWidget:
        """Return an empty body in place of the former one, for these rows."""
        self._rows = list(rows)
        former, self._body = self._body, QWidget(self)
        self._layout.replaceWidget(former, self._body)
        former.setParent(None)
        former.deleteLater()
        return self._body


class FactList(FactSection):
    """Rows of label and value; a row without a label is a sentence over the whole width."""

    def show_rows(self, rows: list[tuple[str, str]]) -> None:
        """Show these rows in place of the former ones."""
        self.new_body(rows)
        self.build()

    def build(self) -> None:
        """Make the labels of the rows, a millisecond each, unless they are there already."""
        if self._body.layout() is not None:
            return
        grid = QGridLayout(self._body)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setHorizontalSpacing(8)
        grid.setVerticalSpacing(3)
        grid.setColumnStretch(0, 2)
        grid.setColumnStretch(1, 3)
        for number, (label, value) in enumerate(self._rows):
            self._add_row(grid, number, label, value)

    def _add_row(self, grid: QGridLayout, number: int, label: str, value: str) -> None:
        shown = FactLabel(value, self._body)
        if not label:
            grid.addWidget(shown, number, 0, 1, 2)
            return
        name = FactLabel(label, self._body)
        name.setTextInteractionFlags(Qt.TextInteractionFlag.NoTextInteraction)
        shown.setAccessibleName(f"{label}: {value}")
        grid.addWidget(name, number, 0)
        grid.addWidget(shown, number, 1)
