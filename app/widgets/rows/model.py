"""Rows as Qt asks for them: their order, their texts, and the pictures that have come."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import Any, TypeAlias

from PySide6.QtCore import QAbstractTableModel, QModelIndex, QObject, QPersistentModelIndex, Qt

from app.widgets.rows.look import Column, Row

Index: TypeAlias = QModelIndex | QPersistentModelIndex
_Role = Qt.ItemDataRole

_RIGHT = int(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
_LEFT = int(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
_NO_PARENT = QModelIndex()
# Made once: Qt asks for the flags of each chosen row whenever it draws.
_CHOSEN = Qt.ItemFlag.ItemIsSelectable | Qt.ItemFlag.ItemIsEnabled | Qt.ItemFlag.ItemNeverHasChildren
_DRAGGED = _CHOSEN | Qt.ItemFlag.ItemIsDragEnabled


class RowsModel(QAbstractTableModel):
    """Rows in an order and through a filter; nothing is made for a row before it is seen.

    Sorting is done here: a proxy would call back for each of its comparisons, which takes a second for 5,000 rows.
    """

    def __init__(self, columns: Sequence[Column], parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.columns = tuple(columns)
        self.sorted_by: tuple[int, bool] | None = None  # column, and whether from the largest
        self._rows: Sequence[Row] = ()
        self._order: list[int] = []
        self._places: dict[Hashable, int] = {}
        self._sort_values: dict[int, list[Any]] = {}  # by column
        self._peaks: dict[Hashable, tuple[float, ...]] = {}
        self._playing: Hashable = None
        self._is_shown: Callable[[Any], bool] | None = None

    # Rows

    def set_rows(self, rows: Sequence[Row]) -> None:
        """Show rows in place of the former ones, sorted as these were.

        Where they are the same ones, they stay in their places, and only what they say is another.
        """
        if self._is_shown is None and [row.key for row in rows] == [row.key for row in self._rows]:
            self._take(rows)
            self._changed(0, len(self._order) - 1)
            return
        self.beginResetModel()
        self._take(rows)
        self._arrange()
        self.endResetModel()

    def show_only(self, is_shown: Callable[[Any], bool] | None) -> None:
        """Show only some of the rows; all for None."""
        self.beginResetModel()
        self._is_shown = is_shown
        self._arrange()
        self.endResetModel()

    def sort_by(self, column: int, *, is_descending: bool) -> None:
        """Sort the rows, those that are alike in their former order."""
        self.beginResetModel()  # a change of layout would cost a second where thousands are chosen
        self.sorted_by = column, is_descending
        self._arrange()
        self.endResetModel()

    def _arrange(self) -> None:
        is_shown = self._is_shown
        self._order = [place for place, row in enumerate(self._rows) if is_shown is None or is_shown(row)]
        if self.sorted_by is not None:
            column, is_descending = self.sorted_by
            self._order.sort(key=self._values(column).__getitem__, reverse=is_descending)
        self._places = {self._rows[source].key: place for place, source in enumerate(self._order)}

    def _values(self, column: int) -> list[Any]:
        """Return what each row is sorted by in a column; making them takes longer than sorting."""
        if column not in self._sort_values:
            value_of = self.columns[column].order or (lambda row: 0)
            self._sort_values[column] = [value_of(row) for row in self._rows]
        return self._sort_values[column]

    def _take(self, rows: Sequence[Row]) -> None:
        self._rows = rows
        self._sort_values.clear()

    @property
    def keys(self) -> list[Hashable]:
        """The keys of the rows from top to bottom."""
        return [self._rows[source].key for source in self._order]

    def row_at(self, place: int) -> Any:
        """Return the row at a place from the top."""
        return self._rows[self._order[place]]

    def place_of(self, key: Hashable) -> int:
        """Return the place of a row from the top, -1 if it is not shown."""
        return self._places.get(key, -1)

    # What is told of them later

    def set_playing(self, key: Hashable) -> None:
        """Mark the row that plays; none for None."""
        former, self._playing = self._playing, key
        if former != key:
            for place in (self.place_of(former), self.place_of(key)):
                self._changed(place, place)

    def is_playing(self, place: int) -> bool:
        """Tell whether the row at a place plays."""
        return self._playing is not None and self.row_at(place).key == self._playing

    def set_peaks(self, key: Hashable, peaks: tuple[float, ...]) -> None:
        """Take the picture of a row: the largest amplitude in each of equal parts of its sound, 0 to 1."""
        self._peaks[key] = peaks
        place = self.place_of(key)
        self._changed(place, place)

    def peaks_at(self, place: int) -> tuple[float, ...]:
        """Return the picture of the row at a place, () if it has not come."""
        return self._peaks.get(self.row_at(place).key, ())

    def without_peaks(self, places: Iterable[int]) -> list[Hashable]:
        """Return the keys of those rows at these places that can be played and have no picture yet."""
        rows = (self.row_at(place) for place in places)
        return [row.key for row in rows if row.can_play and row.key not in self._peaks]

    def forget_peaks(self) -> None:
        """Forget all pictures: the rows to come are of other sounds."""
        self._peaks.clear()

    def _changed(self, first: int, last: int) -> None:
        if 0 <= first <= last:
            self.dataChanged.emit(self.index(first, 0), self.index(last, len(self.columns) - 1))

    # For Qt

    def rowCount(self, parent: Index = _NO_PARENT) -> int:
        """Return the number of rows that are shown."""
        return 0 if parent.isValid() else len(self._order)

    def columnCount(self, parent: Index = _NO_PARENT) -> int:
        """Return the number of columns."""
        return 0 if parent.isValid() else len(self.columns)

    def flags(self, index: Index) -> Qt.ItemFlag:
        """Let each row be chosen, and those that sound be dragged."""
        return _DRAGGED if index.isValid() and self.row_at(index.row()).can_play else _CHOSEN

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = _Role.DisplayRole) -> Any:
        """Return a column's title, on the side of its texts."""
        if orientation is not Qt.Orientation.Horizontal:
            return None
        column = self.columns[section]
        if role == _Role.TextAlignmentRole:
            return _RIGHT if column.is_number else _LEFT
        if role == _Role.AccessibleTextRole:
            return column.name or column.title
        return column.title if role == _Role.DisplayRole else None

    def data(self, index: Index, role: int = _Role.DisplayRole) -> Any:
        """Return what a cell says, and how."""
        column = self.columns[index.column()]
        match role:
            case _Role.DisplayRole:
                return column.text(self.row_at(index.row())) if column.kind == "text" else None
            case _Role.TextAlignmentRole:
                return _RIGHT if column.is_number else _LEFT
            case _Role.ToolTipRole:
                return self._tip(column, index.row())
            case _Role.AccessibleTextRole:
                return self._spoken(column, index.row())
        return None

    def _tip(self, column: Column, place: int) -> str:
        row = self.row_at(place)
        if column.kind == "play":
            return "Play or stop" if row.can_play else ""
        if column.kind == "star":
            return "With a star a take is kept for good"
        return (column.tip or column.text)(row)

    def _spoken(self, column: Column, place: int) -> str:
        row = self.row_at(place)
        match column.kind:
            case "play":
                return f"{row.name} plays" if self.is_playing(place) else f"Play {row.name}" if row.can_play else ""
            case "star":
                return "With a star" if row.is_starred else "Without a star"
            case "wave":
                return f"Waveform of {row.name}"
        return column.text(row) or "Nothing"
