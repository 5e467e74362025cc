"""The list of unfinished trainings."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import Signal, Slot
from PySide6.QtWidgets import QPushButton, QTreeWidgetItem, QWidget

from app.widgets import run_rows
from app.widgets.table_dialog import TableDialog, table_row
from app.words import as_tooltip
from distill_core.training.run_folder.facts import ListedRun, RunState
from distill_core.training.words import NO_UNFINISHED

_SIZE = (960, 360)
_OPEN, _GO_ON = "&Open Model", "&Go On"


class RunsDialog(TableDialog):
    """Shows trainings in rows, with advice on the chosen one.

    `open_wanted(Path)` asks to open its model, `model_wanted(UnfinishedRun)` to take up the making of a model,
    `discard_wanted(ListedRun)` to discard it.
    """

    open_wanted = Signal(object)
    model_wanted = Signal(object)
    discard_wanted = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        self._runs: tuple[ListedRun, ...] = ()
        self.open_button, self.discard_button = QPushButton(_OPEN), QPushButton("&Discard…")
        buttons = (self.open_button, self.discard_button)
        super().__init__("Unfinished Trainings", run_rows.TITLES, buttons, _SIZE, parent)
        self.setObjectName("runsDialog")
        self.table.setObjectName("runsTable")
        self.table.setAccessibleName("Unfinished trainings")
        self.note.setObjectName("runsNote")
        self.table.itemActivated.connect(self._on_open)
        self.open_button.clicked.connect(self._on_open)
        self.discard_button.clicked.connect(self._on_discard)
        self.show_runs(())

    def show_runs(self, runs: Sequence[ListedRun]) -> None:
        """Show these in place of the former ones; the chosen one stays chosen, or else the first is."""
        self._runs = tuple(runs)
        self.show_rows([_item(run) for run in self._runs])

    @property
    def chosen(self) -> ListedRun | None:
        """The training whose row is chosen."""
        return next((run for run in self._runs if run.id == self.chosen_key), None)

    @Slot()
    def _on_selection(self) -> None:
        run = self.chosen
        self.note.setText(NO_UNFINISHED if run is None else run_rows.note(run))
        makes_a_model = run is not None and run_rows.model_to_make(run) is not None
        self.open_button.setText(_GO_ON if makes_a_model else _OPEN)
        self.open_button.setEnabled(makes_a_model or (run is not None and run_rows.openable(run) is not None))
        self.discard_button.setEnabled(run is not None and run.state is not RunState.IN_USE)

    @Slot()
    def _on_open(self) -> None:
        run = self.chosen
        if run is not None and (model := run_rows.openable(run)) is not None:
            self.accept()
            self.open_wanted.emit(model)
        elif run is not None and (unfinished := run_rows.model_to_make(run)) is not None:
            self.accept()
            self.model_wanted.emit(unfinished)

    @Slot()
    def _on_discard(self) -> None:
        if (run := self.chosen) is not None:
            self.discard_wanted.emit(run)


def _item(run: ListedRun) -> QTreeWidgetItem:
    item = table_row(run_rows.cells(run), run.id)
    for column, path in enumerate(run_rows.paths(run)):
        item.setToolTip(column, as_tooltip(path))
    return item
