"""The two cards at the top: the model and the sounds."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import Slot
from PySide6.QtWidgets import QHBoxLayout, QWidget

from app import words
from app.commands import Commands
from app.drops import Refusal, can_accept
from app.estimate import likely_config
from app.problems import Problem
from app.questions import plain
from app.session import Session
from app.state import ActionId, Activity, SaveObstacle, State, available
from app.widgets.drop_card import DropCard

if TYPE_CHECKING:
    from app.prompts import Question
    from distill_core.audio.dataset import AudioDataset
    from distill_core.events import JobProgress, SkippedFile
    from distill_core.models.summary import ModelSummary

_USE_FOLDER, _SHOW_FILES, _CANCEL = "useFolder", "showFiles", "cancel"


class SourcesPanel(QWidget):
    """Shows what is open, takes clicks and drops, says why something is not taken."""

    def __init__(self, session: Session, commands: Commands) -> None:
        super().__init__()
        self._session, self._commands = session, commands
        self._offered_folder: Path | None = None
        self._left_out: dict[str, str] = {}  # reasons by name
        self._obstacle: SaveObstacle | None = None
        self.model_card = DropCard("modelCard", "Model", "model", self)
        self.sounds_card = DropCard("soundsCard", "Sounds", "sounds", self)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.model_card, 1)
        layout.addWidget(self.sounds_card, 1)
        self._connect_cards()
        session.state_changed.connect(self._on_state)
        session.model_changed.connect(self._on_model)
        session.dataset_changed.connect(self._on_dataset)
        session.file_skipped.connect(self._on_file_skipped)
        session.progress.connect(self._on_progress)
        session.failed.connect(self._on_failed)
        commands.refused.connect(self._on_refused)
        self._show_model()
        self._show_sounds()

    def _connect_cards(self) -> None:
        self.model_card.browse_requested.connect(self._commands.browse_model)
        self.sounds_card.browse_requested.connect(self._commands.browse_sounds)
        self.model_card.dropped.connect(partial(self._commands.take_drop, target="model"))
        self.sounds_card.dropped.connect(partial(self._commands.take_drop, target="sounds"))
        self.sounds_card.link_activated.connect(self._on_link)
        for card in (self.model_card, self.sounds_card):
            card.can_accept = can_accept
            card.drag_refused.connect(self._commands.refuse_drag)

    @Slot(object)
    def _on_state(self, state: State) -> None:
        self.model_card.set_locked(ActionId.OPEN_MODEL not in available(state), self._commands.locked_text())
        self.sounds_card.set_locked(ActionId.CHOOSE_SOUNDS not in available(state), self._commands.locked_text())
        if state.pending_model is not None:
            self.model_card.clear_refusal()
            self.model_card.show_busy(f"Opening {words.shown_name(state.pending_model)}…")
        if state.pending_folder is not None and state.activity is not Activity.SCANNING:
            self.sounds_card.clear_refusal()
            self.sounds_card.show_busy(f"Looking through {words.shown_name(state.pending_folder)}…")
        elif state.pending_folder is None and self.sounds_card.is_busy():  # cancelled
            self._show_sounds()
        if state.obstacle != self._obstacle:
            self._show_obstacle(state.obstacle)

    def _show_obstacle(self, obstacle: SaveObstacle | None) -> None:
        """Say before hours of training what would keep its result from being saved."""
        self._obstacle = obstacle
        if obstacle is None:
            self.model_card.clear_refusal()
        else:
            self.model_card.show_refusal(obstacle.text)

    @Slot()
    def show_options(self) -> None:
        """Follow the options: they say how large the prior becomes."""
        if not self.sounds_card.is_busy():
            self._show_sounds()

    @Slot(object)
    def _on_model(self, summary: ModelSummary | None) -> None:
        self._show_obstacle(self._session.state.obstacle)
        self._show_model()
        self.show_options()

    @Slot(object)
    def _on_dataset(self, dataset: AudioDataset | None) -> None:
        self._left_out.clear()
        self.sounds_card.clear_refusal()
        self._show_sounds()

    def _show_model(self) -> None:
        summary = self._session.state.model
        if summary is None:
            self.model_card.show_empty("Drop a model (.distill) here", "Open Model…")
        else:
            self.model_card.show_filled(summary.path.name, words.model_lines(summary))

    def _show_sounds(self) -> None:
        dataset = self._session.state.dataset
        if dataset is None:
            self.sounds_card.show_empty("Drop a folder of sounds here", "Choose Folder…")
            return
        link = "all files"
        if dataset.skipped:
            link = f"{words.counted(len(dataset.skipped), 'file')} skipped"
        lines = [words.sounds_line(dataset)]
        if (model := self._session.state.model) is not None:
            overrides = self._commands.overrides()
            chosen = {name: value for name, value in overrides.items() if name == "architecture"}
            lines.append(words.size_line(likely_config(model, dataset, chosen), overrides))
        self.sounds_card.show_filled(dataset.name, lines, (_SHOW_FILES, link))

    @Slot(object)
    def _on_file_skipped(self, file: SkippedFile) -> None:
        """Say what training goes on without, although the scan could use it."""
        self._left_out[file.name] = file.reason
        first, reason = next(iter(self._left_out.items()))
        more = f", and {words.counted(len(self._left_out) - 1, 'more file')}" if len(self._left_out) > 1 else ""
        self.sounds_card.show_refusal(f"Left out of the training: {first} ({reason}){more}.")

    @Slot(object)
    def _on_progress(self, progress: JobProgress) -> None:
        if progress.phase == "scan":
            self.sounds_card.show_busy(words.progress_text(progress), (_CANCEL, "Cancel"))

    @Slot(object)
    def _on_refused(self, refusal: Refusal) -> None:
        self._offered_folder = refusal.folder
        action = None if refusal.folder is None else (_USE_FOLDER, f"Use “{words.shown_name(refusal.folder)}”")
        card = self.sounds_card if refusal.target == "sounds" else self.model_card
        for each in (self.model_card, self.sounds_card):
            each.clear_refusal()  # what was said of an earlier drop
        card.show_refusal(refusal.message, action)

    @Slot(str, object)
    def _on_failed(self, job: str, problem: Problem) -> None:
        text = f"{problem.message} {problem.hint}".strip()
        if job == "model":
            self._show_model()
            self.model_card.show_refusal(text)
        elif job == "sounds":
            self._show_sounds()
            self.sounds_card.show_refusal(text)

    @Slot(str)
    def _on_link(self, link: str) -> None:
        if link == _USE_FOLDER and self._offered_folder is not None:
            self._commands.open_sounds(self._offered_folder)
        elif link == _CANCEL:
            self._commands.stop()
        elif link == _SHOW_FILES and self._session.state.dataset is not None:
            self._commands.ask(_file_list(self._session.state.dataset), str)


def _file_list(dataset: AudioDataset) -> Question:
    skipped = [f"{file.name} – {file.reason}" for file in dataset.skipped]
    used = [f"{file.name} ({file.duration_s:.1f} s){' – ' + file.note if file.note else ''}" for file in dataset.files]
    text = "\n".join([f"Skipped ({len(skipped)}):", *skipped, "", f"Used ({len(used)}):", *used])
    title = f"{words.counted(len(used), 'sound')} used, {len(skipped)} skipped"
    return replace(plain("fileListDialog", title, str(dataset.folder), text), shows_details=True)
