"""The form of the training options: it offers, reads, refuses and marks."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QColor, QPalette
from PySide6.QtWidgets import QCheckBox, QComboBox, QLabel, QLineEdit, QPushButton, QToolButton, QWidget
from pytestqt.qtbot import QtBot

from app.theme import error_color
from app.widgets.settings.form import IN_VIEW, SettingsForm
from app.widgets.settings.row import SettingRow
from distill_core.training.prior.config import PriorConfig, get_adaptive_prior_config
from distill_core.training.settings import setting, setting_docs

AUTO = get_adaptive_prior_config(24)
WINDOW_DARK = "#2b2b2b"


@dataclass(frozen=True, slots=True)
class LaterConfig(PriorConfig):
    warm_up_share: float = setting(0.02, "Share of the steps in which the step size rises.")


@pytest.fixture
def form(qtbot: QtBot) -> SettingsForm:
    form = SettingsForm(AUTO)
    qtbot.addWidget(form)
    form.show()
    return form


def typed(form: SettingsForm, name: str) -> QLineEdit:
    editor = form.findChild(QLineEdit, name)
    assert isinstance(editor, QLineEdit)
    return editor


def row_of(form: SettingsForm, name: str) -> SettingRow:
    return next(row for row in form.findChildren(SettingRow) if row.name == name)


def lines_of(form: SettingsForm, name: str) -> list[str]:
    return [label.text() for label in row_of(form, name).findChildren(QLabel) if label.isVisible()]


def test_a_training_that_should_not_memorize_is_a_check_box(form: SettingsForm) -> None:
    box = form.findChild(QCheckBox, "stop_when_memorizing")
    assert isinstance(box, QCheckBox)
    assert not box.isChecked()
    box.click()
    assert form.overrides() == {"stop_when_memorizing": True}


def test_every_setting_has_an_editor_that_explains_itself(form: SettingsForm) -> None:
    for name, doc in setting_docs(PriorConfig).items():
        editor = form.findChild(QWidget, name)
        assert isinstance(editor, QWidget), name
        assert doc in (editor.accessibleDescription(), editor.whatsThis())
        assert editor.accessibleName()
        assert editor.minimumHeight() >= 28
    assert len(form.findChildren(SettingRow)) == len(fields(PriorConfig))


def test_the_usual_settings_are_in_view_and_the_rest_folds(form: SettingsForm) -> None:
    more = form.findChild(QToolButton, "moreButton")
    assert isinstance(more, QToolButton)
    folded = {row.name for row in form.findChildren(SettingRow) if not row.isVisible()}
    assert folded == {setting.name for setting in fields(PriorConfig)} - set(IN_VIEW)
    assert {"weight_decay", "device", "architecture", "anonymous"} <= folded
    more.click()
    assert all(row.isVisible() for row in form.findChildren(SettingRow))
    more.click()
    assert {row.name for row in form.findChildren(SettingRow) if row.isVisible()} == set(IN_VIEW)


def test_a_setting_that_is_added_later_appears_by_itself(qtbot: QtBot) -> None:
    form = SettingsForm(LaterConfig())
    qtbot.addWidget(form)
    assert typed(form, "warm_up_share").placeholderText() == "auto: 0.02"
    assert typed(form, "warm_up_share").accessibleName() == "Warm up share"
    form.set_overrides({"warm_up_share": 0.1})
    assert form.overrides() == {"warm_up_share": 0.1}
    assert form.is_valid()


def test_what_is_left_alone_follows_the_number_of_sounds(form: SettingsForm) -> None:
    assert typed(form, "hidden_size").placeholderText() == "auto: 256"
    assert typed(form, "learning_rate").placeholderText() == "auto: 0.001"
    form.set_overrides({"hidden_size": 64})
    form.set_defaults(get_adaptive_prior_config(12))
    assert typed(form, "hidden_size").placeholderText() == "auto: 128"
    assert typed(form, "learning_rate").placeholderText() == "auto: 0.0003"
    assert form.overrides() == {"hidden_size": 64}


def test_what_is_typed_becomes_typed_values(qtbot: QtBot, form: SettingsForm) -> None:
    qtbot.keyClicks(typed(form, "max_epochs"), "20")
    qtbot.keyClicks(typed(form, "learning_rate"), "3e-4")
    qtbot.keyClicks(typed(form, "dropout"), "0,25")
    overrides = form.overrides()
    assert overrides == {"max_epochs": 20, "learning_rate": 3e-4, "dropout": 0.25}
    assert [type(value) for value in overrides.values()] == [int, float, float]
    assert get_adaptive_prior_config(24, **overrides).max_epochs == 20


AT_THE_ENDS = {"seed": 2**63 - 1, "learning_rate": 1e-5, "dropout": 0.0, "weight_decay": 0.0, "anonymous": True}


def _another(form: SettingsForm, name: str, default: Any) -> Any:
    """Return a value of a setting that is not its default: another choice, or half the number."""
    box = form.findChild(QComboBox, name)
    if isinstance(box, QComboBox):
        return [box.itemText(row) for row in range(box.count()) if box.itemText(row) not in ("auto", default)][-1]
    if isinstance(default, bool):
        return not default
    return default // 2 or 1 if isinstance(default, int) else default / 2 or 0.5


def everything(form: SettingsForm) -> dict[str, Any]:
    """Return a value for each setting that there is."""
    found = {setting.name: _another(form, setting.name, getattr(AUTO, setting.name)) for setting in fields(PriorConfig)}
    assert set(AT_THE_ENDS) <= set(found)
    return found | AT_THE_ENDS


def test_overrides_come_back_as_they_went_in(form: SettingsForm) -> None:
    chosen = everything(form)
    assert not [name for name, value in chosen.items() if value == getattr(AUTO, name)]
    form.set_overrides(chosen)
    assert form.is_valid(), form.problems()
    assert form.overrides() == chosen
    form.set_overrides({"seed": 1, "a setting of long ago": 5})
    assert form.overrides() == {"seed": 1}


@pytest.mark.parametrize(
    ("overrides", "marked", "words"),
    [
        ({"max_epochs": 0}, "max_epochs", "Epochs cannot be 0. It must be a whole number from 1 to 1000000."),
        ({"max_epochs": "many"}, "max_epochs", "“many” is not a whole number. Leave it empty for auto."),
        ({"max_epochs": 2.5}, "max_epochs", "“2.5” is not a whole number."),
        ({"max_epochs": "9" * 5000}, "max_epochs", "is not a whole number"),
        ({"learning_rate": "nan"}, "learning_rate", "It must be a number above 0."),
        ({"learning_rate": "1.2.3"}, "learning_rate", "“1.2.3” is not a number."),
        ({"hidden_size": 8}, "hidden_size", "from 16 to 4096"),
        ({"hidden_size": 102}, "num_heads", "Heads cannot be 4. It must be a divisor of Hidden size (102)."),
        ({"dropout": 1}, "dropout", "at least 0 and below 1"),
        ({"batch_size": -1}, "batch_size", "from 1 to"),
        ({"seed": 2**63}, "seed", "from 0 to"),
        ({"weight_decay": -1}, "weight_decay", "0 or more"),
        ({"gradient_clip_norm": 0}, "gradient_clip_norm", "above 0"),
        ({"val_fraction": 1}, "val_fraction", "Validation share cannot be 1.0. It must be above 0 and below 1."),
    ],
)
def test_a_wrong_value_marks_exactly_its_field(
    form: SettingsForm, overrides: dict[str, Any], marked: str, words: str
) -> None:
    form.set_overrides(overrides)
    assert not form.is_valid()
    assert list(form.problems()) == [marked]
    assert words in form.problems()[marked]
    row, editor = row_of(form, marked), form.findChild(QWidget, marked)
    assert row.isVisible(), "a marked field is never folded away"
    assert any(line.startswith("⚠ ") and words in line for line in lines_of(form, marked))
    assert isinstance(editor, QWidget)
    assert words in editor.accessibleDescription()
    assert editor.palette().color(QPalette.ColorRole.Text) == error_color(form.palette())
    form.reset()
    assert form.is_valid()
    assert editor.palette().color(QPalette.ColorRole.Text) != error_color(form.palette())
    assert lines_of(form, marked)[1] == setting_docs(PriorConfig)[marked]


def test_several_wrong_values_are_all_marked(form: SettingsForm) -> None:
    form.set_overrides({"max_epochs": "x", "dropout": 3, "num_layers": 99, "seed": 4})
    assert set(form.problems()) == {"max_epochs", "dropout", "num_layers"}


def test_a_wrong_choice_is_named_and_not_the_default_that_is_wrong_too(form: SettingsForm) -> None:
    form.set_defaults(PriorConfig())
    form.set_overrides({"hidden_size": 100, "num_heads": 8})  # 4 heads, the default, have an odd width each
    assert form.problems() == {"num_heads": "Heads cannot be 8. It must be a divisor of Hidden size (100)."}


def test_new_defaults_can_make_a_choice_wrong_and_right_again(qtbot: QtBot, form: SettingsForm) -> None:
    form.set_overrides({"hidden_size": 36})
    assert form.is_valid()
    with qtbot.waitSignal(form.changed, timeout=0):
        form.set_defaults(get_adaptive_prior_config(500))
    assert list(form.problems()) == ["num_heads"]
    with qtbot.waitSignal(form.changed, timeout=0):
        form.set_defaults(get_adaptive_prior_config(24))
    assert form.is_valid()


def test_every_change_is_told_once(qtbot: QtBot, form: SettingsForm) -> None:
    told: list[dict[str, Any]] = []

    def on_changed() -> None:
        told.append(form.overrides())

    form.changed.connect(on_changed)
    qtbot.keyClicks(typed(form, "seed"), "7")
    form.set_overrides({"num_layers": 2, "device": "cpu", "anonymous": True})
    form.set_defaults(get_adaptive_prior_config(12))
    assert told == [{"seed": 7}, {"num_layers": 2, "device": "cpu", "anonymous": True}]


def test_choices_and_check_boxes_count_only_where_they_differ(form: SettingsForm) -> None:
    device, anonymous = form.findChild(QComboBox, "device"), form.findChild(QCheckBox, "anonymous")
    assert isinstance(device, QComboBox)
    assert isinstance(anonymous, QCheckBox)
    assert [device.itemText(index) for index in range(device.count())] == ["auto", "cpu", "cuda", "mps"]
    device.setCurrentText("mps")
    anonymous.click()
    assert form.overrides() == {"device": "mps", "anonymous": True}
    device.setCurrentText("auto")
    anonymous.click()
    assert form.overrides() == {}


def test_all_auto_clears_everything(qtbot: QtBot, form: SettingsForm) -> None:
    form.set_overrides(everything(form))
    button = form.findChild(QPushButton, "allAutoButton")
    assert isinstance(button, QPushButton)
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton)
    assert form.overrides() == {}
    assert typed(form, "seed").text() == ""


def test_a_locked_form_shows_and_takes_nothing(qtbot: QtBot, form: SettingsForm) -> None:
    form.set_overrides({"seed": 5})
    form.set_locked(True)
    qtbot.keyClicks(typed(form, "seed"), "9")
    assert not typed(form, "seed").isEnabled()
    assert form.overrides() == {"seed": 5}
    form.set_locked(False)
    qtbot.keyClicks(typed(form, "seed"), "9")
    assert form.overrides() == {"seed": 59}


def test_a_mark_follows_the_palette(form: SettingsForm) -> None:
    form.set_overrides({"dropout": 2})
    light = typed(form, "dropout").palette().color(QPalette.ColorRole.Text)
    form.setPalette(QPalette(QColor(WINDOW_DARK)))
    dark = typed(form, "dropout").palette().color(QPalette.ColorRole.Text)
    assert dark == error_color(QPalette(QColor(WINDOW_DARK)))
    assert dark != light


def test_the_form_fits_a_narrow_panel(form: SettingsForm) -> None:
    form.set_overrides({"val_fraction": 2, "hidden_size": 100})
    assert form.minimumSizeHint().width() <= 260
