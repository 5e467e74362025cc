"""The live plot of a model's error by epoch, while it is made."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING

from PySide6.QtCore import QEvent, QSize, Qt, QTimer
from PySide6.QtGui import QFocusEvent, QFont, QKeyEvent, QPaintEvent
from PySide6.QtWidgets import QLabel, QSizePolicy, QVBoxLayout, QWidget

from app.widgets.announce import announce
from app.widgets.card.body import ElidedLabel
from app.widgets.focus import draw_focus
from app.widgets.plot.error_curve import ErrorCurve

if TYPE_CHECKING:
    from app.widgets.plot.error_canvas import ErrorCanvas
    from distill_core.training.codec.events import CodecEpochMetrics

_PAUSE_MS = 100
_AXIS_NAME = "epoch"


class ErrorPlot(QWidget):
    """A plain container until `build()` puts the plot in, with the curve that it was given before.

    `title` says above the plot what an error is; `set_words` puts sentences on the curve below the title.
    """

    def __init__(self, title: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._curve = ErrorCurve()
        self._canvas: ErrorCanvas | None = None
        self._stepped_to, self._is_behind = 0, False
        self._title, self._words, self._read_out = QLabel(title, self), QLabel(self), ElidedLabel(self)
        self.setObjectName("errorPlot")
        self.setAccessibleName("Error by epoch")
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self._pause = QTimer(self)
        self._pause.setSingleShot(True)
        self._pause.timeout.connect(self.catch_up)
        self._lay_out()
        self._show()

    def _lay_out(self) -> None:
        bold = QFont(self.font())
        bold.setBold(True)
        self._title.setFont(bold)
        for label in (self._title, self._words):
            label.setTextFormat(Qt.TextFormat.PlainText)
            label.setWordWrap(True)
        self._read_out.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self._area = QVBoxLayout()
        column = QVBoxLayout(self)
        column.setContentsMargins(4, 4, 4, 4)
        column.setSpacing(2)
        column.addWidget(self._title)
        column.addWidget(self._words)
        column.addLayout(self._area, 1)
        column.addWidget(self._read_out)

    def build(self) -> None:
        """Import pyqtgraph and put the plot in; a second call does nothing."""
        if self._canvas is not None:
            return
        from app.widgets.plot.error_canvas import ErrorCanvas

        self._canvas = ErrorCanvas(self)
        self._canvas.restyle(self.palette())
        self._canvas.hovered.connect(self._on_hovered)
        self._area.addWidget(self._canvas, 1)
        self._show()

    @property
    def epoch_count(self) -> int:
        """The number of epochs in the curve."""
        return len(self._curve)

    def start(self, total_epochs: int, mean_frame: float) -> None:
        """Begin a curve: no epochs yet, and the error of each sound's average to compare with."""
        self._curve, self._stepped_to = ErrorCurve(total_epochs, mean_frame), 0
        self.set_words("")
        self._show()

    def add_epoch(self, metrics: CodecEpochMetrics) -> None:
        """Draw one more epoch."""
        self._curve.add(metrics)
        if self._pause.isActive():
            self._is_behind = True
        else:
            self._show_and_pause()

    def set_words(self, sentences: str) -> None:
        """Show sentences on the curve."""
        self._words.setText(sentences)

    def words(self) -> str:
        """Return the sentences on the curve."""
        return self._words.text()

    def catch_up(self) -> None:
        """Draw the epochs that wait for it."""
        if self._is_behind:
            self._show_and_pause()

    def _show_and_pause(self) -> None:
        """Draw, then leave the window at least four fifths of its time."""
        started = monotonic()
        self._show()
        self._pause.start(max(_PAUSE_MS, round(4000 * (monotonic() - started))))

    def _show(self) -> None:
        self._is_behind = False
        self.setAccessibleDescription(self._curve.description())
        if self._canvas is not None:
            self._canvas.show_curve(self._curve)
        self._show_read_out(self._stepped_to)

    def read_out(self) -> str:
        """Return the words below the plot: an epoch's figures, or the name of the axis."""
        return self._read_out.text()

    def _show_read_out(self, epoch: int) -> None:
        words = self._curve.read_out(epoch)
        self._read_out.setText(words or _AXIS_NAME)
        if self._canvas is not None:
            self._canvas.show_cursor(epoch if words else 0)

    # Pointer and keyboard

    def _on_hovered(self, epoch: int) -> None:
        self._show_read_out(epoch or self._stepped_to)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Step the read-out: ← → one epoch, Home and End to the first and the last."""
        last, here = len(self._curve), self._stepped_to
        steps = {
            Qt.Key.Key_Left: here - 1 if here else last,
            Qt.Key.Key_Right: here + 1 if here else last,
            Qt.Key.Key_Home: 1,
            Qt.Key.Key_End: last,
        }
        if event.key() not in steps or not last:
            super().keyPressEvent(event)
            return
        self._stepped_to = min(max(steps[Qt.Key(event.key())], 1), last)
        self._show_read_out(self._stepped_to)
        announce(self, self.read_out())

    def focusOutEvent(self, event: QFocusEvent) -> None:
        """Forget the epoch that the keyboard chose."""
        super().focusOutEvent(event)
        self._stepped_to = 0
        self._show_read_out(0)

    # Look

    def sizeHint(self) -> QSize:
        """Ask for a plot that can be read."""
        return QSize(560, 320)

    def minimumSizeHint(self) -> QSize:
        """Ask for the smallest plot that can be read."""
        return QSize(320, 180)

    def changeEvent(self, event: QEvent) -> None:
        """Follow the palette and the font."""
        super().changeEvent(event)
        kinds = (QEvent.Type.PaletteChange, QEvent.Type.ApplicationPaletteChange, QEvent.Type.FontChange)
        if event.type() in kinds and (canvas := getattr(self, "_canvas", None)) is not None:
            canvas.restyle(self.palette())

    def paintEvent(self, event: QPaintEvent) -> None:
        """Show the focus."""
        super().paintEvent(event)
        draw_focus(self)
