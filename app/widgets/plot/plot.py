"""The plot of perplexity by epoch: of a training as it goes, or as a model file has it."""

from __future__ import annotations

from collections.abc import Sequence
from time import monotonic
from typing import TYPE_CHECKING, TypeAlias

from PySide6.QtCore import QEvent, QPoint, QSize, Qt, QTimer, Signal
from PySide6.QtGui import QFocusEvent, QKeyEvent, QPaintEvent
from PySide6.QtWidgets import (
    QGridLayout,
    QLabel,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from app.widgets.announce import announce
from app.widgets.card.body import ElidedLabel
from app.widgets.focus import draw_focus
from app.widgets.plot.curve import Beside, Curve, CurveLines, PlotAxes
from app.widgets.plot.head import ComparisonLine, PlotHead
from distill_core.training.prior.events import PriorEpochMetrics

if TYPE_CHECKING:
    from app.widgets.plot.canvas import PerplexityCanvas
    from distill_core.training.events import StepMetrics

NO_CURVE_YET = "The curve appears once a training has begun."
_EPOCHS, _MINUTES, _NO_TIMES = "epoch", "minutes", "epoch (when each ended is not known)"
_PAUSE_MS = 100


_Key: TypeAlias = tuple[int, float, float]


def _key(metrics: PriorEpochMetrics) -> _Key:
    """Return what tells an epoch from another training's, also once it has been read from disk."""
    return metrics.epoch, metrics.val_loss, metrics.train_loss


class PerplexityPlot(QWidget):
    """A plain container until `build()` puts the plot in, with the curve that it was given before.

    `epoch_chosen(int, QPoint)`: an epoch was clicked, or Enter was pressed at it; the point is on the screen.
    `comparison_ended()`: the curve beside is to go.
    """

    epoch_chosen = Signal(int, QPoint)
    comparison_ended = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._curve, self._is_saved = Curve(), False
        self._canvas: PerplexityCanvas | None = None
        self._lines, self._followed = CurveLines(), list[_Key]()  # of the training
        self._shown_epoch, self._stepped_to = 0, 0  # by pointer or keyboard; by the keyboard alone
        self._empty_words = NO_CURVE_YET
        self._head = PlotHead(self)
        self._message, self._words = QLabel(self), ElidedLabel(self)
        self._axes = PlotAxes()
        self._beside: Beside | None = None
        self._comparison = ComparisonLine(self)
        self._comparison.closed.connect(self.comparison_ended)
        self.setObjectName("perplexityPlot")
        self.setAccessibleName("Perplexity by epoch")
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self._pause, self._is_behind = QTimer(self), False
        self._pause.setSingleShot(True)
        self._pause.timeout.connect(self.catch_up)
        self._lay_out()
        self._show()

    def _lay_out(self) -> None:
        self._message.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self._message.setWordWrap(True)
        self._message.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self._words.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self._area = QGridLayout()
        self._area.addWidget(self._message, 0, 0)
        column = QVBoxLayout(self)
        column.setContentsMargins(4, 4, 4, 4)
        column.setSpacing(0)
        column.addWidget(self._head)
        column.addWidget(self._comparison)
        column.addLayout(self._area, 1)
        column.addWidget(self._words)

    def build(self, pixel_ratio: float = 1.0) -> None:
        """Import pyqtgraph and put the plot in, to be drawn on so many pixels a point; a second call does nothing."""
        if self._canvas is not None:
            return
        from app.widgets.plot.canvas import PerplexityCanvas

        self._canvas = PerplexityCanvas(self)
        self._canvas.pixel_ratio = pixel_ratio
        self._canvas.restyle(self.palette())
        self._canvas.hovered.connect(self._on_hovered)
        self._canvas.clicked.connect(self.epoch_chosen)
        self._area.addWidget(self._canvas, 0, 0)
        self._message.raise_()
        self._show()

    # Data

    @property
    def epoch_count(self) -> int:
        """The number of epochs in the curve."""
        return len(self._curve)

    def start(self, total_epochs: int, unigram: float, limit: float, note: str = "") -> None:
        """Begin a training's curve: no epochs yet, the lines to compare with, and a note on the numbers."""
        self._begin(CurveLines(total_epochs, unigram, limit, note))

    def _begin(self, lines: CurveLines) -> None:
        self._lines, self._followed = lines, []
        self._set_curve(Curve.beside(lines))

    def follow(self, lines: CurveLines, epochs: Sequence[PriorEpochMetrics]) -> None:
        """Show a training; to one that is shown already the epochs that are new are added, and its dots stay."""
        known = len(self._followed)
        goes_on = len(epochs) >= known > 0 and _key(epochs[known - 1]) == self._followed[-1]
        if not goes_on and (lines != self._lines or known or self._is_saved):
            self._begin(lines)
        elif lines != self._lines:
            self._lines = lines
            self._curve.compare_with(lines)
            self._show_soon()
        for metrics in epochs[len(self._followed) :]:
            self.add_epoch(metrics)

    def add_step(self, step: StepMetrics) -> None:
        """Draw the dot of one more batch."""
        self._curve.add_step(step)
        self._show_soon()

    def add_epoch(self, metrics: PriorEpochMetrics) -> None:
        """Draw one more epoch."""
        follows = self._stepped_to == len(self._curve) > 0  # a read-out of the last epoch stays with the last
        self._followed.append(_key(metrics))
        self._curve.add(metrics)
        if follows:
            self._stepped_to = len(self._curve)
        self._show_soon()

    def _show_soon(self) -> None:
        if self._pause.isActive():
            self._is_behind = True
        else:
            self._show_and_pause()

    def show_saved(
        self,
        epochs: Sequence[int],
        val_losses: Sequence[float],
        train_losses: Sequence[float],
        best_epoch: int | None,
        unigram: float | None = None,
    ) -> None:
        """Show the curve of a model file; `best_epoch` and `unigram` are None if they are not known."""
        self._begin(CurveLines())
        self._set_curve(Curve.saved(epochs, val_losses, train_losses, best_epoch, unigram))
        self._is_saved = True

    def clear(self, words: str = NO_CURVE_YET) -> None:
        """Show no curve and no lines, and in their place a sentence."""
        self._begin(CurveLines())
        self.show_empty_words(words)

    def show_empty_words(self, words: str) -> None:
        """Show a sentence as long as there is no curve."""
        if words != self._empty_words:
            self._empty_words = words
            self._show()

    def set_axes(self, axes: PlotAxes) -> None:
        """Take other axes; a curve without times keeps its epochs."""
        self._axes = axes
        self._show()

    def show_beside(self, beside: Beside | None) -> None:
        """Draw another model's curve beside, or none."""
        if beside != self._beside:
            is_new = beside is not None and (self._beside is None or beside.name != self._beside.name)
            self._beside = beside
            self._comparison.show_words("" if beside is None else beside.words)
            self._show()
            if beside is not None and is_new:
                announce(self, beside.description())

    def read_out(self, epoch: int) -> str:
        """Return "Epoch 31 · kept aside 7.42 · learned from 6.10 · 2:14", or "" if there is no such epoch."""
        words = self._curve.read_out(epoch)
        return words + self._beside.read_out(epoch) if words and self._beside is not None else words

    def sheet(self, pixel_ratio: float) -> PerplexityPlot:
        """Return another plot of the same curve, without a read-out, to be drawn where it is not seen."""
        sheet = PerplexityPlot()
        sheet.setPalette(self.palette())
        sheet._axes, sheet._curve, sheet._empty_words = self._axes, self._curve, self._empty_words
        sheet.build(pixel_ratio)
        sheet.show_beside(self._beside)
        sheet._comparison.hide()  # its words are in the caption
        return sheet

    def shown_read_out(self) -> str:
        """Return the read-out that is shown, or ""."""
        return self.read_out(self._shown_epoch)

    def _set_curve(self, curve: Curve) -> None:
        self._curve, self._stepped_to, self._is_saved = curve, 0, False
        self._show()

    def _show_and_pause(self) -> None:
        """Draw, then leave the window at least four fifths of its time: tiny priors take 10 ms for an epoch."""
        started = monotonic()
        self._show()
        self._pause.start(max(_PAUSE_MS, round(4000 * (monotonic() - started))))

    def catch_up(self) -> None:
        """Draw the epochs that wait for it."""
        if self._is_behind:
            self._show_and_pause()

    def _show(self) -> None:
        self._is_behind = False
        empty = self._curve.is_empty
        self._message.setText(self._empty_words)
        self._message.setVisible(empty)
        self._head.show_legend(not empty, self._curve.note)
        described = [*[self._empty_words] * empty, self._curve.description()]
        described += [] if self._beside is None else [self._beside.description()]
        self.setAccessibleDescription(" ".join(filter(None, described)))
        if self._canvas is not None:
            self._canvas.axes = self._axes
            self._canvas.show_curve(self._curve, self._beside)
        self._show_read_out(self._stepped_to)

    def _show_read_out(self, epoch: int) -> None:
        self._shown_epoch = epoch if 1 <= epoch <= len(self._curve) else 0
        self._words.setText(self.shown_read_out() or self._axis_name())
        if self._canvas is not None:
            self._canvas.show_cursor(self._shown_epoch)

    def _axis_name(self) -> str:
        if not self._axes.by_time or self._curve.is_empty:
            return _EPOCHS
        return _MINUTES if self._curve.has_times and self._beside is None else _NO_TIMES

    # Pointer and keyboard

    def event(self, event: QEvent) -> bool:
        """Keep Esc, which stops a training, from it while it ends the comparison."""
        if event.type() is QEvent.Type.ShortcutOverride and self._beside is not None:
            assert isinstance(event, QKeyEvent)
            if event.key() == Qt.Key.Key_Escape:
                event.accept()
        return super().event(event)

    def _on_hovered(self, epoch: int) -> None:
        self._show_read_out(epoch or self._stepped_to)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Step the read-out: ← → one epoch, Home and End to the first and the last; Enter chooses the epoch.

        Esc ends the comparison.
        """
        if event.key() == Qt.Key.Key_Escape and self._beside is not None:
            self.comparison_ended.emit()
            return
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter) and self._stepped_to:
            self.epoch_chosen.emit(self._stepped_to, self.mapToGlobal(self.rect().center()))
            return
        last = len(self._curve)
        here = self._stepped_to
        steps = {
            Qt.Key.Key_Left: self._curve.stepped(here, -1),
            Qt.Key.Key_Right: self._curve.stepped(here, 1),
            Qt.Key.Key_Home: self._curve.stepped(1, -1),
            Qt.Key.Key_End: last,
        }
        if event.key() not in steps or not last:
            super().keyPressEvent(event)
            return
        self._stepped_to = steps[Qt.Key(event.key())]
        self._show_read_out(self._stepped_to)
        announce(self, self.shown_read_out())

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
        if event.type() in kinds and getattr(self, "_canvas", None) is not None:
            assert self._canvas is not None
            self._canvas.restyle(self.palette())

    def paintEvent(self, event: QPaintEvent) -> None:
        """Show the focus."""
        super().paintEvent(event)
        draw_focus(self)
