"""`distill train SOUNDS… -o MODEL.distill`: a new codec from sounds."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from distill_core.awake import awake
from distill_core.cli.findings import Sounds, say_sounds, say_stopped, scan_sounds
from distill_core.cli.progress import TrainingProgress
from distill_core.cli.runs import naming_kept_codec
from distill_core.cli.setting_flags import Command, given, with_setting_flags
from distill_core.cli.terminal import Terminal, check_output, check_writable, stop_on_signals, terminal_session
from distill_core.cli.unfinished import Resume, Wanted, has_finished, note_finished, say_finished, wanted_now
from distill_core.distributed import Ranks, joined_ranks
from distill_core.errors import ConfigError, SaveError
from distill_core.events import ShouldStop, Stopped
from distill_core.models.architectures import NAMELESS_CODEC
from distill_core.training.codec.trainings import DEFAULT_CODEC, TRAININGS, CodecTraining, training_of
from distill_core.training.events import ENDED_WORDS, Ended

if TYPE_CHECKING:
    from distill_core.training.codec.trained import TrainedCodec
    from distill_core.training.run_folder.folder import RunFolder

_OTHERS = ", ".join(name for name in TRAININGS if name != DEFAULT_CODEC)
_ARCHITECTURE = (
    f"Which codec to train: {DEFAULT_CODEC} (default) or {_OTHERS}; an older Distill opens {NAMELESS_CODEC} alone."
)


def with_codec_flags(command: Command) -> Command:
    """Return the command with a flag for each setting of each codec, in the place of its `**settings`."""
    return with_setting_flags({name: training.settings for name, training in TRAININGS.items()})(command)


@with_codec_flags
def train(
    sounds: Sounds,
    output: Annotated[Path, typer.Option("--output", "-o", help="The model file to write.", show_default=False)],
    architecture: Annotated[str | None, typer.Option(help=_ARCHITECTURE)] = None,
    no_augment: Annotated[bool, typer.Option("--no-augment", help="Hear each sound once an epoch, as it is.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace the file at --output.")] = False,
    resume: Resume = False,
    use_best: Annotated[
        bool, typer.Option("--use-best", help="Save the best codec of the unfinished training as it is.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="One JSON object a line on stdout.")] = False,
    **settings: Any,
) -> None:
    """Train a model (its codec) on sounds and write a new model file.

    Ctrl-C stops within a second and saves the best epoch.
    """
    with terminal_session(json) as terminal, stop_on_signals(terminal) as stop, joined_ranks(stop.is_set) as ranks:
        if ranks.from_first(has_finished):
            return say_finished(terminal)
        wanted = Wanted(resume, use_best)
        chosen = given(settings)
        if no_augment and "augmentation" in chosen:
            message = "--augmentation and --no-augment contradict each other; nothing was done."
            raise ConfigError("augmentation", message, "Give one of them alone.")
        command = _TrainCommand(terminal, sounds, output, force, wanted, architecture, chosen, no_augment, ranks)
        _run(command, stop.is_set)


@dataclass(frozen=True, slots=True)
class _TrainCommand:
    """The arguments of `distill train`; `chosen` are the settings that were given."""

    terminal: Terminal
    sounds: list[Path]
    output: Path
    force: bool
    wanted: Wanted
    architecture: str | None
    chosen: dict[str, Any]
    no_augment: bool
    ranks: Ranks

    @property
    def asked(self) -> list[str]:
        """The names of all that was chosen, which an unfinished training does not change."""
        names = {"architecture": self.architecture is not None, "augmentation": self.no_augment}
        return [*self.chosen, *(name for name, is_asked in names.items() if is_asked)]

    def overrides(self, training: CodecTraining) -> dict[str, Any]:
        """Return the settings that are not to follow from the sounds; a codec without augmentation needs no word."""
        without = self.no_augment and training.has_setting("augmentation")
        return self.chosen | ({"augmentation": 0} if without else {})


def _run(command: _TrainCommand, should_stop: ShouldStop) -> None:
    training = training_of(DEFAULT_CODEC if command.architecture is None else command.architecture)
    overrides = command.overrides(training)
    training.check_overrides(overrides)
    from distill_core.training.codec.train import load_best_codec
    from distill_core.training.kinds import codec_runs

    run_folder, terminal, ranks = codec_runs(command.output), command.terminal, command.ranks
    wanted = Wanted(*ranks.from_first(lambda: _wanted(command, run_folder)))
    with awake(), TrainingProgress(terminal, overrides) as progress:
        if not wanted.use_best:
            trained = _train(command, overrides, wanted.resume, run_folder, progress, should_stop)
        elif ranks.is_first:
            trained = load_best_codec(run_folder, progress.on_event)
    if not ranks.is_first:
        return None
    if trained.model is None:
        return say_stopped(terminal, trained.ended, can_go_on=bool(trained.run_id))
    try:
        saved_to = trained.save(command.output, replace=command.force)
    except SaveError as error:
        raise naming_kept_codec(error, trained.run_id) from error
    note_finished()
    terminal.is_done = True
    run_folder.discard(trained.run_id)
    return _say_done(terminal, trained, saved_to, progress)


def _wanted(command: _TrainCommand, run_folder: RunFolder) -> Wanted:
    """Return what is wanted of an unfinished training, after all checks."""
    check_output(command.output, command.force)
    check_writable(command.output)
    return wanted_now(command.terminal, run_folder, command.wanted, command.asked)


def _train(
    command: _TrainCommand,
    overrides: dict[str, Any],
    resume: bool,
    run_folder: RunFolder,
    progress: TrainingProgress,
    should_stop: ShouldStop,
) -> TrainedCodec:
    from distill_core.training.codec.train import train_codec
    from distill_core.training.codec.trained import TrainedCodec

    try:
        dataset = scan_sounds(command.sounds, progress, should_stop, command.ranks)
    except Stopped:
        return TrainedCodec.none(Ended.STOPPED)
    say_sounds(command.terminal, dataset, "error")
    return train_codec(
        dataset,
        overrides,
        architecture=command.architecture,
        on_event=progress.on_event,
        should_stop=should_stop,
        run_folder=run_folder,
        resume=resume,
        ranks=command.ranks,
    )


def _say_done(terminal: Terminal, trained: TrainedCodec, saved_to: Path, progress: TrainingProgress) -> None:
    completed, ended = progress.completed, trained.ended
    facts = {"saved_to": saved_to, "stopped_early": trained.stopped_early, "ended": ended.value}
    best = {"best_epoch": trained.training_config.get("best_epoch")} if completed is None else {}
    terminal.emit("done", completed, **facts, **best)
    terminal.say(f"Training ended {ENDED_WORDS[ended]}.")
    _say_quality(terminal, trained)
    terminal.say(f"Saved into {saved_to}", "green")


def _say_quality(terminal: Terminal, trained: TrainedCodec) -> None:
    """Report the best epoch of a training; its codes are counted at the training's end only."""
    facts, first_level = trained.training_config, (trained.codebook_health or {}).get("level_0")
    is_fit = any(metrics.is_fit and metrics.epoch == facts["best_epoch"] for metrics in trained.history)
    best = f"Best epoch {facts['best_epoch']}{', the fit' if is_fit else ''}"
    use = "" if first_level is None else f", {first_level['utilization']:.0%} of the first level's codes in use"
    terminal.say(
        f"{best}: error {facts['best_val_l1']:.3f} on the sounds kept aside "
        f"(answering with each sound's average spectrum: {facts['mean_frame_l1']:.3f}){use}."
    )
    if facts["best_val_l1"] >= facts["mean_frame_l1"]:
        terminal.say("That is no better than the average: train for more epochs, or on more sounds.", "yellow")
