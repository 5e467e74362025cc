"""Makes pictures of every state of the window: `python3 run.py screenshots [FOLDER]`.

Each state is taken at 1280×800, at 200 % of that, and at 760×560, light and dark. The regions of the window are where
they were in every other state of that size, or the command fails.

Nothing in them is staged: the real window opens copies of the bundled model and sounds, trains and saves, and the
states that pass by in a moment are caught while the Session tells of them. It needs no screen, and it leaves alone
what is the user's: settings and files lie in a folder that is thrown away at the end.
"""

from __future__ import annotations

import logging
import os
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from time import monotonic
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

from PySide6.QtCore import QEvent, QMimeData, QObject, QPoint, QPointF, QRect, QSettings, Qt, QUrl, Slot  # noqa: E402
from PySide6.QtGui import QColor, QDragEnterEvent, QDropEvent, QPainter, QPixmap  # noqa: E402
from PySide6.QtWidgets import QApplication, QMessageBox, QPushButton, QScrollArea, QWidget  # noqa: E402

from app.desktop.application import DistillApplication  # noqa: E402
from app.main_window import MainWindow  # noqa: E402
from app.session import Session  # noqa: E402
from app.session.activity import Activity  # noqa: E402
from app.session.appearance import AppearanceChoice  # noqa: E402
from app.session.problems import problem_from  # noqa: E402
from app.session.state import State  # noqa: E402

DEMO = ROOT / "resources" / "demo"
OLDER_RUN = ROOT / "tests" / "data" / "run-format-1" / "run.distill-run"
LONGEST_WAIT_S = 120.0
FADE_S = 0.4  # Qt fades in the cross that empties a field
FULL, SMALLEST = (1280, 800), (760, 560)
LOOKS = (("", FULL, 1.0), ("200 percent", FULL, 2.0), ("smallest", SMALLEST, 1.0))  # folder, size, scale
QUICK = {"hidden_size": 64, "num_layers": 2, "num_heads": 4, "max_epochs": 40, "patience": 0}
BY_HEART = {"architecture": "flat", "learning_rate": 5e-3, "dropout": 0.0, "max_epochs": 200}
STATES = (
    "empty",
    "starting",
    "opening-model",
    "model-only",
    "sounds-only",
    "scanning",
    "ready",
    "options",
    "options-wrong",
    "wrong-drop-archive",
    "wrong-drop-several",
    "wrong-drop-on-model",
    "model-damaged",
    "sounds-empty",
    "sounds-skipped",
    "one-sound",
    "dialog-file-list",
    "preparing",
    "training-first-epoch",
    "training",
    "dialog-quit",
    "stopping",
    "stopped",
    "finished-unsaved",
    "dialog-unsaved",
    "saving",
    "saved",
    "dialog-replace",
    "save-failed",
    "memorizing",
    "stranger",
    "dialog-perplexity",
    "dialog-crash",
    "saved-inspect",
    "unfinished-at-start",
    "unfinished",
    "dialog-restore",
    "choose-what-is-kept",
    "too-much-alike",
    "predictable",
    "dialog-worse",
    "unfinished-older",
    "sounds-several",
    "dialog-file-list-several",
    "dialog-runs",
    "listening",
    "generating",
    "takes",
    "take-failed",
    "dialog-takes",
)


