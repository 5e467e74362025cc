"""The waveform of a sound."""

from __future__ import annotations

import numpy as np
import pyqtgraph as pg  # type: ignore[import-untyped, unused-ignore]
from PySide6.QtGui import QPalette, QPen
from PySide6.QtWidgets import QGraphicsItem, QWidget

from app.theme import plot_colors
from app.widgets.sound.canvas import SoundCanvas
from app.widgets.sound.envelope import Samples, envelope

_COLUMNS = 1500  # as many as a wide window has pixels for it
_LOWEST_TOP = 0.25  # of full level: a quieter sound looks quiet


class Waveform(SoundCanvas):
    """The outline of a waveform, full level or its own peak from top to bottom."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self._outline = pg.PlotCurveItem(antialias=False)
        self._outline.setCacheMode(QGraphicsItem.CacheMode.DeviceCoordinateCache)  # only the playhead moves
        self._middle = pg.InfiniteLine(0, angle=0)
        for item in (self._middle, self._outline):
            self.addItem(item, ignoreBounds=True)

    def _draw(self, samples_T: Samples, sample_rate: int) -> tuple[float, float]:
        low, high = envelope(samples_T, _COLUMNS)
        times = np.linspace(0, self.duration_s, len(low), endpoint=False)
        self._outline.setData(np.repeat(times, 2), np.column_stack([low, high]).ravel())
        peak = float(max(-low.min(), high.max())) if len(low) else 1.0
        top = 1.05 * max(_LOWEST_TOP, peak)
        return -top, top

    def restyle(self, palette: QPalette) -> None:
        """Take the colours of a palette."""
        super().restyle(palette)
        colors = plot_colors(palette)
        self._outline.setPen(QPen(colors.validation, 0))
        self._middle.setPen(QPen(colors.band, 0))
