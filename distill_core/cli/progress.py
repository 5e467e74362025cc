"""The display of training events: a bar with the time left for a person, JSON lines for a program."""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType
from typing import Any

from distill_core.audit.events import ProofProgress
from distill_core.cli.bar import Bar
from distill_core.cli.terminal import Terminal, say_settings
from distill_core.events import JobProgress, SkippedFile
from distill_core.training.codec.events import (
    CodecEpochMetrics,
    CodecTrainingCompleteEvent,
    CodecTrainingStartEvent,
)
from distill_core.training.events import BatchHalved, OlderStateTaken, RolledBack, RunNotKept, StepMetrics
from distill_core.training.prior.events import (
    PriorEpochMetrics,
    PriorTrainingCompleteEvent,
    PriorTrainingStartEvent,
    verdict_words,
)
from distill_core.training.prior.words import agreement_words, file_prior_words, near_copies_words
from distill_core.training.words import computing_words, phase_words


def _proof_words(event: ProofProgress) -> str:
    what = f"without {event.without}" if event.without else "with all sounds"
    return f"Training {event.training} of {event.trainings}, {what}"


class TrainingProgress:
    """A listener that shows every event of scanning and training; `completed` is the event of the end."""

    def __init__(self, terminal: Terminal, overrides: Mapping[str, Any] | None = None) -> None:
        self.terminal, self._overrides = terminal, overrides or {}
        self.completed: PriorTrainingCompleteEvent | CodecTrainingCompleteEvent | None = None
        self._total_epochs = 1
        self._verdict = self._warned_of = ""
        self._bar = Bar(terminal, terminal.console)

    def __enter__(self) -> TrainingProgress:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def on_event(self, event: object) -> None:
        """Show one event."""
        match event:
            case JobProgress():
                self._bar.show(phase_words(event.phase), event.done, event.total or None)
            case SkippedFile():
                self.terminal.say(f"  skipped {event.name}: {event.reason}", "yellow")
            case RunNotKept():
                self.terminal.emit("run_not_kept", event)
                self.terminal.say(event.sentence, "yellow")
            case OlderStateTaken():
                self.terminal.emit("older_state_taken", event)
                self.terminal.say(event.sentence, "yellow")
            case BatchHalved():
                self.terminal.emit("batch_halved", event)
                self.terminal.say(event.sentence, "yellow")
            case RolledBack():
                self.terminal.emit("rolled_back", event)
                self.terminal.say(event.sentence, "yellow")
            case PriorTrainingStartEvent():
                self._show_start(event)
            case StepMetrics():
                done = (event.epoch - 1) * event.total_steps + event.step
                self._bar.show(f"Epoch {event.epoch}", done, event.total_steps * self._total_epochs, "training")
            case ProofProgress():
                self._bar.show(_proof_words(event), event.done, event.total, "proof")
            case PriorEpochMetrics():
                self._show_epoch(event)
            case CodecTrainingStartEvent():
                self._show_codec_start(event)
            case CodecEpochMetrics():
                self._show_codec_epoch(event)
            case PriorTrainingCompleteEvent() | CodecTrainingCompleteEvent():
                self.completed = event

    def _show_start(self, event: PriorTrainingStartEvent) -> None:
        self._total_epochs = event.total_epochs
        self.terminal.emit("start", event)
        files = f"{event.train_files} to train on, {event.validation_files} kept for validation"
        say_settings(self.terminal, event.config, self._overrides, "as before" if event.history else "auto")
        levels = ", ".join(f"{value:.1f}" for value in event.unigram_by_level)
        self.terminal.say(
            f"{event.code_count:,} codes, {event.duration_s:.1f} seconds of sound: {files}. "
            f"Perplexity of guessing by frequency alone: {event.unigram_perplexity:.1f}, by level {levels}."
        )
        self.terminal.say(computing_words(event.device, event.number_format))
        if agreement := agreement_words(event.sibling_agreement):
            self.terminal.say(f"{agreement}.")
        if event.sameness:
            self.terminal.say(event.sameness, "yellow")
        if copies := near_copies_words(event):
            self.terminal.say(copies, "yellow")
        if event.file_prior is not None:
            self.terminal.say(file_prior_words(event.file_prior))

    def _show_epoch(self, event: PriorEpochMetrics) -> None:
        self.terminal.emit("epoch", event)
        levels = ", ".join(f"{value:.1f}" for value in event.level_perplexities)
        self.terminal.say(
            f"Epoch {event.epoch}/{event.total_epochs} | train_loss: {event.train_loss:.4f} "
            f"| val_loss: {event.val_loss:.4f} | perplexity: {event.val_perplexity:.1f} "
            f"| best: {event.best_perplexity:.1f}"
        )
        if event.best_epoch == event.epoch:
            self.terminal.say(f"  a new best; by level: {levels}")
        if event.verdict != self._verdict:
            self.terminal.say(f"  verdict: {verdict_words(event.verdict)}")
        self._verdict = event.verdict
        warned_of = event.verdict if event.memorization_message else ""
        if warned_of and warned_of != self._warned_of:
            self.terminal.say(event.memorization_message, "yellow")
        self._warned_of = warned_of

    def _show_codec_start(self, event: CodecTrainingStartEvent) -> None:
        self._total_epochs = event.total_epochs
        self.terminal.emit("start", event)
        say_settings(self.terminal, event.config, self._overrides, "as before" if event.history else "auto")
        self.terminal.say(
            f"{event.chunks} seconds of sound: {event.train_files} to train on, {event.validation_files} kept for "
            f"validation. Error of answering with each sound's average spectrum: {event.mean_frame_l1:.3f}"
        )
        self.terminal.say(computing_words(event.device))

    def _show_codec_epoch(self, event: CodecEpochMetrics) -> None:
        self.terminal.emit("epoch", event)
        if event.is_fit:
            return self._say_fit(event)
        self.terminal.say(
            f"Epoch {event.epoch}/{event.total_epochs} | train_loss: {event.train_loss:.4f} "
            f"| val_loss: {event.val_loss:.4f} | error: {event.val_l1:.3f} | best: {event.best_val_loss:.4f}"
        )

    def _say_fit(self, event: CodecEpochMetrics) -> None:
        self.terminal.say(f"Fitted in {event.epoch_time_s:.1f} s: error {event.val_l1:.3f} on the sounds kept aside.")
        if rest := event.total_epochs - event.epoch:
            epochs = "1 epoch refines it" if rest == 1 else f"{rest} epochs refine it"
            self.terminal.say(f"It is usable from here on; {epochs}.")
