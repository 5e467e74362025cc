"""The contents of a drop card: its words, its buttons, its refusal."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtGui import QColor, QIcon, QPainter, QPaintEvent, QPalette, QResizeEvent
from PySide6.QtWidgets import QHBoxLayout, QLabel, QProgressBar, QPushButton, QSizePolicy, QVBoxLayout, QWidget

from app.theme import icon
from app.words import as_tooltip, on_button

_TARGET = 28  # px, the least height of a button or a link
_BIG, _SMALL = QSize(24, 24), QSize(16, 16)
_ICON_GAP, _LINK_MARGIN = 10, 4
_MARGINS, _COMPACT_MARGINS = (12, 10, 12, 10), (12, 4, 12, 4)


class ElidedLabel(QLabel):
    """A QLabel of one line that may be narrower than its text, which is then its tooltip; `text()` is always whole."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setTextFormat(Qt.TextFormat.PlainText)
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)

    def setText(self, text: str) -> None:
        """Show a text."""
        super().setText(text)
        self._update_tooltip()

    def minimumSizeHint(self) -> QSize:
        """Allow to be as narrow as a few letters."""
        return QSize(
            min(super().sizeHint().width(), self.fontMetrics().averageCharWidth() * 6), super().sizeHint().height()
        )

    def shown_text(self) -> str:
        """Return the text as far as it fits."""
        return self.fontMetrics().elidedText(self.text(), Qt.TextElideMode.ElideMiddle, self.contentsRect().width())

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Offer the whole text as a tooltip if it no longer fits."""
        super().resizeEvent(event)
        self._update_tooltip()

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw the text as far as it fits."""
        painter = QPainter(self)
        role = self.foregroundRole()
        alignment = int(self.alignment().value)
        rect, enabled = self.contentsRect(), self.isEnabled()
        self.style().drawItemText(painter, rect, alignment, self.palette(), enabled, self.shown_text(), role)

    def _update_tooltip(self) -> None:
        self.setToolTip(as_tooltip(self.text()) if self.shown_text() != self.text() else "")


class LinkButton(QPushButton):
    """A flat button that looks like a link and knows its id."""

    activated = Signal(str)

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self._id = ""
        font = self.font()
        font.setUnderline(True)
        self.setFont(font)
        self.setFlat(True)
        self.setAutoDefault(True)  # Enter clicks it and does not reach the card
        self.setMinimumHeight(_TARGET)
        self.setSizePolicy(QSizePolicy.Policy.Maximum, QSizePolicy.Policy.Fixed)
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self.clicked.connect(self._activate)
        self.hide()

    def set_link(self, link: tuple[str, str] | None) -> None:
        """Show an (id, text) pair, or nothing."""
        self._id, text = link or ("", "")
        self.setText(on_button(text))
        self.setVisible(link is not None)

    def sizeHint(self) -> QSize:
        """Ask for the width of the text, not for a button's."""
        return QSize(self.fontMetrics().horizontalAdvance(self.text().replace("&&", "&")) + 2 * _LINK_MARGIN, _TARGET)

    def minimumSizeHint(self) -> QSize:
        """Show the whole text."""
        return self.sizeHint()

    def recolor(self, color: QColor) -> None:
        """Write in a colour."""
        palette = QPalette()
        palette.setColor(QPalette.ColorRole.ButtonText, color)
        self.setPalette(palette)

    def _activate(self) -> None:
        self.activated.emit(self._id)


