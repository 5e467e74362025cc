"""Tooltips that a screen reader says, too."""

from __future__ import annotations

from PySide6.QtWidgets import QWidget

from app.words import as_tooltip
from distill_core.text import printable


def set_tip(widget: QWidget, tip: str) -> None:
    """Give a widget a tooltip that wraps; without this Qt would have its markup read out."""
    widget.setToolTip(as_tooltip(tip))
    widget.setAccessibleDescription(printable(tip))
