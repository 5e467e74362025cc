"""The list of all models' takes, and the room that they use."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from PySide6.QtCore import Signal, Slot
from PySide6.QtWidgets import QPushButton, QTreeWidgetItem, QWidget

from app.widgets.facts.model_facts import size_in_words
from app.widgets.table_dialog import TableDialog, table_row
from app.words import as_tooltip, counted
from distill_core.text import LONGEST_NAME, printable

if TYPE_CHECKING:
    from distill_core.generation.takes.shelf import ListedShelf

_TITLES = ("Model", "Takes", "Size", "Where")
_SIZE = (640, 320)
_GONE = "the model is gone"


def model_words(shelf: ListedShelf) -> str:
    """Return the name of a shelf's model."""
    return printable(shelf.model_name, LONGEST_NAME) or "(unknown)"


def room_words(shelves: Sequence[ListedShelf], dragged_bytes: int) -> str:
    """Return the sentence on the room that all takes use."""
    total = sum(shelf.size_bytes for shelf in shelves)
    count = sum(shelf.count for shelf in shelves)
    dragged = f" Copies that were dragged into other programs: {size_in_words(dragged_bytes)}." if dragged_bytes else ""
    if not shelves:
        return f"There are no takes on this computer.{dragged}"
    return f"{counted(count, 'take')}, {size_in_words(total)} in all.{dragged}"


class TakesDialog(TableDialog):
    """Shows a row for each model with takes.

    `remove_wanted(ListedShelf)` asks to remove its takes, `remove_all_wanted()` those of all models.
    """

    remove_wanted = Signal(object)
    remove_all_wanted = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        self._shelves: tuple[ListedShelf, ...] = ()
        self.remove_button, self.all_button = QPushButton("&Remove…"), QPushButton("&Delete All…")
        super().__init__("Takes", _TITLES, (self.remove_button, self.all_button), _SIZE, parent)
        self.setObjectName("takesDialog")
        self.table.setAccessibleName("Takes of all models")
        self.remove_button.clicked.connect(self._on_remove)
        self.all_button.clicked.connect(self.remove_all_wanted)
        self.show_shelves((), 0)

    def show_shelves(self, shelves: Sequence[ListedShelf], dragged_bytes: int) -> None:
        """Show these in place of the former ones."""
        self._shelves = tuple(shelves)
        self.show_rows([_item(shelf) for shelf in self._shelves])
        self.note.setText(room_words(self._shelves, dragged_bytes))
        self.setWindowTitle(f"Takes: {size_in_words(sum(shelf.size_bytes for shelf in self._shelves))}")
        self.all_button.setEnabled(bool(self._shelves) or bool(dragged_bytes))

    @property
    def chosen(self) -> ListedShelf | None:
        """The shelf whose row is chosen."""
        return next((shelf for shelf in self._shelves if shelf.id == self.chosen_key), None)

    @Slot()
    def _on_selection(self) -> None:
        self.remove_button.setEnabled(self.chosen is not None)

    @Slot()
    def _on_remove(self) -> None:
        if (shelf := self.chosen) is not None:
            self.remove_wanted.emit(shelf)


def _item(shelf: ListedShelf) -> QTreeWidgetItem:
    where = str(shelf.model.parent) if shelf.model is not None and shelf.is_there else _GONE
    cells = [model_words(shelf), f"{shelf.count:,}", size_in_words(shelf.size_bytes), printable(where, LONGEST_NAME)]
    item = table_row(cells, shelf.id)
    for column in (0, len(_TITLES) - 1):
        item.setToolTip(column, as_tooltip(str(shelf.model or "")))
    return item
