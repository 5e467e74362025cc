"""The lines above the plot: what perplexity is, the legend, and how two curves compare."""

from __future__ import annotations

from PySide6.QtCore import QSize, Signal
from PySide6.QtGui import QPainter, QPaintEvent, QPalette, QResizeEvent
from PySide6.QtWidgets import QBoxLayout, QHBoxLayout, QPushButton, QSizePolicy, QWidget

from app.widgets.plot.labels import PlotLegend
from app.widgets.sentence import Sentence
from app.widgets.tips import set_tip

TITLE = "Perplexity – how unsure it is; lower = knows your sounds better"
# The first that fits is shown.
_TITLES = (TITLE, "Perplexity – lower = knows your sounds better", "Perplexity – lower is better", "Perplexity")
_ROOMY = 2  # as wide as that many legends, title and legend stand in one line


class PlotTitle(QWidget):
    """The title in bold, as long as it fits; the whole one is its tooltip."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        font = self.font()
        font.setBold(True)
        self.setFont(font)
        set_tip(self, TITLE)

    def shown_text(self) -> str:
        """Return the title that fits."""
        metrics = self.fontMetrics()
        fits = (title for title in _TITLES if metrics.horizontalAdvance(title) <= self.width())
        return next(fits, _TITLES[-1])

    def sizeHint(self) -> QSize:
        """Ask for one line."""
        return QSize(self.fontMetrics().horizontalAdvance(TITLE), self.fontMetrics().height() + 4)

    def minimumSizeHint(self) -> QSize:
        """Ask for the shortest title."""
        return QSize(self.fontMetrics().horizontalAdvance(_TITLES[-1]), self.sizeHint().height())

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw the title."""
        painter = QPainter(self)
        painter.setPen(self.palette().color(QPalette.ColorRole.WindowText))
        painter.drawText(2, self.fontMetrics().ascent() + 2, self.shown_text())


class ComparisonLine(QWidget):
    """How two curves compare, in a sentence, and a button that ends the comparison: `closed()`."""

    closed = Signal()

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self._words, button = Sentence(self), QPushButton("Compare No Longer", self)
        button.setObjectName("endComparisonButton")
        button.setToolTip("Show this model's curve alone (Esc on the curve)")
        button.clicked.connect(self.closed)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self._words, 1)
        row.addWidget(button)
        self.hide()

    def show_words(self, words: str) -> None:
        """Show a sentence, or nothing at all for ""."""
        self._words.setText(words)
        self.setVisible(bool(words))


class PlotHead(QWidget):
    """The title and the legend; in a narrow place the legend stands below."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self._title, self._legend = PlotTitle(self), PlotLegend(self)
        keeps_its_place = self._legend.sizePolicy()
        keeps_its_place.setRetainSizeWhenHidden(True)
        self._legend.setSizePolicy(keeps_its_place)
        self._line = QBoxLayout(QBoxLayout.Direction.TopToBottom, self)
        self._line.setContentsMargins(0, 0, 0, 0)
        self._line.setSpacing(0)
        self._line.addWidget(self._title, 1)
        self._line.addWidget(self._legend)

    def show_legend(self, is_shown: bool, note: str) -> None:
        """Show or hide the legend; `note` is a sentence on the numbers, its tooltip."""
        self._legend.setVisible(is_shown)
        set_tip(self._legend, note)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Put both in one line where there is room."""
        is_roomy = event.size().width() >= _ROOMY * self._legend.sizeHint().width()
        across, down = QBoxLayout.Direction.LeftToRight, QBoxLayout.Direction.TopToBottom
        self._line.setDirection(across if is_roomy else down)
        super().resizeEvent(event)
