"""The Inspect panel's facts of a model file: all that are known, and no others."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QApplication, QLabel, QPushButton, QScrollArea, QWidget
from pytestqt.qtbot import QtBot

from app.widgets.facts import stranger_values
from app.widgets.facts.fact_list import FactLabel
from app.widgets.facts.inspect_view import InspectView
from app.widgets.facts.model_facts import HEALTH_TITLE, NO_MODEL, NO_PRIOR, describe
from app.widgets.facts.model_form import ModelForm
from app.widgets.facts.sentences import in_sentences, notes_of
from app.widgets.plot.plot import PerplexityPlot
from distill_core import read_summary
from distill_core.models.summary import ModelSummary
from distill_core.training.codec.train import train_codec
from distill_core.training.prior.curve import saved_curve
from tests.core.test_text import fill_with_wild_text
from tests.toy_codec import CONFIG, NAME, toy_codec

__all__ = ["toy_codec"]
REFERENCE = Path(__file__).parents[1] / "data" / "ref_small_prior.distill"
TRAINED: dict[str, Any] = {
    "best_perplexity": 7.419,
    "final_perplexity": 7.419,
    "best_epoch": 3,
    "kept": "best",
    "kept_epoch": 3,
    "ended": "no_better",
    "measure": 2,
    "format": "bfloat16",
    "verdict": "learning",
    "run_verdict": "fitting",
    "epochs_trained": 4,
    "unigram_perplexity": 21.3,
    "unigram_by_level": [18.0, 20.0, 26.84],
    "level_perplexities": [5.1, 7.9, 10.1],
    "was_memorizing": False,
    "training_date": "2026-11-22T19:03:51.907817+00:00",
    "dataset_file_count": 24,
    "dataset_total_duration_s": 192.4,
    "dataset_name": "kicks",
    "validation_files": ["kick 1.wav", "kick 7.wav"],
    "device": "CPU",
    "threads": 3,
    "seed": 0,
    "history": {"epochs": [1, 2, 3, 4], "train_losses": [3.0, 2.5, 2.0, 1.9], "val_losses": [3.1, 2.4, 2.004, 2.1]},
}
AFTER_MEMORIZING: dict[str, Any] = {
    "measure": 2,
    "best_perplexity": 1.02,
    "best_epoch": 36,
    "final_perplexity": 4.9,
    "kept": "before-memorizing",
    "kept_epoch": 11,
    "verdict": "fitting",
    "run_verdict": "memorizing",
}
NONSENSE = [None, math.nan, math.inf, -5, 10**400, True, "", "many", "\ud800", b"raw", [], [None], {}, {"a": object()}]

Facts = dict[str, dict[str, str]]


@pytest.fixture(scope="module")
def reference() -> ModelSummary:
    return read_summary(REFERENCE)


@pytest.fixture
def view(qtbot: QtBot) -> InspectView:
    view = InspectView()
    qtbot.addWidget(view)
    view.resize(260, 600)
    view.show()
    return view


def with_metadata(summary: ModelSummary, **metadata: Any) -> ModelSummary:
    return replace(summary, prior_metadata=metadata)


def facts_of(summary: ModelSummary) -> Facts:
    return {title: dict(rows) for title, rows in describe(summary)}


def visible_texts(view: InspectView) -> list[str]:
    QApplication.processEvents()  # a layout shows its new widgets one event later
    return [label.text() for label in view.findChildren(QLabel) if label.isVisible()]


def curve_of(view: InspectView) -> PerplexityPlot:
    curve = view.findChild(PerplexityPlot)
    assert isinstance(curve, PerplexityPlot)
    return curve


# The sentences


LEARNED = {"measure": 2, "final_perplexity": 4.4, "unigram_perplexity": 21.3}


@pytest.mark.parametrize(
    ("metadata", "sentence"),
    [
        (LEARNED | {"verdict": "learning"}, "It knows them well and does not copy them."),
        (LEARNED | {"verdict": "fitting"}, "It knows them well, and those it learned from better than new ones."),
        (LEARNED, "It knows them well."),
        (LEARNED | {"final_perplexity": 1.9, "verdict": "learning"}, "It knows them very well and does not copy them."),
        (LEARNED | {"final_perplexity": 15.0, "verdict": "learning"}, "It knows them a little and does not copy them."),
        (LEARNED | {"final_perplexity": 20.0, "verdict": "learning"}, "It barely knows them."),
        (LEARNED | {"final_perplexity": 30.0}, "It knows no more of them than how common each code is."),
        (LEARNED | {"verdict": "memorizing"}, "It knows them by heart: what it makes may be copies."),
        (
            LEARNED | {"verdict": "cant_tell"},
            "It has learned them; too little sound was kept aside to tell how well.",
        ),
        (
            LEARNED | {"verdict": "siblings"},
            "It has learned them; the sounds kept aside are near-copies of the others, so nobody can tell how well.",
        ),
        ({"final_perplexity": 8.2}, "It has learned them; an older Distill measured how well, in another way."),
        ({"measure": 2}, "It has learned them; the file doesn't tell how well."),
        ({"measure": 2, "final_perplexity": 0.0}, "It has learned them; the file doesn't tell how well."),
    ],
)
def test_how_well_it_knows_its_sounds(reference: ModelSummary, metadata: dict[str, Any], sentence: str) -> None:
    assert in_sentences(with_metadata(reference, **metadata))[1] == sentence


def test_a_model_that_has_learned_nothing_yet_and_one_of_a_newer_distill(
    tiny_model: Path, reference: ModelSummary
) -> None:
    assert in_sentences(read_summary(tiny_model)) == [
        "A model of sounds, 48 kHz.",
        "It hasn't learned yet how your sounds go on: train it to make new sound.",
    ]
    newer = replace(reference, prior_architecture="mixture", prior_is_readable=False)
    assert in_sentences(newer)[1] == "What it has learned, a newer Distill made: this one can use the model itself."


@pytest.mark.parametrize(
    ("facts", "sentence"),
    [
        ({"dataset_file_count": 18, "dataset_name": "kicks"}, "A model of 18 sounds from “kicks”, 48 kHz."),
        ({"dataset_file_count": 1, "dataset_name": ""}, "A model of 1 sound, 48 kHz."),
        ({"dataset_file_count": True, "dataset_name": "kicks"}, "A model of sounds, 48 kHz."),
        ({"dataset_file_count": 10**400}, "A model of sounds, 48 kHz."),
        ({"dataset_file_count": 2, "dataset_name": "a\nb\u202e"}, "A model of 2 sounds from “a b\ufffd”, 48 kHz."),
    ],
)
def test_what_it_is_made_of(reference: ModelSummary, facts: dict[str, Any], sentence: str) -> None:
    assert in_sentences(replace(reference, metadata=facts))[0] == sentence


def test_the_faults_of_its_levels(reference: ModelSummary) -> None:
    def with_use(*shares: float, **training: float) -> list[str]:
        health = {f"level_{number}": {"utilization": share, "perplexity": 5.0} for number, share in enumerate(shares)}
        return in_sentences(replace(reference, codebook_health=health, training_config=training))[2:]

    assert with_use(0.5, 0.5, 0.5) == []
    assert with_use(0.5, 0.5, 0.05) == ["Level 3 is hardly used."]
    assert with_use(0.5, 0.05, 0.05) == ["Levels 2 and 3 are hardly used."]
    assert with_use(0.5, 1 / 64, 0.05) == ["Level 2 tells nothing.", "Level 3 is hardly used."]
    assert with_use(1 / 64, 1 / 64, 0.5) == ["Levels 1 and 2 tell nothing."]
    poor = ["It hears sound no better than by its average, so nothing it makes can sound good."]
    assert with_use(0.5, 0.5, 0.5, best_val_l1=0.5, mean_frame_l1=0.4) == poor


# The facts


def test_the_ancestors_file_tells_what_it_knows(reference: ModelSummary) -> None:
    facts = facts_of(reference)
    assert list(facts) == ["Model", "Health of the codec", "Prior", "File"]
    assert facts["Model"]["Codebooks"] == "3 levels × 64 codes"
    assert facts["Model"]["Sample rate"] == "48 kHz"
    assert facts["Model"]["Mel bands"] == "128, 0–24,000 Hz"
    assert facts["Model"]["Spectrogram"] == "FFT 2048, hop 512, power 2"
    assert facts["Model"]["Epochs trained"] == "367"
    assert facts["Model"]["Trained on"] == "15 sounds", "a duration of 0 is not known"
    assert "Trained" not in facts["Model"], "an empty date is not known"
    assert facts["Health of the codec"]["Level 1"] == "53% in use, perplexity 16.9"
    assert facts["Prior"]["Perplexity"] == "8.23 (uniform = 64)"
    assert facts["Prior"]["Measure"].startswith("an older one, which counts padding too")
    assert facts["Prior"]["Context"] == "144 codes = 1 second"
    assert facts["Prior"]["Parameters"] == "432,000 (1.7 MB)"
    unknown = {"Very predictable", "Seed", "Device", "Validation sounds", "Best of the run", "Verdict", "Ended"}
    assert not unknown & set(facts["Prior"])
    assert facts["File"]["Path"] == str(REFERENCE)
    assert facts["File"]["Size"] == "5.4 MB"


def test_a_prior_of_ours_tells_everything(reference: ModelSummary) -> None:
    prior = facts_of(with_metadata(reference, **TRAINED))["Prior"]
    assert prior["Perplexity"] == "7.42 at epoch 3, the best (uniform = 64)"
    assert not {"Best of the run", "Measure"} & set(prior)
    assert prior["Unigram perplexity"] == "21.30 (guessing by frequency alone)"
    assert prior["Verdict"] == "learning – it predicts new sounds nearly as well as those it trains on"
    assert prior["Worst verdict of the run"].startswith("fitting – ")
    assert prior["Ended"] == "because it got no better"
    assert prior["Number format"] == "bfloat16"
    assert prior["Very predictable"] == "no"
    assert prior["Trained on"] == "24 sounds, 3 min 12 s"
    assert prior["Folder"] == "kicks"
    assert prior["Validation sounds"] == "2: kick 1.wav, kick 7.wav"
    assert (prior["Device"], prior["Threads"], prior["Seed"]) == ("CPU", "3", "0")
    assert "Trained" in prior


def test_a_model_without_prior_says_so(tiny_model: Path) -> None:
    summary = read_summary(tiny_model)
    assert dict(describe(summary))["Prior"] == [("", NO_PRIOR)]
    assert "Health of the codec" not in facts_of(summary), "the file does not tell"
    assert facts_of(summary)["Model"]["Name"] == "Tiny"


@pytest.mark.parametrize(
    ("has_ends", "words"),
    [(True, "learned"), (False, "learned silence; train again for clean endings"), (None, None)],
)
def test_what_a_prior_knows_of_endings(reference: ModelSummary, has_ends: bool | None, words: str | None) -> None:
    assert facts_of(replace(reference, prior_has_ends=has_ends))["Prior"].get("Endings") == words


def test_a_prior_of_a_newer_distill_is_named(reference: ModelSummary) -> None:
    newer = replace(reference, prior_architecture="mixture", prior_is_readable=False)
    rows = dict(describe(newer))["Prior"]
    assert "made by a newer Distill" in rows[0][1]
    assert ("Architecture", "mixture") in rows


@pytest.mark.parametrize(
    ("metadata", "label", "value"),
    [
        (
            {"sibling_agreement": 0.37},
            "Sibling agreement",
            "37% of a validation sound's codes are those of its nearest training sound (median)",
        ),
        ({"was_memorizing": True}, "Very predictable", "yes, in some epoch"),
        ({"temperature": 0.853}, "Temperature", "0.85 (fitted on held-out sounds)"),
        ({"best_perplexity": 8}, "Perplexity", "8.00 (uniform = 64)"),
        (
            AFTER_MEMORIZING,
            "Perplexity",
            "4.90 at epoch 11, the best before memorizing (uniform = 64)",
        ),
        (AFTER_MEMORIZING, "Best of the run", "1.02 at epoch 36"),
        (AFTER_MEMORIZING, "Worst verdict of the run", "memorizing – it knows its training sounds by heart"),
        (
            AFTER_MEMORIZING | {"kept": "last", "kept_epoch": 40},
            "Perplexity",
            "4.90 at epoch 40, the last (uniform = 64)",
        ),
        (AFTER_MEMORIZING | {"ended": "time_limit"}, "Ended", "at its time limit"),
        (
            {"unigram_perplexity": 24.3},
            "Unigram perplexity",
            "24.30 (guessing by frequency alone, all levels together)",
        ),
        (
            {"unigram_perplexity": 24.3, "unigram_by_level": [8.0, 12.5]},
            "Unigram perplexity",
            "10.00 (guessing by frequency alone)",
        ),
        ({"dataset_file_count": 1}, "Trained on", "1 sound"),
        ({"dataset_total_duration_s": 8.75}, "Trained on", "9 s"),
        ({"seed": 2**63 - 1}, "Seed", "9223372036854775807"),
        ({"device": "two\nlines\x00 and \u202eback"}, "Device", "two lines\ufffd and \ufffdback"),
        ({"dataset_name": "<b>bold</b>"}, "Folder", "<b>bold</b>"),
    ],
)
def test_values_in_words(reference: ModelSummary, metadata: dict[str, Any], label: str, value: str) -> None:
    assert facts_of(with_metadata(reference, **metadata))["Prior"][label] == value


@pytest.mark.usefixtures("toy_codec")
@pytest.mark.parametrize(("codes", "told"), [(80, "80 codes = 1 second"), (200, "200 codes = 2.5 seconds")])
def test_the_context_is_told_in_seconds_of_a_toy_codec_too(reference: ModelSummary, codes: int, told: str) -> None:
    toy = replace(reference, vqvae_config=CONFIG | {"architecture": NAME}, prior_config={"seq_len": codes})
    facts = facts_of(toy)
    assert facts["Prior"]["Context"] == told
    assert facts["Model"]["Codebooks"] == "2 levels × 16 codes"


def test_a_model_tells_its_codec_and_what_that_makes_of_a_second(
    reference: ModelSummary, shared_sounds_folder: Path, tmp_path: Path
) -> None:
    trained = train_codec(shared_sounds_folder, {"max_epochs": 1, "band_mels": 32, "num_quantizers": 3})
    facts = facts_of(read_summary(trained.save(tmp_path / "new.distill")))
    assert facts["Model"]["Codec"] == "klt, patches of the spectrum in principal components"
    assert facts["Model"]["Codebooks"] == "3 levels × 64 codes"
    assert facts["Model"]["Positions"] == "4 bands, steps of 171 ms: 70 codes a second"
    assert any(f"{trained.training_config['best_val_l1']:.3f}" in words for words in facts[HEALTH_TITLE].values())
    ancestors = facts_of(reference)["Model"]
    assert ancestors["Codec"] == "v2, a VQ-VAE, which an older Distill opens too"
    assert ancestors["Positions"] == "8 bands, steps of 171 ms: 141 codes a second"


@pytest.mark.parametrize("nonsense", NONSENSE, ids=lambda value: str(value)[:12].encode("ascii", "replace").decode())
def test_nonsense_of_a_stranger_is_left_out(view: InspectView, reference: ModelSummary, nonsense: object) -> None:
    level = {"utilization": nonsense, "perplexity": nonsense}
    wrong = replace(
        reference,
        metadata=dict.fromkeys(reference.metadata, nonsense),
        codebook_health={"level_0": level, "level_1": nonsense, "level_99999": level},
        prior_config=dict.fromkeys(reference.prior_config or {}, nonsense),
        prior_metadata=dict.fromkeys(TRAINED, nonsense),
    )
    view.show_model(wrong)
    assert view.facts()
    assert curve_of(view).isHidden()
    bad_losses = {"train_losses": nonsense, "val_losses": [nonsense, 2.0]}
    view.show_model(with_metadata(wrong, history=bad_losses, best_epoch=7))
    assert "nan" not in view.as_text().lower()


def test_megabytes_of_invisible_text_become_short_and_visible(
    view: InspectView, reference: ModelSummary, tiny_model: Path
) -> None:
    fill_with_wild_text(tiny_model)
    view.set_details(True)
    view.show_model(read_summary(tiny_model))
    check_texts_of(view)
    wild = "\u202e\u200b\u2066\u00ad" * 90_000
    view.show_model(with_metadata(reference, **dict.fromkeys(TRAINED, wild) | {"validation_files": [wild] * 40}))
    check_texts_of(view)


def check_texts_of(view: InspectView) -> None:
    texts = [text for label in view.findChildren(QLabel) for text in (label.text(), label.toolTip())]
    texts += [part.accessibleName() for part in view.findChildren(QWidget)] + view.as_text().split("\n")
    assert not [text for text in texts if any(unicodedata.category(char) in ("Cc", "Cf", "Cs") for char in text)]
    assert max(map(len, texts)) < 3000


def test_every_date_that_iso_8601_knows_shows_and_no_other_does() -> None:
    def shown(value: object) -> str:
        return stranger_values.date({"date": value}, "date")

    moments = ["2026-11-22T19:03:51.907817+00:00", "2026-11-22T19:03:51", "2026-11-22T20:03:51+01:00"]
    assert len({shown(moment) for moment in moments}) == 1, "without a zone it is UTC"
    assert "2026" in shown(moments[0])
    assert [shown(value) for value in ("", "soon", 5, None, "2026-13-40", "x" * 10**6)] == [""] * 6
    shown("0001-01-01T00:00:00+14:00")
    shown("9999-12-31T23:59:59-14:00")


def test_the_saved_curve_keeps_gaps_as_gaps(reference: ModelSummary) -> None:
    history = {"val_losses": [3.0, math.nan, "x", 10**400, 2.0], "train_losses": "none"}
    curve = saved_curve(with_metadata(reference, history=history, best_epoch=5).prior_metadata or {})
    assert curve is not None
    assert [math.isnan(loss) for loss in curve.val_losses] == [False, True, True, True, False]
    assert (curve.train_losses, curve.best_epoch) == ([], 5)
    assert curve.epochs == [1, 2, 3, 4, 5]
    unknown_epoch = saved_curve(with_metadata(reference, history=history, best_epoch=6).prior_metadata or {})
    assert unknown_epoch is not None
    assert unknown_epoch.best_epoch is None
    assert saved_curve(reference.prior_metadata or {}) is None
    assert saved_curve(with_metadata(reference, history={"val_losses": [math.nan]}).prior_metadata or {}) is None


ROLLED_BACK = {"epochs": [1, 2, 4, 5], "val_losses": [3.4, 2.08, math.log(7.0), math.log(9.0)]}


def test_the_best_of_a_run_with_a_rolled_back_epoch_stands_where_it_was(
    view: InspectView, reference: ModelSummary
) -> None:
    """Inspect said "Best 9.00 at epoch 4" of a best of 7.00."""
    facts = {"best_perplexity": 7.0, "best_epoch": 4}
    view.show_model(with_metadata(reference, history=ROLLED_BACK, **facts))
    assert "Best 7.00 at epoch 4." in curve_of(view).accessibleDescription()
    assert curve_of(view).read_out(3) == "Epoch 3 · kept aside no value · learned from no value"
    view.show_model(with_metadata(reference, history=ROLLED_BACK, **facts | {"best_epoch": 5}))
    assert "Best 9.00 at epoch 5." in curve_of(view).accessibleDescription(), (
        "the file names it, and nothing else judges"
    )
    without_numbers = {"val_losses": ROLLED_BACK["val_losses"]}
    view.show_model(with_metadata(reference, history=without_numbers, **facts))
    assert "Best" not in curve_of(view).accessibleDescription(), "an older file does not tell which value it was"


@pytest.mark.parametrize(
    "numbers", ["few", [1, 2, 3], [0, 1, 2, 3], [1, 2, 2, 3], [4, 3, 2, 1], [1, 2, 3, 10**9], [1, 2, 3, 4.5], None]
)
def test_epoch_numbers_that_are_none_are_counted(reference: ModelSummary, numbers: object) -> None:
    curve = saved_curve(with_metadata(reference, history=ROLLED_BACK | {"epochs": numbers}).prior_metadata or {})
    assert curve is not None
    assert curve.epochs == [1, 2, 3, 4]


# The widget


def test_without_a_model_it_says_so(view: InspectView) -> None:
    assert visible_texts(view) == [NO_MODEL]
    assert view.facts() == []
    assert not view.findChildren(QPushButton)[0].isEnabled()


def test_what_is_described_is_shown(view: InspectView, reference: ModelSummary) -> None:
    summary = with_metadata(reference, **TRAINED)
    view.show_model(summary)
    assert view.facts() == describe(summary)
    assert "3 levels × 64 codes" not in visible_texts(view), "technical facts are folded away at first"
    view.set_details(True)
    texts = visible_texts(view)
    assert "3 levels × 64 codes" in texts
    assert "7.42 at epoch 3, the best (uniform = 64)" in texts
    assert "All 3 levels are in use." in texts
    assert NO_MODEL not in texts


def test_the_curve_is_there_only_with_a_history(view: InspectView, reference: ModelSummary) -> None:
    view.show_model(with_metadata(reference, **TRAINED))
    assert curve_of(view).isVisible()
    assert curve_of(view).epoch_count == 4
    view.show_model(reference)
    assert curve_of(view).isHidden()


def test_another_model_replaces_all_of_the_former(view: InspectView, reference: ModelSummary, tiny_model: Path) -> None:
    view.set_details(True)
    view.show_model(with_metadata(reference, **TRAINED))
    view.note("The former prior was kept beside it.")
    view.show_model(read_summary(tiny_model))
    assert not [text for text in visible_texts(view) if "kicks" in text or "Level" in text or "former" in text]
    assert NO_PRIOR in visible_texts(view)
    view.show_model(None)
    assert visible_texts(view) == [NO_MODEL]
    assert view.facts() == []


def test_notes_show_and_are_copied(view: InspectView, reference: ModelSummary) -> None:
    view.show_model(reference)
    view.note("One.")
    view.note("Two.")
    assert "One.\nTwo." in visible_texts(view)
    sentences = " ".join(in_sentences(reference))
    assert view.as_text().startswith(f"One.\n\nTwo.\n\n{sentences}\n\nModel\n  Name: ref_small\n")


def test_copy_as_text_copies(qtbot: QtBot, view: InspectView, reference: ModelSummary) -> None:
    view.show_model(reference)
    button = view.findChild(QPushButton, "copyAsTextButton")
    assert isinstance(button, QPushButton)
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton)
    copied = QGuiApplication.clipboard().text()
    assert copied == view.as_text()
    assert "  Codebooks: 3 levels × 64 codes\n" in copied
    assert copied.endswith(describe(reference)[-1][1][-1][1])


def test_technical_facts_are_built_once_they_are_to_be_seen(view: InspectView, reference: ModelSummary) -> None:
    view.show_model(reference)
    told = dict(view.facts())
    assert not any("64 codes" in label.text() for label in view.findChildren(FactLabel))
    view.set_details(True)
    QApplication.processEvents()  # only then are new labels shown
    shown = [label.accessibleName() for label in view.findChildren(FactLabel) if label.isVisible()]
    assert set(shown) >= {f"{name}: {value}" for rows in told.values() for name, value in rows if name}
    view.set_details(False)
    view.set_details(True)
    QApplication.processEvents()
    assert shown == [label.accessibleName() for label in view.findChildren(FactLabel) if label.isVisible()]


def test_values_can_be_selected_and_are_plain_text(view: InspectView, reference: ModelSummary) -> None:
    view.set_details(True)
    view.show_model(with_metadata(reference, dataset_name="<img src='x.png'>"))
    label = next(label for label in view.findChildren(FactLabel) if "<img" in label.text())
    flags = label.textInteractionFlags()
    assert flags & Qt.TextInteractionFlag.TextSelectableByMouse
    assert flags & Qt.TextInteractionFlag.TextSelectableByKeyboard
    assert label.textFormat() == Qt.TextFormat.PlainText
    assert label.accessibleName() == "Folder: <img src='x.png'>"


def test_the_tab_key_follows_the_reading_order(view: InspectView, reference: ModelSummary) -> None:
    view.set_details(True)
    view.show_model(reference)
    view.show_model(with_metadata(reference, **TRAINED))
    assert visible_texts(view)
    stops: list[str] = []
    stop: QWidget | None = view
    while (stop := stop.nextInFocusChain() if stop else None) is not view:
        assert stop is not None
        if stop.isVisible() and stop.focusPolicy() & Qt.FocusPolicy.TabFocus and view.isAncestorOf(stop):
            stops.append(stop.objectName() or stop.accessibleName())
    start = stops.index("Model: ref_small")
    order = stops[start : stops.index("copyAsTextButton", start) + 1]
    rows = [f"{label}: {value}" for title, rows in view.facts() for label, value in rows if title in ("Model", "File")]
    assert [stop for stop in order if stop in rows] == rows
    papers = [f"{label}: {value}" for label, value in view.papers.rows()]
    cards = ["copyCardButton", "saveCardButton"]
    before = ["editModelButton", "healthPicture", "savedCurve", *papers, *cards, "detailsButton", "Name: ref_small"]
    assert order[order.index("editModelButton") : order.index("Name: ref_small") + 1] == before
    assert order[-2:] == [rows[-1], "copyAsTextButton"]


@pytest.mark.parametrize("make", [lambda n: "N" * n, lambda n: "word " * n, lambda n: "<b>" * n])
def test_long_values_are_shortened_and_whole_in_the_tooltip(
    view: InspectView, reference: ModelSummary, make: Callable[[int], str]
) -> None:
    view.set_details(True)
    view.show_model(replace(reference, name=make(400)))
    label = next(label for label in view.findChildren(FactLabel) if label.accessibleName().startswith("Name: "))
    assert "…" in label.text()
    assert len(label.text()) <= 170
    assert label.whole_text() == make(400).strip()
    assert "<b>" not in label.toolTip(), "Qt would take it for HTML"
    assert label.whole_text() in view.as_text()


def test_it_fits_a_narrow_panel_and_scrolls_only_down(view: InspectView, reference: ModelSummary) -> None:
    view.set_details(True)
    view.show_model(replace(with_metadata(reference, **TRAINED), path=Path("/" + "x" * 300)))
    assert view.minimumSizeHint().width() <= 260
    assert visible_texts(view)
    area = view.findChildren(QScrollArea)[0]
    content = area.widget()
    assert content is not None
    assert content.width() <= area.viewport().width()
    assert content.height() > area.viewport().height()
    for label in view.findChildren(FactLabel):
        if label.isVisible():
            right = label.mapTo(content, QPoint(label.width(), 0)).x()
            assert right <= area.viewport().width(), label.text()


def test_an_empty_clipboard_of_facts_needs_no_model(view: InspectView) -> None:
    assert view.as_text() == ""


# Name and notes


def form_of(view: InspectView) -> ModelForm:
    form = view.findChild(ModelForm)
    assert isinstance(form, ModelForm)
    return form


def pressed(qtbot: QtBot, view: InspectView, name: str) -> None:
    button = view.findChild(QPushButton, name)
    assert isinstance(button, QPushButton)
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton)


def with_texts(summary: ModelSummary, name: str, notes: str) -> ModelSummary:
    return replace(summary, name=name, metadata=summary.metadata | {"name": name, "description": notes})


def test_name_and_notes_are_shown_and_changed_where_they_stand(
    qtbot: QtBot, view: InspectView, reference: ModelSummary
) -> None:
    view.show_model(with_texts(reference, "Kicks", "Warm.\n\nFrom tape.\n"))
    assert {"Kicks", "Notes", "Warm.", "From tape."} <= {*visible_texts(view)}
    wanted: list[dict[str, str]] = []
    view.save_wanted.connect(wanted.append)
    pressed(qtbot, view, "editModelButton")
    form = form_of(view)
    assert (form.name.text(), form.notes.toPlainText()) == ("Kicks", "Warm.\n\nFrom tape.\n")
    pressed(qtbot, view, "saveModelTextsButton")
    assert wanted == [], "nothing was changed yet"
    form.name.setText("Kicks 2")
    pressed(qtbot, view, "saveModelTextsButton")
    form.notes.setPlainText("Cold.")
    qtbot.keyClick(form.name, Qt.Key.Key_Return)
    assert wanted == [{"name": "Kicks 2"}, {"name": "Kicks 2", "description": "Cold."}]
    assert form.isVisible(), "it stays until the file has it"
    view.head.end_editing()
    assert form.isHidden()


def test_a_text_that_cannot_be_is_marked_and_not_saved(
    qtbot: QtBot, view: InspectView, reference: ModelSummary
) -> None:
    view.show_model(with_texts(reference, "n" * 300, "fine"))
    pressed(qtbot, view, "editModelButton")
    form, wanted = form_of(view), []
    view.save_wanted.connect(wanted.append)
    form.notes.setPlainText("finer")
    pressed(qtbot, view, "saveModelTextsButton")
    assert wanted == [{"description": "finer"}], "a stranger's long name stands in nobody's way"
    form.name.setText(" ")
    assert "A model needs a name." in visible_texts(view)
    pressed(qtbot, view, "saveModelTextsButton")
    form.name.setText("n" * 201)
    assert "A name has at most 200 characters; this one has 201." in visible_texts(view)
    pressed(qtbot, view, "saveModelTextsButton")
    assert len(wanted) == 1


def test_another_model_or_esc_puts_the_form_away_and_the_same_one_keeps_it(
    qtbot: QtBot, view: InspectView, reference: ModelSummary, tiny_model: Path
) -> None:
    view.show_model(reference)
    view.head.begin_editing()
    form_of(view).name.setText("half writ")
    view.show_model(with_metadata(reference, **TRAINED))
    view.head.begin_editing()
    assert form_of(view).name.text() == "half writ"
    qtbot.keyClick(form_of(view).name, Qt.Key.Key_Escape)
    assert form_of(view).isHidden()
    view.head.begin_editing()
    assert form_of(view).name.text() == "ref_small"
    view.show_model(read_summary(tiny_model))
    assert form_of(view).isHidden()


def test_a_reason_not_to_save_is_told(qtbot: QtBot, view: InspectView, reference: ModelSummary) -> None:
    view.show_model(reference)
    view.head.begin_editing()
    form_of(view).name.setText("other")
    view.head.set_obstacle("This file is read-only.")
    assert "This file is read-only." in visible_texts(view)
    wanted: list[dict[str, str]] = []
    view.save_wanted.connect(wanted.append)
    pressed(qtbot, view, "saveModelTextsButton")
    assert wanted == []
    view.head.set_obstacle("")
    pressed(qtbot, view, "saveModelTextsButton")
    assert wanted == [{"name": "other"}]


def test_notes_of_a_stranger_are_lines_that_can_be_shown(reference: ModelSummary) -> None:
    assert notes_of(with_texts(reference, "a", " \n ")) == []
    assert notes_of(with_texts(reference, "a", "one\u202e\n\x00two")) == ["one\ufffd", "\ufffdtwo"]
    assert len(notes_of(with_texts(reference, "a", "x\n" * 9000))) == 200
    assert notes_of(replace(reference, metadata={"description": 5})) == []
