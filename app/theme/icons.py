"""Bundled files, and icons in the colours of a palette."""

from __future__ import annotations

import sys
from functools import cache
from pathlib import Path

from PySide6.QtCore import QByteArray, QRectF, Qt
from PySide6.QtGui import QColor, QGuiApplication, QIcon, QPainter, QPalette, QPixmap, QPixmapCache
from PySide6.QtSvg import QSvgRenderer

import distill_core

_ICON_SIZES = (16, 20, 24, 32, 48, 64)


def resource_path(*parts: str) -> Path:
    """Return the path of a bundled resource: in a checkout, in an installed wheel and in a frozen app."""
    frozen_into: str | None = getattr(sys, "_MEIPASS", None)
    root = Path(frozen_into) if frozen_into else Path(distill_core.__file__).parents[1]
    return root.joinpath("resources", *parts)


@cache  # read once: the same icon is drawn in several sizes and colours
def _source(name: str) -> str:
    return resource_path("icons", f"{name}.svg").read_text(encoding="utf-8")


def _drawn(name: str, color: str, size: int, ratio: float) -> QPixmap:
    renderer = QSvgRenderer(QByteArray(_source(name).replace("currentColor", color).encode()))
    pixmap = QPixmap(round(size * ratio), round(size * ratio))
    pixmap.setDevicePixelRatio(ratio)
    pixmap.fill(Qt.GlobalColor.transparent)
    painter = QPainter(pixmap)
    renderer.render(painter, QRectF(0, 0, size, size))
    painter.end()
    return pixmap


def picture(name: str, color: QColor, size: int, ratio: float) -> QPixmap:
    """Return `resources/icons/NAME.svg` in a colour, `size` px wide and high on a screen of that pixel ratio.

    It is drawn once: Qt keeps what was drawn lately, in all 10 MB, of which an icon in all its sizes takes .17 MB.
    """
    key = f"icon {name} {color.name()} {size} {ratio}"
    kept = QPixmap()
    if QPixmapCache.find(key, kept):
        return kept
    drawn = _drawn(name, color.name(), size, ratio)
    QPixmapCache.insert(key, drawn)
    return drawn


def icon(name: str, color: QColor | None = None) -> QIcon:
    """Return `resources/icons/NAME.svg` in a colour, by default that of the application's text.

    It does not follow a later change of the palette: its owner asks for it again then.
    """
    color = color or QGuiApplication.palette().color(QPalette.ColorRole.WindowText)
    drawn = QIcon()
    for size in _ICON_SIZES:
        for ratio in (1.0, 2.0):
            drawn_in_size = picture(name, color, size, ratio)
            for mode in (QIcon.Mode.Normal, QIcon.Mode.Selected):  # Qt's own look of a chosen one is faint
                drawn.addPixmap(drawn_in_size, mode)
    return drawn
