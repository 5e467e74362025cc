"""The name, the notes and the licence line of a model, to be changed where they stand."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal, Slot
from PySide6.QtGui import QKeyEvent, QPalette
from PySide6.QtWidgets import QHBoxLayout, QLabel, QLineEdit, QPlainTextEdit, QPushButton, QVBoxLayout, QWidget

from app.theme import error_color
from distill_core.models.metadata import LICENCE, NAME, NOTES, OBSTACLES

_HEIGHT, _NOTES_HEIGHT = 28, 76


class ModelForm(QWidget):
    """Three fields. `save_wanted(dict)` has what was changed, by key, as `written(dict)` has while it is being changed.

    `closed()`: nothing is to be changed.
    """

    save_wanted = Signal(dict)
    written = Signal(dict)
    closed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._before = {NAME: "", NOTES: "", LICENCE: ""}
        self._obstacle = ""
        self.name, self.notes, self.licence = QLineEdit(self), QPlainTextEdit(self), QLineEdit(self)
        self._problem = QLabel(self)
        self._save, self._cancel = QPushButton("Save", self), QPushButton("Cancel", self)
        self._set_up()
        self._lay_out()
        self.show_texts("", "")

    def _set_up(self) -> None:
        self.name.setObjectName("modelNameField")
        self.licence.setObjectName("modelLicenceField")
        self.licence.setPlaceholderText("In your own words, such as CC BY 4.0")
        for line in (self.name, self.licence):
            line.setAcceptDrops(False)  # a file dropped here is meant for the window
            line.setMinimumHeight(_HEIGHT)
            line.textChanged.connect(self._check)
            line.returnPressed.connect(self._on_save)
        self.notes.setObjectName("modelNotesField")
        self.notes.setAcceptDrops(False)
        self.notes.setTabChangesFocus(True)
        self.notes.setFixedHeight(_NOTES_HEIGHT)
        self.notes.textChanged.connect(self._check)
        self._problem.setWordWrap(True)
        self._problem.setTextFormat(Qt.TextFormat.PlainText)
        self._save.setObjectName("saveModelTextsButton")
        self._save.clicked.connect(self._on_save)
        self._cancel.clicked.connect(self.closed)
        for button in (self._save, self._cancel):
            button.setMinimumHeight(_HEIGHT)
            button.setAutoDefault(True)  # Enter clicks it

    def _lay_out(self) -> None:
        column, row = QVBoxLayout(self), QHBoxLayout()
        column.setContentsMargins(0, 0, 0, 0)
        for title, field in (("Na&me", self.name), ("N&otes", self.notes), ("L&icence", self.licence)):
            label = QLabel(title, self)
            label.setBuddy(field)
            field.setAccessibleName(title.replace("&", ""))
            column.addWidget(label)
            column.addWidget(field)
        column.addWidget(self._problem)
        row.addStretch(1)
        row.addWidget(self._cancel)
        row.addWidget(self._save)
        column.addLayout(row)

    def show_texts(self, name: str, notes: str, licence: str = "") -> None:
        """Show a model's name, its notes and its licence line."""
        self.name.setText(name)
        self.notes.setPlainText(notes)
        self.licence.setText(licence)
        self._before = self._texts()
        self._check()

    def set_obstacle(self, obstacle: str) -> None:
        """Say why nothing can be saved now, in a sentence; "": it can."""
        self._obstacle = obstacle
        self._check()

    def set_locked(self, is_locked: bool) -> None:
        """Let nothing be written for now, or again; the obstacle says why."""
        self.name.setReadOnly(is_locked)
        self.notes.setReadOnly(is_locked)
        self.licence.setReadOnly(is_locked)

    def focus_stops(self) -> list[QWidget]:
        """Return what the Tab key reaches, in reading order."""
        return [self.name, self.notes, self.licence, self._cancel, self._save]

    def _texts(self) -> dict[str, str]:
        return {NAME: self.name.text(), NOTES: self.notes.toPlainText(), LICENCE: self.licence.text()}

    def _changes(self) -> dict[str, str]:
        return {key: text for key, text in self._texts().items() if text != self._before[key]}

    @Slot()
    def _check(self) -> None:
        changes = self._changes()
        wrong = [OBSTACLES[key](text) for key, text in changes.items()]
        problem = next(filter(None, (*wrong, self._obstacle)), "")
        self._problem.setText(problem)
        self._problem.setVisible(bool(problem))
        marked = QPalette()
        if problem:
            marked.setColor(QPalette.ColorRole.WindowText, error_color(self.palette()))
        self._problem.setPalette(marked)
        self._save.setEnabled(bool(changes) and not problem)
        self.written.emit(changes)

    @Slot()
    def _on_save(self) -> None:
        if self._save.isEnabled():
            self.save_wanted.emit(self._changes())

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Change nothing on Esc."""
        if event.key() == Qt.Key.Key_Escape:
            self.closed.emit()
        else:
            super().keyPressEvent(event)