class Camera(QObject):
    """Takes pictures by the names in STATES; `when` takes one as soon as the Session's state is the wanted one."""

    def __init__(self, folder: Path, theme: str) -> None:
        super().__init__()
        self._folder, self._theme = folder, theme
        self._waiting: dict[str, Callable[[State], bool]] = {}
        self._places: dict[tuple[int, int], dict[str, QRect]] = {}
        self.window: MainWindow | None = None

    def take(self, name: str, dialog: QWidget | None = None, *, is_fleeting: bool = False) -> None:
        """Take the window, with a dialog in front of it; a fleeting state is taken without letting time pass."""
        assert self.window is not None
        for _ in range(5):
            QApplication.sendPostedEvents(None, QEvent.Type.LayoutRequest)
            if not is_fleeting:
                QApplication.processEvents()
        file_name = f"{STATES.index(name) + 1:02d}-{name}-{self._theme}.png"
        for folder, size, ratio in LOOKS:
            self.window.resize(*size)
            picture = _grabbed(self.window, ratio)
            if dialog is not None:
                _put_in_front(picture, dialog)
            picture.save(str(self._folder / folder / file_name))
            self._compare_places(name, size)
        self.window.resize(*FULL)

    def _compare_places(self, name: str, size: tuple[int, int]) -> None:
        """Fail for a region that is not where it was."""
        assert self.window is not None
        places = regions(self.window)
        known = self._places.setdefault(size, places)
        assert places == known, f"{name} at {size}: {places}, but {known} before"

    def when(self, name: str, is_wanted: Callable[[State], bool]) -> None:
        """Take a picture of a state to come."""
        self._waiting[name] = is_wanted

    @Slot(object)
    def on_state(self, state: State) -> None:
        """Take what was waited for."""
        for name in [name for name, is_wanted in self._waiting.items() if is_wanted(state)]:
            del self._waiting[name]
            self.take(name, is_fleeting=True)

    def check_all_taken(self) -> None:
        """Fail for a state that never came."""
        assert not self._waiting, list(self._waiting)


def regions(window: MainWindow) -> dict[str, QRect]:
    """Return the places of the regions, which no state moves."""
    parts = {
        "sounds": window.chips.sounds_card,
        "model": window.chips.model_card,
        "takes": window.chips.takes_card,
        "notice": window.notices,
        "footer": window.stage.train_button,
        "player": window.player,
        "generate": window.generate,
        "shelf": window.takes,
    }
    return {name: QRect(part.mapTo(window, QPoint()), part.size()) for name, part in parts.items()}


def _grabbed(widget: QWidget, ratio: float) -> QPixmap:
    """Return a picture of a widget as a screen of this scale shows it."""
    widget.grab()  # which lays it out
    picture = QPixmap(widget.size() * ratio)
    picture.setDevicePixelRatio(ratio)
    widget.render(picture)
    return picture


def _put_in_front(picture: QPixmap, dialog: QWidget) -> None:
    painter = QPainter(picture)
    ratio = picture.devicePixelRatio()
    behind = QRect(QPoint(), picture.size() / ratio)
    front = QRect(QPoint(), dialog.size())
    front.moveCenter(behind.center())
    painter.fillRect(behind, QColor(0, 0, 0, 70))
    painter.drawPixmap(front.topLeft(), _grabbed(dialog, ratio))
    painter.drawRect(front)
    painter.end()


def wait_until(is_done: Callable[[], bool]) -> None:
    """Let the window live until something is the case."""
    deadline = monotonic() + LONGEST_WAIT_S
    while not is_done():
        QApplication.processEvents()
        if monotonic() > deadline:
            raise TimeoutError("the window did not come to the state that was waited for")


def drop(widget: QWidget, *paths: Path) -> None:
    """Drop files as the desktop does."""
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(path)) for path in paths])
    where, buttons, keys = QPoint(20, 20), Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
    enter = QDragEnterEvent(where, Qt.DropAction.CopyAction, data, buttons, keys)
    QApplication.sendEvent(widget, enter)
    event = QDropEvent(QPointF(where), Qt.DropAction.CopyAction, data, buttons, keys)
    QApplication.sendEvent(widget, event)


