"""The list of all files: the sounds that are used, each with a play button, and those that were skipped."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QEvent, QSize, Qt, Signal, Slot
from PySide6.QtGui import QKeyEvent, QPalette
from PySide6.QtWidgets import (
    QDialog,
    QHBoxLayout,
    QHeaderView,
    QLabel,
    QPushButton,
    QStyle,
    QTreeWidget,
    QTreeWidgetItem,
    QVBoxLayout,
    QWidget,
)

from app.theme import icon
from app.words import counted
from distill_core.text import printable

if TYPE_CHECKING:
    from distill_core.audio.dataset import AudioDataset, AudioFile

_SIZE, _ROW_HEIGHT, _BUTTON_HEIGHT = (720, 460), 28, 28
_PLAY, _NAME, _LENGTH, _NOTE = range(4)
_TITLES = ("", "Sound", "Length", "Note")
_MOST_SOURCES = 6  # that are named


def about(dataset: AudioDataset) -> str:
    """Return the places of the sounds, and what was passed over there, a line each."""
    places = [printable(str(path)) for path in dataset.sources[:_MOST_SOURCES]]
    if len(dataset.sources) > _MOST_SOURCES:
        places.append(f"and {len(dataset.sources) - _MOST_SOURCES:,} more")
    return "\n".join([*places, *([f"{dataset.passed_over}."] if dataset.passed_over else [])])


class _Table(QTreeWidget):
    """Rows; Signal: `space_pressed()`, which would otherwise do nothing in them."""

    space_pressed = Signal()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Report the space bar."""
        if event.key() == Qt.Key.Key_Space and not event.modifiers():
            self.space_pressed.emit()
        else:
            super().keyPressEvent(event)


