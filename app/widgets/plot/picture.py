"""The plot as a picture for other programs: at twice the points, with a caption, whatever the window's size."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QPoint, QRect, QSize, Qt
from PySide6.QtGui import QImage, QPainter, QPalette

if TYPE_CHECKING:
    from app.widgets.plot.plot import PerplexityPlot

_SIZE, _CAPTION, _MARGIN, _RATIO = QSize(960, 600), 76, 16, 2.0  # points, points, points, pixels a point


def picture_of(plot: PerplexityPlot, caption: str) -> QImage:
    """Return a picture of 1920×1200 pixels in the plot's colours, with the caption below the curve."""
    sheet, palette = plot.sheet(_RATIO), plot.palette()
    sheet.resize(_SIZE.width() - 2 * _MARGIN, _SIZE.height() - _CAPTION - _MARGIN)
    sheet.grab()  # which lays it out
    image = QImage(_SIZE * _RATIO, QImage.Format.Format_RGB32)
    image.setDevicePixelRatio(_RATIO)
    image.fill(palette.color(QPalette.ColorRole.Window))
    painter = QPainter(image)
    sheet.render(painter, QPoint(_MARGIN, _MARGIN))
    painter.setFont(plot.font())
    painter.setPen(palette.color(QPalette.ColorRole.WindowText))
    area = QRect(_MARGIN, _SIZE.height() - _CAPTION, _SIZE.width() - 2 * _MARGIN, _CAPTION - _MARGIN // 2)
    painter.drawText(area, Qt.TextFlag.TextWordWrap | Qt.AlignmentFlag.AlignVCenter, caption)
    painter.end()
    sheet.deleteLater()
    return image