class Files:
    """What the stories open, in a folder of their own."""

    def __init__(self, folder: Path) -> None:
        self.model, self.sounds = folder / "demo.distill", folder / "sounds"
        shutil.copyfile(DEMO / "demo.distill", self.model)
        shutil.copytree(DEMO / "sounds", self.sounds)
        self.damaged = folder / "broken.distill"
        self.damaged.write_bytes(self.model.read_bytes()[:5000])
        self.empty = folder / "holiday pictures"
        self.empty.mkdir()
        self.picture, self.archive = self.empty / "beach.jpg", folder / "one shots.zip"
        self.placeholder = folder / ".far away.wav.icloud"
        for path in (self.picture, self.archive, self.placeholder):
            path.write_bytes(b"told by its name")
        self.one = self._some("one shot", ["kick_deep.flac"])
        self.few = self._some("kicks and toms", ["kick_deep.flac", "tom_low.flac", "tom_high.flac"])
        self.drums = self._some(
            "five drums", [f"{name}.flac" for name in ("kick_deep", "tom_low", "tom_high", "bell_c5", "snare_crisp")]
        )
        self.skipped = self._some("found sounds", [path.name for path in sorted(self.sounds.iterdir())[:9]])
        (self.skipped / "notes.wav").write_text("not a sound")
        (self.skipped / "silence that was never recorded, take 2.aif").write_bytes(b"")
        self.copies = folder / "one kick, nine times"
        self.copies.mkdir()
        for number in range(9):
            shutil.copyfile(self.sounds / "kick_deep.flac", self.copies / f"kick {number + 1}.flac")

    def _some(self, name: str, files: list[str]) -> Path:
        folder = self.model.parent / name
        folder.mkdir()
        for file in files:
            shutil.copyfile(self.sounds / file, folder / file)
        return folder


