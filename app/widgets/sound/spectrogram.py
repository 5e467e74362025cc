"""The spectrogram of a sound."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyqtgraph as pg  # type: ignore[import-untyped, unused-ignore]
from PySide6.QtGui import QPalette
from PySide6.QtWidgets import QWidget

from app.theme import is_dark
from app.widgets.sound.canvas import SoundCanvas
from app.widgets.sound.envelope import Samples

_FFT, _COLUMNS, _ROWS = 2048, 480, 96
_LOWEST_HZ, _FLOOR_DB = 40.0, -75.0
_DARK, _LIGHT = "inferno", "CET-L17"  # perceptually even; the second begins with white


def _rows_of(sample_rate: int) -> np.ndarray[Any, np.dtype[np.intp]]:
    """Return the first frequency of each row: as many rows an octave everywhere."""
    edges_hz = np.geomspace(_LOWEST_HZ, sample_rate / 2, _ROWS, endpoint=False)
    return (edges_hz * _FFT / sample_rate).astype(np.intp)


def levels_db(samples_T: Samples, sample_rate: int) -> Samples:
    """Return levels `[columns, rows]` in dB below the loudest, rows from 40 Hz up in equal parts of octaves.

    A long sound is looked at in 480 places, so that a minute takes no longer than some seconds.
    """
    padded_T = np.pad(samples_T, _FFT // 2)
    hop = max(_FFT // 8, -(-len(samples_T) // _COLUMNS))
    frames = np.lib.stride_tricks.sliding_window_view(padded_T, _FFT)[::hop]
    powers = np.abs(np.fft.rfft(frames * np.hanning(_FFT).astype(np.float32))).astype(np.float32) ** 2
    rows = np.maximum.reduceat(powers, _rows_of(sample_rate), axis=1)
    relative = rows / max(float(rows.max()), 1e-12)
    levels: Samples = np.maximum(10 * np.log10(np.maximum(relative, 1e-12)), _FLOOR_DB)
    return levels


class Spectrogram(SoundCanvas):
    """The levels of a sound's frequencies, low ones at the bottom."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self._image = pg.ImageItem(axisOrder="col-major")
        self.addItem(self._image, ignoreBounds=True)

    def _draw(self, samples_T: Samples, sample_rate: int) -> tuple[float, float]:
        if len(samples_T):
            self._image.setImage(levels_db(samples_T, sample_rate), levels=(_FLOOR_DB, 0))
            self._image.setRect(0, 0, self.duration_s, _ROWS)
        self._image.setVisible(bool(len(samples_T)))
        return 0, _ROWS

    def restyle(self, palette: QPalette) -> None:
        """Take the colours of a palette."""
        super().restyle(palette)
        self._image.setColorMap(pg.colormap.get(_DARK if is_dark(palette) else _LIGHT))