class FilesDialog(QDialog):
    """Shows the files of a set of sounds; it stays open beside the window.

    Signals: `play_wanted(AudioFile)` from its beginning, `toggle_wanted(AudioFile)` play it or stop it.
    """

    play_wanted = Signal(object)
    toggle_wanted = Signal(object)

    def __init__(self, dataset: AudioDataset, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("filesDialog")
        self.setWindowTitle(f"{counted(len(dataset.files), 'sound')} used, {len(dataset.skipped)} skipped")
        self._files, self._playing = dataset.files, -1
        self.about = QLabel(about(dataset))
        self.about.setTextFormat(Qt.TextFormat.PlainText)
        self.about.setWordWrap(True)
        self.note = QLabel()
        self.note.setTextFormat(Qt.TextFormat.PlainText)
        self.note.setWordWrap(True)
        self.table = _Table()
        self.play_button, self.close_button = QPushButton("&Play"), QPushButton("Close")
        self._fill(dataset)
        self._lay_out()
        self.table.itemClicked.connect(self._on_clicked)
        self.table.itemActivated.connect(self._on_activated)
        self.table.itemSelectionChanged.connect(self._on_selection)
        self.table.space_pressed.connect(self._on_toggle)
        self.play_button.clicked.connect(self._on_toggle)
        self.close_button.clicked.connect(self.reject)
        self.show_playing(None)

    def _fill(self, dataset: AudioDataset) -> None:
        self.table.setObjectName("filesTable")
        self.table.setAccessibleName("Sounds")
        self.table.setHeaderLabels(list(_TITLES))
        self.table.setRootIsDecorated(False)
        self.table.setUniformRowHeights(True)
        self.table.setAllColumnsShowFocus(True)
        self.table.setIconSize(QSize(16, 16))
        skipped = [_row(printable(file.name), "–", f"Skipped: {file.reason}") for file in dataset.skipped]
        for item in skipped:
            item.setFlags(item.flags() & ~Qt.ItemFlag.ItemIsEnabled)
        used = [_row(printable(file.name), f"{file.duration_s:.1f} s", file.note) for file in dataset.files]
        for number, item in enumerate(used):
            item.setData(_PLAY, Qt.ItemDataRole.UserRole, number)
            item.setToolTip(_PLAY, "Play or stop")
        self._items = used
        self.table.addTopLevelItems([*skipped, *used])
        if used:
            self.table.setCurrentItem(used[0])

    def _lay_out(self) -> None:
        header = self.table.header()
        header.setStretchLastSection(True)
        header.setMinimumSectionSize(_ROW_HEIGHT)
        header.setSectionResizeMode(_PLAY, QHeaderView.ResizeMode.Fixed)
        for column, width in ((_PLAY, 34), (_NAME, 300), (_LENGTH, 70)):
            header.resizeSection(column, width)
        buttons = QHBoxLayout()
        buttons.addWidget(self.play_button)
        buttons.addStretch(1)
        buttons.addWidget(self.close_button)
        for button in (self.play_button, self.close_button):
            button.setAutoDefault(False)  # Enter plays the chosen row
            button.setMinimumHeight(_BUTTON_HEIGHT)
        layout = QVBoxLayout(self)
        layout.addWidget(self.about)
        layout.addWidget(self.table, 1)
        layout.addWidget(self.note)
        layout.addLayout(buttons)
        self.note.hide()
        self.resize(*_SIZE)

    @property
    def chosen(self) -> AudioFile | None:
        """The sound whose row is chosen."""
        return self._file_of(self.table.currentItem())

    def _file_of(self, item: QTreeWidgetItem | None) -> AudioFile | None:
        number = None if item is None else item.data(_PLAY, Qt.ItemDataRole.UserRole)
        return None if number is None else self._files[number]

    def show_playing(self, file: AudioFile | None) -> None:
        """Mark the sound that plays; none for None."""
        self._playing = -1 if file is None or file not in self._files else self._files.index(file)
        color = self.palette().color(QPalette.ColorRole.WindowText)
        play, stop = icon("play", color), icon("stop", color)
        for number, item in enumerate(self._items):
            item.setIcon(_PLAY, stop if number == self._playing else play)
        self._on_selection()

    def say(self, text: str) -> None:
        """Show why a sound can't be played, or nothing."""
        self.note.setText(text)
        self.note.setVisible(bool(text))

    @Slot()
    def _on_selection(self) -> None:
        chosen = self.chosen
        self.play_button.setEnabled(chosen is not None)
        is_playing = chosen is not None and self._playing >= 0 and self._files[self._playing] is chosen
        self.play_button.setText("Sto&p" if is_playing else "&Play")

    @Slot(QTreeWidgetItem, int)
    def _on_clicked(self, item: QTreeWidgetItem, column: int) -> None:
        activates_too = self.style().styleHint(QStyle.StyleHint.SH_ItemView_ActivateItemOnSingleClick, None, self.table)
        file = self._file_of(item)
        if column == _PLAY and file is not None and not activates_too:
            self.toggle_wanted.emit(file)

    @Slot(QTreeWidgetItem)
    def _on_activated(self, item: QTreeWidgetItem) -> None:
        if (file := self._file_of(item)) is not None:
            self.play_wanted.emit(file)

    @Slot()
    def _on_toggle(self) -> None:
        if (file := self.chosen) is not None:
            self.toggle_wanted.emit(file)

    def changeEvent(self, event: QEvent) -> None:
        """Follow the palette."""
        super().changeEvent(event)
        if event.type() is QEvent.Type.PaletteChange and hasattr(self, "_items"):
            self.show_playing(self._files[self._playing] if self._playing >= 0 else None)


def _row(name: str, length: str, note: str) -> QTreeWidgetItem:
    item = QTreeWidgetItem(["", name, length, note])
    item.setTextAlignment(_LENGTH, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
    item.setSizeHint(_PLAY, QSize(_ROW_HEIGHT, _ROW_HEIGHT))
    for column in (_NAME, _NOTE):
        item.setToolTip(column, item.text(column))
    return item
