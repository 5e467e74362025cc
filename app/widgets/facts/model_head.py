"""The top of Inspect: a model's name, the sentences on it and its notes, and the form that changes name and notes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Signal, Slot
from PySide6.QtWidgets import QPushButton, QVBoxLayout, QWidget

from app.widgets.facts import stranger_values as read
from app.widgets.facts.fact_list import FactLabel, FactList
from app.widgets.facts.model_form import ModelForm
from app.widgets.facts.sentences import in_sentences, notes_of
from app.widgets.tips import set_tip

if TYPE_CHECKING:
    from distill_core.models.summary import ModelSummary

_HEIGHT = 28


class ModelHead(QWidget):
    """Shows what one wants to know of a model first. `save_wanted(dict)` has the changed texts by key.

    `written(dict)` has those that are being changed, none once the form is put away.
    """

    save_wanted = Signal(dict)
    written = Signal(dict)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._summary: ModelSummary | None = None
        self._name = FactLabel("", self)
        font = self._name.font()
        font.setBold(True)
        self._name.setFont(font)
        self._sentences, self._notes = FactList("", self), FactList("Notes", self)
        self._edit = QPushButton("Edit Name and Notes", self)
        self._edit.setObjectName("editModelButton")
        self._edit.setMinimumHeight(_HEIGHT)
        self._edit.setAutoDefault(True)  # Enter clicks it
        self._edit.clicked.connect(self.begin_editing)
        self.form = ModelForm(self)
        self.form.save_wanted.connect(self.save_wanted)
        self.form.written.connect(self._on_written)
        self.form.closed.connect(self.end_editing)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        for part in (self._name, self._sentences, self._notes, self._edit, self.form):
            column.addWidget(part)
        self.end_editing()

    def show_model(self, summary: ModelSummary) -> None:
        """Show a model in place of the former one; what was being written stays only if it is the same file."""
        if self._summary is None or self._summary.stamp.path != summary.stamp.path:
            self.end_editing()
        self._summary = summary
        name = read.one_line(summary.name)
        self._name.set_whole_text(name)
        self._name.setAccessibleName(f"Model: {name}")
        self._sentences.show_rows([("", sentence) for sentence in in_sentences(summary)])
        self._notes.show_rows([("", line) for line in notes_of(summary)])
        self._show_form(not self.form.isHidden())

    def set_obstacle(self, obstacle: str) -> None:
        """Say why name and notes can't be changed now, in a sentence; "": they can."""
        self._edit.setEnabled(not obstacle)
        set_tip(self._edit, obstacle)
        self.form.set_obstacle(obstacle)

    @Slot()
    def begin_editing(self) -> None:
        """Show the form with the present texts, and put the cursor into the name."""
        if self._summary is not None and self.form.isHidden():
            self.form.show_texts(self._summary.name, self._summary.notes, self._summary.licence)
            self._show_form(True)
        self.form.name.setFocus()

    @Slot()
    def end_editing(self) -> None:
        """Put the form away."""
        had_focus = self.form.isAncestorOf(self.focusWidget() or self)
        self._show_form(False)
        self.written.emit({})
        if had_focus:
            self._edit.setFocus()

    @Slot(dict)
    def _on_written(self, changes: dict[str, str]) -> None:
        if not self.form.isHidden():
            self.written.emit(changes)

    def _show_form(self, is_shown: bool) -> None:
        """Show the form in the place of the texts that it changes."""
        self.form.setVisible(is_shown)
        for part in (self._name, self._sentences, self._edit):
            part.setVisible(not is_shown)
        self._notes.setVisible(not is_shown and bool(self._notes.rows()))

    def sentences(self) -> list[str]:
        """Return the sentences."""
        return [sentence for _, sentence in self._sentences.rows()]

    def focus_stops(self) -> list[QWidget]:
        """Return what the Tab key reaches, in reading order."""
        inner = [*self._sentences.focus_stops(), *self._notes.focus_stops()]
        return [self._name, *inner, self._edit, *self.form.focus_stops()]