class Story:
    """One life of the window after another, each from its start to its close."""

    def __init__(self, camera: Camera, files: Files) -> None:
        self.camera, self.files = camera, files
        self.window: MainWindow
        self.session: Session

    def open_window(self) -> None:
        """Start over, with an empty window."""
        self.session = Session()
        self.window = self.camera.window = MainWindow(self.session)
        self.session.state_changed.connect(self.camera.on_state)
        self.window.resize(*FULL)
        devices: list[str] = []
        self.session.device_known.connect(devices.append)
        self.window.show()
        wait_until(lambda: bool(devices))

    def close_window(self) -> None:
        """End what runs and close without a question."""
        if self.session.state.is_training:
            self.session.stop()
        self.wait()
        self.session.discard_prior()
        self.window.close()
        self.camera.check_all_taken()
        self.window.deleteLater()

    def wait(self, activity: Activity = Activity.NONE) -> None:
        """Wait for an activity; for none, until everything that was asked for is done."""
        wait_until(
            lambda: (
                self.session.state.work is activity
                and not (activity is Activity.NONE and self.session.is_busy)
                and not self.session.state.open.pending_model
                and not self.session.state.open.pending_sounds
            )
        )

    def open_demo(self, sounds: Path | None = None, **options: Any) -> None:
        """Be ready to train."""
        drop(self.window, self.files.model, sounds or self.files.sounds)
        self.wait()
        self.window.options.form.set_overrides({**QUICK, **options})

    def start_training(self, epochs: int = 0) -> None:
        """Train until so many epochs are drawn."""
        self.window.stage.train_button.click()
        wait_until(lambda: self.window.learning.plot.epoch_count >= epochs)

    def dialog(self) -> QMessageBox:
        """Return the question that is open."""
        return next(box for box in self.window.findChildren(QMessageBox) if box.isVisible())

    def take_dialog(self, name: str, answer: str, unfold: bool = False) -> None:
        """Take the question that is open, then answer it."""
        box = self.dialog()
        if unfold:
            next(button for button in box.findChildren(QPushButton) if "Show Details" in button.text()).click()
        self.camera.take(name, box)
        next(button for button in box.findChildren(QPushButton) if button.text() == answer).click()

    def tell_opening(self) -> None:
        """From the empty window to one that is ready."""
        self.camera.when("starting", lambda state: state.work is Activity.STARTING)
        self.camera.when("opening-model", lambda state: state.work is Activity.OPENING)
        self.open_window()
        self.camera.take("empty")
        drop(self.window, self.files.model)
        self.wait()
        self.camera.take("model-only")
        self.session.progress.connect(self._on_scan_progress)
        drop(self.window, self.files.sounds)
        self.wait()
        self.window.options.form.set_overrides({})
        self.camera.take("ready")
        self.close_window()
        self.open_window()
        drop(self.window, self.files.sounds)
        self.wait()
        self.camera.take("sounds-only")
        self.close_window()

    @Slot(object)
    def _on_scan_progress(self, progress: object) -> None:
        self.camera.take("scanning", is_fleeting=True)

    @Slot(object)
    def _on_first_step(self, step: object) -> None:
        self.camera.take("training-first-epoch", is_fleeting=True)

    def tell_refusals(self) -> None:
        """What is not taken, and what is wrong with the options."""
        self.open_window()
        self.open_demo()
        self.window.options.form.set_overrides({})
        self.window.commands.show_options()
        self.camera.take("options")
        self.window.options.form.set_overrides({"hidden_size": 100, "num_heads": 8, "learning_rate": 5})
        faded_in = monotonic() + FADE_S
        wait_until(lambda: monotonic() > faded_in)
        self.camera.take("options-wrong")
        self.window.options.form.set_overrides({})
        self.window.commands.show_inspect()
        drop(self.window, self.files.archive)
        self.camera.take("wrong-drop-archive")
        drop(self.window, self.files.model, self.files.damaged, self.files.picture)
        self.camera.take("wrong-drop-several")
        drop(self.window.chips.model_card, self.files.picture)
        self.camera.take("wrong-drop-on-model")
        self.open_demo()
        drop(self.window, self.files.damaged)
        self.wait()
        self.camera.take("model-damaged")
        self.open_demo()
        drop(self.window, self.files.empty)
        self.wait()
        self.camera.take("sounds-empty")
        self.close_window()
        self.tell_odd_sounds()

    def tell_odd_sounds(self) -> None:
        """Folders that can be used, with a word to say about them."""
        self.open_window()
        self.open_demo(self.files.one)
        self.camera.take("one-sound")
        drop(self.window, self.files.skipped)
        self.wait()
        self.camera.take("sounds-skipped")
        self.take_files("dialog-file-list")
        self.drop_from_several_places()
        self.camera.take("sounds-several")
        self.take_files("dialog-file-list-several")
        self.close_window()

    def take_files(self, name: str) -> None:
        """List the sounds, and play the second."""
        self.window.chips.sounds_card.link_activated.emit("showFiles")
        dialog = self.window.commands.files.dialog
        assert dialog is not None
        dialog.toggle_wanted.emit(self.session.state.open.dataset.files[1])
        hearing = self.window.commands.hearing
        wait_until(lambda: hearing.source is not None and hearing.source.file in self.session.state.open.dataset.files)
        self.camera.take(name, dialog)
        self.session.player.stop()
        dialog.reject()

    def drop_from_several_places(self) -> None:
        """Drop folders, single sounds, and files that are none."""
        sounds = [self.files.skipped, self.files.drums, *sorted(self.files.sounds.iterdir())[:12]]
        drop(self.window, *sounds, self.files.picture, self.files.archive, self.files.placeholder)
        self.wait()

    def tell_training(self) -> None:
        """Train, be asked while it runs, stop, train to the end, save, and save again."""
        self.camera.when("preparing", lambda state: state.work is Activity.PREPARING)
        self.camera.when("stopping", lambda state: state.work is Activity.STOPPING)
        self.open_window()
        self.open_demo()
        self.session.step_finished.connect(self._on_first_step, Qt.ConnectionType.SingleShotConnection)
        self.start_training(epochs=26)
        self.camera.take("training")
        self.window.close()
        self.take_dialog("dialog-quit", "Keep Training")
        self.window.stage.train_button.click()
        self.wait()
        self.camera.take("stopped")
        self.session.discard_prior()
        self.start_training()
        self.wait()
        self.camera.take("finished-unsaved")
        self.window.close()
        self.take_dialog("dialog-unsaved", "Cancel")
        self.tell_saving()
        self.close_window()

    def tell_saving(self) -> None:
        """Save, save again where a prior is, and fail to."""
        self.camera.when("saving", lambda state: state.work is Activity.SAVING)
        self.window.commands.saving.save()
        self.wait()
        self.camera.take("saved")
        area = self.window.inspect.findChild(QScrollArea)
        area.verticalScrollBar().setValue(area.verticalScrollBar().maximum())
        self.camera.take("saved-inspect")
        area.verticalScrollBar().setValue(0)
        self.train_again(epochs=3)
        self.window.commands.saving.save()
        self.take_dialog("dialog-worse", "Cancel")
        self.session.discard_prior()
        self.train_again(epochs=60)
        self.window.commands.saving.save()
        self.take_dialog("dialog-replace", "Cancel")
        shutil.copyfile(DEMO / "demo.distill", self.files.model)
        self.window.commands.saving.save()
        self.take_dialog_if_there("Replace")
        self.wait()
        self.camera.take("save-failed")

    def train_again(self, epochs: int) -> None:
        """Train to the end, for so many epochs."""
        self.window.options.form.set_overrides({**QUICK, "max_epochs": epochs})
        self.start_training()
        self.wait()

    def take_dialog_if_there(self, answer: str) -> None:
        """Answer a question without a picture of it."""
        for box in self.window.findChildren(QMessageBox):
            if box.isVisible():
                next(button for button in box.findChildren(QPushButton) if button.text() == answer).click()

    def tell_unfinished(self) -> None:
        """Leave a training behind as a crash would, and find it again."""
        self.open_window()
        self.open_demo()
        self.start_training(epochs=5)
        self.session.stop()
        self.wait()
        self.window._may_close = True
        self.window.close()
        self.open_window()
        wait_until(lambda: bool(self.session.state.open.recoverable))
        self.wait()
        self.camera.take("unfinished-at-start")
        self.window.notices.notice_banner.button("reopen").click()
        self.wait()
        self.camera.take("unfinished")
        self.take_runs()
        self.window.notices.notice_banner.button("useBest").click()
        self.wait()
        self.session.save_prior()
        self.wait()
        self.close_window()

    def take_runs(self) -> None:
        """List the unfinished trainings."""
        runs = self.window.actions_table.runs
        runs.show()
        wait_until(lambda: runs.dialog is not None)
        self.wait()
        assert runs.dialog is not None
        self.camera.take("dialog-runs", runs.dialog)
        runs.dialog.reject()

    def tell_restoring(self) -> None:
        """Ask for the version before."""
        self.open_window()
        self.open_demo()
        self.window.commands.saving.restore()
        self.wait()
        self.take_dialog("dialog-restore", "Cancel")
        self.close_window()

    def tell_older(self) -> None:
        """Find a training that an older Distill left."""
        import torch

        from distill_core.files.archive import read_archive
        from distill_core.training.kinds import prior_runs

        folder = prior_runs(self.files.model).folder
        folder.mkdir(parents=True)
        values, _ = read_archive(OLDER_RUN)
        torch.save(values | {"model_path": str(self.files.model.resolve())}, folder / OLDER_RUN.name)
        self.open_window()
        self.open_demo()
        self.camera.take("unfinished-older")
        self.window.commands.unfinished.discard()
        self.wait()
        self.close_window()

    def tell_memorizing(self) -> None:
        """Learn five sounds by heart, and choose what is kept of it."""
        self.open_window()
        self.open_demo(self.files.drums, **BY_HEART)
        self.start_training()
        wait_until(lambda: self.session.state.is_memorizing)
        seen = self.window.learning.plot.epoch_count
        wait_until(lambda: self.window.learning.plot.epoch_count >= seen + 4)
        self.camera.take("memorizing")
        self.session.stop()
        self.wait()
        self.camera.take("choose-what-is-kept")
        self.close_window()

    def tell_predictable(self) -> None:
        """Learn one sound, which is all that there is."""
        self.open_window()
        self.open_demo(self.files.copies, **BY_HEART)
        self.session.training_started.connect(self._on_too_much_alike, Qt.ConnectionType.SingleShotConnection)
        self.start_training()
        wait_until(lambda: bool(self.session.state.warning))
        self.camera.take("predictable")
        self.close_window()

    @Slot(object)
    def _on_too_much_alike(self, event: object) -> None:
        self.camera.take("too-much-alike", is_fleeting=True)

    def tell_takes(self) -> None:
        """Listen while it trains, make takes, star one and delete one, and fail to make another."""
        self.open_window()
        self.open_demo(max_epochs=12)
        self.start_training(epochs=3)
        self.session.sound_block.connect(self._on_best_heard, Qt.ConnectionType.SingleShotConnection)
        self.window.stage.best_button.click()
        self.wait()
        self.session.save_prior()
        self.wait()
        for seed in (41, 7, 1999):
            self.window.generate.seed.setValue(seed)
            self.window.generate.button.click()
            if seed == 7:
                self.session.sound_block.connect(self._on_take_heard, Qt.ConnectionType.SingleShotConnection)
            self.wait()
        self.tell_shelf()
        self.close_window()

    def tell_shelf(self) -> None:
        """Have a star on one take, delete another, and lose the model."""
        self.session.star_take(2, True)
        self.window.commands.takes.start_from([QUrl.fromLocalFile(str(self.files.sounds / "kick_deep.flac"))])
        self.window.takes.clips[3].setFocus()
        self.window.commands.takes.delete(3)
        self.wait()
        self.window.statusBar().clearMessage()
        self.camera.take("takes")
        self.window.actions_table.takes.show()
        self.wait()
        dialog = self.window.actions_table.takes.dialog
        assert dialog is not None
        self.camera.take("dialog-takes", dialog)
        dialog.reject()
        away = self.files.model.rename(self.files.model.with_name("away.distill"))
        self.window.generate.button.click()
        self.wait()
        self.camera.take("take-failed")
        away.rename(self.files.model)

    @Slot(object)
    def _on_best_heard(self, block: object) -> None:
        self.camera.take("listening", is_fleeting=True)

    @Slot(object)
    def _on_take_heard(self, block: object) -> None:
        self.camera.take("generating", is_fleeting=True)

    def tell_the_rest(self) -> None:
        """A stranger's model, and the dialogs that no work opens."""
        from distill_core.files.archive import read_archive

        self.open_window()
        self.open_demo(self.files.few, max_epochs=2)
        self.start_training()
        self.wait()
        stranger = self.files.model.with_name("stranger.distill")
        self.session.save_prior(stranger)
        self.wait()
        values, _ = read_archive(stranger)
        values["prior_config"]["architecture"] = "mamba-7"
        import torch

        torch.save(values, stranger)
        self.window.statusBar().clearMessage()
        drop(self.window, stranger)
        self.wait()
        self.camera.take("stranger")
        self.window.commands.explain_perplexity()
        self.take_dialog("dialog-perplexity", "Close")
        self._raise_a_bug()
        self.take_dialog("dialog-crash", "Close", unfold=True)
        self.close_window()

    def _raise_a_bug(self) -> None:
        try:
            int("no number")
        except ValueError as error:
            self.window.commands.report_bug(problem_from(error))


