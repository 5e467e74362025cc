"""One setting: its label, its editor, and a line beneath with its explanation or its problem."""

from __future__ import annotations

from typing import Any

from PySide6.QtCore import QEvent, QSignalBlocker, Signal
from PySide6.QtGui import QPaintEvent, QPalette, QWheelEvent
from PySide6.QtWidgets import QCheckBox, QComboBox, QGridLayout, QLabel, QLineEdit, QWidget

from app.theme import error_color
from app.widgets.focus import draw_focus

_EDITOR_HEIGHT = 28
_NUMBER_NAMES = {int: "a whole number", float: "a number"}


class NotANumber(ValueError):
    """The typed text is no value of the setting's kind; the message is for the person."""


def small_line(text: str, parent: QWidget) -> QLabel:
    """Return a line of explanation, in smaller letters, that wraps."""
    line = QLabel(text, parent)
    line.setWordWrap(True)
    font = line.font()
    font.setPointSizeF(font.pointSizeF() * 0.88)
    line.setFont(font)
    return line


class SettingRow(QWidget):
    """The base of every row; each subclass knows one kind of editor."""

    changed = Signal()

    def __init__(self, name: str, label: str, doc: str, editor: QWidget, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.name, self.label, self.doc = name, label, doc
        self._default: Any = None
        self._problem = ""
        self._label = QLabel(label, self)
        self._label.setBuddy(editor)
        self._editor = editor
        self._editor.setParent(self)
        self._editor.setObjectName(name)
        self._editor.setMinimumHeight(_EDITOR_HEIGHT)
        self._line = small_line(doc, self)
        self._lay_out()
        self._explain()
        self._mark()

    def _lay_out(self) -> None:
        grid = QGridLayout(self)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setVerticalSpacing(1)
        grid.addWidget(self._label, 0, 0)
        grid.addWidget(self._editor, 0, 1)
        grid.addWidget(self._line, 1, 0, 1, 2)
        grid.setColumnStretch(0, 2)
        grid.setColumnStretch(1, 3)

    def _explain(self) -> None:
        self.setToolTip(self.doc)
        self._editor.setWhatsThis(self.doc)
        self._editor.setAccessibleName(self.label)
        self._editor.setAccessibleDescription(self.doc)

    def value(self) -> Any:
        """Return the choice, or None for the default.

        Raises:
            NotANumber: the typed text is none.
        """
        raise NotImplementedError

    def set_value(self, value: Any) -> None:
        """Show a choice without a signal; None is the default."""
        with QSignalBlocker(self):
            self._show_value(value)

    def _show_value(self, value: Any) -> None:
        raise NotImplementedError

    def set_default(self, default: Any) -> None:
        """Take the value that applies if nothing is chosen."""
        self._default = default

    def problem(self) -> str:
        """Return the problem, or ""."""
        return self._problem

    def set_problem(self, problem: str) -> None:
        """Show a problem in place of the explanation; "" is none."""
        self._problem = problem
        self._line.setText(f"⚠ {problem}" if problem else self.doc)
        self._editor.setAccessibleDescription(problem or self.doc)
        self._mark()

    def set_locked(self, locked: bool) -> None:
        """Show the value without letting it be changed."""
        self._editor.setEnabled(not locked)

    def changeEvent(self, event: QEvent) -> None:
        """Take the error colour of a new palette."""
        super().changeEvent(event)
        if event.type() == QEvent.Type.PaletteChange:
            self._mark()

    def _mark(self) -> None:
        """Colour a problem; write the default clearer than Qt's placeholders, for it is a value."""
        default_color = self.palette().color(QPalette.ColorRole.Text)
        default_color.setAlphaF(0.72)
        marked = QPalette()
        marked.setColor(QPalette.ColorRole.PlaceholderText, default_color)
        if self._problem:
            color = error_color(self.palette())
            for role in (QPalette.ColorRole.WindowText, QPalette.ColorRole.Text, QPalette.ColorRole.ButtonText):
                marked.setColor(role, color)
        self._line.setPalette(marked)
        self._label.setPalette(marked)
        self._editor.setPalette(marked)


class TextRow(SettingRow):
    """A number or a text to type; empty is the default."""

    def __init__(self, name: str, label: str, doc: str, kind: type, parent: QWidget | None = None) -> None:
        self._text = QLineEdit()
        super().__init__(name, label, doc, self._text, parent)
        self._kind = kind
        self._text.setClearButtonEnabled(True)
        self._text.setAcceptDrops(False)  # a file dropped here is meant for the window
        self._text.textChanged.connect(self.changed)

    def value(self) -> Any:
        """Return the typed text as a value of the setting's kind."""
        text = self._text.text().strip()
        if not text:
            return None
        if self._kind is float and text.count(",") == 1 and "." not in text:
            text = text.replace(",", ".")
        try:
            return self._kind(text)
        except ValueError:
            wanted = _NUMBER_NAMES.get(self._kind, "readable")
            raise NotANumber(f"“{text}” is not {wanted}. Leave it empty for auto.") from None

    def _show_value(self, value: Any) -> None:
        self._text.setText("" if value is None else self._written(value))

    def set_default(self, default: Any) -> None:
        """Write the default into the empty field."""
        super().set_default(default)
        self._text.setPlaceholderText(f"auto: {self._written(default)}")

    @staticmethod
    def _written(value: Any) -> str:
        return f"{value:.10g}" if isinstance(value, float) else str(value)


class CalmComboBox(QComboBox):
    """A combo box that a turning wheel scrolls past, and that shows the focus."""

    def wheelEvent(self, event: QWheelEvent) -> None:
        """Leave the wheel to the widget around."""
        event.ignore()

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw the box, and a line around it while it has the keyboard."""
        super().paintEvent(event)
        draw_focus(self)


class ChoiceRow(SettingRow):
    """One of a few names; the default is one of them."""

    def __init__(
        self, name: str, label: str, doc: str, choices: tuple[str, ...], parent: QWidget | None = None
    ) -> None:
        self._combo = CalmComboBox()
        super().__init__(name, label, doc, self._combo, parent)
        self._combo.addItems(choices)
        self._combo.currentIndexChanged.connect(self.changed)

    def value(self) -> Any:
        """Return the chosen name if it is not the default."""
        chosen = self._combo.currentText()
        return None if chosen == self._default else chosen

    def _show_value(self, value: Any) -> None:
        self._combo.setCurrentIndex(max(0, self._combo.findText(str(self._default if value is None else value))))

    def set_default(self, default: Any) -> None:
        """Choose the new default if the old one was chosen."""
        chosen = self.value()
        super().set_default(default)
        self.set_value(chosen)


class YesNoRow(SettingRow):
    """A check box."""

    def __init__(self, name: str, label: str, doc: str, parent: QWidget | None = None) -> None:
        self._box = QCheckBox()
        super().__init__(name, label, doc, self._box, parent)
        self._box.toggled.connect(self.changed)

    def value(self) -> Any:
        """Return the answer if it is not the default."""
        checked = self._box.isChecked()
        return None if checked is self._default else checked

    def _show_value(self, value: Any) -> None:
        self._box.setChecked(bool(self._default if value is None else value))

    def set_default(self, default: Any) -> None:
        """Take the new default if the old one was chosen."""
        chosen = self.value()
        super().set_default(default)
        self.set_value(chosen)
