"""The list of unfinished trainings."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QSize, Qt, Signal, Slot
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

from app.widgets import run_rows
from app.words import as_tooltip
from distill_core.training.run_folder.facts import ListedRun, RunState
from distill_core.training.words import NO_UNFINISHED

_SIZE = (960, 360)
_WIDEST_COLUMN = 220
_ROW_HEIGHT, _BUTTON_HEIGHT = 24, 28


class RunsDialog(QDialog):
    """Shows trainings in rows, with advice on the chosen one.

    `open_wanted(Path)` asks to open its model, `discard_wanted(ListedRun)` to discard it.
    """

    open_wanted = Signal(object)
    discard_wanted = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("runsDialog")
        self.setWindowTitle("Unfinished Trainings")
        self._runs: tuple[ListedRun, ...] = ()
        self.table = QTreeWidget()
        self.table.setObjectName("runsTable")
        self.table.setAccessibleName("Unfinished trainings")
        self.table.setHeaderLabels(list(run_rows.TITLES))
        self.table.setRootIsDecorated(False)
        self.table.setAllColumnsShowFocus(True)
        self.table.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.table.setTextElideMode(Qt.TextElideMode.ElideMiddle)
        self.note = QLabel()
        self.note.setObjectName("runsNote")
        self.note.setTextFormat(Qt.TextFormat.PlainText)
        self.note.setWordWrap(True)
        self.open_button = QPushButton("&Open Model")
        self.discard_button = QPushButton("&Discard…")
        self.close_button = QPushButton("Close")
        self._lay_out()
        self.table.itemSelectionChanged.connect(self._on_selection)
        self.table.itemActivated.connect(self._on_open)
        self.open_button.clicked.connect(self._on_open)
        self.discard_button.clicked.connect(self._on_discard)
        self.close_button.clicked.connect(self.reject)
        self.show_runs(())

    def _lay_out(self) -> None:
        buttons = QHBoxLayout()
        for button in (self.open_button, self.discard_button):
            button.setAutoDefault(False)
            buttons.addWidget(button)
        buttons.addStretch(1)
        buttons.addWidget(self.close_button)
        for button in (self.open_button, self.discard_button, self.close_button):
            button.setMinimumHeight(_BUTTON_HEIGHT)
        self.close_button.setDefault(True)
        layout = QVBoxLayout(self)
        layout.addWidget(self.table, 1)
        layout.addWidget(self.note)
        layout.addLayout(buttons)
        self.resize(*_SIZE)

    def show_runs(self, runs: Sequence[ListedRun]) -> None:
        """Show these in place of the former ones; the chosen one stays chosen, or else the first is."""
        chosen = self.chosen
        self._runs = tuple(runs)
        self.table.clear()
        self.table.addTopLevelItems([_item(run) for run in self._runs])
        for column in range(self.table.columnCount()):
            self.table.resizeColumnToContents(column)
            self.table.setColumnWidth(column, min(_WIDEST_COLUMN, self.table.columnWidth(column) + 8))
        ids = [run.id for run in self._runs]
        row = ids.index(chosen.id) if chosen is not None and chosen.id in ids else 0
        if (item := self.table.topLevelItem(row)) is not None:
            self.table.setCurrentItem(item)
        self._on_selection()

    @property
    def chosen(self) -> ListedRun | None:
        """The training whose row is chosen."""
        ids = [item.data(0, Qt.ItemDataRole.UserRole) for item in self.table.selectedItems()]
        return next((run for run in self._runs if run.id in ids), None)

    def say(self, text: str) -> None:
        """Show a failure until another row is chosen."""
        self.note.setText(text)

    @Slot()
    def _on_selection(self) -> None:
        run = self.chosen
        self.note.setText(NO_UNFINISHED if run is None else run_rows.note(run))
        self.open_button.setEnabled(run is not None and run_rows.openable(run) is not None)
        self.discard_button.setEnabled(run is not None and run.state is not RunState.IN_USE)

    @Slot()
    def _on_open(self) -> None:
        run = self.chosen
        if run is not None and (model := run_rows.openable(run)) is not None:
            self.accept()
            self.open_wanted.emit(model)

    @Slot()
    def _on_discard(self) -> None:
        if (run := self.chosen) is not None:
            self.discard_wanted.emit(run)


def _item(run: ListedRun) -> QTreeWidgetItem:
    item = QTreeWidgetItem(list(run_rows.cells(run)))
    item.setData(0, Qt.ItemDataRole.UserRole, run.id)
    item.setSizeHint(len(run_rows.TITLES) - 1, QSize(0, _ROW_HEIGHT))  # it is also a width, which the last takes anyway
    for column, path in enumerate(run_rows.paths(run)):
        item.setToolTip(column, as_tooltip(path))
    return item
