"""What a screen reader is told of a window, and what is wrong with it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from PySide6.QtGui import QAccessible, QAccessibleInterface
from PySide6.QtWidgets import QWidget

_Role, _Text = QAccessible.Role, QAccessible.Text
_PRESSED = (_Role.Button, _Role.CheckBox, _Role.RadioButton, _Role.ButtonMenu, _Role.PageTab, _Role.MenuItem)
_OTHERS = (
    *(_Role.EditableText, _Role.SpinBox, _Role.ComboBox, _Role.Slider),
    *(_Role.Table, _Role.Cell, _Role.List, _Role.ListItem, _Role.PageTabList, _Role.StaticText),
)
# What arrow keys move in, and has no role of its own in Qt.
_PLOTS = "app.widgets.plot"  # which say by themselves what is in them
_PICTURES = ("soundView", "perplexityPlot", "errorPlot", "agreementCells", "codebookUse")


@dataclass(frozen=True)
class Part:
    """A part of the window as a screen reader knows it; `sibling_of` is a number of its parent."""

    name: str
    description: str
    role: QAccessible.Role
    is_focusable: bool
    is_disabled: bool
    object_name: str
    sibling_of: int
    interface: QAccessibleInterface

    def press(self) -> None:
        """Do what a press does."""
        self.interface.actionInterface().doAction("Press")

    def __str__(self) -> str:
        return f"{self.role.name} “{self.name}” ({self.description}) {self.object_name}"

    @property
    def does_something(self) -> bool:
        """Whether the keyboard or a press reaches it."""
        return (self.is_focusable or self.role in _PRESSED) and not self.is_disabled


def _name(part: QAccessibleInterface) -> str:
    """Return a part's name, or that of the label of a box: with a label of its own, Qt tells a box's value alone."""
    label = next((other for other, kind in part.relations() if kind is QAccessible.RelationFlag.Label), None)
    return label.text(_Text.Name) if label is not None else part.text(_Text.Name)


def _parts(parent: QAccessibleInterface, number: list[int]) -> Iterator[Part]:
    number[0] += 1
    here = number[0]
    for place in range(parent.childCount()):
        child = parent.child(place)
        if child is None or (state := child.state()).invisible:
            continue
        widget = child.object()
        is_in_plot = type(widget).__module__.startswith(_PLOTS)
        if is_in_plot and not widget.accessibleName():
            continue
        yield Part(
            _name(child),
            child.text(_Text.Description),
            child.role(),
            bool(state.focusable) and not (isinstance(widget, QWidget) and widget.focusProxy()),
            bool(state.disabled),
            widget.objectName() if widget is not None else "",
            here,
            child,
        )
        if not is_in_plot:
            yield from _parts(child, number)


def parts_of(window: QWidget) -> list[Part]:
    """Return what a screen reader is told of a window, as far as it is shown."""
    return [*_parts(QAccessible.queryAccessibleInterface(window), [0])]


def faults(parts: list[Part]) -> list[str]:
    """Return what a person who hears the window would miss."""
    found = [f"no name: {part}" for part in parts if part.does_something and not part.name]
    found += [f"markup: {part}" for part in parts if "<p>" in part.name + part.description]
    known = (*_PRESSED, *_OTHERS)
    found += [
        f"no role: {part}"
        for part in parts
        if part.does_something and part.role not in known and part.object_name not in _PICTURES
    ]
    named: dict[tuple[int, QAccessible.Role, str], Part] = {}
    for part in parts:
        if part.does_something and part.role is not _Role.Cell:
            key = (part.sibling_of, part.role, part.name)
            if key in named:
                found.append(f"twice: {part} and {named[key]}")
            named[key] = part
    return found
