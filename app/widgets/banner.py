"""A message in one line that stays in the layout for as long as it is true."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from itertools import pairwise

from PySide6.QtCore import QEvent, Qt, QTimer, Signal, Slot
from PySide6.QtGui import QFont, QPainter, QPaintEvent, QPalette, QResizeEvent
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QPushButton, QSizePolicy, QWidget

from app.theme import BannerKind, banner_colors, height_for, picture, set_primary
from app.widgets.announce import announce
from app.widgets.card.body import ElidedLabel
from app.words import on_button

HEIGHT = 34  # px, of one line with a button
_BUTTON_HEIGHT, _MOST_BUTTONS = 28, 2
_ICON_SIZE = 20  # px
_ICON_NAMES: dict[BannerKind, str] = {"warning": "warning", "error": "error", "info": "info"}
READ_ALL = "Read All…"
_CLOSE = "Close this message"


def _words(parent: QWidget, stretch: int, *, is_bold: bool) -> ElidedLabel:
    label = ElidedLabel(parent, Qt.TextElideMode.ElideRight)
    policy = QSizePolicy(
        QSizePolicy.Policy.Preferred if is_bold else QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed
    )
    policy.setHorizontalStretch(stretch)
    label.setSizePolicy(policy)
    if is_bold:
        font = QFont(label.font())
        font.setBold(True)
        label.setFont(font)
    return label


class Banner(QFrame):
    """A title, a detail and up to two buttons on a coloured ground; hidden until there is a message.

    `read_all_wanted()`: the words, or the buttons, need more room than there is. `closed()`: a person put it away.
    """

    action_triggered = Signal(str)
    read_all_wanted = Signal()
    closed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._kind: BannerKind = "info"
        self._icon = QLabel(self)
        self._title, self._detail = _words(self, 0, is_bold=True), _words(self, 1, is_bold=False)
        self._actions: list[tuple[str, str]] = []
        self._buttons: dict[str, QPushButton] = {}
        self._more = QPushButton(READ_ALL, self)
        self._more.setFixedHeight(height_for(self, _BUTTON_HEIGHT))
        self._more.setAutoDefault(True)  # Enter clicks it
        self._more.clicked.connect(self.read_all_wanted)
        self.close_button = QPushButton("×", self)
        self.close_button.setFixedSize(height_for(self, _BUTTON_HEIGHT), height_for(self, _BUTTON_HEIGHT))
        self.close_button.setObjectName("closeNoticeButton")
        self.close_button.setStyleSheet("padding: 0")  # or that of words leaves no room for the sign
        self.close_button.setAutoDefault(True)  # Enter clicks it
        self.close_button.setAccessibleName(_CLOSE)
        self.close_button.setToolTip(_CLOSE)
        self.close_button.clicked.connect(self._on_close)
        self._news = QTimer(self)  # what gives way to another message at once is not read out
        self._news.setSingleShot(True)
        self._news.timeout.connect(self._announce)
        self.setFixedHeight(height_for(self, HEIGHT))
        self._lay_out()
        self.hide()

    def _lay_out(self) -> None:
        row = QHBoxLayout(self)
        row.setContentsMargins(10, 0, 3, 0)
        row.setSpacing(8)
        row.addWidget(self._icon)
        row.addWidget(self._title)
        row.addWidget(self._detail, 1)
        self._button_row = QHBoxLayout()
        self._button_row.setSpacing(6)
        row.addLayout(self._button_row)
        row.addWidget(self._more)
        row.addWidget(self.close_button)

    def show_message(
        self,
        kind: BannerKind,
        title: str,
        detail: str = "",
        actions: Sequence[tuple[str, str]] = (),
        primary: str = "",
        can_be_closed: bool = False,
    ) -> None:
        """Show a message; `actions` are (id, text) pairs, the most advised first; `primary` is the advised one's id."""
        news = self.isHidden() or (kind, title) != (self._kind, self._title.text())
        self._kind = kind
        self._title.setText(title)
        self._detail.setText(detail)
        self._set_actions(actions)
        for action_id, button in self._buttons.items():
            set_primary(button, action_id == primary)
        self.close_button.setVisible(can_be_closed)
        self._recolor()
        self.setAccessibleName(title)
        self.setAccessibleDescription(detail)
        self.show()
        self._show_more()
        if news:  # a detail that changes with every epoch is not read out each time
            self._news.start()

    @Slot()
    def _announce(self) -> None:
        announce(self, f"{self.title()} {self.detail()}".strip(), urgent=self._kind != "info")

    def hide_message(self) -> None:
        """Hide the message."""
        self._news.stop()
        self.hide()

    @Slot()
    def _on_close(self) -> None:
        self.close_button.clearFocus()  # Qt would hand it on to some button, which takes the space bar then
        self.closed.emit()

    def title(self) -> str:
        """Return the title of the message."""
        return self._title.text()

    def detail(self) -> str:
        """Return the sentence behind the title."""
        return self._detail.text()

    def actions_shown(self) -> tuple[tuple[str, str], ...]:
        """Return the (id, text) pairs of the message, those without a button included."""
        return tuple(self._actions)

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
        for button in [*self._buttons.values()][_MOST_BUTTONS:]:
            button.hide()
        for earlier, later in pairwise([self._more, *self._buttons.values(), self._more, self.close_button]):
            QWidget.setTabOrder(earlier, later)  # new buttons would come last

    def _new_button(self, action_id: str, text: str) -> QPushButton:
        button = QPushButton(on_button(text), self)
        button.setFixedHeight(height_for(self, _BUTTON_HEIGHT))
        button.setAutoDefault(True)  # Enter clicks it
        button.clicked.connect(partial(self._trigger, action_id))
        self._button_row.addWidget(button)
        return button

    def _trigger(self, action_id: str) -> None:
        self.action_triggered.emit(action_id)

    def _show_more(self) -> None:
        """Offer all of the message where it is cut off; with that button there is less room, never more."""
        is_cut = any(label.shown_text() != label.text() for label in (self._title, self._detail))
        self._more.setVisible(is_cut or len(self._actions) > _MOST_BUTTONS)

    def _recolor(self) -> None:
        colors = banner_colors(self.palette(), self._kind)
        words = QPalette()
        words.setColor(QPalette.ColorRole.WindowText, colors.text)
        for label in (self._title, self._detail):
            label.setPalette(words)
        drawn = picture(_ICON_NAMES[self._kind], colors.text, _ICON_SIZE, self.devicePixelRatioF())
        self._icon.setPixmap(drawn)
        self.update()

    def changeEvent(self, event: QEvent) -> None:
        """Follow the palette."""
        super().changeEvent(event)
        if event.type() in (QEvent.Type.PaletteChange, QEvent.Type.ApplicationPaletteChange):
            self._recolor()

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Offer all of the message if it no longer fits."""
        super().resizeEvent(event)
        if event.size().width() != event.oldSize().width():
            self._more.hide()
            layout = self.layout()
            assert layout is not None
            layout.activate()
            self._show_more()

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw the ground."""
        colors = banner_colors(self.palette(), self._kind)
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setBrush(colors.ground)
        painter.setPen(colors.text)
        painter.drawRoundedRect(self.rect().adjusted(0, 0, -1, -1).toRectF().translated(0.5, 0.5), 4, 4)