class _Refusal(QWidget):
    """A refusal: an icon and a sentence."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.icon, self.words = QLabel(self), QLabel(self)
        self.words.setTextFormat(Qt.TextFormat.PlainText)
        self.words.setWordWrap(True)
        self.words.setMinimumWidth(1)  # one long word must not widen the window
        self.words.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 4, 0, 0)
        row.setSpacing(_ICON_GAP)
        self.icon.setFixedWidth(_BIG.width())  # its words stand below those of the card
        self.icon.setAlignment(Qt.AlignmentFlag.AlignCenter)
        row.addWidget(self.icon)
        row.addWidget(self.words, 1)
        self.hide()

    def recolor(self, color: QColor) -> None:
        """Write in a colour."""
        palette = QPalette()
        palette.setColor(QPalette.ColorRole.WindowText, color)
        self.words.setPalette(palette)
        self.icon.setPixmap(icon("error", color).pixmap(_SMALL, self.devicePixelRatioF()))


class DropCardBody(QWidget):
    """Fills its card and decides nothing; clicks that no child takes go through to the card."""

    link_clicked = Signal(str)

    def __init__(self, card: QWidget) -> None:
        super().__init__(card)
        self._icon, self._title = QLabel(self), ElidedLabel(self)
        self._text = QLabel(self)
        self._text.setTextFormat(Qt.TextFormat.PlainText)
        self._text.setWordWrap(True)
        self._text.setMinimumWidth(1)
        self.button = QPushButton(self)
        self.button.setMinimumHeight(_TARGET)
        self.button.setAutoDefault(True)  # Enter clicks it
        self._bar = QProgressBar(self)
        self._bar.setRange(0, 0)
        self._bar.setTextVisible(False)
        self._bar.setFixedHeight(4)
        self._link, self._refusal = LinkButton(self), _Refusal(self)
        self._link.activated.connect(self.link_clicked)
        self._lines: list[ElidedLabel] = []
        self._texts: list[str] = []
        self._minor, self._is_compact = "", False
        font = self._title.font()
        font.setBold(True)
        self._title.setFont(font)
        self._lay_out(card)

    def _lay_out(self, card: QWidget) -> None:
        head = QHBoxLayout()
        head.setSpacing(_ICON_GAP)
        head.addStrut(_TARGET)  # as high without the button
        head.addWidget(self._icon)
        head.addWidget(self._title, 1)
        head.addWidget(self._text, 1)
        head.addWidget(self.button)
        self._first_row, self._more_rows = QHBoxLayout(), QVBoxLayout()
        self._first_row.addWidget(self._link)
        self._first_row.addStretch(1)
        self._more_rows.setSpacing(2)
        below_title = _BIG.width() + head.spacing()
        self._first_row.setSpacing(8)
        self._first_row.setContentsMargins(below_title, 0, 0, 0)
        self._more_rows.setContentsMargins(below_title, 0, 0, 0)
        self._column = column = QVBoxLayout(self)
        column.setContentsMargins(*_MARGINS)
        column.setSpacing(2)
        column.addStretch(0)
        column.addLayout(head)
        column.addWidget(self._bar)
        column.addLayout(self._first_row)
        column.addLayout(self._more_rows)
        column.addStretch(1)
        column.addWidget(self._refusal)
        outer = QVBoxLayout(card)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.addWidget(self)

    def show_empty(self, text: str, button: str) -> None:
        """Show a text and a button."""
        self._show("", text, None, button)
        self._column.setStretch(0, 1)  # an invitation stands in the middle

    def show_busy(self, text: str, link: tuple[str, str] | None) -> None:
        """Show a text and a bar without numbers."""
        self._show("", text, link, "")
        self._bar.show()

    def show_filled(
        self, title: str, lines: Sequence[str], link: tuple[str, str] | None, button: str, minor: str = ""
    ) -> None:
        """Show a title, lines, a link behind the first of them, a button; a compact body leaves the minor line out."""
        self._show(title, "", link, button, lines, minor)

    def set_compact(self, is_compact: bool) -> None:
        """Take less room, without the minor line."""
        self._is_compact = is_compact
        self._column.setContentsMargins(*(_COMPACT_MARGINS if is_compact else _MARGINS))
        self._show_lines()

    def hidden_line(self) -> str:
        """Return the line that a compact body leaves out, "" for none."""
        return self._minor if self._is_compact else ""

    def _show(
        self,
        title: str,
        text: str,
        link: tuple[str, str] | None,
        button: str,
        lines: Sequence[str] = (),
        minor: str = "",
    ) -> None:
        self._title.setText(title)
        self._title.setVisible(bool(title))
        self._text.setText(text)
        self._text.setVisible(bool(text))
        self.button.setText(button)
        self.button.setVisible(bool(button))
        self._bar.hide()
        self._column.setStretch(0, 0)
        self._link.set_link(link)
        self._texts, self._minor = [*lines], minor
        self._show_lines()

    def _show_lines(self) -> None:
        lines = [text for text in self._texts if text != self.hidden_line()]
        while len(self._lines) < len(lines):
            self._add_line()
        for number, label in enumerate(self._lines):
            label.setText(lines[number] if number < len(lines) else "")
            label.setVisible(number < len(lines))

    def _add_line(self) -> None:
        label = ElidedLabel(self)
        if self._lines:
            self._more_rows.addWidget(label)
        else:
            label.setMinimumHeight(_TARGET)  # the link's: cards side by side stand in line
            self._first_row.insertWidget(0, label)
        self._lines.append(label)

    def show_refusal(self, text: str) -> None:
        """Show a sentence in the error colour."""
        self._refusal.words.setText(text)
        self._refusal.show()

    def clear_refusal(self) -> None:
        """Hide the refusal."""
        self._refusal.words.clear()
        self._refusal.hide()

    def refusal(self) -> str:
        """Return the refusal's sentence, or ""."""
        return self._refusal.words.text()

    def recolor(self, picture: QIcon, error: QColor, link: QColor) -> None:
        """Take the colours of a palette."""
        self._icon.setPixmap(picture.pixmap(_BIG, self.devicePixelRatioF()))
        self._refusal.recolor(error)
        self._link.recolor(link)
