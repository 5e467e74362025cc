"""The ground of a sound's pictures: time from left to right, a playhead, a pointer that chooses a place.

It imports pyqtgraph and numpy, which waits until there is a sound.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pyqtgraph as pg  # type: ignore[import-untyped, unused-ignore]
from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QMouseEvent, QPalette, QPen, QWheelEvent
from PySide6.QtWidgets import QWidget

from app.theme import raised_color
from app.widgets.sound.envelope import Samples


class SoundCanvas(pg.PlotWidget):  # type: ignore[misc]
    """A picture of a sound, without axes, zoom and menu; subclasses draw the sound.

    Signal: `pointed(float)` the pointer chose a place, in seconds.
    """

    pointed = Signal(float)

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent, background=None)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.viewport().setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.setFrameShape(self.Shape.NoFrame)
        self.setCacheMode(self.CacheModeFlag.CacheNone)
        self.setMinimumSize(0, 0)
        self.duration_s = 0.0
        item = self.getPlotItem()
        item.setMenuEnabled(False)
        item.hideButtons()
        item.setMouseEnabled(False, False)
        item.disableAutoRange()
        item.hideAxis("left")
        item.hideAxis("bottom")
        item.setContentsMargins(0, 0, 0, 0)
        self._view: Any = item.getViewBox()
        self._view.setDefaultPadding(0)
        self._playhead = pg.InfiniteLine(0, angle=90)
        self._playhead.setZValue(9)
        self.addItem(self._playhead, ignoreBounds=True)

    def show_sound(self, samples_T: Samples, sample_rate: int) -> None:
        """Draw a sound in place of the former one; with no samples, none."""
        self.duration_s = len(samples_T) / sample_rate
        low, high = self._draw(samples_T, sample_rate)
        self._view.setRange(xRange=(0, self.duration_s or 1.0), yRange=(low, high), padding=0, update=True)

    def _draw(self, samples_T: Samples, sample_rate: int) -> tuple[float, float]:
        """Draw a sound, and return the lowest and the highest place of its picture."""
        raise NotImplementedError

    def show_playhead(self, seconds: float) -> None:
        """Move the playhead."""
        self._playhead.setPos(seconds)

    def restyle(self, palette: QPalette) -> None:
        """Take the colours of a palette."""
        self.setBackground(raised_color(palette))
        pen = QPen(palette.color(QPalette.ColorRole.WindowText), 2)
        pen.setCosmetic(True)
        self._playhead.setPen(pen)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Choose the place below the pointer."""
        if event.button() is Qt.MouseButton.LeftButton:
            self._point(event)
            event.accept()

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Choose the place below the pointer while its button is down."""
        if event.buttons() & Qt.MouseButton.LeftButton:
            self._point(event)

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """Take the end of a choice."""
        event.accept()

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        """Take a second click as one more."""
        self.mousePressEvent(event)

    def wheelEvent(self, event: QWheelEvent) -> None:
        """Leave the wheel to what lies around."""
        event.ignore()

    def _point(self, event: QMouseEvent) -> None:
        share = event.position().x() / max(1, self.width())
        if self.duration_s > 0 and math.isfinite(share):
            self.pointed.emit(float(np.clip(share, 0, 1)) * self.duration_s)
