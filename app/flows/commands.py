"""The commands behind the actions: they ask if something could be lost, then call the Session."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QDir, QObject, QStandardPaths, Qt, QUrl, Signal, Slot
from PySide6.QtGui import QDesktopServices, QGuiApplication
from PySide6.QtWidgets import QApplication, QDialog, QWidget

from app.flows import questions
from app.flows.cancelling import Cancelling
from app.flows.copies import Copies
from app.flows.curves import Curves
from app.flows.demo_files import DemoFiles, copying
from app.flows.drops import MOST_AT_ONCE, ONLY_FILES, Drop, LastDrag, Target, is_gone, route, sort, sorting
from app.flows.epochs import Epochs
from app.flows.hearing import Hearing
from app.flows.making import ModelMaking
from app.flows.papers import Papers
from app.flows.plugin import PluginExport
from app.flows.prompts import Prompts
from app.flows.saving import Saving
from app.flows.sounds import Sounds
from app.flows.takes import Takes
from app.flows.texts import Texts
from app.flows.unfinished import Unfinished
from app.session import Session
from app.session.activity import Activity, Subject
from app.session.appearance import AppearanceChoice
from app.session.available import KEEPING, ActionId, available
from app.session.losses import Act
from app.session.problems import Problem
from app.session.remembered import RememberedSession
from app.words import NAMED, PERPLEXITY_EXPLAINED, cleared_text, shown_name

if TYPE_CHECKING:
    from app.flows.prompts import Question

_LOCKED_TEXT = "Stop training to change the model or the sounds."
_SAVING_TEXT = "The model is being saved. After that the model and the sounds can be changed."
_SAVING_MODEL_TEXT = "The new model is being saved. After that the model and the sounds can be changed."
_ASKED_TEXT = "What you named will be opened once the dialog is closed."
_TOLD_BESIDE_TAKES = (
    Subject.TAKE,
    Subject.EPOCHS,
    Subject.SHELF,
    Subject.AUDIT,
    Subject.NOTING,
    Subject.JUDGING,
    Subject.PROVING,
)  # in a sentence


class Commands(QObject):
    """The flows between a click and the Session.

    Signals: `options_wanted()`, `inspect_wanted()`, `copies_wanted()` open or close that side of the drawer;
    `edit_wanted()` asks for the form with the model's name and notes; `triggered(ActionId)` asks for an action of the
    menus; `said(str)` is an event for the status bar.
    """

    options_wanted = Signal()
    inspect_wanted = Signal()
    copies_wanted = Signal()
    edit_wanted = Signal()
    triggered = Signal(object)
    said = Signal(str)
    appearance_chosen = Signal(object)

    def __init__(self, session: Session, prompts: Prompts, window: QWidget) -> None:
        super().__init__(window)
        self._session, self._prompts, self._window = session, prompts, window
        self._shows_bug = False
        self._waiting: tuple[Path, ...] = ()
        self.drag = LastDrag()
        self.texts = Texts(session, prompts, window, self)
        self.saving = Saving(session, self.texts, prompts, window, self)
        self.unfinished = Unfinished(session, self.saving, prompts, window, self)
        self.unfinished.said.connect(self.said)
        self.saving.said.connect(self.said)
        self.cancelling = Cancelling(session, prompts, window, self)
        self.making = ModelMaking(session, self.saving, prompts, window, self)
        self.takes = Takes(session, prompts, window, self)
        self.takes.said.connect(self.said)
        self.hearing = Hearing(session, self)
        self.copies = Copies(session, self.hearing, self)
        self.epochs = Epochs(session, self)
        self.sounds = Sounds(session, self)
        self.sounds.said.connect(self.said)
        self.papers = Papers(session, prompts, window, self)
        self.papers.said.connect(self.said)
        self.curves = Curves(session, prompts, window, self)
        self.curves.said.connect(self.said)
        self.plugin = PluginExport(session, prompts, window, self)
        self.plugin.said.connect(self.said)
        session.player.unavailable.connect(self.said)
        session.demo_copied.connect(self._on_demo_copied)
        session.drop_sorted.connect(self._take_sorted)
        session.cache_cleared.connect(self._on_cache_cleared)
        session.named.connect(self._on_named)
        session.failed.connect(self._on_failed)

    def can(self, action: ActionId) -> bool:
        """Tell whether an action is available now."""
        return action in available(self._session.state)

    def trigger(self, action: ActionId) -> None:
        """Do an action as if it had been chosen in its menu."""
        self.triggered.emit(action)

    def ask(self, question: Question, answer: Callable[[str], object]) -> None:
        """Ask in a dialog of the window."""
        self._prompts.ask(self._window, question, answer)

    # Opening

    def browse_model(self) -> None:
        """Ask for a model file and open it."""
        if self.can(ActionId.OPEN_MODEL):
            start = self._session.settings.last_folder("model")
            self._prompts.choose_model(self._window, start, self.open_model)

    def browse_sounds(self) -> None:
        """Ask for a folder of sounds and scan it."""
        if self.can(ActionId.CHOOSE_SOUNDS):
            start = self._session.settings.last_folder("sounds")
            self._prompts.choose_folder(self._window, start, self.open_sounds)

    def open_model(self, path: Path) -> None:
        """Open a model; ask first about what is unsaved."""
        self._open_both(path)

    def _open_both(self, model: Path, *sources: Path, left_out: Sequence[str] = ()) -> None:
        """Open a model and the sounds that come with it; a cancelled question leaves both as they are."""
        if not self.can(ActionId.OPEN_MODEL):
            self._session.refuse(model=self.locked_text())
            return

        self.saving.settle_unsaved(Act.OPEN, lambda: self._open_settled(model, *sources, left_out=left_out))

    def _open_settled(self, model: Path, *sources: Path, left_out: Sequence[str] = ()) -> None:
        self.unfinished.forget()
        self._session.settings.set_last_folder("model", model.parent)
        self._session.open_model(model)
        if sources:
            self._scan(*sources, left_out=left_out)

    def locked_text(self) -> str:
        """Return why neither model nor sounds can be changed now."""
        if self._session.state.work is not Activity.SAVING:
            return _LOCKED_TEXT
        return _SAVING_TEXT if self._session.state.making.trained is None else _SAVING_MODEL_TEXT

    def refuse_drag(self, urls: Sequence[QUrl]) -> None:
        """Say why these cannot be dropped, or why nothing can be now."""
        self.said.emit(ONLY_FILES if self.can(ActionId.OPEN_MODEL) else self.locked_text())

    def open_recent(self, path: Path) -> None:
        """Open a recent model, or forget it if it has moved."""
        # On the window's thread: some microseconds, but a share that no longer answers holds the window up.
        if is_gone(path):
            self._session.settings.remove_recent_model(path)
            self._session.refuse(model=f"“{shown_name(path)}” has moved. Choose it again with Open Model…")
            return
        self.open_model(path)

    def open_session(self, session: RememberedSession) -> None:
        """Open a model and sounds that were open together."""
        if session.model is not None:
            self._open_both(session.model, *session.sources, left_out=session.left_out)
        elif session.sources:
            self.open_sounds(*session.sources, left_out=session.left_out)

    def remove_session(self, session: RememberedSession) -> None:
        """Forget what was open together; the files stay."""
        self._session.settings.remove_session(session)

    def try_demo(self) -> None:
        """Open a copy of the bundled model and sounds; ask first about what is unsaved."""
        if self.can(ActionId.TRY_DEMO):
            self.saving.settle_unsaved(Act.OPEN, self._copy_demo)

    def _copy_demo(self) -> None:
        documents = QStandardPaths.writableLocation(QStandardPaths.StandardLocation.DocumentsLocation)
        self._session.do(copying(Path(documents or QDir.homePath()) / "Distill Demo"))

    @Slot(object)
    def _on_demo_copied(self, demo: DemoFiles) -> None:
        if self.can(ActionId.OPEN_MODEL):
            self._open_settled(demo.model, demo.sounds)  # all was asked before the copy
        else:
            self._session.refuse(model=self.locked_text())

    def open_sounds(self, *sources: Path, left_out: Sequence[str] = ()) -> None:
        """Scan folders of sounds and single ones, in place of those that are open; leave out those of some names."""
        if not self.can(ActionId.CHOOSE_SOUNDS):
            self._session.refuse(sounds=self.locked_text())
            return
        self.unfinished.forget()
        self._scan(*sources, left_out=left_out)

    def _scan(self, *sources: Path, left_out: Sequence[str] = ()) -> None:
        # The check is on the window's thread: see `open_recent` for its cost. What can't be looked at, the scan tells.
        folder = sources[0] if os.path.isdir(sources[0]) else sources[0].parent
        self._session.settings.set_last_folder("sounds", folder)
        self._session.open_dataset(*sources, left_out=left_out)

    @Slot(object)
    def open_files(self, *files: Path) -> None:
        """Open files that were double-clicked or named at a start, as if they were dropped into the window.

        While a question is open they wait for its end; of several such lists the last is opened.
        """
        dialog = QApplication.activeModalWidget()
        if isinstance(dialog, QDialog):
            self._waiting = files
            dialog.finished.connect(self._open_waiting, Qt.ConnectionType.QueuedConnection)  # after what it answers
            self.said.emit(_ASKED_TEXT)
            return
        self._take_sorted(sort(files, "window"))

    @Slot()
    def _open_waiting(self) -> None:
        waiting, self._waiting = self._waiting, ()
        if waiting and self._window.isVisible():  # the answer may have closed it
            self.open_files(*waiting)

    def take_drop(self, urls: Sequence[QUrl], target: Target) -> None:
        """Open dropped files, and say which are not taken; many are looked at first, on another thread."""
        self.drag.forget()
        if len(urls) <= MOST_AT_ONCE:
            self._take_sorted(route(urls, target))
        elif self.can(ActionId.OPEN_MODEL):
            self._session.do_later(sorting(urls, target))
        else:
            self._session.refuse(sounds=self.locked_text())

    @Slot(object)
    def _take_sorted(self, drop: Drop) -> None:
        can_open = self.can(ActionId.OPEN_MODEL)
        self._session.dismiss_refusals()  # of an earlier drop
        if drop.model is not None:
            self._open_both(drop.model, *drop.sounds, *drop.passed_over)
        elif drop.sounds:
            self.open_sounds(*drop.sounds, *drop.passed_over)
        if drop.refusals and (can_open or not drop.is_taken):  # after the opening, with which earlier refusals go
            self._session.refuse(model=drop.refusal_of_model, sounds=drop.refusal_of_sounds)

    # Training

    def train(self) -> None:
        """Train with the chosen options; ask first about an unsaved prior."""
        if self.can(ActionId.TRAIN):
            self.saving.settle_unsaved(Act.TRAIN, lambda: self._session.train())

    def stop(self) -> None:
        """End the task under way at its next stop point; training keeps its best epoch."""
        if self.can(ActionId.STOP):
            self.unfinished.forget()
            self._session.stop()

    def cancel_training(self) -> None:
        """Ask, then give up the training under way with all that it has learned."""
        self.cancelling.cancel()

    def go_on_memorizing(self) -> None:
        """Go on with a training that memorizes, and hear no more of it until its end."""
        self._session.hide_warning()

    def show_options(self) -> None:
        """Show the settings of the next training."""
        self.options_wanted.emit()

    def show_inspect(self) -> None:
        """Show the facts of the model."""
        self.inspect_wanted.emit()

    def show_copies(self) -> None:
        """Show whether what the model makes are copies."""
        self.copies_wanted.emit()

    def edit_model(self) -> None:
        """Show the form with the model's name and notes."""
        if self.can(ActionId.EDIT_MODEL):
            self.edit_wanted.emit()

    def explain_perplexity(self) -> None:
        """Explain the curve."""
        self.ask(questions.plain("perplexityDialog", "What is perplexity?", PERPLEXITY_EXPLAINED), str)

    # Playing

    def play(self) -> None:
        """Play what is in the player, or stop."""
        self._session.player.toggle()

    def loop(self) -> None:
        """Have the player begin again at the end, or no longer."""
        self._session.player.set_loop(not self._session.player.is_loop)

    def flip(self) -> None:
        """Listen to the other one of the last two sounds."""
        self._session.player.flip()

    def keep(self, action: ActionId) -> None:
        """Give the trained prior other weights of its training."""
        if self.can(action):
            self._session.keep(KEEPING[action])

    def choose_appearance(self, choice: AppearanceChoice) -> None:
        """Be light or dark, now and from now on."""
        self._session.settings.set_appearance(choice)
        self.appearance_chosen.emit(choice)

    # On disk

    def show_in_folder(self) -> None:
        """Open the folder of the last saved file, or of the model."""
        state = self._session.state
        path = state.training.saved_to or (state.open.model.path if state.open.model else None)
        if path is not None:
            QDesktopServices.openUrl(QUrl.fromLocalFile(str(path.resolve().parent)))

    def clear_cache(self) -> None:
        """Remove the codes kept on disk, and say how much space that freed."""
        if self.can(ActionId.CLEAR_CACHE):
            self._session.clear_cache()

    @Slot(object)
    def _on_named(self, summary: object) -> None:
        self.said.emit(NAMED)

    @Slot(object)
    def _on_cache_cleared(self, freed_bytes: int) -> None:
        self.said.emit(cleared_text(freed_bytes))

    @Slot(object, object)
    def _on_failed(self, subject: Subject, problem: Problem) -> None:
        if problem.details and subject not in _TOLD_BESIDE_TAKES:
            self.report_bug(problem)

    @Slot(object)
    def report_bug(self, problem: Problem) -> None:
        """Open the crash dialog; a bug while it is open goes into the log alone."""

        def on_answer(answer: str) -> None:
            self._shows_bug = False
            if answer == "copy":
                QGuiApplication.clipboard().setText(f"{problem.message}\n{problem.details}")

        if not self._shows_bug:
            self._shows_bug = True
            self.ask(questions.crash(problem), on_answer)
