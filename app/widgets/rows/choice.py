"""The chosen rows of a table, in spans: Qt asks for each row by itself, which takes a second for thousands."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from PySide6.QtCore import QAbstractItemModel, QItemSelection, QItemSelectionModel, QItemSelectionRange


def chosen_places(chosen: QItemSelectionModel) -> list[int]:
    """Return the places of the chosen rows, from top to bottom."""
    spans = [(span.top(), span.bottom()) for span in chosen.selection().toList()]
    return sorted({place for top, bottom in spans for place in range(top, bottom + 1)})


def _spans(places: Sequence[int]) -> list[tuple[int, int]]:
    """Return the first and last of each run of neighbours among sorted places."""
    spans: list[tuple[int, int]] = []
    for place in places:
        if spans and spans[-1][1] == place - 1:
            spans[-1] = spans[-1][0], place
        else:
            spans.append((place, place))
    return spans


def selection_of(model: QAbstractItemModel, places: Iterable[int]) -> QItemSelection:
    """Return the selection of whole rows at these places; −1 is none."""
    selection = QItemSelection()
    for first, last in _spans(sorted({place for place in places if place >= 0})):
        ends = model.index(first, 0), model.index(last, model.columnCount() - 1)
        selection.append(QItemSelectionRange(*ends))
    return selection
