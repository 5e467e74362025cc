"""A message that stays in the layout for as long as it is true."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from itertools import pairwise

from PySide6.QtCore import QEvent, QSize, Qt, Signal
from PySide6.QtGui import QPainter, QPaintEvent, QPalette, QResizeEvent
from PySide6.QtWidgets import QBoxLayout, QFrame, QHBoxLayout, QLabel, QPushButton, QSizePolicy, QVBoxLayout, QWidget

from app.theme import BannerKind, banner_colors, icon, set_primary
from app.widgets.announce import announce
from app.words import on_button

_NARROW = 560  # below this the buttons stand under the text
_ICON_SIZE = QSize(24, 24)
_ICON_NAMES: dict[BannerKind, str] = {"warning": "warning", "error": "error", "info": "info"}


def _text_label(parent: QWidget) -> QLabel:
    label = QLabel(parent)
    label.setTextFormat(Qt.TextFormat.PlainText)
    label.setWordWrap(True)
    label.setMinimumWidth(1)  # one long word must not widen the window
    label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
    label.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)
    return label


class Banner(QFrame):
    """A title, a detail and a few buttons on a coloured ground; hidden until there is a message."""

    action_triggered = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._kind: BannerKind = "info"
        self._icon = QLabel(self)
        self._title, self._detail = _text_label(self), _text_label(self)
        font = self._title.font()
        font.setBold(True)
        self._title.setFont(font)
        self._actions: list[tuple[str, str]] = []
        self._buttons: dict[str, QPushButton] = {}
        self._lay_out()
        self.hide()

    def _lay_out(self) -> None:
        self._words = words = QVBoxLayout()
        words.addWidget(self._title)
        words.addWidget(self._detail)
        beside_icon = QHBoxLayout()
        beside_icon.setSpacing(10)
        beside_icon.addWidget(self._icon, 0, Qt.AlignmentFlag.AlignTop)
        beside_icon.addLayout(words, 1)
        self._button_row = QHBoxLayout()
        self._direction = QBoxLayout(QBoxLayout.Direction.LeftToRight, self)
        self._direction.addLayout(beside_icon, 1)
        self._direction.addLayout(self._button_row)
        self.set_compact(False)

    def set_compact(self, is_compact: bool) -> None:
        """Take less room around the words."""
        self._words.setSpacing(0 if is_compact else 2)
        height = 3 if is_compact else 8
        self._direction.setContentsMargins(12, height, 12, height)

    def show_message(
        self,
        kind: BannerKind,
        title: str,
        detail: str = "",
        actions: Sequence[tuple[str, str]] = (),
        primary: str = "",
    ) -> None:
        """Show a message; `actions` are (id, text) pairs, `primary` is the id of the advised one."""
        news = self.isHidden() or (kind, title) != (self._kind, self._title.text())
        self._kind = kind
        self._title.setText(title)
        self._detail.setText(detail)
        self._detail.setVisible(bool(detail))
        self._set_actions(actions)
        for action_id, button in self._buttons.items():
            set_primary(button, action_id == primary)
        self._recolor()
        self.setAccessibleName(title)
        self.setAccessibleDescription(detail)
        self.show()
        if news:  # a detail that changes with every epoch is not read out each time
            announce(self, f"{title} {detail}".strip(), urgent=kind != "info")

    def hide_message(self) -> None:
        """Hide the message."""
        self.hide()

    def title(self) -> str:
        """Return the title of the message."""
        return self._title.text()

    def detail(self) -> str:
        """Return the sentence below the title."""
        return self._detail.text()

    def button(self, action_id: str) -> QPushButton:
        """Return the button of an action."""
        return self._buttons[action_id]

    def _set_actions(self, actions: Sequence[tuple[str, str]]) -> None:
        if [*actions] == self._actions:
            return  # a button keeps its focus when only the words change
        self._actions = [*actions]
        for button in self._buttons.values():
            self._button_row.removeWidget(button)
            button.hide()
            button.deleteLater()
        self._buttons = {action_id: self._new_button(action_id, text) for action_id, text in actions}
        for earlier, later in pairwise([self._detail, *self._buttons.values()]):
            QWidget.setTabOrder(earlier, later)  # new buttons would come last

    def _new_button(self, action_id: str, text: str) -> QPushButton:
        button = QPushButton(on_button(text), self)
        button.setMinimumHeight(28)
        button.setAutoDefault(True)  # Enter clicks it
        button.clicked.connect(partial(self._trigger, action_id))
        self._button_row.addWidget(button, 0, Qt.AlignmentFlag.AlignVCenter)
        return button

    def _trigger(self, action_id: str) -> None:
        self.action_triggered.emit(action_id)

    def _recolor(self) -> None:
        colors = banner_colors(self.palette(), self._kind)
        words = QPalette()
        words.setColor(QPalette.ColorRole.WindowText, colors.text)
        for label in (self._title, self._detail):
            label.setPalette(words)
        self._icon.setPixmap(icon(_ICON_NAMES[self._kind], colors.text).pixmap(_ICON_SIZE, self.devicePixelRatioF()))
        self.update()

    def changeEvent(self, event: QEvent) -> None:
        """Follow the palette."""
        super().changeEvent(event)
        if event.type() in (QEvent.Type.PaletteChange, QEvent.Type.ApplicationPaletteChange):
            self._recolor()

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Put the buttons below the text if there is little room."""
        super().resizeEvent(event)
        narrow = event.size().width() < _NARROW
        self._direction.setDirection(QBoxLayout.Direction.TopToBottom if narrow else QBoxLayout.Direction.LeftToRight)

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw the ground."""
        colors = banner_colors(self.palette(), self._kind)
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setBrush(colors.ground)
        painter.setPen(colors.text)
        painter.drawRoundedRect(self.rect().adjusted(0, 0, -1, -1).toRectF().translated(0.5, 0.5), 4, 4)
