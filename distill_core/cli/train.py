"""`distill train SOUNDS… -o MODEL.distill`: a new codec from sounds."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from distill_core.cli.findings import Sounds, say_sounds, say_stopped, scan_sounds
from distill_core.cli.progress import TrainingProgress
from distill_core.cli.runs import kept_codec_words
from distill_core.cli.terminal import (
    Terminal,
    check_output,
    check_writable,
    say_settings,
    stop_on_signals,
    terminal_session,
)
from distill_core.errors import SaveError
from distill_core.events import ShouldStop, Stopped
from distill_core.training.codec.config import VQVAEConfig, get_adaptive_vqvae_config
from distill_core.training.codec.events import VQVAETrainingCompleteEvent
from distill_core.training.run_folder.facts import Kind
from distill_core.training.settings import setting_docs

if TYPE_CHECKING:
    from distill_core.training.codec.train import TrainedVQVAE
    from distill_core.training.run_folder.folder import RunFolder

_DOCS = setting_docs(VQVAEConfig)


def train(
    sounds: Sounds,
    output: Annotated[Path, typer.Option("--output", "-o", help="The model file to write.", show_default=False)],
    epochs: Annotated[int | None, typer.Option(help=_DOCS["max_epochs"])] = None,
    codebook_size: Annotated[int | None, typer.Option(help=_DOCS["codebook_size"])] = None,
    levels: Annotated[int | None, typer.Option(help=_DOCS["num_quantizers"])] = None,
    lr: Annotated[float | None, typer.Option(help=_DOCS["learning_rate"])] = None,
    dropout: Annotated[float | None, typer.Option(help=_DOCS["dropout"])] = None,
    batch_size: Annotated[int | None, typer.Option(help=_DOCS["batch_size"])] = None,
    seed: Annotated[int | None, typer.Option(help=_DOCS["seed"])] = None,
    device: Annotated[str | None, typer.Option(help=_DOCS["device"])] = None,
    no_augment: Annotated[bool, typer.Option("--no-augment", help="Hear each sound once an epoch, as it is.")] = False,
    anonymous: Annotated[bool | None, typer.Option("--anonymous", help=_DOCS["anonymous"])] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace the file at --output.")] = False,
    json: Annotated[bool, typer.Option("--json", help="One JSON object a line on stdout.")] = False,
) -> None:
    """Train a model (its codec) on sounds and write a new model file.

    Ctrl-C stops within a second and saves the best epoch.
    """
    overrides = {
        "max_epochs": epochs,
        "codebook_size": codebook_size,
        "num_quantizers": levels,
        "learning_rate": lr,
        "dropout": dropout,
        "batch_size": batch_size,
        "seed": seed,
        "device": device,
        "augmentation": 0 if no_augment else None,
        "anonymous": anonymous,
    }
    given = {name: value for name, value in overrides.items() if value is not None}
    with terminal_session(json) as terminal, stop_on_signals(terminal) as stop:
        _run(terminal, sounds, given, output, force, stop.is_set)


def _run(
    terminal: Terminal,
    sounds: list[Path],
    overrides: dict[str, Any],
    output: Path,
    force: bool,
    should_stop: ShouldStop,
) -> None:
    get_adaptive_vqvae_config(1, **overrides)  # a setting that cannot be is told before any work
    check_output(output, force)
    check_writable(output)
    from distill_core.training.codec.train import train_vqvae
    from distill_core.training.run_folder.folder import RunFolder

    run_folder = RunFolder.of(output, Kind.CODEC)
    _look_for_unfinished(terminal, run_folder)
    with TrainingProgress(terminal) as progress:
        try:
            dataset = scan_sounds(sounds, progress, should_stop)
        except Stopped:
            return say_stopped(terminal)
        config = get_adaptive_vqvae_config(len(dataset.files), **overrides)
        say_sounds(terminal, dataset, "error")
        say_settings(terminal, config, overrides)
        trained = train_vqvae(
            dataset, config, on_event=progress.on_event, should_stop=should_stop, run_folder=run_folder
        )
    if trained.model is None:
        return say_stopped(terminal)
    try:
        saved_to = trained.save(output)
    except SaveError as error:
        raise kept_codec_words(error, trained.run_id) from error
    terminal.is_done = True
    run_folder.discard(trained.run_id)
    _say_done(terminal, trained, saved_to, progress)


def _look_for_unfinished(terminal: Terminal, run_folder: RunFolder) -> None:
    """Tell of an unfinished training of a codec that was to be saved there."""
    found = run_folder.unfinished()
    if found is not None:
        terminal.emit("unfinished", found)
        terminal.say(
            f"Unfinished training found: epoch {found.epoch} of {found.total_epochs}, error {found.best:.3f}. "
            f"distill runs --save {found.run_id[:8]} saves its best codec; this one starts afresh and takes its place.",
            "yellow",
        )


def _say_done(terminal: Terminal, trained: TrainedVQVAE, saved_to: Path, progress: TrainingProgress) -> None:
    completed = progress.completed
    terminal.emit("done", completed, saved_to=saved_to, stopped_early=trained.stopped_early)
    if isinstance(completed, VQVAETrainingCompleteEvent):
        _say_quality(terminal, completed)
    terminal.say(f"Saved into {saved_to}", "green")


def _say_quality(terminal: Terminal, completed: VQVAETrainingCompleteEvent) -> None:
    terminal.say(
        f"Best epoch {completed.best_epoch}: error {completed.val_l1:.3f} on the sounds kept aside "
        f"(answering with each sound's average spectrum: {completed.mean_frame_l1:.3f}), "
        f"{completed.codebook_use:.0%} of the first level's codes in use."
    )
    if completed.val_l1 >= completed.mean_frame_l1:
        terminal.say("That is no better than the average: train for more epochs, or on more sounds.", "yellow")
