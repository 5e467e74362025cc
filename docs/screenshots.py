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
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

from PySide6.QtCore import QEvent, QMimeData, QObject, QPoint, QPointF, QRect, QSettings, QSize, Qt, QUrl, Slot  # noqa: E402
from PySide6.QtGui import QColor, QDragEnterEvent, QDropEvent, QPainter, QPixmap  # noqa: E402
from PySide6.QtWidgets import QApplication, QLineEdit, QMenu, QMessageBox, QPushButton, QScrollArea, QWidget  # noqa: E402

from app.desktop.application import DistillApplication  # noqa: E402
from app.main_window import MainWindow  # noqa: E402
from app.session import Session  # noqa: E402
from app.session.activity import Activity  # noqa: E402
from app.session.appearance import AppearanceChoice  # noqa: E402
from app.session.available import ActionId  # noqa: E402
from app.session.problems import problem_from  # noqa: E402
from app.session.state import Page, State  # noqa: E402
from app.widgets.rows.table import RowsTable  # noqa: E402

DEMO = ROOT / "resources" / "demo"
OLDER_RUN = ROOT / "tests" / "data" / "run-format-1" / "run.distill-run"
LONGEST_WAIT_S = 120.0
_HELD = (Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier)
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
    "sounds-page",
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
    "sounds-left-out",
    "dialog-runs",
    "listening",
    "generating",
    "takes",
    "take-failed",
    "dialog-takes",
    "making-preparing",
    "making",
    "dialog-throw-model-away",
    "dialog-quit-making",
    "making-stopping",
    "made-stopped",
    "made",
    "making-save-failed",
    "unfinished-model",
    "made-both",
    "training-further",
    "dialog-throw-away",
    "learning-saved",
    "takes-none",
    "takes-starred",
    "takes-none-starred",
    "start-sessions",
    "start-moved",
    "drawer-inspect",
    "drawer-details",
    "drawer-edit",
    "drawer-expert",
    "menu-view",
    "menu-file",
    "menu-help",
    "in-use",
    "drag-folder",
    "drag-two-models",
    "checking",
    "drawer-copies",
    "drawer-copies-take",
    "curve-by-time",
    "curve-compared",
)


class Camera(QObject):
    """Takes pictures by the names in STATES; `when` takes one as soon as the Session's state is the wanted one."""

    def __init__(self, folder: Path, theme: str) -> None:
        super().__init__()
        self._folder, self._theme = folder, theme
        self._waiting: dict[str, Callable[[State], bool]] = {}
        self._places: dict[tuple[object, ...], dict[str, QRect]] = {}
        self.window: MainWindow | None = None

    def take(
        self, name: str, dialog: QWidget | None = None, *, menus: tuple[QMenu, ...] = (), is_fleeting: bool = False
    ) -> None:
        """Take the window, with what is in front of it; a fleeting state is taken without letting time pass."""
        assert self.window is not None
        for _ in range(5):
            QApplication.sendPostedEvents(None, QEvent.Type.LayoutRequest)
            if not is_fleeting:
                QApplication.processEvents()
        file_name = f"{STATES.index(name) + 1:02d}-{name}-{self._theme}.png"
        for folder, size, ratio in LOOKS:
            self.window.resize(*size)
            for _ in range(5):  # a compact region asks for its room once more
                QApplication.sendPostedEvents(None, QEvent.Type.LayoutRequest)
            picture = _grabbed(self.window, ratio)
            if dialog is not None:
                _put_in_front(picture, dialog)
            _put_below_the_bar(picture, self.window, menus)
            picture.save(str(self._folder / folder / file_name))
            self._compare_places(name, size)
        self.window.resize(*FULL)

    def _compare_places(self, name: str, size: tuple[int, int]) -> None:
        """Fail for a region that is not where it was."""
        assert self.window is not None
        places = regions(self.window)
        known = self._places.setdefault((size, self.window.drawer.isHidden()), places)
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
    """Return the places of the regions, which no state moves; of the first button its corner: its words differ."""
    parts: dict[str, QWidget] = {
        "sounds": window.chips.sounds_card,
        "model": window.chips.model_card,
        "takes": window.chips.takes_card,
        "notice": window.notices,
        "stage": window.stage.stack,
        "player": window.player,
        "generate": window.generate,
        "shelf": window.takes,
    }
    places = {name: QRect(part.mapTo(window, QPoint()), part.size()) for name, part in parts.items()}
    return places | {"button": QRect(window.stage.train_button.mapTo(window, QPoint()), QSize(1, 1))}


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


