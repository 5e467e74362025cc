"""Saving a trained prior, and restoring the version before the last save, with the questions first."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal, Slot
from PySide6.QtWidgets import QWidget

from app.flows import questions
from app.flows.prompts import Prompts, Question
from app.flows.texts import Texts
from app.session import Session
from app.session.activity import Subject
from app.session.available import ActionId, available
from app.session.losses import Act, Loss, losses, subject_of
from app.words import shown_name

if TYPE_CHECKING:
    from distill_core.models.summary import ModelSummary


_CLOSES_THE_FORM = (Act.OPEN, Act.MAKE, Act.SAVE_MODEL)  # another model is opened; the window's close asks itself


@dataclass(frozen=True, slots=True)
class _GivenUp:
    """What may go, by the answers so far."""

    texts: object = None
    model: object = None
    prior: object = None


class Saving(QObject):
    """Asks before a prior is lost or replaced; the signal `said(str)` carries a sentence for the status bar."""

    said = Signal(str)

    def __init__(self, session: Session, texts: Texts, prompts: Prompts, window: QWidget, parent: QObject) -> None:
        super().__init__(parent)
        self._texts = texts
        self._session, self._prompts, self._window = session, prompts, window
        self._after_saving: Callable[[], object] | None = None
        session.saved.connect(self._on_saved)
        session.previous_found.connect(self._on_previous)
        session.restored.connect(self._on_restored)
        session.reread.connect(self._on_reread)
        session.failed.connect(self._on_failed)

    def _can(self, action: ActionId) -> bool:
        return action in available(self._session.state)

    def _ask(self, question: Question, answer: Callable[[str], object]) -> None:
        self._prompts.ask(self._window, question, answer)

    # Saving

    def settle_unsaved(self, act: Act, then: Callable[[], object]) -> None:
        """Go on once everything that an act would lose is saved or may go; what may go stays until the act has begun.

        The questions are about name and notes being written, a model, and a prior; a cancelled one changes nothing.
        """
        self._settle(act, then, _GivenUp())

    def _settle(self, act: Act, then: Callable[[], object], given_up: _GivenUp) -> None:
        """Ask about one loss after the other."""
        state, texts = self._session.state, self._texts
        lost, model, prior = losses(state, act), subject_of(state, Loss.MODEL), subject_of(state, Loss.PRIOR)
        loses_texts = act in _CLOSES_THE_FORM and texts.are_unsaved and state.open.model is not None
        if loses_texts and texts.written != given_up.texts:
            saved = partial(self._settle, act, then, given_up)
            texts.settle(saved, lambda written: self._settle(act, then, replace(given_up, texts=written)))
        elif Loss.MODEL in lost and model is not given_up.model:
            on_answer = partial(self._on_lose_model, act, then, given_up, model)
            self._ask(questions.lose_model(), on_answer)
        elif Loss.PRIOR in lost and prior is not given_up.prior and state.open.model is not None:
            on_answer = partial(self._on_save_first, act, then, given_up, prior)
            self._ask(questions.save_first(state.open.model.path), on_answer)
        else:
            self._begin(act, then, lost)

    def _begin(self, act: Act, then: Callable[[], object], lost: tuple[Loss, ...]) -> None:
        """Do the act; any but closing takes the place of what may go only when it has begun."""
        if Loss.PRIOR in lost:
            self._session.give_up_prior()
        if act is Act.CLOSE and Loss.PRIOR in lost:
            self._session.discard_prior()
        if act is Act.CLOSE and Loss.MODEL in lost:
            self._session.drop_model()
        then()

    def _on_lose_model(
        self, act: Act, then: Callable[[], object], given_up: _GivenUp, model: object, answer: str
    ) -> None:
        if answer == "discard":
            self._settle(act, then, replace(given_up, model=model))

    def _on_save_first(
        self, act: Act, then: Callable[[], object], given_up: _GivenUp, prior: object, answer: str
    ) -> None:
        """Save the prior or let it go, then go on; if it is gone, or another one is there, look again."""
        go_on, state = partial(self._settle, act, then, given_up), self._session.state
        if answer == "cancel":
            return
        if Loss.PRIOR not in losses(state, act) or subject_of(state, Loss.PRIOR) is not prior:
            go_on()
        elif answer == "save":
            if act is Act.CLOSE:
                self._session.stop()  # a scan under way has become pointless
            self.save(go_on)
        else:
            self._settle(act, then, replace(given_up, prior=prior))

    def save(self, then: Callable[[], object] | None = None) -> None:
        """Save into the model; ask first if that has a prior."""
        opened, trained = self._session.state.open, self._session.state.training.trained
        if opened.model is None or trained is None or not self._can(ActionId.SAVE_PRIOR):
            return
        if opened.obstacle is not None and opened.obstacle.is_read_only:
            self.save_copy(then)
            return
        if not opened.model.has_prior:
            self._save_to(None, then)
            return

        def on_answer(answer: str) -> None:
            if answer == "replace":
                self._save_to(None, then)
            elif answer == "copy":
                self.save_copy(then)

        self._ask(questions.replace_prior(opened.model, trained), on_answer)

    def save_copy(self, then: Callable[[], object] | None = None) -> None:
        """Ask for a place, then save a copy of the model with the new prior there."""
        summary = self._session.state.open.model
        if summary is not None and self._can(ActionId.SAVE_COPY):
            suggested = summary.path.with_name(f"{summary.path.stem} with prior.distill")
            self._prompts.choose_copy(self._window, suggested, lambda path: self._save_copy_to(path, then))

    def _save_copy_to(self, path: Path, then: Callable[[], object] | None) -> None:
        """Save a copy; the model's own file is no copy, so ask before a worse prior replaces its own."""
        state = self._session.state
        if state.objection and path.resolve() == state.open.real_path:
            self.save(then)
        else:
            self._save_to(path, then)

    def _save_to(self, output: Path | None, then: Callable[[], object] | None) -> None:
        """Save, then go on; a copy replaces nothing, so it is saved though another program changed the model."""
        self._after_saving = then
        though_changed = output is not None and self._session.state.open.may_replace
        self._session.save_prior(output, though_changed=though_changed)

    def replace_changed(self) -> None:
        """Save into the model although another program changed it; read first whether that put a prior there."""
        if self._can(ActionId.SAVE_PRIOR):
            self._session.reread_model()

    @Slot(object)
    def _on_reread(self, now: ModelSummary) -> None:
        """Save into the model as it is now, which the engine keeps as the backup."""
        trained = self._session.state.training.trained
        if trained is None or not self._can(ActionId.SAVE_PRIOR):
            return

        def on_answer(answer: str) -> None:
            if answer == "replace":
                self._session.save_prior(though_changed=True)
            elif answer == "copy":
                self.save_copy()

        if trained.objection(now):
            self._ask(questions.replace_prior(now, trained), on_answer)
        else:
            on_answer("replace")

    @Slot(object)
    def _on_saved(self, path: Path) -> None:
        then, self._after_saving = self._after_saving, None
        if then is not None:
            then()

    @Slot(object, object)
    def _on_failed(self, subject: Subject, problem: object) -> None:
        """Forget the call that was to follow a failed save: the person decides again."""
        if subject is Subject.SAVING:
            self._after_saving = None

    # Restoring

    def restore(self) -> None:
        """Read the version before the last save, ask, then put it back."""
        if self._can(ActionId.RESTORE):
            self._session.find_previous()

    @Slot(object)
    def _on_previous(self, previous: ModelSummary) -> None:
        model = self._session.state.open.model
        if model is None:
            return

        def on_answer(answer: str) -> None:
            if answer == "restore" and self._can(ActionId.RESTORE) and self._session.state.open.model is model:
                self._session.restore_previous()

        self._ask(questions.restore_previous(model.path, previous), on_answer)

    @Slot(object)
    def _on_restored(self, path: Path) -> None:
        self.said.emit(f"The previous version of {shown_name(path)} is back. Restoring once more undoes that.")
