"""A dialog with rows of which one is chosen, a note below them, and buttons for the chosen one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from PySide6.QtCore import QSize, Qt, Slot
from PySide6.QtWidgets import (
    QAbstractItemView,
    QDialog,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QTreeWidget,
    QTreeWidgetItem,
    QVBoxLayout,
    QWidget,
)

_WIDEST_COLUMN = 220
_ROW_HEIGHT, _BUTTON_HEIGHT = 24, 28


def table_row(cells: Sequence[str], key: object) -> QTreeWidgetItem:
    """Return a row; `key` is what `TableDialog.chosen_key` returns if it is chosen."""
    item = QTreeWidgetItem(list(cells))
    item.setData(0, Qt.ItemDataRole.UserRole, key)
    item.setSizeHint(len(cells) - 1, QSize(0, _ROW_HEIGHT))  # it is also a width, which the last takes anyway
    return item


class TableDialog(QDialog):
    """The parts that such dialogs share; one that is made of it says what its rows and buttons are."""

    def __init__(
        self,
        title: str,
        columns: Sequence[str],
        buttons: Sequence[QPushButton],
        size: tuple[int, int],
        parent: QWidget | None,
    ) -> None:
        super().__init__(parent)
        self.setWindowTitle(title)
        self.table = QTreeWidget()
        self.table.setHeaderLabels(list(columns))
        self.table.setRootIsDecorated(False)
        self.table.setAllColumnsShowFocus(True)
        self.table.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.table.setTextElideMode(Qt.TextElideMode.ElideMiddle)
        self.note = QLabel()
        self.note.setTextFormat(Qt.TextFormat.PlainText)
        self.note.setWordWrap(True)
        self.close_button = QPushButton("Close")
        self._lay_out(buttons)
        self.resize(*size)
        self.table.itemSelectionChanged.connect(self._on_selection)
        self.close_button.clicked.connect(self.reject)

    def _lay_out(self, buttons: Sequence[QPushButton]) -> None:
        row = QHBoxLayout()
        for button in buttons:
            button.setAutoDefault(False)
            row.addWidget(button)
        row.addStretch(1)
        row.addWidget(self.close_button)
        for button in (*buttons, self.close_button):
            button.setMinimumHeight(_BUTTON_HEIGHT)
        self.close_button.setDefault(True)
        layout = QVBoxLayout(self)
        layout.addWidget(self.table, 1)
        layout.addWidget(self.note)
        layout.addLayout(row)

    def show_rows(self, rows: Sequence[QTreeWidgetItem]) -> None:
        """Show these in place of the former ones; the chosen one stays chosen, or else the first is."""
        chosen = self.chosen_key
        self.table.clear()
        self.table.addTopLevelItems(rows)
        for column in range(self.table.columnCount()):
            self.table.resizeColumnToContents(column)
            self.table.setColumnWidth(column, min(_WIDEST_COLUMN, self.table.columnWidth(column) + 8))
        keys = [_key(row) for row in rows]
        if rows:
            self.table.setCurrentItem(rows[keys.index(chosen) if chosen in keys else 0])
        self._on_selection()

    @property
    def chosen_key(self) -> Any:
        """The key of the chosen row, None without one."""
        return next((_key(row) for row in self.table.selectedItems()), None)

    def say(self, text: str) -> None:
        """Show a failure in place of the note."""
        self.note.setText(text)

    @Slot()
    def _on_selection(self) -> None:
        """Show what can be done with the chosen row."""


def _key(row: QTreeWidgetItem) -> Any:
    return row.data(0, Qt.ItemDataRole.UserRole)
