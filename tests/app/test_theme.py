"""The tokens of the look: what is written can be read, no colour stands elsewhere, and the person chooses."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QFontMetrics, QPalette
from PySide6.QtWidgets import QApplication, QLabel, QPushButton
from pytestqt.qtbot import QtBot

from app.desktop.appearance import Appearance
from app.session.appearance import AppearanceChoice
from app.theme import DARK, LIGHT, Tokens, contrast, is_dark, palette_of, set_primary, style_sheet, tabular, tokens

APP = Path(__file__).parents[2] / "app"
READABLE = 4.5
BOTH = pytest.mark.parametrize("chosen", [LIGHT, DARK], ids=["light", "dark"])


@pytest.fixture
def appearance(qapp: QApplication) -> Iterator[Appearance]:
    before = qapp.palette()
    made = Appearance(qapp)
    yield made
    qapp.styleHints().colorSchemeChanged.disconnect(made._on_scheme)
    made.deleteLater()
    qapp.setStyleSheet("")
    qapp.setPalette(before)


def test_contrast_is_that_of_wcag() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)
    assert contrast("#123456", "#123456") == 1


@BOTH
def test_every_text_can_be_read_on_its_ground(chosen: Tokens) -> None:
    too_faint = {name: contrast(*pair) for name, pair in _pairs(chosen).items() if contrast(*pair) < READABLE}
    assert not too_faint


def _pairs(chosen: Tokens) -> dict[str, tuple[str, str]]:
    return {name: (pair.text, pair.ground) for name, pair in chosen.text_pairs.items()}


@BOTH
def test_every_colour_of_text_is_among_the_pairs(chosen: Tokens) -> None:
    inks = {pair.text for pair in chosen.text_pairs.values()}
    assert {chosen.text, chosen.dim, chosen.disabled, chosen.accent, chosen.link, chosen.error, *chosen.lines} <= inks
    assert {pair.text for pair in chosen.banners.values()} <= inks


@BOTH
def test_the_palettes_text_can_be_read_in_every_state(chosen: Tokens) -> None:
    palette, role = palette_of(chosen), QPalette.ColorRole
    on = {
        role.WindowText: role.Window,
        role.Text: role.Base,
        role.ButtonText: role.Button,
        role.PlaceholderText: role.Base,
        role.HighlightedText: role.Highlight,
        role.ToolTipText: role.ToolTipBase,
        role.Link: role.Window,
    }
    for group in (QPalette.ColorGroup.Active, QPalette.ColorGroup.Inactive, QPalette.ColorGroup.Disabled):
        for ink, ground in on.items():
            reached = contrast(palette.color(group, ink).name(), palette.color(group, ground).name())
            assert reached >= READABLE or (group, ink) == (QPalette.ColorGroup.Disabled, role.HighlightedText)


@BOTH
def test_what_can_be_pressed_is_seen(chosen: Tokens) -> None:
    """What is not text needs 3:1 (WCAG 1.4.11): the line around what has the focus."""
    assert min(contrast(chosen.accent, ground) for ground in (chosen.ground, chosen.raised, chosen.field)) >= 3


def test_no_colour_stands_outside_the_theme() -> None:
    files = [path for path in APP.rglob("*.py") if APP / "theme" not in path.parents]
    assert len(files) > 50
    literal = re.compile(r"""["']#(?:[0-9a-fA-F]{3}){1,2}\b""")
    assert not [path.name for path in files if literal.search(path.read_text(encoding="utf-8"))]


@BOTH
def test_the_rules_name_no_colour_of_their_own(chosen: Tokens) -> None:
    known = {value for value in (getattr(chosen, name) for name in Tokens.__slots__) if isinstance(value, str)}
    assert set(re.findall(r"#[0-9a-f]{6}", style_sheet(chosen))) <= known


def test_tokens_follow_a_widgets_palette() -> None:
    assert tokens(palette_of(DARK)) is DARK
    assert tokens(palette_of(LIGHT)) is LIGHT


def test_all_digits_are_of_one_width(qapp: QApplication) -> None:
    metrics = QFontMetrics(tabular(qapp.font()))
    assert len({metrics.horizontalAdvance(digit * 8) for digit in "0123456789"}) == 1


def test_a_button_becomes_the_primary_one_and_an_ordinary_one_again(qtbot: QtBot, palette: QPalette) -> None:
    button = QPushButton()
    qtbot.addWidget(button)
    button.resize(150, 36)

    def ground() -> str:
        return button.grab().toImage().pixelColor(20, 18).name()

    assert ground() == tokens(palette).raised
    set_primary(button, True)
    assert ground() == tokens(palette).primary
    button.setEnabled(False)
    assert ground() == tokens(palette).ground
    button.setEnabled(True)
    set_primary(button, False)
    assert ground() == tokens(palette).raised


# The person's choice


@pytest.mark.parametrize("choice", [AppearanceChoice.DARK, AppearanceChoice.LIGHT])
def test_a_choice_applies_at_once_to_what_is_open(
    qtbot: QtBot, appearance: Appearance, choice: AppearanceChoice
) -> None:
    label = QLabel("x")
    qtbot.addWidget(label)
    label.show()
    for each in (AppearanceChoice.DARK, AppearanceChoice.LIGHT, choice):
        appearance.choose(each)
    assert is_dark(label.palette()) is (choice is AppearanceChoice.DARK)
    assert appearance.choice is choice


def test_system_follows_the_system_and_a_choice_does_not(qapp: QApplication, appearance: Appearance) -> None:
    before = appearance.is_dark
    appearance.choose(AppearanceChoice.LIGHT if before else AppearanceChoice.DARK)
    qapp.styleHints().colorSchemeChanged.emit(Qt.ColorScheme.Dark if before else Qt.ColorScheme.Light)
    assert appearance.is_dark is not before
    appearance.choose(AppearanceChoice.SYSTEM)
    assert appearance.is_dark is before


def test_a_system_that_turns_dark_turns_the_window(
    qapp: QApplication, appearance: Appearance, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The offscreen platform never changes its scheme, so the answer of Qt is put in its place."""
    hints = type(qapp.styleHints())
    for scheme, dark in ((Qt.ColorScheme.Dark, True), (Qt.ColorScheme.Light, False)):
        monkeypatch.setattr(hints, "colorScheme", lambda self, scheme=scheme: scheme)
        qapp.styleHints().colorSchemeChanged.emit(scheme)
        assert appearance.is_dark is dark
        assert is_dark(qapp.palette()) is dark
