"""`distill train-prior MODEL DATASET`: the main job in the terminal."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from distill_core.cli.findings import say_sounds, say_stopped, scan_folder
from distill_core.cli.progress import TrainingProgress
from distill_core.cli.setting_flags import given, with_setting_flags
from distill_core.cli.terminal import Terminal, check_output, check_writable, stop_on_signals, terminal_session
from distill_core.errors import ChangedOnDiskError, ConfigError, SaveError
from distill_core.events import ShouldStop, Stopped
from distill_core.text import printable
from distill_core.training.prior_config import PriorConfig, config_for_sounds

if TYPE_CHECKING:
    from distill_core.audio.dataset import AudioDataset
    from distill_core.models.summary import ModelSummary
    from distill_core.training.checkpoint import UnfinishedRun
    from distill_core.training.prior_loop import TrainedPrior

_SHORT = {"max_epochs": "epochs", "num_layers": "layers", "num_heads": "heads", "learning_rate": "lr"}
_SHORT |= {"context_s": "context"}


@with_setting_flags(PriorConfig, _SHORT)
def train_prior(
    model: Annotated[Path, typer.Argument(help="The model file to train a prior for.", show_default=False)],
    dataset: Annotated[Path, typer.Argument(help="The folder of sounds to learn from.", show_default=False)],
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Save into a copy instead of MODEL.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace the file at --output.")] = False,
    replace_changed: Annotated[
        bool,
        typer.Option(
            "--replace-changed",
            help="Save also into a MODEL that another program changed meanwhile; MODEL.bak keeps that.",
        ),
    ] = False,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the unfinished training into MODEL.")] = False,
    no_cache: Annotated[bool, typer.Option("--no-cache", help="Encode all sounds anew, and keep no codes.")] = False,
    json: Annotated[bool, typer.Option("--json", help="One JSON object a line on stdout.")] = False,
    **settings: Any,
) -> None:
    """Train a prior on a folder of sounds and save it into the model file.

    Ctrl-C stops after the step and saves the best epoch.
    """
    with terminal_session(json) as terminal, stop_on_signals(terminal) as stop:
        if output is not None:
            check_output(output, force)
        job = _Job(terminal, model, dataset, output, replace_changed, resume, not no_cache)
        _run(job, given(settings), stop.is_set)


@dataclass(frozen=True, slots=True)
class _Job:
    """What was asked for but the settings."""

    terminal: Terminal
    model: Path
    folder: Path
    output: Path | None
    replace_changed: bool
    resume: bool
    use_cache: bool


def _run(job: _Job, overrides: dict[str, Any], should_stop: ShouldStop) -> None:
    config_for_sounds(1, 1, overrides)  # a setting that cannot be is told before any work
    from distill_core.models.persistence import read_summary
    from distill_core.training.checkpoint import RunFolder
    from distill_core.training.prior_loop import train_prior as train

    terminal, model, output = job.terminal, job.model, job.output
    summary, run_folder = read_summary(model), RunFolder.of(model)
    _look_for_unfinished(job, run_folder.unfinished(), overrides)
    check_writable(output or model)
    with TrainingProgress(terminal, overrides) as progress:
        try:
            dataset = scan_folder(job.folder, progress, should_stop)
        except Stopped:
            return say_stopped(terminal)
        _say_found(terminal, summary, dataset)
        _say_replacing(terminal, summary, output)
        trained = train(
            model,
            dataset,
            overrides,
            on_event=progress.on_event,
            should_stop=should_stop,
            use_cache=job.use_cache,
            run_folder=run_folder,
            resume=job.resume,
        )
    if trained.prior is None:
        return say_stopped(terminal)
    _say_backup(terminal, summary, trained, output)
    saved_to = _save(summary, trained, output, job.replace_changed)
    run_folder.discard()
    _say_done(terminal, trained, saved_to, progress)


def _look_for_unfinished(job: _Job, found: UnfinishedRun | None, overrides: dict[str, Any]) -> None:
    """Tell of an unfinished training, or check that it can be gone on with.

    Raises:
        ConfigError: it cannot.
    """
    name = printable(job.model.name)
    if job.resume and found is None:
        raise ConfigError("resume", f"There is no unfinished training into “{name}”.", "Leave --resume out.")
    if job.resume and overrides:
        what = ", ".join(sorted(overrides))
        raise ConfigError("resume", f"An unfinished training keeps its settings ({what}).", "Give --resume alone.")
    if not job.resume and found is not None:
        job.terminal.say(
            f"Unfinished training found: epoch {found.epoch} of {found.total_epochs}, perplexity "
            f"{found.best_perplexity:.2f}. --resume goes on with it; this one starts afresh and takes its place.",
            "yellow",
        )


def _save(summary: ModelSummary, trained: TrainedPrior, output: Path | None, replace_changed: bool) -> Path:
    """Save; where another program changed the model, into a copy beside it, for the prior would end with this program.

    Raises:
        SaveError: it was not saved where it should be; tells where it is.
    """
    from distill_core.models.persistence import save_prior_to_model

    if trained.prior is None:
        raise ValueError("there is no prior to save")
    prior = (trained.prior, trained.config, trained.metadata)
    expected = None if replace_changed else summary.stamp
    try:
        return save_prior_to_model(summary.path, *prior, output=output, expected=expected)
    except ChangedOnDiskError as error:
        copy = save_prior_to_model(summary.path, *prior, output=free_name(summary.path))
        raise ChangedOnDiskError(
            f"{error.message} The new prior is in “{printable(copy.name)}” beside it.",
            "That is a copy of the changed file. --replace-changed saves into a changed file and keeps a backup.",
        ) from error
    except SaveError as error:
        kept = "The prior is kept: once that is mended, train with --resume and it is saved at once."
        raise SaveError(error.message, f"{error.hint} {kept}".strip()) from error


def free_name(model: Path) -> Path:
    """Return a name beside the model that nothing bears."""
    names = (f"{model.stem} with prior{number}.distill" for number in ("", *(f" {count}" for count in range(2, 1000))))
    return next(path for name in names if not (path := model.with_name(name)).exists())


def _say_found(terminal: Terminal, summary: ModelSummary, dataset: AudioDataset) -> None:
    bands, steps = summary.grid
    terminal.say(
        f"Model: {summary.name} ({summary.num_quantizers} levels × {summary.codebook_size} codes, "
        f"{summary.spectrogram.sample_rate / 1000:g} kHz, {bands} bands × {steps} steps a second)"
    )
    say_sounds(terminal, dataset, "perplexity")


def _say_replacing(terminal: Terminal, summary: ModelSummary, output: Path | None) -> None:
    is_copy = output is not None and not (output.exists() and output.samefile(summary.path))
    if not summary.has_prior or is_copy:
        return
    best = summary.best_perplexity
    known = f"perplexity {best:.2f}" if best is not None else "perplexity unknown"
    if not summary.prior_is_readable:
        known += f", architecture “{summary.prior_architecture}” of a newer Distill"
    terminal.say(f"“{summary.path.name}” already has a prior ({known}). Saving replaces it.", "yellow")


def _say_backup(terminal: Terminal, summary: ModelSummary, trained: TrainedPrior, output: Path | None) -> None:
    from distill_core.models.persistence import ends_opening_in_the_ancestor

    if output is None and ends_opening_in_the_ancestor(summary.prior_architecture, trained.config["architecture"]):
        name = summary.path.name
        terminal.say(
            f"“{name}” will no longer open in the older Distill; “{name}.bak” keeps it as it was, until the next save.",
            "yellow",
        )


def _best_line(metadata: dict[str, Any]) -> str:
    best, unigram = metadata["best_perplexity"], metadata["unigram_perplexity"]
    levels = ", ".join(f"{value:.1f}" for value in metadata["level_perplexities"])
    return (
        f"Best perplexity {best:.2f} at epoch {metadata['best_epoch']}, by level {levels} "
        f"(guessing by frequency alone: {unigram:.1f})."
    )


def _say_done(terminal: Terminal, trained: TrainedPrior, saved_to: Path, progress: TrainingProgress) -> None:
    terminal.emit("done", progress.completed, saved_to=saved_to, stopped_early=trained.stopped_early)
    terminal.say(_best_line(trained.metadata))
    terminal.say(f"Saved into {saved_to}", "green")
