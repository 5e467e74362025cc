"""Finds words in a window that are not shown as a whole, though nothing says so."""

from __future__ import annotations

from collections.abc import Iterator

from PySide6.QtCore import QRect
from PySide6.QtWidgets import QAbstractButton, QCheckBox, QLabel, QPushButton, QScrollArea, QToolButton, QWidget

from app.widgets.card.body import ElidedLabel
from app.widgets.short_button import ShortButton
from app.widgets.sound.start_from import StartFrom

_CUT_OFF_WITH_DOTS = (ElidedLabel, StartFrom)


def _is_scrolled(widget: QWidget) -> bool:
    parent = widget.parentWidget()
    while parent is not None:
        if isinstance(parent, QScrollArea):
            return True
        parent = parent.parentWidget()
    return False


def _label_needs(label: QLabel) -> tuple[int, int]:
    if label.wordWrap():
        return 0, label.heightForWidth(label.width())
    return label.minimumSizeHint().width(), label.minimumSizeHint().height()


def _button_needs(button: QAbstractButton) -> tuple[int, int]:
    text = button.shown_text() if isinstance(button, ShortButton) else button.text()
    words = button.fontMetrics().boundingRect(QRect(0, 0, 10_000, 1000), 0, text.replace("&", ""))
    return words.width(), words.height()


def _words(window: QWidget) -> Iterator[tuple[QWidget, str, tuple[int, int]]]:
    for label in window.findChildren(QLabel):
        if label.text() and not isinstance(label, _CUT_OFF_WITH_DOTS):
            yield label, label.text(), _label_needs(label)
    for kind in (QPushButton, QCheckBox, QToolButton):
        for button in window.findChildren(kind):
            if button.text() and not isinstance(button, _CUT_OFF_WITH_DOTS):
                yield button, button.text(), _button_needs(button)


def clipped(window: QWidget) -> list[str]:
    """Return the words of visible labels and buttons that have less room than they need, or stand outside."""
    found = []
    for widget, text, (width, height) in _words(window):
        if not widget.isVisible():
            continue
        inside = QRect(widget.mapTo(window, widget.rect().topLeft()), widget.size())
        is_out = not _is_scrolled(widget) and not window.rect().contains(inside)
        if is_out or width > widget.width() or height > widget.height():
            found.append(f"{text}: {widget.width()}×{widget.height()}, needs {width}×{height}{' outside' * is_out}")
    return found
