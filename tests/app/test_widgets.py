"""Banner, drop card, icons and colours."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from pathlib import Path

import pytest
from PySide6.QtCore import QMimeData, QPoint, QPointF, Qt, QUrl
from PySide6.QtGui import QColor, QDragEnterEvent, QDragLeaveEvent, QDragMoveEvent, QDropEvent, QPalette
from PySide6.QtWidgets import QApplication, QLabel, QProgressBar, QPushButton, QVBoxLayout, QWidget
from pytestqt.qtbot import QtBot

from app.theme import BannerKind, banner_colors, error_color, icon, is_dark, link_color, plot_colors, resource_path
from app.widgets import banner as banner_module
from app.widgets.banner import HEIGHT as BANNER_HEIGHT
from app.widgets.banner import READ_ALL, Banner
from app.widgets.card import card as drop_card_module
from app.widgets.card.body import ElidedLabel
from app.widgets.card.card import HEIGHT as CARD_HEIGHT
from app.widgets.card.card import DropCard
from app.widgets.card.look import CardLook
from app.widgets.fitting import fitted
from app.widgets.sentence import Sentence
from app.widgets.short_button import ShortButton

KINDS: tuple[BannerKind, ...] = ("warning", "error", "info")
DROP = Qt.DropAction.CopyAction, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier


def _luminance(color: QColor) -> float:
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in color.getRgbF()[:3]]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def _contrast(one: QColor, other: QColor) -> float:
    light, dark = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def _texts(widget: QWidget) -> list[str]:
    kinds = (QLabel, QPushButton)
    children = [child for kind in kinds for child in widget.findChildren(kind) if child.isVisibleTo(widget)]
    return [child.text() for child in children if child.text()]


def _button(widget: QWidget, text: str) -> QPushButton:
    return next(child for child in widget.findChildren(QPushButton) if child.text() == text)


# Colours and icons


def test_colours_can_be_read(palette: QPalette) -> None:
    ground = palette.color(QPalette.ColorRole.Window)
    colors = plot_colors(palette)
    for color in (colors.validation, colors.training, colors.threshold, colors.best, colors.foreground):
        assert _contrast(color, ground) >= 4.5, color.name()
    for kind in KINDS:
        pair = banner_colors(palette, kind)
        assert _contrast(pair.text, pair.ground) >= 9, kind
        assert is_dark(palette) == (pair.ground.lightness() < 128)
    card = palette.color(QPalette.ColorRole.Base)
    assert min(_contrast(error_color(palette), card), _contrast(link_color(palette), card)) >= 4.5


@pytest.mark.parametrize("path", sorted(resource_path("icons").glob("*.svg")), ids=lambda path: path.stem)
def test_icons_are_drawn_in_the_colour_asked_for(qapp: QApplication, path: Path) -> None:
    image = icon(path.stem, QColor("#ff0000")).pixmap(24, 24).toImage()
    solid = {
        image.pixelColor(x, y).name()
        for x, y in product(range(image.width()), range(image.height()))
        if image.pixelColor(x, y).alpha() == 255
    }
    assert solid == {"#ff0000"}


def test_icons_take_the_palettes_text_colour(palette: QPalette) -> None:
    image = icon("stop").pixmap(24, 24).toImage()
    assert image.pixelColor(12, 12) == palette.color(QPalette.ColorRole.WindowText)


def test_an_icon_that_there_is_not_is_an_error(qapp: QApplication) -> None:
    with pytest.raises(FileNotFoundError):
        icon("no such icon")


# Banner


@pytest.fixture
def spoken(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    said: list[str] = []

    def listen(widget: QWidget, text: str, *, urgent: bool = False) -> None:
        said.append(text)

    for module in (banner_module, drop_card_module):
        monkeypatch.setattr(module, "announce", listen)
    return said


@pytest.fixture
def banner(qtbot: QtBot) -> Iterator[Banner]:
    window = QWidget()
    qtbot.addWidget(window)
    window.resize(800, 300)
    banner = Banner(window)
    layout = QVBoxLayout(window)
    layout.addWidget(banner)
    layout.addStretch(1)
    window.show()
    yield banner
    window.close()


def test_the_banner_comes_and_goes(banner: Banner, spoken: list[str]) -> None:
    assert banner.isHidden()
    banner.show_message("warning", "Careful.", "This is why.", [("stop", "Stop and Keep Best"), ("why", "Explain")])
    assert _texts(banner) == ["Careful.", "This is why.", "Stop and Keep Best", "Explain"]
    assert (banner.accessibleName(), banner.accessibleDescription()) == ("Careful.", "This is why.")
    QApplication.processEvents()
    assert spoken == ["Careful. This is why."]
    banner.show_message("info", "Done.")
    assert _texts(banner) == ["Done."]
    banner.hide_message()
    assert banner.isHidden()


def test_a_detail_that_changes_is_not_read_out_again(banner: Banner, spoken: list[str]) -> None:
    for value in ("1.84", "1.79"):
        banner.show_message("warning", "Careful.", f"It is {value}.", [("stop", "Stop")])
        QApplication.processEvents()
    assert banner.detail() == "It is 1.79."
    assert spoken == ["Careful. It is 1.84."]
    banner.hide_message()
    banner.show_message("warning", "Careful.", "It is 1.70.")
    QApplication.processEvents()
    assert len(spoken) == 2


def test_what_gives_way_at_once_is_not_read_out(banner: Banner, spoken: list[str]) -> None:
    banner.show_message("info", "Not saved yet.")
    banner.hide_message()
    banner.show_message("info", "Not saved yet.")
    banner.show_message("info", "Saved.", "It is here.")
    QApplication.processEvents()
    assert spoken == ["Saved. It is here."]
    banner.show_message("info", "Not saved yet.")
    banner.hide_message()
    QApplication.processEvents()
    assert len(spoken) == 1


def test_the_banners_buttons_say_which_was_clicked(banner: Banner, qtbot: QtBot) -> None:
    banner.show_message("error", "No.", actions=[("copy", "Save a Copy…"), ("details", "Details")])
    for action in ("copy", "details"):
        assert banner.button(action).height() >= 28
        with qtbot.waitSignal(banner.action_triggered) as blocker:
            qtbot.mouseClick(banner.button(action), Qt.MouseButton.LeftButton)
        assert blocker.args == [action]


def test_a_button_keeps_its_focus_when_only_the_words_change(banner: Banner) -> None:
    banner.show_message("warning", "Careful.", "1", [("stop", "Stop")])
    button = banner.button("stop")
    banner.show_message("warning", "Careful.", "2", [("stop", "Stop")])
    assert banner.button("stop") is button


def test_a_banner_has_one_line_and_offers_all_of_it_where_that_is_cut_off(banner: Banner, qtbot: QtBot) -> None:
    banner.show_message("warning", "Careful.", "Few words.", [("stop", "Stop")])
    QApplication.processEvents()
    assert _texts(banner) == ["Careful.", "Few words.", "Stop"]
    banner.show_message("warning", "Careful.", "Many words, " * 30, [("stop", "Stop")])
    for width in (800, 400, 560, 800):
        banner.window().resize(width, 400)
        QApplication.processEvents()
        assert banner.height() == BANNER_HEIGHT
        assert banner.rect().contains(banner.button("stop").geometry())
        with qtbot.waitSignal(banner.read_all_wanted):
            _button(banner, READ_ALL).click()
    banner.window().resize(2400, 400)
    banner.show_message("info", "Trained.", "", [("save", "Save"), ("best", "Keep Best"), ("last", "Keep Last")])
    QApplication.processEvents()
    assert _texts(banner) == ["Trained.", READ_ALL, "Save", "Keep Best"]  # as they were made
    assert [identity for identity, _ in banner.actions_shown()] == ["save", "best", "last"]


def test_markup_is_shown_as_it_is(banner: Banner) -> None:
    banner.show_message("error", "“<b>x</b>” can't be opened.")
    assert all(label.textFormat() == Qt.TextFormat.PlainText for label in banner.findChildren(QLabel) if label.text())


@pytest.mark.parametrize("kind", KINDS)
def test_the_banner_follows_the_palette(banner: Banner, palette: QPalette, kind: BannerKind) -> None:
    banner.show_message(kind, "Title")
    QApplication.processEvents()
    image = banner.grab().toImage()
    assert image.pixelColor(image.width() // 2, 4) == banner_colors(palette, kind).ground


# Chip


EMPTY = CardLook("empty", "No model yet", ("drop one here",))
FILLED = CardLook("filled", "kicks", ("24 sounds", "2 skipped"), button="Choose Others…")


@pytest.fixture
def card(qtbot: QtBot) -> DropCard:
    card = DropCard("modelCard", "Model", "model")
    qtbot.addWidget(card)
    card.resize(360, CARD_HEIGHT)
    card.show_look(EMPTY, "")
    card.show()
    return card


def _urls(*paths: str) -> QMimeData:
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(path) for path in paths])
    return data


def _enter(card: DropCard, data: QMimeData) -> None:
    QApplication.sendEvent(card, QDragEnterEvent(QPoint(9, 9), DROP[0], data, *DROP[1:]))


def _move(card: DropCard, data: QMimeData) -> bool:
    event = QDragMoveEvent(QPoint(9, 9), DROP[0], data, *DROP[1:])
    QApplication.sendEvent(card, event)
    return event.isAccepted()


def _drop(card: DropCard, data: QMimeData) -> bool:
    event = QDropEvent(QPointF(9, 9), DROP[0], data, *DROP[1:])
    QApplication.sendEvent(card, event)
    return event.isAccepted()


def test_the_card_in_its_states(card: DropCard) -> None:
    assert (card.objectName(), card.accessibleName()) == ("modelCard", "Model")
    assert _texts(card) == ["No model yet", "drop one here"]
    card.show_look(CardLook("busy", "Opening drums.distill…", link=("cancel", "Cancel")), "")
    assert sorted(_texts(card)) == ["Cancel", "Opening drums.distill…"]
    assert card.findChildren(QProgressBar)[0].isVisible()
    card.show_look(FILLED, "")
    assert sorted(_texts(card)) == ["24 sounds · 2 skipped", "kicks", "⋯"]
    assert card.accessibleDescription() == "kicks · 24 sounds · 2 skipped"
    assert card.body.button.accessibleName() == "Model: Choose Others…"
    assert card.height() == CARD_HEIGHT


def test_everything_that_can_be_clicked_is_large_enough(card: DropCard) -> None:
    for look in (FILLED, CardLook("busy", "Looking through kicks…", link=("cancel", "Cancel"))):
        card.show_look(look, "No.")
        QApplication.processEvents()
        assert all(button.height() >= 28 for button in card.findChildren(QPushButton) if button.isVisible())


def test_a_refusal_takes_the_place_of_the_facts_and_goes(card: DropCard, spoken: list[str]) -> None:
    refusal = "“song.mid” is not a Distill model."
    for _ in range(2):  # the same one is read out once
        card.show_look(EMPTY, refusal)
        assert card.refusal() == refusal
        assert _texts(card) == ["No model yet", refusal]
    card.show_look(EMPTY, "")
    assert card.refusal() == ""
    assert _texts(card) == ["No model yet", "drop one here"]
    assert list(filter(None, spoken)) == [refusal]


def test_a_click_browses_on_an_empty_card_and_chooses_the_page_of_a_filled_one(card: DropCard, qtbot: QtBot) -> None:
    words = next(label for label in card.findChildren(QLabel) if label.text() == "No model yet")
    for target in (card, words):
        with qtbot.waitSignal(card.browse_requested), qtbot.assertNotEmitted(card.chosen):
            qtbot.mouseClick(target, Qt.MouseButton.LeftButton)
    card.show_look(FILLED, "")
    with qtbot.assertNotEmitted(card.browse_requested), qtbot.waitSignal(card.chosen):
        qtbot.mouseClick(card, Qt.MouseButton.LeftButton)
    with qtbot.waitSignal(card.browse_requested), qtbot.assertNotEmitted(card.chosen):
        qtbot.mouseClick(card.body.button, Qt.MouseButton.LeftButton)


@pytest.mark.parametrize("key", [Qt.Key.Key_Return, Qt.Key.Key_Enter, Qt.Key.Key_Space])
def test_a_key_is_a_click(card: DropCard, qtbot: QtBot, key: Qt.Key) -> None:
    assert card.focusPolicy() == Qt.FocusPolicy.StrongFocus
    with qtbot.waitSignal(card.browse_requested):
        qtbot.keyClick(card, key)
    card.show_look(FILLED, "")
    with qtbot.assertNotEmitted(card.browse_requested), qtbot.waitSignal(card.chosen):
        qtbot.keyClick(card, key)


@pytest.mark.parametrize("key", [Qt.Key.Key_Return, Qt.Key.Key_Space])
def test_keys_on_a_link_choose_nothing(card: DropCard, qtbot: QtBot, key: Qt.Key) -> None:
    card.show_look(CardLook("busy", "Looking through kicks…", link=("cancel", "Cancel")), "")
    with qtbot.assertNotEmitted(card.chosen), qtbot.waitSignal(card.link_activated):
        qtbot.keyClick(_button(card, "Cancel"), key)


def test_a_drag_is_told_of_and_a_drop_handed_over(card: DropCard, qtbot: QtBot) -> None:
    data = _urls("/a/drums.distill")
    with qtbot.waitSignal(card.dragged) as blocker:
        _enter(card, data)
    assert [url.toLocalFile() for url in blocker.args[0]] == ["/a/drums.distill"]
    assert _move(card, data)
    with qtbot.waitSignals([card.dropped, card.drag_left]), qtbot.assertNotEmitted(card.drag_refused):
        assert _drop(card, data)
    assert card.drag_state() == "none"


def test_a_drag_that_leaves_leaves_no_look(card: DropCard) -> None:
    for locked in (False, True):
        card.set_locked(locked)
        _enter(card, _urls("/a/drums.distill"))
        assert card.drag_state() == ("invalid" if locked else "none")
        card.set_drag_state("valid")
        QApplication.sendEvent(card, QDragLeaveEvent())
        assert card.drag_state() == "none"


def test_text_is_not_a_drop(card: DropCard, qtbot: QtBot) -> None:
    data = QMimeData()
    data.setText("drums.distill")
    with qtbot.waitSignal(card.drag_refused), qtbot.assertNotEmitted(card.dropped):
        _enter(card, data)
        assert card.drag_state() == "invalid"
        assert not _move(card, data)
        assert not _drop(card, data)


def test_a_locked_card_does_nothing(card: DropCard, qtbot: QtBot) -> None:
    card.set_locked(True, "Stop training to change the model or the sounds.")
    assert card.toolTip() == "<p>Stop training to change the model or the sounds.</p>"
    card.show_look(FILLED, "")
    assert not card.body.button.isEnabled()
    with qtbot.assertNotEmitted(card.browse_requested), qtbot.assertNotEmitted(card.dropped):
        qtbot.keyClick(card, Qt.Key.Key_Return)
        data = _urls("/a/drums.distill")
        with qtbot.waitSignal(card.drag_refused):
            _enter(card, data)
        assert not _move(card, data)
        assert not _drop(card, data)
    card.set_locked(False)
    assert card.toolTip() == ""
    assert card.body.button.isEnabled()


def test_each_look_of_a_drag_differs(card: DropCard, palette: QPalette) -> None:
    images = []
    for state in ("none", "valid", "invalid"):
        card.set_drag_state(state)
        images.append(card.grab().toImage())
    assert images[0] != images[1] != images[2] != images[0]


def test_a_long_name_is_shortened_and_whole_in_the_tooltip(card: DropCard) -> None:
    name = "a very long name " * 8 + ".distill"
    card.show_look(CardLook("filled", name, ("24 sounds",)), "")
    card.resize(300, CARD_HEIGHT)
    QApplication.processEvents()
    label = next(label for label in card.findChildren(ElidedLabel) if label.text() == name)
    assert "…" in label.shown_text()
    assert label.toolTip() == f"<p>{name}</p>"
    assert card.width() == 300
    card.show_look(CardLook("filled", "short"), "")
    assert label.toolTip() == ""


def test_twenty_thousand_texts_survive(card: DropCard, banner: Banner) -> None:
    label = QLabel()
    for number in range(20_000):
        label.setText(str(number))
    for number in range(2_000):
        card.show_look(CardLook("filled", str(number), (str(number),), ("id", str(number))), "")
        banner.show_message("warning", "Title", str(number))
    assert label.text() == "19999"


# A sentence


def test_a_sentence_shows_as_many_lines_as_fit_and_the_rest_in_its_tooltip(qtbot: QtBot) -> None:
    sentence = Sentence()
    qtbot.addWidget(sentence)
    sentence.show()
    line = sentence.fontMetrics().height()
    words = "Finished: perplexity 30.00 at epoch 3, the best. The prior is no better than guessing by frequency."
    sentence.setText(words)
    sentence.resize(400, 2 * line)
    assert " ".join(sentence.shown_lines()) == words
    assert len(sentence.shown_lines()) == 2
    assert sentence.toolTip() == ""
    sentence.resize(400, line)
    assert sentence.shown_lines() == ["Finished: perplexity 30.00 at epoch 3, the best."]
    assert "no better than guessing" in sentence.toolTip()
    sentence.resize(200, line)
    (shown,) = sentence.shown_lines()
    assert shown == "Finished: perplexity 30.00…"
    assert sentence.fontMetrics().horizontalAdvance(shown) <= 200
    assert sentence.text() == words
    sentence.setText("Ready.")
    assert (sentence.shown_lines(), sentence.toolTip()) == (["Ready."], "")
    sentence.setText("Unbreakable" * 20)
    assert [line[-1] for line in sentence.shown_lines()] == ["…"]


# What has no room


@pytest.mark.parametrize(
    ("text", "short", "letters", "shown"),
    [
        ("18 sounds · 27 s · A small set", "", 30, "18 sounds · 27 s · A small set"),
        ("18 sounds · 27 s · A small set", "", 29, "18 sounds · 27 s"),
        ("18 sounds · 27 s · A small set", "few", 10, "18 sounds"),
        ("18 sounds · 27 s · A small set", "few", 8, "few"),
        ("Epoch 13 of 25 · 0:04 · less than a minute left", "", 40, "Epoch 13 of 25 · 0:04"),
        ("Ready. 3 sounds. A small set is soon learned.", "", 40, "Ready. 3 sounds."),
        ("Hasn't learned your sounds yet · 48 kHz", "Not yet", 20, "Not yet"),
        ("Hasn't learned your sounds yet · 48 kHz", "", 20, "Hasn't learned your…"),
        ("It is the end of a story", "", 17, "It is the end…"),
        ("one, or another", "", 8, "one…"),
        ("Unbreakable", "", 5, ""),
    ],
)
def test_what_has_no_room_goes_as_a_whole(text: str, short: str, letters: int, shown: str) -> None:
    assert fitted(text, short, lambda words: len(words) <= letters) == shown


def test_a_label_of_facts_drops_whole_ones(qtbot: QtBot) -> None:
    label = ElidedLabel(mode=Qt.TextElideMode.ElideRight)
    qtbot.addWidget(label)
    label.show()
    label.setText("18 sounds · 27 s · A small set", "few")
    width = label.fontMetrics().horizontalAdvance
    seen = {}
    for room in (width(label.text()), width(label.text()) - 1, width("18 sounds · 27"), width("18 sound")):
        label.resize(room, 20)
        seen[label.shown_text()] = bool(label.toolTip())
    assert seen == {label.text(): False, "18 sounds · 27 s": True, "18 sounds": True, "few": True}


def test_a_button_says_the_same_in_fewer_words(qtbot: QtBot) -> None:
    button = ShortButton()
    qtbot.addWidget(button)
    button.set_words("Cancel R&B Without Keeping…", "Cancel…")
    button.resize(button.sizeHint())
    assert button.shown_text() == button.text() == "Cancel R&&B Without Keeping…"
    wide = button.grab().toImage()
    least = button.minimumSizeHint().width()
    assert button.fontMetrics().horizontalAdvance("Cancel…") < least < button.sizeHint().width() - 40
    button.resize(least, button.height())
    assert button.shown_text() == "Cancel…"
    assert button.accessibleName() == "Cancel R&B Without Keeping…"
    assert wide.copy(0, 0, least, wide.height()) != button.grab().toImage()
    button.set_words("Train", "")
    assert button.minimumSizeHint() == QPushButton("Train").minimumSizeHint()
    assert (button.shown_text(), button.accessibleName()) == ("Train", "")
