"""The widths of columns."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtGui import QFontMetrics

from app.widgets.rows.delegate import PADDING
from app.widgets.rows.look import Column

_SLACK = 4  # px, as the widths of a text's letters are rounded


def _least_width(column: Column, metrics: QFontMetrics) -> int:
    if isinstance(column.width, int):
        return column.width
    texts = (column.width, f"{column.title} ▾")  # the title with its mark of sorting
    return max(map(metrics.horizontalAdvance, texts)) + 2 * PADDING + _SLACK


def shared_widths(columns: Sequence[Column], metrics: QFontMetrics, width: int) -> list[int]:
    """Return the width of each column in pixels, `width` together if there is room for all."""
    widths = [_least_width(column, metrics) for column in columns]
    spare, shares = max(0, width - sum(widths)), sum(column.stretch for column in columns)
    return [least + spare * column.stretch // max(1, shares) for least, column in zip(widths, columns, strict=True)]
