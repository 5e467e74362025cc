"""Making a model in the window: a new file beside nobody's, then perhaps a prior, and no way to lose either."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from PySide6.QtCore import QSettings
from pytestqt.qtbot import QtBot

from app.flows.closing import Closing
from app.flows.commands import Commands
from app.main_window import MainWindow
from app.presentation import making as words
from app.presentation import notices
from app.session import Session
from app.session.activity import Activity
from app.session.available import ActionId, available
from app.session.estimate import making_seconds_left
from app.session.state import Page
from app.session.tasks.making import model_stem
from distill_core import read_summary, scan
from distill_core.training.codec.events import CodecEpochMetrics
from distill_core.training.codec.train import train_codec
from distill_core.training.events import Ended
from distill_core.training.kinds import codec_runs, listed_runs
from tests.app.driving import WAIT_MS, ScriptedPrompts, make_short_takes, session_of, settle, settle_session

TINY = {
    "codebook_size": 16,
    "num_quantizers": 2,
    "band_mels": 32,
    "components": 12,
    "refiner_width": 8,
    "refiner_depth": 1,
    "max_epochs": 3,
    "device": "cpu",
}
FOR_EVER = TINY | {"max_epochs": 100_000, "patience": 0}
PRIOR = {"hidden_size": 32, "num_layers": 1, "num_heads": 2, "max_epochs": 2}


class _Crash(BaseException):
    """The end of a process, as far as the training can tell."""


@pytest.fixture
def models(tmp_path: Path) -> Path:
    return tmp_path / "Documents" / "Distill Models"


@pytest.fixture
def with_sounds(qtbot: QtBot, session: Session, sounds_folder: Path, models: Path) -> Session:
    """A Session with the sounds alone, which makes tiny models."""
    session.settings.set_models_folder(models)
    session.set_options(PRIOR, is_valid=True)
    session.set_making_options(TINY)
    session.open_dataset(sounds_folder)
    settle_session(qtbot, session)
    return session


def _begin(qtbot: QtBot, session: Session, *, then_prior: bool = False) -> None:
    """Begin to make a model that nothing but a stop ends, and wait for its second epoch."""
    session.set_making_options(FOR_EVER)
    session.make_model(then_prior=then_prior)
    qtbot.waitUntil(lambda: len(session.state.making.epochs) >= 2, timeout=WAIT_MS)


@pytest.fixture
def left(sounds_folder: Path, models: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The place of a model whose making a crash ended after its second epoch."""
    monkeypatch.setattr("distill_core.training.codec.state.PAUSE_IN_WRITING_S", 0.0)
    models.mkdir(parents=True)

    def on_event(event: object) -> None:
        if isinstance(event, CodecEpochMetrics) and event.epoch == 2:
            raise _Crash

    path = models / "sounds.distill"
    with pytest.raises(_Crash):
        train_codec(sounds_folder, TINY, on_event=on_event, run_folder=codec_runs(path))
    return path


# The file


def test_a_model_is_made_saved_as_a_new_file_and_opened(
    qtbot: QtBot, with_sounds: Session, models: Path, sounds_folder: Path
) -> None:
    session, told = with_sounds, []
    for name in ("making_started", "making_epoch", "making_ended", "model_made"):
        getattr(session, name).connect(lambda value, name=name: told.append(name))
    session.make_model()
    assert session.state.is_making
    assert ActionId.STOP in available(session.state)
    settle_session(qtbot, session)
    path = models / "sounds.distill"
    assert told == ["making_started", *["making_epoch"] * 3, "making_ended", "model_made"]
    state = session.state
    assert (state.open.model.path, state.open.dataset.sources) == (path, (sounds_folder,))
    assert not state.open.model.has_prior
    assert read_summary(path).name == "sounds"
    assert (state.making.saved_to, state.making.trained, state.is_training) == (path, None, False)
    assert len(state.making.epochs) == 3
    assert state.making.best.val_l1 > 0
    assert state.making.mean_frame_error > 0
    assert listed_runs() == []
    assert session.settings.recent_models() == [path]


