"""The two cards at the top: the model and the sounds."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from PySide6.QtCore import Slot
from PySide6.QtWidgets import QHBoxLayout, QWidget

from app import words
from app.flows.commands import Commands
from app.flows.drops import Refusal, can_accept
from app.flows.questions import plain
from app.presentation import status
from app.session import Session
from app.session.estimate import likely_config
from app.session.problems import Problem
from app.session.state import ActionId, Activity, SaveObstacle, State, available
from app.widgets.card.card import DropCard
from distill_core.text import LONGEST_NAME, file_name, printable

if TYPE_CHECKING:
    from app.flows.prompts import Question
    from distill_core.audio.dataset import AudioDataset
    from distill_core.events import JobProgress, SkippedFile
    from distill_core.models.summary import ModelSummary

_SHOW_FILES, _CANCEL = "showFiles", "cancel"
_MOST_SOURCES = 6  # that a dialog names


class SourcesPanel(QWidget):
    """Shows what is open, takes clicks and drops, says why something is not taken."""

    def __init__(self, session: Session, commands: Commands) -> None:
        super().__init__()
        self._session, self._commands = session, commands
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
        self.model_card.can_accept = partial(can_accept, target="model")
        self.sounds_card.can_accept = partial(can_accept, target="sounds")
        for card in (self.model_card, self.sounds_card):
            card.drag_refused.connect(self._commands.refuse_drag)

    @Slot(object)
    def _on_state(self, state: State) -> None:
        self.model_card.set_locked(ActionId.OPEN_MODEL not in available(state), self._commands.locked_text())
        self.sounds_card.set_locked(ActionId.CHOOSE_SOUNDS not in available(state), self._commands.locked_text())
        if state.pending_model is not None:
            self.model_card.clear_refusal()
            self.model_card.show_busy(f"Opening {words.shown_name(state.pending_model)}…")
        if state.pending_sounds and state.activity is not Activity.SCANNING:
            self.sounds_card.clear_refusal()
            self.sounds_card.show_busy(status.looking_text(state.pending_sounds))
        elif not state.pending_sounds and self.sounds_card.is_busy():  # cancelled
            self._show_sounds()
        if state.obstacle != self._obstacle:
            self._show_obstacle(state.obstacle)

    def _show_obstacle(self, obstacle: SaveObstacle | None) -> None:
        """Say before hours of training what would keep its result from being saved."""
        self._obstacle = obstacle
        if obstacle is None:
            self.model_card.clear_refusal()
        elif self.model_card.refusal() != obstacle.text:  # it is read out each time
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
            self.model_card.show_filled(file_name(summary.path), words.model_lines(summary))

    def _show_sounds(self) -> None:
        dataset = self._session.state.dataset
        if dataset is None:
            self.sounds_card.show_empty("Drop sounds or a folder of sounds here", "Choose Folder…")
            return
        link = "all files"
        if dataset.skipped:
            link = f"{words.counted(len(dataset.skipped), 'file')} skipped"
        lines = [words.sounds_line(dataset)]
        if (model := self._session.state.model) is not None:
            overrides = self._commands.overrides()
            chosen = {name: value for name, value in overrides.items() if name == "architecture"}
            lines.append(words.size_line(likely_config(model, dataset, chosen), overrides))
        if dataset.passed_over:
            lines += str(dataset.passed_over).split(", ")  # in one line a narrow card would leave its middle out
        self.sounds_card.show_filled(printable(dataset.name, LONGEST_NAME), lines, (_SHOW_FILES, link))

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
            self.sounds_card.show_busy(status.progress_text(progress), (_CANCEL, "Cancel"))

    @Slot(object)
    def _on_refused(self, refusals: tuple[Refusal, ...]) -> None:
        self.sounds_card.clear_refusal()  # what was said of an earlier drop
        self._show_obstacle(self._obstacle)
        for refusal in refusals:
            card = self.sounds_card if refusal.target == "sounds" else self.model_card
            card.show_refusal(refusal.message)

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
        if link == _CANCEL:
            self._commands.stop()
        elif link == _SHOW_FILES and self._session.state.dataset is not None:
            self._commands.ask(_file_list(self._session.state.dataset), str)


def _file_list(dataset: AudioDataset) -> Question:
    skipped = [f"{file.name} – {file.reason}" for file in dataset.skipped]
    used = [f"{file.name} ({file.duration_s:.1f} s){' – ' + file.note if file.note else ''}" for file in dataset.files]
    text = "\n".join([f"Skipped ({len(skipped)}):", *skipped, "", f"Used ({len(used)}):", *used])
    title = f"{words.counted(len(used), 'sound')} used, {len(skipped)} skipped"
    places = [printable(str(path)) for path in dataset.sources[:_MOST_SOURCES]]
    if len(dataset.sources) > _MOST_SOURCES:
        places.append(f"and {len(dataset.sources) - _MOST_SOURCES:,} more")
    passed_over = [f"{dataset.passed_over}."] if dataset.passed_over else []
    about = "\n".join([*places, *passed_over])
    return replace(plain("fileListDialog", title, about, text), shows_details=True)
