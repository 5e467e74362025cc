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
from distill_core.errors import ChangedOnDiskError, ConfigError, DistillError, ModelFileError, SaveError
from distill_core.events import ShouldStop, Stopped
from distill_core.text import printable
from distill_core.training.prior_config import PriorConfig, config_for_sounds

if TYPE_CHECKING:
    from distill_core.audio.dataset import AudioDataset
    from distill_core.models.summary import ModelSummary
    from distill_core.training.checkpoint import RunFolder
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
    use_best: Annotated[
        bool, typer.Option("--use-best", help="Save the best prior of the unfinished training as it is.")
    ] = False,
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
        job = _Job(terminal, model, dataset, output, replace_changed, resume, use_best, not no_cache)
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
    use_best: bool
    use_cache: bool


def _run(job: _Job, overrides: dict[str, Any], should_stop: ShouldStop) -> None:
    config_for_sounds(1, 1, overrides)  # a setting that cannot be is told before any work
    from distill_core.models.persistence import read_summary
    from distill_core.training.checkpoint import RunFolder
    from distill_core.training.prior_loop import load_best

    summary, run_folder = read_summary(job.model), RunFolder.of(job.model)
    _look_for_unfinished(job, run_folder, overrides)
    check_writable(job.output or job.model)
    with TrainingProgress(job.terminal, overrides) as progress:
        if job.use_best:
            trained = load_best(run_folder, progress.on_event)
        else:
            trained = _train(job, summary, run_folder, overrides, progress, should_stop)
    if trained.prior is None:
        return say_stopped(job.terminal)
    saved_to = _save(job, summary, run_folder, trained)
    run_folder.discard(trained.run_id)
    _say_done(job.terminal, trained, saved_to, progress)


def _train(
    job: _Job,
    summary: ModelSummary,
    run_folder: RunFolder,
    overrides: dict[str, Any],
    progress: TrainingProgress,
    should_stop: ShouldStop,
) -> TrainedPrior:
    from distill_core.training.prior_loop import TrainedPrior
    from distill_core.training.prior_loop import train_prior as train

    try:
        dataset = scan_folder(job.folder, progress, should_stop)
    except Stopped:
        return TrainedPrior(None, {}, {}, (), True)
    _say_found(job.terminal, summary, dataset)
    _say_replacing(job.terminal, summary, job.output)
    return train(
        job.model,
        dataset,
        overrides,
        on_event=progress.on_event,
        should_stop=should_stop,
        use_cache=job.use_cache,
        run_folder=run_folder,
        resume=job.resume,
    )


def _look_for_unfinished(job: _Job, run_folder: RunFolder, overrides: dict[str, Any]) -> None:
    """Tell of an unfinished training, or check that it can be gone on with.

    Raises:
        ConfigError: it cannot.
    """
    found, name = run_folder.unfinished(), printable(job.model.name)
    wants_it, flag = job.resume or job.use_best, "--use-best" if job.use_best else "--resume"
    if wants_it and run_folder.is_busy():
        raise ConfigError("resume", f"Another training into “{name}” is under way.", "Wait until it has ended.")
    if wants_it and found is None:
        raise ConfigError("resume", f"There is no unfinished training into “{name}”.", f"Leave {flag} out.")
    if wants_it and overrides:
        what = ", ".join(sorted(overrides))
        raise ConfigError("resume", f"An unfinished training keeps its settings ({what}).", f"Give {flag} alone.")
    if not wants_it and found is not None:
        job.terminal.emit("unfinished", found)
        job.terminal.say(
            f"Unfinished training found: epoch {found.epoch} of {found.total_epochs}, perplexity "
            f"{found.best_perplexity:.2f}. --resume goes on with it, --use-best saves its best prior; this one starts "
            "afresh and takes its place.",
            "yellow",
        )


def _kept_words(trained: TrainedPrior) -> str:
    if trained.is_kept:
        return "The prior is kept: once that is mended, --use-best saves it."
    if trained.run_id:
        return (
            "An earlier epoch is kept: once that is mended, --resume goes on from it, --use-best saves its best prior."
        )
    return ""


def _save(job: _Job, summary: ModelSummary, run_folder: RunFolder, trained: TrainedPrior) -> Path:
    """Save; where another program changed the model, into a copy beside it, for the prior would end with this program.

    Raises:
        SaveError: it was not saved where it should be; tells where it is.
        ModelFileError: the model is gone or damaged; tells where the prior is.
    """
    from distill_core.models.persistence import save_prior_to_model

    if trained.prior is None:
        raise ValueError("there is no prior to save")
    prior = (trained.prior, trained.config, trained.metadata)
    expected = None if job.replace_changed else summary.stamp
    try:
        before = _architecture_at(job.output or summary.path)
        saved_to = save_prior_to_model(summary.path, *prior, output=job.output, expected=expected)
        _say_backup(job.terminal, before, trained, saved_to)
        return saved_to
    except ChangedOnDiskError as error:
        raise _saved_beside(error, summary, run_folder, trained) from error
    except (SaveError, ModelFileError) as error:
        raise _with_kept_words(error, trained) from error


def _saved_beside(
    error: ChangedOnDiskError, summary: ModelSummary, run_folder: RunFolder, trained: TrainedPrior
) -> DistillError:
    """Save a copy of the changed model beside it, and return what to tell."""
    from distill_core.models.persistence import save_prior_to_model

    assert trained.prior is not None
    try:
        beside = free_name(summary.path)
        copy = save_prior_to_model(summary.path, trained.prior, trained.config, trained.metadata, output=beside)
    except (SaveError, ModelFileError) as worse:
        return _with_kept_words(worse, trained)
    run_folder.discard(trained.run_id)
    return ChangedOnDiskError(
        f"{error.message} The new prior is in “{printable(copy.name)}” beside it.",
        "That is a copy of the changed file. --replace-changed saves into a changed file and keeps a backup.",
    )


def _with_kept_words(error: SaveError | ModelFileError, trained: TrainedPrior) -> DistillError:
    return type(error)(error.message, f"{error.hint} {_kept_words(trained)}".strip())


def _architecture_at(path: Path) -> str | None:
    """Return the architecture of the prior in the file that a save replaces, None where there is no model."""
    from distill_core.models.persistence import read_summary

    try:
        return read_summary(path).prior_architecture
    except ModelFileError:
        return None


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


def _say_backup(terminal: Terminal, before: str | None, trained: TrainedPrior, saved_to: Path) -> None:
    from distill_core.models.backup import backup_of
    from distill_core.models.persistence import ends_opening_in_the_ancestor

    if before is not None and ends_opening_in_the_ancestor(before, trained.config["architecture"]):
        name, backup = printable(saved_to.name), printable(backup_of(saved_to).name)
        terminal.say(
            f"“{name}” no longer opens in the older Distill; “{backup}” keeps it as it was, until the next save.",
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
