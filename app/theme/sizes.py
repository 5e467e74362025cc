"""Heights that grow with the font of whoever needs larger letters."""

from __future__ import annotations

from PySide6.QtWidgets import QWidget

from app.theme.tokens import SPACE

_LINE_AT_USUAL = 16  # px, with a usual font: up to here a given height is right as it is


def height_for(widget: QWidget, usual: int, lines: int = 1) -> int:
    """Return the height in px of a place for lines of words: `usual` with a usual font, more with a larger one."""
    return max(usual, lines * widget.fontMetrics().height() + min(SPACE, usual - lines * _LINE_AT_USUAL))
