"""The place of the start page that invites to a drop."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QEvent, QSize, Qt, Signal
from PySide6.QtGui import QColor, QPainter, QPaintEvent, QPen, QResizeEvent
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from app.theme import RADIUS, ROOMY, ROW, SPACE, WIDE, accent_color, picture, raised_color, tokens
from app.words import on_button

_PICTURE = 32  # px
_ALPHA = 36


class DropZone(QFrame):
    """An invitation and buttons, by id, for what can also be chosen; the window takes the drop itself."""

    chosen = Signal(str)

    def __init__(self, invitation: str, buttons: Sequence[tuple[str, str]], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._is_lit = False
        self._pictures = [(QLabel(), name) for name in ("sounds", "model")]
        self._picture_row = QWidget()
        self._words = QLabel(invitation)
        self._words.setWordWrap(True)
        self._words.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self._buttons = {identity: self._new_button(identity, text) for identity, text in buttons}
        self._lay_out()
        self._restyle()

    def _new_button(self, identity: str, text: str) -> QPushButton:
        button = QPushButton(on_button(text))
        button.setMinimumHeight(ROW)
        button.setAutoDefault(True)  # Enter clicks it
        button.clicked.connect(lambda checked=False: self.chosen.emit(identity))
        return button

    def _lay_out(self) -> None:
        pictures, buttons = QHBoxLayout(self._picture_row), QHBoxLayout()
        pictures.setContentsMargins(0, 0, 0, 0)
        for row, widgets in ((pictures, [label for label, _ in self._pictures]), (buttons, [*self._buttons.values()])):
            row.setSpacing(ROOMY)
            row.addStretch(1)
            for widget in widgets:
                row.addWidget(widget)
            row.addStretch(1)
        column = QVBoxLayout(self)
        column.setContentsMargins(WIDE, ROOMY, WIDE, ROOMY)
        column.setSpacing(SPACE)
        column.addStretch(1)
        column.addWidget(self._picture_row)
        column.addWidget(self._words)
        column.addLayout(buttons)
        column.addStretch(1)

    def button(self, identity: str) -> QPushButton:
        """Return a button."""
        return self._buttons[identity]

    def set_lit(self, is_lit: bool) -> None:
        """Show that what is held over the window would be taken."""
        self._is_lit = is_lit
        self.update()

    def _restyle(self) -> None:
        font = self.font()
        font.setPointSizeF(font.pointSizeF() * 1.3)
        font.setBold(True)
        self._words.setFont(font)
        color = QColor(tokens(self.palette()).dim)
        for label, name in self._pictures:
            label.setPixmap(picture(name, color, _PICTURE, self.devicePixelRatioF()))
        self.update()

    def _picture_height(self) -> int:
        return _PICTURE + SPACE

    def minimumSizeHint(self) -> QSize:
        """Ask for the room of the words and the buttons."""
        hint = super().minimumSizeHint()
        return hint - QSize(0, self._picture_height()) if not self._picture_row.isHidden() else hint

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Leave the pictures out where they would push the cards below away."""
        super().resizeEvent(event)
        self._picture_row.setVisible(self.height() >= self.minimumSizeHint().height() + self._picture_height())

    def changeEvent(self, event: QEvent) -> None:
        """Follow the palette and the font."""
        super().changeEvent(event)
        if event.type() in (QEvent.Type.PaletteChange, QEvent.Type.FontChange):
            self._restyle()

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw a dashed border, a solid one while files are held over the window."""
        accent, ground = accent_color(self.palette()), raised_color(self.palette())
        pen = QPen(QColor(tokens(self.palette()).dim), 1.0, Qt.PenStyle.DashLine)
        if self._is_lit:
            pen, ground = QPen(accent, 3.0), QColor(accent)
            ground.setAlpha(_ALPHA)
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(pen)
        painter.setBrush(ground)
        edge = pen.widthF() / 2 + 0.5
        painter.drawRoundedRect(self.rect().toRectF().adjusted(edge, edge, -edge, -edge), RADIUS, RADIUS)
        painter.end()