def tell(folder: Path, theme: str, application: DistillApplication) -> None:
    """Take every state in one theme."""
    application.appearance.choose(AppearanceChoice(theme))
    with tempfile.TemporaryDirectory(prefix="distill-screenshots-") as temporary:
        os.environ.update(XDG_DATA_HOME=temporary, XDG_CACHE_HOME=temporary)  # nothing of this user's is touched
        QSettings.setPath(QSettings.Format.IniFormat, QSettings.Scope.UserScope, str(Path(temporary) / "settings"))
        story = Story(Camera(folder, theme), Files(Path(temporary)))
        story.tell_opening()
        story.tell_refusals()
        story.tell_training()
        story.tell_unfinished()
        story.tell_restoring()
        story.tell_older()
        story.tell_memorizing()
        story.tell_predictable()
        story.tell_takes()
        story.tell_the_rest()


def main(arguments: list[str]) -> int:
    """Make the pictures in a folder."""
    folder = Path(arguments[0]) if arguments else ROOT / "docs" / "screenshots"
    for name, *_ in LOOKS:
        (folder / name).mkdir(parents=True, exist_ok=True)
    logging.getLogger("distill").addHandler(logging.NullHandler())  # the bug in the crash dialog is no news
    application = DistillApplication(["distill"])
    for theme in ("light", "dark"):
        tell(folder, theme, application)
    print(f"{2 * len(LOOKS) * len(STATES)} pictures lie in {folder}")  # noqa: T201 - the command's answer
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
