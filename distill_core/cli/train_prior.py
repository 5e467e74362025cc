"""`distill train-prior MODEL SOUNDS…`: the main job in the terminal."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from distill_core.cli.findings import Sounds, say_sounds, say_stopped, scan_sounds
from distill_core.cli.prior_saving import PriorSaving
from distill_core.cli.progress import TrainingProgress
from distill_core.cli.setting_flags import given, with_setting_flags
from distill_core.cli.terminal import Terminal, check_output, check_writable, stop_on_signals, terminal_session
from distill_core.errors import ConfigError
from distill_core.events import ShouldStop, Stopped
from distill_core.text import LONGEST_NAME, file_name, printable
from distill_core.training.events import ENDED_WORDS, Ended
from distill_core.training.prior.config import PriorConfig, config_for_sounds
from distill_core.training.prior.events import Keep, verdict_words

if TYPE_CHECKING:
    from distill_core.audio.dataset import AudioDataset
    from distill_core.models.summary import ModelSummary
    from distill_core.training.prior.trained import TrainedPrior
    from distill_core.training.run_folder.facts import UnfinishedRun
    from distill_core.training.run_folder.folder import RunFolder

_SHORT = {"max_epochs": "epochs", "num_layers": "layers", "num_heads": "heads", "learning_rate": "lr"}
_SHORT |= {"context_s": "context", "time_limit_min": "time-limit"}
_DONE_FACTS = ("kept", "kept_epoch", "final_perplexity", "best_perplexity", "best_epoch", "verdict", "run_verdict")


@with_setting_flags(PriorConfig, _SHORT)
def train_prior(
    model: Annotated[Path, typer.Argument(help="The model file to train a prior for.", show_default=False)],
    sounds: Sounds,
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
    keep: Annotated[
        Keep | None,
        typer.Option(
            "--keep",
            help="Which epoch to save; unasked it is the best, or the best before memorizing where that came first.",
        ),
    ] = None,
    save_worse: Annotated[
        bool,
        typer.Option("--save-worse", help="Replace the prior in MODEL also by a worse one, or one that only guesses."),
    ] = False,
    no_cache: Annotated[bool, typer.Option("--no-cache", help="Encode all sounds anew, and keep no codes.")] = False,
    json: Annotated[bool, typer.Option("--json", help="One JSON object a line on stdout.")] = False,
    **settings: Any,
) -> None:
    """Train a prior on sounds and save it into the model file.

    Ctrl-C stops within a second and saves the best epoch.
    """
    with terminal_session(json) as terminal, stop_on_signals(terminal) as stop:
        if output is not None:
            check_output(output, force)
        job = _Job(terminal, model, sounds, output, replace_changed, resume, use_best, keep, save_worse, not no_cache)
        _run(job, given(settings), stop.is_set)


@dataclass(frozen=True, slots=True)
class _Job:
    """What was asked for but the settings."""

    terminal: Terminal
    model: Path
    sounds: list[Path]
    output: Path | None
    replace_changed: bool
    resume: bool
    use_best: bool
    keep: Keep | None
    save_worse: bool
    use_cache: bool


def _run(job: _Job, overrides: dict[str, Any], should_stop: ShouldStop) -> None:
    config_for_sounds(1, 1, overrides)  # a setting that cannot be is told before any work
    from distill_core.models.persistence import read_summary
    from distill_core.training.prior.train import load_best
    from distill_core.training.run_folder.folder import RunFolder

    summary, run_folder = read_summary(job.model), RunFolder.of(job.model)
    _look_for_unfinished(job, run_folder, overrides)
    check_writable(job.output or job.model)
    saving = PriorSaving(job.terminal, summary, run_folder, job.output, job.replace_changed, job.save_worse)
    with TrainingProgress(job.terminal, overrides) as progress:
        if job.use_best:
            trained = load_best(run_folder, progress.on_event)
        else:
            trained = _train(job, saving, overrides, progress, should_stop)
    if trained.prior is None:
        return say_stopped(job.terminal, trained.ended)
    if job.keep is not None:
        trained = trained.keeping(job.keep)
    saved_to = saving.save(trained)
    job.terminal.is_done = True
    _say_done(job.terminal, trained, saved_to, progress)


def _train(
    job: _Job,
    saving: PriorSaving,
    overrides: dict[str, Any],
    progress: TrainingProgress,
    should_stop: ShouldStop,
) -> TrainedPrior:
    from distill_core.training.prior.train import train_prior as train
    from distill_core.training.prior.trained import TrainedPrior

    try:
        dataset = scan_sounds(job.sounds, progress, should_stop)
    except Stopped:
        return TrainedPrior.none(Ended.STOPPED)
    _say_found(job.terminal, saving.summary, dataset)
    saving.say_replacing()
    return train(
        job.model,
        dataset,
        overrides,
        on_event=progress.on_event,
        should_stop=should_stop,
        use_cache=job.use_cache,
        run_folder=saving.run_folder,
        resume=job.resume,
    )


def _look_for_unfinished(job: _Job, run_folder: RunFolder, overrides: dict[str, Any]) -> None:
    """Tell of an unfinished training, or check that it can be gone on with.

    Raises:
        ConfigError: it cannot.
    """
    from distill_core.training.run_folder.format import comparable, older_run

    found, name = run_folder.unfinished(), file_name(job.model)
    wants_it, flag = job.resume or job.use_best, "--use-best" if job.use_best else "--resume"
    if wants_it and run_folder.is_busy():
        raise ConfigError("resume", f"Another training into “{name}” is under way.", "Wait until it has ended.")
    if wants_it and found is None:
        raise ConfigError(
            "resume", f"There is no unfinished training into “{name}”.", f"Leave {flag} out; distill runs lists all."
        )
    if wants_it and overrides:
        what = ", ".join(sorted(overrides))
        raise ConfigError("resume", f"An unfinished training keeps its settings ({what}).", f"Give {flag} alone.")
    if job.resume and found is not None and found.is_older:
        raise older_run()
    if not wants_it and found is not None:
        job.terminal.emit("unfinished", found, best_perplexity=found.best)
        job.terminal.say(_unfinished_line(found, is_moved=comparable(found.model) != comparable(job.model)), "yellow")


def _unfinished_line(found: UnfinishedRun, *, is_moved: bool) -> str:
    """Return what there is to go on with, and what becomes of it otherwise: a model that moved takes no place."""
    of_whom = " of an older Distill" if found.is_older else ""
    into = f" into “{printable(found.model.name)}”, which is this model by another name," if is_moved else ""
    go_on = "--resume goes on with it, " if found.can_go_on else ""
    afresh = "and leaves it where distill runs lists it" if is_moved else "and takes its place"
    return (
        f"Unfinished training{of_whom}{into} found: epoch {found.epoch} of {found.total_epochs}, perplexity "
        f"{found.best:.2f}. {go_on}--use-best saves its best prior; this one starts afresh {afresh}."
    )


def _say_found(terminal: Terminal, summary: ModelSummary, dataset: AudioDataset) -> None:
    bands, steps = summary.grid
    terminal.say(
        f"Model: {printable(summary.name, LONGEST_NAME)} "
        f"({summary.num_quantizers} levels × {summary.codebook_size} codes, "
        f"{summary.spectrogram.sample_rate / 1000:g} kHz, {bands} bands × {steps} steps a second)"
    )
    say_sounds(terminal, dataset, "perplexity")


def _kept_line(trained: TrainedPrior) -> str:
    from distill_core.models.summary import unigram_of

    metadata = trained.metadata
    levels = ", ".join(f"{value:.1f}" for value in metadata["level_perplexities"])
    unigram = unigram_of(metadata)
    guessing = "" if unigram is None else f" (guessing by frequency alone: {unigram:.1f})"
    line = f"Kept: {trained.kept_words}, perplexity {metadata['final_perplexity']:.2f}, by level {levels}{guessing}."
    verdict = verdict_words(metadata.get("verdict"))
    return f"{line} Verdict: {verdict}." if verdict else line


def _say_done(terminal: Terminal, trained: TrainedPrior, saved_to: Path, progress: TrainingProgress) -> None:
    metadata = trained.metadata
    facts = {name: metadata.get(name) for name in _DONE_FACTS}
    stopped, ended = trained.stopped_early, trained.ended
    # The end's own values are those of the last epoch; what was saved is told here.
    told = {"saved_to": saved_to, "stopped_early": stopped, "ended": ended.value, **facts}
    terminal.emit("done", progress.completed, **told)
    terminal.say(f"Training ended {ENDED_WORDS[ended]}.")
    terminal.say(_kept_line(trained))
    if note := trained.guessing_note():
        terminal.say(note, "yellow")
    terminal.say(f"Saved into {saved_to}", "green")