def test_no_file_is_ever_replaced(qtbot: QtBot, with_sounds: Session, models: Path) -> None:
    models.mkdir(parents=True)
    (models / "sounds.distill").write_bytes(b"mine")
    (models / "sounds 2.distill").symlink_to(models / "gone")
    with_sounds.make_model()
    settle_session(qtbot, with_sounds)
    assert with_sounds.state.open.model.path == models / "sounds 3.distill"
    assert (models / "sounds.distill").read_bytes() == b"mine"
    assert (models / "sounds 2.distill").is_symlink()


def test_a_file_that_comes_while_a_model_is_made_stays_too(qtbot: QtBot, with_sounds: Session, models: Path) -> None:
    _begin(qtbot, with_sounds)
    (models / "sounds.distill").write_bytes(b"mine")
    with_sounds.stop()
    settle_session(qtbot, with_sounds)
    assert (models / "sounds.distill").read_bytes() == b"mine"
    assert with_sounds.state.open.model.path == models / "sounds 2.distill"
    assert listed_runs() == []


def test_a_model_takes_no_name_that_an_unfinished_one_is_to_have(
    qtbot: QtBot, left: Path, with_sounds: Session, models: Path
) -> None:
    with_sounds.make_model()
    settle_session(qtbot, with_sounds)
    assert with_sounds.state.open.model.path == models / "sounds 2.distill"
    assert [run.facts.model for run in listed_runs()] == [left]


@pytest.mark.parametrize(
    ("name", "stem"),
    [("kicks", "kicks"), ("a: b?", "a b"), (".hidden", "hidden"), ("???", "sounds"), ("x" * 200, "x" * 120)],
)
def test_the_name_is_one_that_a_file_can_have_anywhere(sounds_folder: Path, name: str, stem: str) -> None:
    assert model_stem(scan(sounds_folder.rename(sounds_folder.with_name(name)))) == stem


def test_a_single_sound_gives_its_name_without_the_ending(sounds_folder: Path) -> None:
    sound = sorted(sounds_folder.glob("*.wav"))[0]
    assert model_stem(scan(sound)) == sound.stem
    assert model_stem(scan(sounds_folder, sound)) == "sounds and 1 more"


