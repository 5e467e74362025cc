"""The form of a training's settings, built from their names, kinds and doc lines."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import fields, replace
from typing import Any

from PySide6.QtCore import Qt, Signal, Slot
from PySide6.QtWidgets import QPushButton, QToolButton, QVBoxLayout, QWidget

from app.widgets.settings.row import ChoiceRow, NotANumber, SettingRow, TextRow, YesNoRow
from distill_core.device import DEVICE_NAMES
from distill_core.errors import ConfigError
from distill_core.models.architectures import PRIORS
from distill_core.training.prior.config import EFFORTS, PRECISIONS, PriorConfig
from distill_core.training.settings import setting_docs

IN_VIEW = (
    "max_epochs",
    "hidden_size",
    "num_layers",
    "num_heads",
    "learning_rate",
    "dropout",
    "batch_size",
    "seed",
)
_LABELS = {
    "max_epochs": "Epochs",
    "num_layers": "Layers",
    "num_heads": "Heads",
    "gradient_clip_norm": "Gradient clipping",
    "val_fraction": "Validation share",
    "context_s": "Context in seconds",
    "time_limit_min": "Time limit in minutes",
}
_CHOICES = {"device": DEVICE_NAMES, "architecture": PRIORS, "precision": PRECISIONS, "effort": EFFORTS}
_TARGET_HEIGHT = 28


def label_of(name: str) -> str:
    """Return a setting's name in plain words."""
    return _LABELS.get(name, name.replace("_", " ").capitalize())


def _in_plain_words(error: ConfigError, names: list[str]) -> str:
    """Return an error's sentences, with the settings named by their labels."""
    sentences = f"{error.message} {error.hint}".strip()
    return re.sub(r"\w+", lambda word: label_of(word[0]) if word[0] in names else word[0], sentences)


def _build_row(name: str, default: Any, doc: str, parent: QWidget) -> SettingRow:
    if name in _CHOICES:
        row: SettingRow = ChoiceRow(name, label_of(name), doc, tuple(_CHOICES[name]), parent)
    elif isinstance(default, bool):
        row = YesNoRow(name, label_of(name), doc, parent)
    else:
        row = TextRow(name, label_of(name), doc, type(default), parent)
    row.set_default(default)
    row.set_value(None)
    return row


class SettingsForm(QWidget):
    """The settings to choose; one that is left alone is "auto" and follows the sounds.

    `changed` is emitted after every change of a choice, and when new defaults make the choices valid or invalid.
    The settings named in `elsewhere` have another editor.
    """

    changed = Signal()

    def __init__(
        self, defaults: PriorConfig | None = None, parent: QWidget | None = None, *, elsewhere: Collection[str] = ()
    ) -> None:
        super().__init__(parent)
        self._defaults, self._elsewhere = defaults or PriorConfig(), elsewhere
        self.setAccessibleName("Training options")
        self._more = QToolButton(self)
        self._folded = QWidget(self)
        self._reset = QPushButton("&All Auto", self)
        self._rows = self._build_rows()
        self._set_up_buttons()
        self._lay_out()
        self._fold(False)

    def _build_rows(self) -> dict[str, SettingRow]:
        docs = setting_docs(type(self._defaults))
        names = [setting.name for setting in fields(self._defaults) if setting.name not in self._elsewhere]
        rows = {}
        for name in [*IN_VIEW, *(name for name in names if name not in IN_VIEW)]:
            parent = self if name in IN_VIEW else self._folded
            rows[name] = _build_row(name, getattr(self._defaults, name), docs[name], parent)
            rows[name].changed.connect(self._take_change)
        return rows

    def _set_up_buttons(self) -> None:
        self._more.setObjectName("moreButton")
        self._more.setText("Advanced")
        self._more.setCheckable(True)
        self._more.setAutoRaise(True)
        self._more.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self._more.setMinimumHeight(_TARGET_HEIGHT)
        self._more.toggled.connect(self._fold)
        self._reset.setObjectName("allAutoButton")
        self._reset.setToolTip("Let every setting follow from the sounds.")
        self._reset.setMinimumHeight(_TARGET_HEIGHT)
        self._reset.clicked.connect(self.reset)

    def _lay_out(self) -> None:
        shown, folded = QVBoxLayout(self), QVBoxLayout(self._folded)
        folded.setContentsMargins(0, 0, 0, 0)
        for layout in (shown, folded):
            layout.setSpacing(10)
        for name, row in self._rows.items():
            (shown if name in IN_VIEW else folded).addWidget(row)
        for widget in (self._more, self._folded, self._reset):
            shown.addWidget(widget)
        shown.addStretch(1)

    def set_defaults(self, config: PriorConfig) -> None:
        """Show the values of "auto"."""
        if config == self._defaults:
            return
        was_valid = self.is_valid()
        self._defaults = config
        for name, row in self._rows.items():
            row.set_default(getattr(config, name))
        self._check()
        if was_valid != self.is_valid():
            self.changed.emit()

    def overrides(self) -> dict[str, Any]:
        """Return the choices by setting, without those that cannot be read."""
        return self._read()[0]

    def set_overrides(self, overrides: dict[str, Any]) -> None:
        """Show these choices and no others; a name that is no setting is ignored."""
        for name, row in self._rows.items():
            row.set_value(overrides.get(name))
        self._take_change()

    def is_valid(self) -> bool:
        """Return whether training can start with these choices."""
        return not any(row.problem() for row in self._rows.values())

    def problems(self) -> dict[str, str]:
        """Return the problems by setting."""
        return {name: row.problem() for name, row in self._rows.items() if row.problem()}

    @Slot()
    def reset(self) -> None:
        """Make every setting "auto"."""
        self.set_overrides({})

    def set_locked(self, locked: bool) -> None:
        """Show the settings without letting them be changed, as while training."""
        for row in self._rows.values():
            row.set_locked(locked)
        self._reset.setEnabled(not locked)

    @Slot()
    def _take_change(self) -> None:
        self._check()
        self.changed.emit()

    @Slot(bool)
    def _fold(self, open_: bool) -> None:
        self._folded.setVisible(open_)
        self._more.setArrowType(Qt.ArrowType.DownArrow if open_ else Qt.ArrowType.RightArrow)
        self._more.setAccessibleName("Fewer options" if open_ else "Advanced options")

    def _read(self) -> tuple[dict[str, Any], dict[str, str]]:
        """Return the choices that can be read, and the problems of the others."""
        overrides, problems = {}, {}
        for name, row in self._rows.items():
            try:
                value = row.value()
            except NotANumber as error:
                problems[name] = str(error)
            else:
                if value is not None:
                    overrides[name] = value
        return overrides, problems

    def _check(self) -> None:
        overrides, problems = self._read()
        while True:
            try:
                replace(self._defaults, **overrides)
                break
            except ConfigError as error:
                problems.setdefault(error.field, _in_plain_words(error, list(self._rows)))
                if overrides.pop(error.field, None) is None:
                    break
        for name, row in self._rows.items():
            row.set_problem(problems.get(name, ""))
        if any(name not in IN_VIEW for name in problems):
            self._more.setChecked(True)
