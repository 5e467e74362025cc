"""Every question to the person, behind one door that tests replace."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QFileDialog, QLabel, QMessageBox, QPushButton, QTextEdit, QWidget

from app.theme import SPACE, WIDE

OPEN_MODEL = "Open Model"
SOUND_FILTER = "Sounds (*.wav *.aif *.aiff *.flac *.mp3 *.ogg *.opus *.m4a *.caf);;All files (*)"
TAKE_FILTER = "WAV, 24 bit (*.wav);;FLAC, 24 bit (*.flac)"
PLOT_FILTERS = {".png": "Pictures (*.png)", ".csv": "Tables (*.csv)"}
CARD_FILTER = "Markdown (*.md);;All files (*)"
PLUGIN_FILTER = "Neutone models (*.nm)"
MODEL_FILTER = "Distill models (*.distill *.sda);;All files (*)"


@dataclass(frozen=True, slots=True)
class Choice:
    """A button of a question; its text is a verb."""

    id: str
    text: str
    role: Literal["accept", "destroy", "reject"] = "accept"


@dataclass(frozen=True, slots=True)
class Question:
    """A dialog: `default` answers Enter, `escape` answers Esc and closing it; `shows_details` unfolds them at once."""

    id: str
    title: str
    text: str
    choices: tuple[Choice, ...]
    default: str
    escape: str
    details: str = ""
    shows_details: bool = False


class Prompts(Protocol):
    """Asks and returns at once; the answer comes through the callable, or never when a file dialog is cancelled."""

    def choose_model(
        self, parent: QWidget, start: Path, answer: Callable[[Path], object], title: str = OPEN_MODEL
    ) -> None:
        """Ask for a model file."""

    def choose_folder(self, parent: QWidget, start: Path, answer: Callable[[Path], object]) -> None:
        """Ask for a folder of sounds."""

    def choose_copy(self, parent: QWidget, suggested: Path, answer: Callable[[Path], object]) -> None:
        """Ask where to save a copy."""

    def choose_sound(self, parent: QWidget, start: Path, answer: Callable[[Path], object]) -> None:
        """Ask for a sound to start from."""

    def choose_take(self, parent: QWidget, suggested: Path, answer: Callable[[Path], object]) -> None:
        """Ask where to save a take."""

    def choose_target(self, parent: QWidget, start: Path, answer: Callable[[Path], object]) -> None:
        """Ask for a folder to save takes into."""

    def choose_card(self, parent: QWidget, suggested: Path, answer: Callable[[Path], object]) -> None:
        """Ask where to save a model's card."""

    def choose_plot(self, parent: QWidget, suggested: Path, answer: Callable[[Path], object]) -> None:
        """Ask where to save the plot, as a picture or as a table: as the suggested name ends."""

    def choose_plugin(self, parent: QWidget, suggested: Path, answer: Callable[[Path], object]) -> None:
        """Ask where to save a plugin's model."""

    def choose_models_folder(self, parent: QWidget, start: Path, answer: Callable[[Path], object]) -> None:
        """Ask for a folder to save models into."""

    def ask(self, parent: QWidget, question: Question, answer: Callable[[str], object]) -> None:
        """Ask a question; the answer is a choice's id."""

    def withdraw(self, parent: QWidget, question: Question) -> None:
        """Close a question that is open: what it is about is gone."""


_ROLES = {
    "accept": QMessageBox.ButtonRole.AcceptRole,
    "destroy": QMessageBox.ButtonRole.DestructiveRole,
    "reject": QMessageBox.ButtonRole.RejectRole,
}
_DETAILS_SIZE = (480, 220)


def _message_box(parent: QWidget, question: Question) -> QMessageBox:
    """Return the box without its buttons, with its words plain: a stranger's file name may look like HTML."""
    box = QMessageBox(QMessageBox.Icon.NoIcon, "Distill", question.title, parent=parent)
    box.setObjectName(question.id)
    box.setTextFormat(Qt.TextFormat.PlainText)
    box.setInformativeText(question.text)
    for label in box.findChildren(QLabel):
        if label.text() == question.title:
            font = label.font()
            font.setBold(True)
            label.setFont(font)
        elif label.text() == question.text:
            label.setTextFormat(Qt.TextFormat.PlainText)
    return box


def _add_details(box: QMessageBox, question: Question) -> None:
    """Add the details, with room to read them; Qt adds the button that unfolds them."""
    box.setDetailedText(question.details)
    for text in box.findChildren(QTextEdit):
        text.setFixedSize(*_DETAILS_SIZE)
    for button in box.buttons():
        if question.shows_details and box.buttonRole(button) is QMessageBox.ButtonRole.ActionRole:
            button.click()