def _put_below_the_bar(picture: QPixmap, window: MainWindow, menus: tuple[QMenu, ...]) -> None:
    """Draw a menu below its title, and one within it at its side."""
    painter = QPainter(picture)
    corner = QPoint()
    for menu in menus:
        menu.ensurePolished()
        menu.resize(menu.sizeHint())
        within = next((outer for outer in menus if menu.menuAction() in outer.actions()), None)
        if within is None:
            corner = window.menuBar().actionGeometry(menu.menuAction()).bottomLeft()
        else:
            corner += within.actionGeometry(menu.menuAction()).topRight()
        painter.drawPixmap(corner, _grabbed(menu, picture.devicePixelRatio()))
    painter.end()


def wait_until(is_done: Callable[[], bool]) -> None:
    """Let the window live until something is the case."""
    deadline = monotonic() + LONGEST_WAIT_S
    while not is_done():
        QApplication.processEvents()
        if monotonic() > deadline:
            raise TimeoutError("the window did not come to the state that was waited for")


def hold(widget: QWidget, *paths: Path) -> QMimeData:
    """Hold files over a widget as the desktop does."""
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(path)) for path in paths])
    enter = QDragEnterEvent(QPoint(20, 20), Qt.DropAction.CopyAction, data, *_HELD)
    QApplication.sendEvent(widget, enter)
    return data


def drop(widget: QWidget, *paths: Path) -> None:
    """Drop files as the desktop does."""
    data = hold(widget, *paths)
    event = QDropEvent(QPointF(20, 20), Qt.DropAction.CopyAction, data, *_HELD)
    QApplication.sendEvent(widget, event)


@contextmanager
def trained_elsewhere(model: Path) -> Iterator[None]:
    """Have another process hold a model as a training does."""
    holding = f"""
import sys
from distill_core.training.kinds import prior_runs

with prior_runs({str(model)!r}).in_use():
    print("holds", flush=True)
    sys.stdin.read()
"""
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", holding], cwd=ROOT, stdin=pipe, stdout=pipe) as process:
        assert process.stdout is not None
        process.stdout.readline()
        try:
            yield
        finally:
            process.kill()


