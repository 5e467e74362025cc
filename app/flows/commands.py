"""What the actions do: ask where something could be lost, then call the Session."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QDir, QObject, QStandardPaths, QUrl, Signal, Slot
from PySide6.QtGui import QDesktopServices, QGuiApplication
from PySide6.QtWidgets import QWidget

from app.flows import questions
from app.flows.demo_files import copy_demo
from app.flows.drops import ONLY_FILES, Refusal, Target, route
from app.flows.prompts import Prompts
from app.flows.unfinished import Unfinished
from app.session import Session
from app.session.problems import Problem
from app.session.state import KEEPING, ActionId, Activity, available
from app.words import PERPLEXITY_EXPLAINED, cleared_text, shown_name
from distill_core.errors import DistillError
from distill_core.text import printable

if TYPE_CHECKING:
    from app.flows.prompts import Question
    from distill_core.models.summary import ModelSummary

_LOCKED_TEXT = "Stop training to change the model or the sounds."
_SAVING_TEXT = "The prior is being saved. After that the model and the sounds can be changed."


def _as_it_is_now(model: ModelSummary) -> ModelSummary:
    """Return a model's facts anew: another program may have put a prior into it; it takes milliseconds."""
    from distill_core.models.persistence import read_summary

    try:
        return read_summary(model.path)
    except DistillError:
        return model  # the save will say what is wrong