def test_the_usual_folder_is_beside_the_persons_own_things(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.session.settings.QStandardPaths.writableLocation", lambda which: "/home/me/Documents")
    assert session.settings.models_folder() == Path("/home/me/Documents/Distill Models")


# Then its prior


def test_model_then_prior_ends_with_an_unsaved_prior_and_a_take(
    qtbot: QtBot, with_sounds: Session, models: Path
) -> None:
    session, order = with_sounds, []
    for name in ("model_made", "training_started", "training_ended", "take_made"):
        getattr(session, name).connect(lambda value, name=name: order.append(name))
    session.make_model(then_prior=True)
    qtbot.waitUntil(lambda: "take_made" in order, timeout=WAIT_MS)
    settle_session(qtbot, session)
    assert order == ["model_made", "training_started", "training_ended", "take_made"]
    assert session.state.training.unsaved
    assert session.state.training.trained.config["hidden_size"] == 32
    assert len(session.state.takes.takes) == 1
    assert not read_summary(models / "sounds.distill").has_prior


def test_one_stop_is_the_end_of_both(qtbot: QtBot, with_sounds: Session, models: Path) -> None:
    session, begun = with_sounds, []
    session.training_started.connect(begun.append)
    _begin(qtbot, session, then_prior=True)
    session.stop()
    assert session.state.work is Activity.STOPPING
    settle_session(qtbot, session)
    assert begun == []
    assert session.state.open.model.path == models / "sounds.distill"
    assert session.state.making.ended is Ended.STOPPED
    told = notices.notice(session.state)
    assert told.title == "Your model is made: sounds.distill."
    assert told.detail.startswith("You stopped, so no prior was trained; Train does that now. It is in ")


def test_a_stop_keeps_the_best_so_far(qtbot: QtBot, with_sounds: Session) -> None:
    _begin(qtbot, with_sounds)
    with_sounds.stop()
    settle_session(qtbot, with_sounds)
    made = with_sounds.state.making
    facts = read_summary(made.saved_to).training_config
    assert facts["best_epoch"] == made.best.epoch
    assert facts["best_val_l1"] == made.best.val_l1
    assert "no prior" not in notices.notice(with_sounds.state).detail


def test_a_stop_before_the_first_epoch_leaves_nothing_and_says_so(
    qtbot: QtBot, with_sounds: Session, models: Path
) -> None:
    from app.presentation.status import main_text

    with_sounds.make_model(then_prior=True)
    with_sounds.stop()
    settle_session(qtbot, with_sounds)
    assert with_sounds.state.open.model is None
    assert list(models.glob("*")) == []
    assert main_text(with_sounds.state, None) == "Stopped before the first epoch: nothing to save."
    assert {ActionId.MAKE_MODEL, ActionId.MAKE_BOTH} <= available(with_sounds.state)


def test_one_that_is_given_up_leaves_nothing(qtbot: QtBot, with_sounds: Session, models: Path) -> None:
    _begin(qtbot, with_sounds, then_prior=True)
    with_sounds.give_up_making()
    settle_session(qtbot, with_sounds)
    assert with_sounds.state.open.model is None
    assert list(models.glob("*")) == []
    assert listed_runs() == []
    assert notices.notice(with_sounds.state) is None


# The choices


def test_effort_and_time_limit_count_for_a_model_too(qtbot: QtBot, with_sounds: Session) -> None:
    session, begun = with_sounds, []
    session.making_started.connect(begun.append)
    session.set_making_options({name: value for name, value in TINY.items() if name != "max_epochs"})
    most = []
    for effort in ("quick", "normal", "thorough"):
        session.set_options(PRIOR | {"effort": effort}, is_valid=True)
        most.append(session.making_estimate()[1])
    assert most[0] < most[1] / 2
    assert most[2] > most[1] * 2
    session.set_options(PRIOR | {"effort": "quick", "time_limit_min": 0.002, "anonymous": True}, is_valid=True)
    assert session.making_estimate() == (0.12, 0.12)
    session.make_model()
    settle_session(qtbot, session)
    (event,) = begun
    assert (event.total_epochs, event.config.patience, event.config.anonymous) == (134, 10, True)
    assert session.state.making.ended is Ended.TIME_LIMIT


def test_what_is_left_of_a_making_ends_with_its_time_limit(qtbot: QtBot, with_sounds: Session) -> None:
    with_sounds.set_options({"time_limit_min": 5.0}, is_valid=True)
    _begin(qtbot, with_sounds)
    least, most = making_seconds_left(with_sounds.state.making)
    assert 200 < least <= most < 300
    with_sounds.stop()
    settle_session(qtbot, with_sounds)


def test_the_page_stays_when_the_model_that_is_made_is_opened(
    qtbot: QtBot, with_sounds: Session, tiny_model: Path
) -> None:
    with_sounds.make_model()
    settle_session(qtbot, with_sounds)
    assert with_sounds.state.page is Page.LEARNING
    with_sounds.open_model(tiny_model)
    settle_session(qtbot, with_sounds)
    assert with_sounds.state.page is Page.SOUNDS


# Where nothing can be saved


def _unwritable(folder: Path) -> Path:
    """Put a file where the folder would be: root may write into any folder, but not into a file."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    folder.write_bytes(b"")
    return folder


def test_a_place_where_nothing_can_be_saved_is_told_before_any_work_and_another_can_be_chosen(
    qtbot: QtBot, with_sounds: Session, commands: Commands, prompts: ScriptedPrompts, models: Path, tmp_path: Path
) -> None:
    begun = []
    with_sounds.making_started.connect(begun.append)
    _unwritable(models)
    with_sounds.make_model()
    settle_session(qtbot, with_sounds)
    told = notices.notice(with_sounds.state)
    assert (told.kind, begun) == ("error", [])
    assert told.title.startswith("The folder “")
    assert told.actions == ((notices.MOVE_MODELS, "Choose a Folder…"),)
    prompts.paths["models"] = tmp_path / "elsewhere"
    commands.making.choose_folder()
    settle_session(qtbot, with_sounds)
    assert with_sounds.state.open.model.path == tmp_path / "elsewhere" / "sounds.distill"
    assert with_sounds.settings.models_folder() == tmp_path / "elsewhere"
    assert with_sounds.state.problem is None


def test_a_model_that_cannot_be_saved_in_the_end_is_not_lost(
    qtbot: QtBot, with_sounds: Session, commands: Commands, prompts: ScriptedPrompts, models: Path, tmp_path: Path
) -> None:
    _begin(qtbot, with_sounds, then_prior=True)
    models.rename(models.with_name("moved"))
    _unwritable(models)
    with_sounds.stop()
    settle_session(qtbot, with_sounds)
    told = notices.notice(with_sounds.state)
    assert told.kind == "error"
    assert [text for _, text in told.actions] == ["Choose a Folder…", "Save Again"]
    assert [run.facts.kind.name for run in listed_runs()] == ["codec"]
    commands.making.save_again()
    settle_session(qtbot, with_sounds)
    assert with_sounds.state.making.trained is not None
    prompts.paths["models"] = tmp_path / "elsewhere"
    commands.making.choose_folder()
    settle_session(qtbot, with_sounds)
    assert with_sounds.state.open.model.path == tmp_path / "elsewhere" / "sounds.distill"
    assert listed_runs() == []


# Unfinished ones


def test_the_next_start_offers_to_go_on(qtbot: QtBot, left: Path, with_sounds: Session, commands: Commands) -> None:
    session = with_sounds
    session.load_engine()
    settle_session(qtbot, session)
    told = notices.notice(session.state)
    assert told.title.startswith("The model sounds.distill is half made: epoch 2 of 3, best error ")
    assert [text for _, text in told.actions] == ["Continue", "Use Best", "Discard…"]
    commands.unfinished.go_on()
    assert session.state.is_making
    settle_session(qtbot, session)
    assert session.state.open.model.path == left
    assert [epoch.epoch for epoch in session.state.making.epochs] == [1, 2, 3]
    assert listed_runs() == []


def test_a_prior_that_was_to_follow_still_does_after_a_crash(
    qtbot: QtBot, left: Path, with_sounds: Session, commands: Commands
) -> None:
    session = with_sounds
    session.settings.set_model_before_prior(left)  # as before the crash
    session.load_engine()
    settle_session(qtbot, session)
    with qtbot.waitSignal(session.training_started, timeout=WAIT_MS):
        commands.unfinished.go_on()
    settle_session(qtbot, session)
    assert session.state.training.unsaved


def test_the_model_that_a_prior_is_to_follow_is_remembered_while_it_is_made(
    qtbot: QtBot, with_sounds: Session, models: Path
) -> None:
    for then_prior, remembered in ((True, models / "sounds.distill"), (False, None)):
        _begin(qtbot, with_sounds, then_prior=then_prior)
        assert with_sounds.settings.model_before_prior() == remembered
        with_sounds.give_up_making()
        settle_session(qtbot, with_sounds)


def test_the_sounds_of_one_that_goes_on_are_opened_first(
    qtbot: QtBot, left: Path, session: Session, commands: Commands, sounds_folder: Path
) -> None:
    session.load_engine()
    settle_session(qtbot, session)
    assert session.state.open.is_empty
    commands.unfinished.go_on()
    with qtbot.waitSignal(session.model_made, timeout=WAIT_MS):
        pass
    assert session.state.open.dataset.sources == (sounds_folder,)
    settle_session(qtbot, session)


def test_its_best_is_saved_and_opened(qtbot: QtBot, left: Path, session: Session, commands: Commands) -> None:
    session.load_engine()
    settle_session(qtbot, session)
    commands.unfinished.use_best()
    settle_session(qtbot, session)
    assert session.state.open.model.path == left
    assert read_summary(left).training_config["best_epoch"] <= 2
    assert listed_runs() == []
    assert not session.state.making.then_prior


def test_it_can_be_discarded(
    qtbot: QtBot, left: Path, session: Session, commands: Commands, prompts: ScriptedPrompts
) -> None:
    session.load_engine()
    settle_session(qtbot, session)
    prompts.answers["discardRunQuestion"] = "cancel"
    commands.unfinished.discard()
    settle_session(qtbot, session)
    assert [run.facts.model for run in listed_runs()] == [left]
    prompts.answers["discardRunQuestion"] = "discard"
    commands.unfinished.discard()
    settle_session(qtbot, session)
    assert listed_runs() == []
    assert notices.notice(session.state) is None
    assert not left.exists()


def test_other_sounds_are_refused_and_it_is_still_offered(
    qtbot: QtBot, left: Path, with_sounds: Session, sounds_folder: Path
) -> None:
    with_sounds.load_engine()
    settle_session(qtbot, with_sounds)
    sorted(sounds_folder.iterdir())[0].unlink()
    with_sounds.open_dataset(sounds_folder)
    settle_session(qtbot, with_sounds)
    with_sounds.resume()
    settle_session(qtbot, with_sounds)
    assert "The sounds have changed" in with_sounds.state.problem.message
    assert with_sounds.state.open.unfinished_model.model == left
    assert {ActionId.CONTINUE, ActionId.USE_BEST, ActionId.DISCARD} <= available(with_sounds.state)


def test_a_model_that_is_opened_takes_the_offer_away_but_not_the_run(
    qtbot: QtBot, left: Path, session: Session, tiny_model: Path
) -> None:
    session.load_engine()
    session.open_model(tiny_model)
    settle_session(qtbot, session)
    assert session.state.open.offered is None
    assert [run.facts.model for run in listed_runs()] == [left]


# Closing


@pytest.fixture
def closing(session: Session, commands: Commands) -> Closing:
    return Closing(session, commands)


def test_closing_while_making_keeps_the_best_as_a_file(
    qtbot: QtBot, with_sounds: Session, closing: Closing, prompts: ScriptedPrompts, models: Path
) -> None:
    _begin(qtbot, with_sounds, then_prior=True)
    prompts.answers["quitMakingQuestion"] = "save"
    with qtbot.waitSignal(closing.close_now, timeout=WAIT_MS):
        assert not closing.may_close()
    assert prompts.asked[0].text.endswith("Distill offers to go on with it at the next start.")
    assert not read_summary(models / "sounds.distill").has_prior
    settle_session(qtbot, with_sounds)


def test_closing_without_saving_leaves_the_run_and_no_file(
    qtbot: QtBot, with_sounds: Session, closing: Closing, prompts: ScriptedPrompts, models: Path
) -> None:
    _begin(qtbot, with_sounds)
    prompts.answers["quitMakingQuestion"] = "discard"
    with qtbot.waitSignal(closing.close_now, timeout=WAIT_MS):
        assert not closing.may_close()
    closing.shut_down()
    assert list(models.glob("*.distill")) == []
    assert [run.facts.model for run in listed_runs()] == [models / "sounds.distill"]


def test_a_model_that_cannot_be_saved_keeps_the_window_open(
    qtbot: QtBot, with_sounds: Session, closing: Closing, prompts: ScriptedPrompts, models: Path
) -> None:
    closes: list[bool] = []
    closing.close_now.connect(lambda: closes.append(True))
    _begin(qtbot, with_sounds)
    models.rename(models.with_name("moved"))
    _unwritable(models)
    prompts.answers["quitMakingQuestion"] = "save"
    assert not closing.may_close()
    settle_session(qtbot, with_sounds)
    assert closes == []
    assert with_sounds.state.making.trained is not None
    assert closing.may_close(), "it is kept on disk, and offered at the next start"


def test_the_end_of_the_desktop_session_saves_the_model(
    qtbot: QtBot, with_sounds: Session, closing: Closing, prompts: ScriptedPrompts, models: Path
) -> None:
    _begin(qtbot, with_sounds, then_prior=True)
    closing.on_desktop_session_end()
    assert prompts.asked == []
    assert not read_summary(models / "sounds.distill").has_prior
    settle_session(qtbot, with_sounds)


# The commands


def test_an_unsaved_prior_is_settled_first(
    qtbot: QtBot, with_unsaved: Session, commands: Commands, prompts: ScriptedPrompts, sounds_folder: Path, models: Path
) -> None:
    session = with_unsaved
    session.settings.set_models_folder(models)
    session.set_making_options(TINY)
    session.open_dataset(sounds_folder)
    settle_session(qtbot, session)
    prompts.answers["unsavedPriorQuestion"] = "cancel"
    commands.making.make()
    assert session.state.training.unsaved
    assert session.state.is_idle
    prompts.answers["unsavedPriorQuestion"] = "discard"
    commands.making.make()
    settle_session(qtbot, session)
    assert session.state.open.model.path == models / "sounds.distill"


def test_nothing_is_opened_while_a_model_is_made_or_saved(
    qtbot: QtBot, with_sounds: Session, commands: Commands, tiny_model: Path
) -> None:
    _begin(qtbot, with_sounds)
    commands.open_model(tiny_model)
    assert with_sounds.state.open.model_refusal == "Stop training to change the model or the sounds."
    seen: set[bool] = set()

    def note(state: object) -> None:
        if with_sounds.state.work is Activity.SAVING:
            seen.add(ActionId.OPEN_MODEL in available(with_sounds.state))

    with_sounds.state_changed.connect(note)
    with_sounds.stop()
    settle_session(qtbot, with_sounds)
    assert seen == {False}


def test_the_last_making_tells_how_long_the_next_one_takes(qtbot: QtBot, with_sounds: Session) -> None:
    assert with_sounds.settings.making_speed() is None
    least, most = with_sounds.making_estimate()
    with_sounds.make_model()
    settle_session(qtbot, with_sounds)
    speed = with_sounds.settings.making_speed()
    assert speed > 0
    after = with_sounds.making_estimate()
    assert after[0] == after[1], "three epochs are fewer than its patience"
    assert after[0] < most
    assert least <= most


def test_no_disk_work_of_it_is_done_on_the_windows_thread(
    qtbot: QtBot, with_sounds: Session, models: Path, watch: object
) -> None:
    watch.folders = [models]
    with_sounds.make_model()
    settle_session(qtbot, with_sounds)
    assert with_sounds.state.open.model is not None
    assert watch.threads
    assert threading.get_ident() not in watch.threads


# In the window


@pytest.fixture
def window(qtbot: QtBot, tmp_path: Path, models: Path) -> Iterator[MainWindow]:
    QSettings.setPath(QSettings.Format.IniFormat, QSettings.Scope.UserScope, str(tmp_path / "settings"))
    session = Session()
    make_short_takes(session)
    session.settings.set_models_folder(models)
    session.set_making_options(TINY)
    window = MainWindow(session, ScriptedPrompts())
    window.options.form.set_overrides(PRIOR)
    window.show()
    qtbot.waitExposed(window)
    yield window
    window._may_close = True
    window.close()
    window.deleteLater()
    session.deleteLater()


def test_two_clicks_lead_from_sounds_to_a_take(
    qtbot: QtBot, window: MainWindow, sounds_folder: Path, models: Path
) -> None:
    session = session_of(window)
    window.commands.open_sounds(sounds_folder)
    settle(qtbot, window)
    button = window.stage.button_of(ActionId.MAKE_MODEL)
    assert button.objectName() == "trainButton"
    assert button.text().startswith("Make a Model from These Sounds · ")
    assert window.stage.sentence.text() == words.NOW_MAKE
    with qtbot.waitSignal(session.take_made, timeout=WAIT_MS):
        window.stage.button_of(ActionId.MAKE_BOTH).click()
        assert session.state.page is Page.LEARNING
        assert window.stage.button_of(ActionId.STOP).text() == "Stop"
    settle(qtbot, window)
    assert session.state.training.unsaved
    assert window.windowTitle() == "sounds.distill[*] – Distill"


def test_the_new_model_is_told_with_its_place(qtbot: QtBot, window: MainWindow, sounds_folder: Path) -> None:
    window.commands.open_sounds(sounds_folder)
    settle(qtbot, window)
    window.actions_table.by_id[ActionId.MAKE_MODEL].trigger()
    settle(qtbot, window)
    banner = window.notices.notice_banner
    assert banner.title() == "Your model is made: sounds.distill."
    assert banner.detail().endswith("Distill Models.")
    assert window.stage.button_of(ActionId.SHOW_IN_FOLDER).isVisible()


def test_the_list_of_unfinished_trainings_takes_one_up_again(
    qtbot: QtBot, left: Path, window: MainWindow, tiny_model: Path
) -> None:
    session = session_of(window)
    window.commands.open_model(tiny_model)
    settle(qtbot, window)
    assert session.state.open.offered is None
    window.actions_table.by_id[ActionId.UNFINISHED_RUNS].trigger()
    settle(qtbot, window)
    dialog = window.actions_table.runs.dialog
    assert dialog is not None
    assert dialog.note.text() == "“sounds.distill” is half made. Go on with it, or save it as it is."
    assert dialog.open_button.text() == "&Go On"
    dialog.open_button.click()
    assert session.state.open.unfinished_model.model == left
    assert window.notices.notice_banner.title().startswith("The model sounds.distill is half made")
    window.commands.unfinished.use_best()
    settle(qtbot, window)
    assert session.state.open.model.path == left


def test_the_curve_of_the_error_is_seen_while_a_model_is_made_and_until_another_curve_is(
    qtbot: QtBot, window: MainWindow, sounds_folder: Path
) -> None:
    session = session_of(window)
    window.commands.open_sounds(sounds_folder)
    settle(qtbot, window)
    window.stage.train_button.click()
    with qtbot.waitSignal(session.making_epoch, timeout=WAIT_MS):
        assert window.stage.stack.currentWidget() is window.making_page
    settle(qtbot, window)
    session.show_page(Page.LEARNING)
    assert window.stage.stack.currentWidget() is window.making_page
    assert window.making_page.plot.epoch_count == 3
    assert window.making_page.plot.words().startswith("Each sound's average alone is off by ")
    assert window.learning.plot.epoch_count == 0
    with qtbot.waitSignal(session.training_started, timeout=WAIT_MS):
        window.stage.button_of(ActionId.TRAIN).click()
    assert window.stage.stack.currentWidget() is window.learning
    settle(qtbot, window)


def test_the_curve_of_another_making_is_gone_once_the_next_begins(
    qtbot: QtBot, left: Path, window: MainWindow, sounds_folder: Path
) -> None:
    session, plot = session_of(window), window.making_page.plot
    window.commands.open_sounds(sounds_folder)
    settle(qtbot, window)
    run = listed_runs()[0].facts
    session.make_model()
    settle(qtbot, window)
    assert (plot.epoch_count, bool(plot.words())) == (3, True)
    session.take_up(run)
    window.commands.unfinished.use_best()
    settle(qtbot, window)
    assert session.state.open.model.path == left
    assert (plot.epoch_count, plot.words()) == (0, ""), "the curve was the other model's"
    session.make_model()
    settle(qtbot, window)
    assert plot.epoch_count == 3
    session.make_model()
    assert (plot.epoch_count, plot.words()) == (0, ""), "it is being prepared"
    session.cancel_training()
    settle(qtbot, window)