class QtPrompts:
    """The real dialogs: window-modal, opened and not waited for."""

    def choose_model(
        self, parent: QWidget, start: Path, answer: Callable[[Path], object], title: str = OPEN_MODEL
    ) -> None:
        """Ask for a model file."""
        dialog = QFileDialog(parent, title, str(start), MODEL_FILTER)
        dialog.setFileMode(QFileDialog.FileMode.ExistingFile)
        self._open(dialog, answer)

    def choose_folder(self, parent: QWidget, start: Path, answer: Callable[[Path], object]) -> None:
        """Ask for a folder of sounds."""
        dialog = QFileDialog(parent, "Choose the Folder of Sounds", str(start))
        dialog.setFileMode(QFileDialog.FileMode.Directory)
        self._open(dialog, answer)

    def choose_copy(self, parent: QWidget, suggested: Path, answer: Callable[[Path], object]) -> None:
        """Ask where to save a copy; the dialog itself asks before an existing file is replaced."""
        self._open(self._saving(parent, "Save a Copy As", suggested, MODEL_FILTER), answer)

    def choose_sound(self, parent: QWidget, start: Path, answer: Callable[[Path], object]) -> None:
        """Ask for a sound to start from."""
        dialog = QFileDialog(parent, "Choose a Sound to Start From", str(start), SOUND_FILTER)
        dialog.setFileMode(QFileDialog.FileMode.ExistingFile)
        self._open(dialog, answer)

    def choose_take(self, parent: QWidget, suggested: Path, answer: Callable[[Path], object]) -> None:
        """Ask where to save a take; the dialog itself asks before an existing file is replaced."""
        dialog = self._saving(parent, "Save Take", suggested, TAKE_FILTER)
        dialog.setDefaultSuffix("wav")
        dialog.filterSelected.connect(lambda chosen: dialog.setDefaultSuffix("flac" if "flac" in chosen else "wav"))
        self._open(dialog, answer)

    def choose_target(self, parent: QWidget, start: Path, answer: Callable[[Path], object]) -> None:
        """Ask for a folder to save takes into."""
        dialog = QFileDialog(parent, "Save All Takes In", str(start))
        dialog.setFileMode(QFileDialog.FileMode.Directory)
        self._open(dialog, answer)

    def choose_card(self, parent: QWidget, suggested: Path, answer: Callable[[Path], object]) -> None:
        """Ask where to save a model's card; the dialog itself asks before an existing file is replaced."""
        self._open(self._saving(parent, "Save the Card", suggested, CARD_FILTER), answer)

    def choose_plot(self, parent: QWidget, suggested: Path, answer: Callable[[Path], object]) -> None:
        """Ask where to save the plot; the dialog itself asks before an existing file is replaced."""
        self._open(self._saving(parent, "Export Curve", suggested, PLOT_FILTERS[suggested.suffix]), answer)

    def choose_plugin(self, parent: QWidget, suggested: Path, answer: Callable[[Path], object]) -> None:
        """Ask where to save a plugin's model; the dialog itself asks before an existing file is replaced."""
        self._open(self._saving(parent, "Export for Neutone Gen", suggested, PLUGIN_FILTER), answer)

    def choose_models_folder(self, parent: QWidget, start: Path, answer: Callable[[Path], object]) -> None:
        """Ask for a folder to save models into."""
        dialog = QFileDialog(parent, "Save Models In", str(start))
        dialog.setFileMode(QFileDialog.FileMode.Directory)
        self._open(dialog, answer)

    def ask(self, parent: QWidget, question: Question, answer: Callable[[str], object]) -> None:
        """Ask a question; the answer is a choice's id."""
        box = _message_box(parent, question)
        _add_details(box, question)
        buttons: dict[str, QPushButton] = {
            choice.id: box.addButton(choice.text, _ROLES[choice.role]) for choice in question.choices
        }
        layout = box.layout()
        assert layout is not None
        layout.setContentsMargins(SPACE, WIDE, WIDE, WIDE)  # on the left Qt adds the room of an icon
        box.setDefaultButton(buttons[question.default])
        box.setEscapeButton(buttons[question.escape])

        def on_finished(result: int) -> None:
            clicked = box.clickedButton()
            chosen = [identity for identity, button in buttons.items() if button is clicked]
            box.deleteLater()
            answer(chosen[0] if chosen else question.escape)

        box.finished.connect(on_finished)
        box.open()

    def withdraw(self, parent: QWidget, question: Question) -> None:
        """Close a question that is open, as if it were cancelled."""
        for box in parent.findChildren(QMessageBox, question.id):
            if box.isVisible():  # one that is answered is deleted a little later
                box.reject()

    def _saving(self, parent: QWidget, title: str, suggested: Path, kinds: str) -> QFileDialog:
        """Return the dialog that asks where to save; a name without an ending gets the suggested one."""
        dialog = QFileDialog(parent, title, str(suggested.parent), kinds)
        dialog.setAcceptMode(QFileDialog.AcceptMode.AcceptSave)
        dialog.setDefaultSuffix(suggested.suffix.removeprefix("."))
        dialog.selectFile(suggested.name)
        return dialog

    def _open(self, dialog: QFileDialog, answer: Callable[[Path], object]) -> None:
        dialog.fileSelected.connect(lambda text: answer(Path(text)))
        dialog.finished.connect(dialog.deleteLater)
        dialog.open()
