"""The commands on takes, between a click and the Session."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QUrl, Signal, Slot
from PySide6.QtGui import QDesktopServices, QGuiApplication
from PySide6.QtWidgets import QWidget

from app.flows.drag_out import DragOut
from app.flows.drops import one_sound
from app.flows.listening import Listening
from app.flows.prompts import Prompts
from app.session import Session
from app.session.available import ActionId, available
from app.words import counted, shown_name
from distill_core.generation.request import PromptMode

if TYPE_CHECKING:
    from app.session.tasks.shelving import WrittenTakes
    from distill_core.generation.takes.folder import Take


class Takes(QObject):
    """Makes, plays, saves and deletes takes as far as the state allows; `said(str)` has an event for the status bar."""

    said = Signal(str)

    def __init__(self, session: Session, prompts: Prompts, window: QWidget, parent: QObject) -> None:
        super().__init__(parent)
        self._session, self._prompts, self._window = session, prompts, window
        self.listening = Listening(session, self)
        self.drag_out = DragOut(session, self.name_of, self)
        session.takes_written.connect(self._on_written)

    def _can(self, action: ActionId) -> bool:
        return action in available(self._session.state)

    # Making

    def generate_or_cancel(self) -> None:
        """Make a take, or give up the one that was asked for."""
        making = self._session.state.takes.making
        if making is not None and making.is_aloud:
            self.cancel()
        elif self._can(ActionId.GENERATE):
            self._session.generate()

    def cancel(self) -> None:
        """Give up the take under way."""
        self._session.cancel_take()

    def listen_to_best(self) -> None:
        """Make a take with the best epoch of the training under way."""
        if self._can(ActionId.LISTEN_TO_BEST):
            self._session.listen_to_run()

    def listen_to_epoch(self, epoch: int) -> None:
        """Make a take with an epoch that is kept."""
        if self._session.state.is_training:
            self._session.listen_to_run(epoch)
        else:
            self._session.listen_to_epoch(epoch)

    def make_again(self, number: int) -> None:
        """Make a take by the settings of one on the shelf."""
        take = self._session.state.takes.numbered(number)
        if take is not None and self._can(ActionId.GENERATE):
            self._session.make_again(take.request)

    # Copies

    def check_for_copies(self) -> None:
        """Check whether what the model makes copies the sounds that it learned from."""
        if self._can(ActionId.CHECK_COPIES):
            self._session.audit()

    def stop_checking(self) -> None:
        """End the check for copies."""
        if self._can(ActionId.STOP_CHECKING):
            self._session.stop_audit()

    # The sound to start from

    def can_start_from(self, urls: Sequence[QUrl]) -> bool:
        """Tell whether a drop is one sound."""
        return one_sound(urls) is not None

    def start_from(self, urls: Sequence[QUrl]) -> None:
        """Start the next takes from a dropped sound."""
        if (sound := one_sound(urls)) is not None:
            self._start_from(sound)

    def choose_start(self) -> None:
        """Ask for a sound to start from."""
        start = self._session.settings.last_folder("start")
        self._prompts.choose_sound(self._window, start, self._start_from)

    def _start_from(self, sound: Path) -> None:
        self._session.settings.set_last_folder("start", sound.parent)
        self._session.set_take_options(replace(self._session.state.takes.options, start=sound))

    def set_mode(self, mode: str) -> None:
        """Continue the sound to start from, or vary it."""
        self._session.set_take_options(replace(self._session.state.takes.options, mode=PromptMode(mode)))

    # The shelf

    def _with(self, number: int, act: Callable[[Take], object]) -> None:
        """Act on a take, unless it has gone meanwhile."""
        if (take := self._session.state.takes.numbered(number)) is not None:
            act(take)

    def play(self, number: int) -> None:
        """Play a take; choose it too."""
        self._session.choose_take(number)
        self._with(number, self._session.read_take)

    def delete(self, number: int = 0) -> None:
        """Delete a take, by default the chosen one; it can be brought back until a model is opened."""

        def delete(take: Take) -> None:
            self._session.delete_take(take.number)
            self.said.emit(f"Take {take.number} deleted.")

        self._with(number or self._session.state.takes.chosen, delete)

    def bring_back(self) -> None:
        """Bring the take back that was deleted last, then the one before it."""
        self._session.bring_take_back()

    def copy_settings(self, number: int) -> None:
        """Put the settings of a take, its seed among them, on the clipboard, as flags of `distill generate`."""
        from distill_core.generation.takes.name import settings_words

        def copy(take: Take) -> None:
            QGuiApplication.clipboard().setText(settings_words(take.request))
            self.said.emit("Copied.")

        self._with(number, copy)

    def copy_seed(self, number: int) -> None:
        """Put the seed of a take on the clipboard."""

        def copy(take: Take) -> None:
            QGuiApplication.clipboard().setText(str(take.seed))
            self.said.emit("Copied.")

        self._with(number, copy)

    def show_in_folder(self, number: int) -> None:
        """Open the folder of a take."""
        self._with(number, lambda take: QDesktopServices.openUrl(QUrl.fromLocalFile(str(take.wav.parent))))

    def name_of(self, take: Take) -> str:
        """Return the name of a take's file: `MODEL_take12_seed41.wav`."""
        from distill_core.generation.takes.name import take_name

        model = self._session.state.open.model
        return take_name(model.path if model is not None else take.wav, take.number, take.seed)

    # Saving

    def save(self, number: int = 0) -> None:
        """Ask where to save a take, by default the chosen one, then save it there."""
        self._with(number or self._session.state.takes.chosen, self._save)

    def _save(self, take: Take) -> None:
        def on_target(path: Path) -> None:
            self._session.settings.set_last_folder("takes", path.parent)
            self._session.write_takes([take], [path], replace_files=True)  # the dialog has asked

        folder = self._session.settings.last_folder("takes")
        self._prompts.choose_take(self._window, folder / self.name_of(take), on_target)

    def save_all(self) -> None:
        """Ask for a folder, then save every take of the shelf there."""
        takes = self._session.state.takes.takes

        def on_folder(folder: Path) -> None:
            self._session.settings.set_last_folder("takes", folder)
            targets = [folder / self.name_of(take) for take in takes]
            self._session.write_takes(takes, targets, replace_files=False)

        if takes:
            self._prompts.choose_target(self._window, self._session.settings.last_folder("takes"), on_folder)

    def turn_sidecar(self) -> None:
        """Save takes with a JSON of how they were made from now on, or without one."""
        settings = self._session.settings
        settings.set_saves_sidecar(not settings.saves_sidecar())

    @Slot(object)
    def _on_written(self, written: WrittenTakes) -> None:
        self.said.emit(written_words(written))


def written_words(written: WrittenTakes) -> str:
    """Return the sentence on takes that were saved."""
    paths, count = written.paths, written.there_already
    there = f" {counted(count, 'file')} of that name {'was' if count == 1 else 'were'} there already." if count else ""
    failed = f" {counted(len(written.failures), 'take')} could not be saved." if written.failures else ""
    if len(paths) == 1 and not there + failed:
        return f"Saved as {shown_name(paths[0])}: 24 bit, 48 kHz, mono."
    where = f" in {shown_name(paths[0].parent)}" if paths else ""
    return f"{counted(len(paths), 'take')} saved{where}.{there}{failed}"