def wait_for_pictures(table: RowsTable) -> None:
    """Wait until the rows that are seen have their pictures."""
    QApplication.processEvents()
    wait_until(lambda: not table.isVisible() or not table.rows.without_peaks(table._seen()))


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
        self.models = folder / "Distill Models"
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
        self.session.settings.set_models_folder(self.files.models)
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

    def open_drawer(self, side: str) -> None:
        """Open one side of the drawer at any size."""
        self.window.drawer.turn_to(side)

    def end_drawer(self) -> None:
        """Have the drawer as a model that is opened leaves it."""
        self.window.drawer._on_model_opened(self.session.state.open.model)

    def show_page(self, page: Page) -> None:
        """Turn to a page, and wait for the pictures in its rows."""
        self.session.show_page(page)
        table = {Page.SOUNDS: self.window.sounds_page.table, Page.TAKES: self.window.takes_page.table}.get(page)
        if table is not None:
            wait_for_pictures(table)

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
        hold(self.window.chips.model_card, self.files.sounds)
        self.camera.take("drag-folder")
        hold(self.window, self.files.model, self.files.damaged)
        self.camera.take("drag-two-models")
        drop(self.window, self.files.model)
        self.wait()
        self.camera.take("model-only")
        self.session.show_page(Page.TAKES)
        self.camera.take("takes-none")
        self.session.show_page(Page.SOUNDS)
        self.session.progress.connect(self._on_scan_progress)
        drop(self.window, self.files.sounds)
        self.wait()
        self.window.options.form.set_overrides({})
        wait_for_pictures(self.window.sounds_page.table)
        self.camera.take("ready")
        self.take_menus()
        self.close_window()
        self.open_window()
        drop(self.window, self.files.sounds)
        self.wait()
        wait_for_pictures(self.window.sounds_page.table)
        self.camera.take("sounds-only")
        self.close_window()

    def take_menus(self) -> None:
        """Open menus."""
        bar = {action.text(): action.menu() for action in self.window.menuBar().actions()}
        for title, name in (("&File", "menu-file"), ("&View", "menu-view"), ("&Help", "menu-help")):
            menu = bar[title]
            assert isinstance(menu, QMenu)
            menu.aboutToShow.emit()
            inner = [action.menu() for action in menu.actions() if action.menu() is not None]
            last = [each for each in inner[-1:] if isinstance(each, QMenu)] if title != "&File" else []
            self.camera.take(name, menus=(menu, *last))

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
        self.open_drawer("options")
        self.camera.take("options")
        self.window.options.form.set_expert(True)
        self.camera.take("drawer-expert")
        self.window.options.form.set_expert(False)
        self.window.options.form.set_overrides({"hidden_size": 100, "num_heads": 8, "learning_rate": 5})
        faded_in = monotonic() + FADE_S
        wait_until(lambda: monotonic() > faded_in)
        field = next(each for each in self.window.options.findChildren(QLineEdit) if each.text() == "5")
        self.window.options.findChild(QScrollArea).ensureWidgetVisible(field, 0, 90)
        self.camera.take("options-wrong")
        self.window.options.form.set_overrides({})
        self.window.options.form.set_expert(False)
        self.end_drawer()
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
        self.play_second()
        self.camera.take("sounds-page")
        self.session.player.stop()
        self.drop_from_several_places()
        wait_for_pictures(self.window.sounds_page.table)
        self.camera.take("sounds-several")
        names = [file.name for file in self.session.state.open.dataset.files]
        self.session.leave_out(names[2:4])
        self.window.sounds_page.table.choose(names[3:5], names[4])
        self.camera.take("sounds-left-out")
        self.close_window()

    def play_second(self) -> None:
        """Play the second of the sounds."""
        dataset = self.session.state.open.dataset
        assert dataset is not None
        self.window.sounds_page.table.toggle_wanted.emit(dataset.files[1].name)
        hearing = self.window.commands.hearing
        wait_until(lambda: hearing.source is not None and hearing.source.file in dataset.files)
        wait_for_pictures(self.window.sounds_page.table)

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
        self.go_further()
        self.start_training()
        self.wait()
        self.camera.take("finished-unsaved")
        self.window.close()
        self.take_dialog("dialog-unsaved", "Cancel")
        self.tell_saving()
        self.close_window()

    def go_further(self) -> None:
        """Go on from a stop, then throw all of it away."""
        epochs = self.window.learning.plot.epoch_count
        self.window.commands.trigger(ActionId.TRAIN_FURTHER)
        wait_until(lambda: self.window.learning.plot.epoch_count >= epochs + 4)
        self.camera.take("training-further")
        self.window.commands.trigger(ActionId.CANCEL_TRAINING)
        self.take_dialog("dialog-throw-away", "Throw Away")
        self.wait()

    def tell_saving(self) -> None:
        """Save, save again where a prior is, and fail to."""
        self.camera.when("saving", lambda state: state.work is Activity.SAVING)
        self.window.commands.saving.save()
        self.wait()
        self.camera.take("saved")
        self.take_inspect()
        self.train_again(epochs=3)
        self.window.commands.saving.save()
        self.take_dialog("dialog-worse", "Cancel")
        self.session.discard_prior()
        self.train_again(epochs=60)
        self.take_curves()
        self.window.commands.saving.save()
        self.take_dialog("dialog-replace", "Cancel")
        shutil.copyfile(DEMO / "demo.distill", self.files.model)
        self.window.commands.saving.save()
        self.take_dialog_if_there("Replace")
        self.wait()
        self.camera.take("save-failed")

    def take_curves(self) -> None:
        """Look at a training by its minutes, then beside the one that the model was saved with."""
        self.window.commands.trigger(ActionId.CURVE_BY_TIME)
        self.camera.take("curve-by-time")
        self.window.commands.trigger(ActionId.CURVE_BY_TIME)
        before = self.files.model.with_name("drums before.distill")
        shutil.copyfile(self.files.model, before)
        self.window.commands.curves.compare_with(before)
        wait_until(lambda: self.session.state.beside is not None)
        self.camera.take("curve-compared")
        self.window.commands.curves.end_comparison()

    def take_inspect(self) -> None:
        """Look through what is known about a model."""
        view = self.window.inspect.view
        self.open_drawer("inspect")
        self.camera.take("drawer-inspect")
        area = self.window.inspect.findChild(QScrollArea)
        area.verticalScrollBar().setValue(area.verticalScrollBar().maximum())
        self.camera.take("saved-inspect")
        view.set_details(True)
        QApplication.processEvents()
        area.verticalScrollBar().setValue(area.verticalScrollBar().maximum())
        self.camera.take("drawer-details")
        view.set_details(False)
        area.verticalScrollBar().setValue(0)
        self.window.inspect.edit()
        self.camera.take("drawer-edit")
        view.head.end_editing()
        self.take_copies()
        self.end_drawer()

    def take_copies(self) -> None:
        """See whether its takes are copies, then the grounds of that for the chosen one."""
        self.open_drawer("copies")
        copies, area = self.window.copies, self.window.copies.area
        wait_until(lambda: self.session.state.copying.record is not None and copies.take.cells.isVisible())
        self.wait()
        self.camera.take("drawer-copies")
        area.verticalScrollBar().setValue(copies.take.y())
        self.camera.take("drawer-copies-take")
        area.verticalScrollBar().setValue(0)

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
        self.camera.when("checking", lambda state: state.copying.is_auditing and state.copying.done > 0)
        self.session.stop()
        self.wait()
        self.session.hide_copies()  # whatever it has found
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
        self.show_page(Page.TAKES)
        self.window.takes_page.starred_box.click()
        self.camera.take("takes-none-starred")
        self.session.star_take(2, True)
        self.camera.take("takes-starred")
        self.window.takes_page.starred_box.click()
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

    def tell_learning(self) -> None:
        """Open a model that knows its sounds, and look at its curve."""
        self.open_window()
        drop(self.window, self.files.model)
        self.wait()
        self.session.show_page(Page.LEARNING)
        self.camera.take("learning-saved")
        drop(self.window, self.files.sounds)
        self.wait()
        with trained_elsewhere(self.files.model):
            self.session.look_for_use()
            wait_until(lambda: self.session.state.open.is_in_use)
            self.wait()
            self.camera.take("in-use")
        self.close_window()

    def tell_making(self) -> None:
        """Make models: one that is stopped, one to its end, one with its prior, and one that has no place."""
        self.camera.when("making-preparing", lambda state: state.is_making and state.work is Activity.PREPARING)
        self.camera.when("making-stopping", lambda state: state.is_making and state.work is Activity.STOPPING)
        self.begin_making(epochs=200, after=16)
        self.camera.take("making")
        self.window.commands.trigger(ActionId.CANCEL_TRAINING)
        self.take_dialog("dialog-throw-model-away", "Go On")
        self.window.close()
        self.take_dialog("dialog-quit-making", "Keep Making It")
        self.window.stage.train_button.click()
        self.wait()
        self.camera.take("made-stopped")
        self.close_window()
        self.begin_making(epochs=12, after=0)
        self.wait()
        self.camera.take("made")
        self.close_window()
        self.tell_made_both()
        self.tell_no_place()

    def begin_making(self, epochs: int, after: int, action: ActionId = ActionId.MAKE_MODEL) -> None:
        """Begin to make a model, in a window of its own, and wait for one of its epochs."""
        self.open_window()
        self.window.options.form.set_overrides({**QUICK, "max_epochs": 6})
        self.session.set_making_options({"max_epochs": epochs})
        drop(self.window, self.files.sounds)
        self.wait()
        self.window.commands.trigger(action)
        wait_until(lambda: len(self.session.state.making.epochs) >= after)

    def tell_made_both(self) -> None:
        """Make a model and its prior, which ends in a take."""
        self.begin_making(epochs=6, after=0, action=ActionId.MAKE_BOTH)
        wait_until(lambda: bool(self.session.state.takes.takes))
        self.wait()
        self.camera.take("made-both")
        self.close_window()

    def tell_no_place(self) -> None:
        """Have the place of a model vanish while it is made, and find the model again."""
        self.begin_making(epochs=6, after=2)
        away = self.files.models.rename(self.files.models.with_name("away"))
        self.files.models.write_bytes(b"")
        self.wait()
        self.camera.take("making-save-failed")
        self.window._may_close = True
        self.window.close()
        self.files.models.unlink()
        away.rename(self.files.models)
        self.open_window()
        drop(self.window, self.files.sounds)
        self.wait()
        wait_for_pictures(self.window.sounds_page.table)
        self.camera.take("unfinished-model")
        self.close_window()

    def tell_start(self) -> None:
        """Come back to what was open before, of which one has moved."""
        self.open_window()
        self.wait()
        self.camera.take("start-sessions")
        self.close_window()
        away = self.files.model.rename(self.files.model.with_name("away.distill"))
        self.open_window()
        wait_until(lambda: any(card.look.moved for card in self.window.start_page.cards))
        self.camera.take("start-moved")
        self.close_window()
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
        story.tell_learning()
        story.tell_the_rest()
        story.tell_start()
        story.tell_making()


def main(arguments: list[str]) -> int:
    """Make the pictures in a folder."""
    folder = Path(arguments[0]) if arguments else ROOT / "docs" / "screenshots"
    for name, *_ in LOOKS:
        (folder / name).mkdir(parents=True, exist_ok=True)
    logging.getLogger("distill").addHandler(logging.NullHandler())  # the bug in the crash dialog is no news
    application = DistillApplication(["distill"])
    for theme in ("light", "dark"):
        tell(folder, theme, application)
    print(f"{2 * len(LOOKS) * len(STATES)} pictures lie in {folder}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