class Commands(QObject):
    """The flows between a click and the Session.

    Signals: `refused(tuple[Refusal, ...])` what is not taken of a drop, or a file; `options_wanted()`,
    `inspect_wanted()` show that side; `said(str)` an event for the status bar.
    """

    refused = Signal(object)
    options_wanted = Signal()
    inspect_wanted = Signal()
    said = Signal(str)

    def __init__(self, session: Session, prompts: Prompts, window: QWidget) -> None:
        super().__init__(window)
        self._session, self._prompts, self._window = session, prompts, window
        self._after_saving: Callable[[], None] | None = None
        self._tells_of_bug = False
        self.unfinished = Unfinished(session, self)
        self.unfinished.refused.connect(self.refused)
        self.overrides: Callable[[], dict[str, Any]] = dict
        session.saved.connect(self._on_saved)
        session.previous_found.connect(self._on_previous)
        session.restored.connect(self._on_restored)
        session.failed.connect(self._on_failed)

    def can(self, action: ActionId) -> bool:
        """Tell whether an action is available now."""
        return action in available(self._session.state)

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
        """Ask for a folder of sounds and look through it."""
        if self.can(ActionId.CHOOSE_SOUNDS):
            start = self._session.settings.last_folder("sounds")
            self._prompts.choose_folder(self._window, start, self.open_sounds)

    def open_model(self, path: Path) -> None:
        """Open a model; an unsaved prior is asked about first."""
        if not self.can(ActionId.OPEN_MODEL):
            self._refuse("model", self.locked_text())
            return
        self.unfinished.forget()
        self._session.settings.set_last_folder("model", path.parent)
        self._settle_unsaved(lambda: self._session.open_model(path))

    def locked_text(self) -> str:
        """Return why neither model nor sounds can be changed now."""
        return _SAVING_TEXT if self._session.state.activity is Activity.SAVING else _LOCKED_TEXT

    def _refuse(self, target: Target, message: str) -> None:
        self.refused.emit((Refusal(target, message),))

    def refuse_drag(self, urls: Sequence[QUrl]) -> None:
        """Say why this cannot be dropped, or nothing can now."""
        self.said.emit(ONLY_FILES if self.can(ActionId.OPEN_MODEL) else self.locked_text())

    def open_recent(self, path: Path) -> None:
        """Open a recent model; one that has moved is forgotten."""
        if not path.exists():
            self._session.settings.remove_recent_model(path)
            self._refuse("model", f"“{shown_name(path)}” has moved. Choose it again with Open Model…")
            return
        self.open_model(path)

    def try_demo(self) -> None:
        """Open a copy of the bundled model and sounds."""
        if self.can(ActionId.TRY_DEMO):
            documents = QStandardPaths.writableLocation(QStandardPaths.StandardLocation.DocumentsLocation)
            folder = Path(documents or QDir.homePath()) / "Distill Demo"
            try:
                model, sounds = copy_demo(folder)
            except OSError as error:
                self._refuse("model", f"The demo can't be copied to “{printable(str(folder))}”: {error.strerror}.")
                return
            self.open_model(model)
            self.open_sounds(sounds)

    def open_sounds(self, *sources: Path) -> None:
        """Look through folders of sounds and single ones; they take the place of those that are open."""
        if not self.can(ActionId.CHOOSE_SOUNDS):
            self._refuse("sounds", self.locked_text())
            return
        self.unfinished.forget()
        self._session.settings.set_last_folder("sounds", sources[0] if sources[0].is_dir() else sources[0].parent)
        self._session.open_dataset(*sources)

    def take_drop(self, urls: Sequence[QUrl], target: Target) -> None:
        """Open what was dropped, and say what of it is not taken."""
        drop = route(urls, target)
        self.refused.emit(drop.refusals)  # also none: what was said of an earlier drop goes
        if drop.sounds:
            self.open_sounds(*drop.sounds, *drop.passed_over)
        if drop.model is not None:
            self.open_model(drop.model)

    # Training

    def train(self) -> None:
        """Train with the chosen options; an unsaved prior is asked about first."""
        if self.can(ActionId.TRAIN):
            self._settle_unsaved(lambda: self._session.train(self.overrides()))

    def stop(self) -> None:
        """End what is under way at its next step; training keeps the best."""
        if self.can(ActionId.STOP):
            self.unfinished.forget()
            self._session.stop()

    def show_options(self) -> None:
        """Show the settings of the next training."""
        self.options_wanted.emit()

    def show_inspect(self) -> None:
        """Show what the model holds."""
        self.inspect_wanted.emit()

    def explain_perplexity(self) -> None:
        """Say what the curve means."""
        self.ask(questions.plain("perplexityDialog", "What is perplexity?", PERPLEXITY_EXPLAINED), str)

    def copy_text(self, text: str) -> None:
        """Put a text on the clipboard."""
        QGuiApplication.clipboard().setText(text)
        self.said.emit("Copied.")

    # Saving

    def keep(self, action: ActionId) -> None:
        """Let the trained prior have other weights of its training."""
        if self.can(action):
            self._session.keep(KEEPING[action])

    def save(self, then: Callable[[], None] | None = None) -> None:
        """Save into the model; a prior that is in it is asked about first."""
        state = self._session.state
        if state.model is None or state.trained is None or not self.can(ActionId.SAVE_PRIOR):
            return
        if state.obstacle is not None and state.obstacle.is_read_only:
            self.save_copy(then)
            return
        if not state.model.has_prior:
            self._save_to(None, then)
            return

        def on_answer(answer: str) -> None:
            if answer == "replace":
                self._save_to(None, then)
            elif answer == "copy":
                self.save_copy(then)

        self.ask(questions.replace_prior(state.model, state.trained, state.objection), on_answer)

    def save_copy(self, then: Callable[[], None] | None = None) -> None:
        """Ask where, then save a copy of the model with the new prior."""
        summary = self._session.state.model
        if summary is not None and self.can(ActionId.SAVE_COPY):
            suggested = summary.path.with_name(f"{summary.path.stem} with prior.distill")
            self._prompts.choose_copy(self._window, suggested, lambda path: self._save_copy_to(path, then))

    def _save_copy_to(self, path: Path, then: Callable[[], None] | None) -> None:
        """Save a copy there; the model's own file is none, so that a worse prior is asked about."""
        state = self._session.state
        if state.objection and state.model is not None and path.resolve() == state.model.path.resolve():
            self.save(then)
        else:
            self._save_to(path, then)

    def _save_to(self, output: Path | None, then: Callable[[], None] | None) -> None:
        """Save; the person has been told if another program changed the model, and a copy replaces nothing."""
        self._after_saving = then
        though_changed = output is not None and self._session.state.may_replace
        self._session.save_prior(output, though_changed=though_changed)

    def replace_changed(self) -> None:
        """Save into the model although another program changed it; the engine keeps that as the backup."""
        state = self._session.state
        if state.model is None or state.trained is None or not self.can(ActionId.SAVE_PRIOR):
            return
        objection = state.trained.objection(now := _as_it_is_now(state.model))

        def on_answer(answer: str) -> None:
            if answer == "replace":
                self._session.save_prior(though_changed=True)
            elif answer == "copy":
                self.save_copy()

        if objection:
            self.ask(questions.replace_prior(now, state.trained, objection), on_answer)
        else:
            on_answer("replace")

    def restore(self) -> None:
        """Look at the version before the last save, ask, then put it back."""
        if self.can(ActionId.RESTORE):
            self._session.find_previous()

    @Slot(object)
    def _on_previous(self, previous: ModelSummary) -> None:
        model = self._session.state.model
        if model is None:
            return

        def on_answer(answer: str) -> None:
            if answer == "restore" and self.can(ActionId.RESTORE) and self._session.state.model is model:
                self._session.restore_previous()

        self.ask(questions.restore_previous(model.path, previous), on_answer)

    @Slot(object)
    def _on_restored(self, path: Path) -> None:
        self.said.emit(f"The previous version of {shown_name(path)} is back. Restoring once more undoes that.")

    def show_in_folder(self) -> None:
        """Open the folder of the last saved file, or of the model."""
        state = self._session.state
        path = state.saved_to or (state.model.path if state.model else None)
        if path is not None:
            QDesktopServices.openUrl(QUrl.fromLocalFile(str(path.resolve().parent)))

    def clear_cache(self) -> None:
        """Remove the codes kept on disk, and say how much that freed."""
        if self.can(ActionId.CLEAR_CACHE):
            from distill_core.training.data.code_cache import clear_code_cache

            self.said.emit(cleared_text(clear_code_cache()))

    def after_saving(self, then: Callable[[], None]) -> None:
        """Go on with this once the save under way has succeeded."""
        self._after_saving = then

    def _settle_unsaved(self, then: Callable[[], None]) -> None:
        """Go on at once, or after an unsaved prior was saved or given up."""
        state = self._session.state
        if not state.unsaved or state.model is None:
            then()
            return

        def on_answer(answer: str) -> None:
            if answer == "save":
                self.save(then)
            elif answer == "discard":
                self._session.discard_prior()
                then()

        self.ask(questions.save_first(state.model.path), on_answer)

    @Slot(object)
    def _on_saved(self, path: Path) -> None:
        then, self._after_saving = self._after_saving, None
        if then is not None:
            then()

    @Slot(str, object)
    def _on_failed(self, job: str, problem: Problem) -> None:
        """What was to follow does not: the person decides anew."""
        if job == "saving":
            self._after_saving = None
        if problem.details:
            self.report_bug(problem)

    @Slot(object)
    def report_bug(self, problem: Problem) -> None:
        """Open the one crash dialog; what goes wrong while it is open is in the log."""

        def on_answer(answer: str) -> None:
            self._tells_of_bug = False
            if answer == "copy":
                QGuiApplication.clipboard().setText(f"{problem.message}\n{problem.details}")

        if not self._tells_of_bug:
            self._tells_of_bug = True
            self.ask(questions.crash(problem), on_answer)
