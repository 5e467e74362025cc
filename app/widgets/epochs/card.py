"""A card of the kept epochs: it is played, and chosen for the file."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QRectF, Qt, Signal
from PySide6.QtGui import QPainter, QPaintEvent, QPalette, QPen, QResizeEvent
from PySide6.QtWidgets import QFrame, QHBoxLayout, QPushButton, QToolButton, QVBoxLayout

from app.theme import (
    RADIUS,
    TARGET,
    TIGHT,
    accent_color,
    border_color,
    dim_color,
    error_color,
    height_for,
    icon,
    raised_color,
)
from app.widgets.card.body import ElidedLabel
from app.widgets.epochs.look import EpochLook
from app.widgets.tips import set_tip
from app.words import as_tooltip

_ROOMY_FROM = 330  # px: here all words have room


class _Title(ElidedLabel):
    """A label that says the same in fewer words where it is narrow."""

    def __init__(self) -> None:
        super().__init__(mode=Qt.TextElideMode.ElideRight)
        self._titles: tuple[str, ...] = ("",)

    def set_titles(self, titles: tuple[str, ...]) -> None:
        """Show the first title that has room."""
        self._titles = titles
        self.setText(titles[0])

    def shown_text(self) -> str:
        """Return the title that has room, or else as much of the last as fits."""
        metrics, width = self.fontMetrics(), self.contentsRect().width()
        fitting = (title for title in self._titles if metrics.horizontalAdvance(title) <= width)
        return next(fitting, metrics.elidedText(self._titles[-1], Qt.TextElideMode.ElideRight, width))


class _Line(ElidedLabel):
    """A label of which as many letters are shown as fit: of "close to kick_07" half a name tells more than none."""

    def shown_text(self) -> str:
        """Return the letters that fit."""
        return self.fontMetrics().elidedText(self.text(), Qt.TextElideMode.ElideRight, self.contentsRect().width())


class EpochCard(QFrame):
    """Shows an epoch; `play_wanted(id)` asks to hear its take, or to stop it, `keep_wanted(id)` chooses the epoch."""

    play_wanted = Signal(object)
    keep_wanted = Signal(object)

    def __init__(self) -> None:
        super().__init__()
        self._look: EpochLook | None = None
        self._is_playing = False
        self.play_button, self.keep_button = QToolButton(), QPushButton()
        self.title, self.line = _Title(), _Line()
        self.keep_button.setCheckable(True)
        self.keep_button.setAutoDefault(True)
        self.play_button.clicked.connect(self._on_play)
        self.keep_button.clicked.connect(self._on_keep)
        self._lay_out()
        self._recolor()

    def _lay_out(self) -> None:
        self.play_button.setFixedSize(TARGET, TARGET)
        self.keep_button.setFixedHeight(height_for(self.keep_button, TARGET))
        words = QVBoxLayout()
        words.setSpacing(0)
        words.addWidget(self.title)
        words.addWidget(self.line)
        row = QHBoxLayout(self)
        row.setContentsMargins(TIGHT, TIGHT, TIGHT, TIGHT)
        row.setSpacing(TIGHT)
        row.addWidget(self.play_button)
        row.addLayout(words, 1)
        row.addWidget(self.keep_button)

    @property
    def id(self) -> object:
        """What the card is of, None before it shows anything."""
        return None if self._look is None else self._look.id

    def show_look(self, look: EpochLook, *, is_playing: bool) -> None:
        """Show an epoch, and whether its take plays."""
        self._look, self._is_playing = look, is_playing
        self.title.set_titles(look.titles)
        self.line.setText(look.line)
        self.setToolTip(as_tooltip(look.tip))
        self.setAccessibleName(look.name)
        self.setAccessibleDescription(f"{look.titles[0]}. {look.line}. {look.tip}")
        what = "Stop" if is_playing else "Play"
        self.play_button.setAccessibleName(f"{what} the take of {look.name}")
        set_tip(self.play_button, f"{what} the take of {look.name}")
        self.keep_button.setAccessibleName(f"{look.keep}: {look.name}")
        set_tip(self.keep_button, look.keep_tip)
        self.keep_button.setChecked(look.is_kept)
        self.keep_button.setEnabled(look.can_keep)
        self._fit()
        self._recolor()

    def _fit(self) -> None:
        if self._look is not None:
            self.keep_button.setText(self._look.keep if self.width() >= _ROOMY_FROM else self._look.short)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Leave the words on the epoch more room than those on the button."""
        super().resizeEvent(event)
        self._fit()

    def _on_play(self) -> None:
        self.play_wanted.emit(self.id)

    def _on_keep(self) -> None:
        if self._look is not None:
            self.keep_button.setChecked(self._look.is_kept)  # a click alone changes nothing
        self.keep_wanted.emit(self.id)

    def _recolor(self) -> None:
        palette, look = self.palette(), self._look
        text = palette.color(QPalette.ColorRole.WindowText)
        self.play_button.setIcon(icon("stop" if self._is_playing else "play", text))
        below = QPalette()
        is_copy = look is not None and look.is_copy
        below.setColor(QPalette.ColorRole.WindowText, error_color(palette) if is_copy else dim_color(palette))
        self.line.setPalette(below)
        self.update()

    def changeEvent(self, event: QEvent) -> None:
        """Follow the palette."""
        super().changeEvent(event)
        if event.type() in (QEvent.Type.PaletteChange, QEvent.Type.ApplicationPaletteChange):
            self._recolor()

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw the card; a thicker line is around the one that is chosen."""
        painter, palette = QPainter(self), self.palette()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        is_kept = self._look is not None and self._look.is_kept
        width = 2.0 if is_kept else 1.0
        painter.setPen(QPen(accent_color(palette) if is_kept else border_color(palette), width))
        painter.setBrush(raised_color(palette))
        half = width / 2
        painter.drawRoundedRect(QRectF(self.rect()).adjusted(half, half, -half, -half), RADIUS, RADIUS)
