"""The contents of a chip: a title, a line below it, a link and a button."""

from __future__ import annotations

from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtGui import QColor, QIcon, QPainter, QPaintEvent, QPalette, QResizeEvent
from PySide6.QtWidgets import QHBoxLayout, QLabel, QProgressBar, QPushButton, QSizePolicy, QVBoxLayout, QWidget

from app.theme import icon
from app.widgets.fitting import fitted
from app.widgets.tips import set_tip
from app.words import on_button

_TARGET = 28  # px, the least height of a button or a link
_ICON_SIZE = QSize(20, 20)
_ICON_GAP, _LINK_MARGIN, _BAR_HEIGHT = 8, 4, 3


class ElidedLabel(QLabel):
    """A QLabel of one line that may be narrower than its text, which is then its tooltip; `text()` is always whole.

    Cut at the right it loses whole facts; what is cut in the middle is a name.
    """

    def __init__(self, parent: QWidget | None = None, mode: Qt.TextElideMode = Qt.TextElideMode.ElideMiddle) -> None:
        super().__init__(parent)
        self._mode, self._short = mode, ""
        self.setTextFormat(Qt.TextFormat.PlainText)
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)

    def setText(self, text: str, short: str = "") -> None:
        """Show a text, and fewer words, if there are any, where its first fact is too long."""
        self._short = short
        super().setText(text)
        self._update_tooltip()
        self.update()

    def minimumSizeHint(self) -> QSize:
        """Allow to be as narrow as a few letters."""
        return QSize(
            min(super().sizeHint().width(), self.fontMetrics().averageCharWidth() * 6), super().sizeHint().height()
        )

    def shown_text(self) -> str:
        """Return the text as far as it fits."""
        metrics, width = self.fontMetrics(), self.contentsRect().width()
        if self._mode is Qt.TextElideMode.ElideRight and (
            facts := fitted(self.text(), self._short, lambda text: metrics.horizontalAdvance(text) <= width)
        ):
            return facts
        return metrics.elidedText(self.text(), self._mode, width)

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
        set_tip(self, self.text() if self.shown_text() != self.text() else "")


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


class DropCardBody(QWidget):
    """Fills its chip and decides nothing; clicks that no child takes go through to the chip."""

    link_clicked = Signal(str)

    def __init__(self, card: QWidget) -> None:
        super().__init__(card)
        self._icon, self._title, self._line = (
            QLabel(self),
            ElidedLabel(self),
            ElidedLabel(self, Qt.TextElideMode.ElideRight),
        )
        self._facts = self._short = self._refusal = ""
        self._picture, self._dim, self._error = QIcon(), QColor(), QColor()
        self.button = QPushButton("⋯", self)
        self.button.setFixedSize(_TARGET, _TARGET)
        self.button.setFlat(True)
        self.button.setAutoDefault(True)  # Enter clicks it
        self._link = LinkButton(self)
        self._link.activated.connect(self.link_clicked)
        self._bar = QProgressBar(self)
        self._bar.setRange(0, 0)
        self._bar.setTextVisible(False)
        self._bar.setFixedHeight(_BAR_HEIGHT)
        keeps_its_place = self._bar.sizePolicy()
        keeps_its_place.setRetainSizeWhenHidden(True)
        self._bar.setSizePolicy(keeps_its_place)
        font = self._title.font()
        font.setBold(True)
        self._title.setFont(font)
        self._lay_out(card)

    def _lay_out(self, card: QWidget) -> None:
        words = QVBoxLayout()
        words.setSpacing(0)
        words.addWidget(self._title)
        words.addWidget(self._line)
        row = QHBoxLayout()
        row.setSpacing(_ICON_GAP)
        row.addWidget(self._icon)
        row.addLayout(words, 1)
        row.addWidget(self._link)
        row.addWidget(self.button)
        column = QVBoxLayout(self)
        column.setContentsMargins(10, _BAR_HEIGHT, 6, 1)
        column.setSpacing(0)
        column.addLayout(row, 1)
        column.addWidget(self._bar)
        outer = QVBoxLayout(card)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.addWidget(self)

    def show_words(self, title: str, facts: str, short: str, link: tuple[str, str] | None, button: str) -> None:
        """Show a title, a line below it, or a short one where it is too long, a link, and a button of this name."""
        self._title.setText(title)
        self._facts, self._short = facts, short
        self._link.set_link(link)
        self.button.setVisible(bool(button))
        self.button.setAccessibleName(button)
        set_tip(self.button, button)
        self._bar.hide()
        self._show_line()

    def show_bar(self) -> None:
        """Show that something is under way."""
        self._bar.show()

    def show_refusal(self, text: str) -> None:
        """Show a sentence in the place of the facts, in the error colour; "" shows the facts again."""
        self._refusal = text
        self._show_line()

    def refusal(self) -> str:
        """Return the refusal's sentence, or ""."""
        return self._refusal

    def recolor(self, picture: QIcon, dim: QColor, error: QColor, link: QColor) -> None:
        """Take the colours of a palette."""
        self._picture, self._dim, self._error = picture, dim, error
        self._link.recolor(link)
        self._show_line()

    def _show_line(self) -> None:
        self._line.setText(self._refusal or self._facts, "" if self._refusal else self._short)
        self._line.setVisible(bool(self._line.text()))
        palette = QPalette()
        palette.setColor(QPalette.ColorRole.WindowText, self._error if self._refusal else self._dim)
        self._line.setPalette(palette)
        picture = icon("error", self._error) if self._refusal else self._picture
        self._icon.setPixmap(picture.pixmap(_ICON_SIZE, self.devicePixelRatioF()))
