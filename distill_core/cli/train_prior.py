"""`distill train-prior MODEL SOUNDS…`: the main job in the terminal."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from distill_core.awake import awake
from distill_core.cli.audit import audit_after_training
from distill_core.cli.comparing import Comparing, check_folder
from distill_core.cli.findings import Sounds, say_sounds, say_stopped, scan_sounds
from distill_core.cli.prior_saving import PriorSaving
from distill_core.cli.progress import TrainingProgress
from distill_core.cli.setting_flags import given, with_setting_flags
from distill_core.cli.terminal import Terminal, check_output, check_writable, stop_on_signals, terminal_session
from distill_core.cli.unfinished import Resume, Wanted, has_finished, note_finished, say_finished, wanted_now
from distill_core.distributed import ALONE, Ranks, joined_ranks
from distill_core.events import ShouldStop, Stopped
from distill_core.models.codec_health import POOR_CODEC, CodecHealth, codec_health
from distill_core.text import LONGEST_NAME, printable
from distill_core.training.events import ENDED_WORDS, Ended
from distill_core.training.prior.config import PriorConfig, config_for_sounds
from distill_core.training.prior.events import Keep, verdict_words

if TYPE_CHECKING:
    from distill_core.audio.dataset import AudioDataset
    from distill_core.models.summary import ModelSummary
    from distill_core.training.prior.trained import TrainedPrior
    from distill_core.training.run_folder.folder import RunFolder

_DONE_FACTS = ("kept", "kept_epoch", "final_perplexity", "best_perplexity", "best_epoch", "verdict", "run_verdict")


@with_setting_flags({"prior": PriorConfig})
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
    resume: Resume = False,
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
    compare: Annotated[
        bool,
        typer.Option(
            "--compare",
            help="Tell the kept epochs apart by a take of each; with more than one, nothing is saved without --keep.",
        ),
    ] = False,
    takes: Annotated[
        Path | None, typer.Option("--takes", help="Compare, and write the takes into this folder as WAV.")
    ] = None,
    save_worse: Annotated[
        bool,
        typer.Option("--save-worse", help="Replace the prior in MODEL also by a worse one, or one that only guesses."),
    ] = False,
    no_audit: Annotated[
        bool, typer.Option("--no-audit", help="Do not compare what the prior makes with the sounds, after the save.")
    ] = False,
    no_cache: Annotated[bool, typer.Option("--no-cache", help="Encode all sounds again, and keep no codes.")] = False,
    json: Annotated[bool, typer.Option("--json", help="One JSON object a line on stdout.")] = False,
    **settings: Any,
) -> None:
    """Train a prior on sounds and save it into the model file.

    Ctrl-C stops within a second and saves the best epoch.
    """
    with terminal_session(json) as terminal, stop_on_signals(terminal) as stop, joined_ranks(stop.is_set) as ranks:
        if ranks.from_first(has_finished):
            return say_finished(terminal)
        ranks.together(partial(_check_places, output, force, takes))
        comparing = Comparing(terminal, model, takes, not no_cache) if compare or takes is not None else None
        command = _TrainPriorCommand(
            terminal,
            model,
            sounds,
            output,
            replace_changed,
            resume,
            use_best,
            keep,
            comparing,
            save_worse,
            not no_audit,
            not no_cache,
            ranks,
        )
        _run(command, given(settings), stop.is_set)


def _check_places(output: Path | None, force: bool, takes: Path | None) -> None:
    if output is not None:
        check_output(output, force)
    if takes is not None:
        check_folder(takes)


@dataclass(frozen=True, slots=True)
class _TrainPriorCommand:
    """The arguments of `distill train-prior`, without the settings."""

    terminal: Terminal
    model: Path
    sounds: list[Path]
    output: Path | None
    replace_changed: bool
    resume: bool
    use_best: bool
    keep: Keep | None
    comparing: Comparing | None
    save_worse: bool
    audits: bool
    use_cache: bool
    ranks: Ranks


def _run(command: _TrainPriorCommand, overrides: dict[str, Any], should_stop: ShouldStop) -> None:
    config_for_sounds(1, 1, overrides)  # refuses wrong settings before any work
    from distill_core.models.persistence import read_summary
    from distill_core.training.kinds import prior_runs

    run_folder = prior_runs(command.model)
    summary = command.ranks.together(lambda: read_summary(command.model))
    saving = PriorSaving(
        command.terminal, summary, run_folder, command.output, command.replace_changed, command.save_worse
    )
    wanted = Wanted(*command.ranks.from_first(lambda: _wanted(command, run_folder, overrides)))
    if wanted.use_best and not command.ranks.is_first:
        return None
    with awake(), TrainingProgress(command.terminal, overrides) as progress:
        trained, dataset = _trained(command, wanted, saving, overrides, progress, should_stop)
        if not command.ranks.is_first:
            return None
        is_to_choose = trained.prior is not None and _compare(command, trained, dataset, progress, should_stop)
    if trained.prior is None:
        return say_stopped(command.terminal, trained.ended, can_go_on=bool(trained.run_id))
    if command.keep is not None:
        trained = trained.keeping(command.keep)
    elif is_to_choose and trained.is_kept:
        return _say_unsaved(command.terminal, trained, progress)
    saved_to = saving.save(trained)
    note_finished()
    if command.audits and dataset is not None:
        audit_after_training(command.terminal, saved_to, dataset, should_stop, use_cache=command.use_cache)
    command.terminal.is_done = True
    return _say_done(command.terminal, trained, saved_to, progress)


def _wanted(command: _TrainPriorCommand, run_folder: RunFolder, overrides: dict[str, Any]) -> Wanted:
    """Return what is wanted of an unfinished training, after all checks."""
    wanted = wanted_now(command.terminal, run_folder, Wanted(command.resume, command.use_best), overrides)
    check_writable(command.output or command.model)
    return wanted


def _trained(
    command: _TrainPriorCommand,
    wanted: Wanted,
    saving: PriorSaving,
    overrides: dict[str, Any],
    progress: TrainingProgress,
    should_stop: ShouldStop,
) -> tuple[TrainedPrior, AudioDataset | None]:
    """Return the result of a training, or of the unfinished one, with the sounds, if these were looked at."""
    from distill_core.training.prior.train import load_best, train_prior
    from distill_core.training.prior.trained import TrainedPrior

    if wanted.use_best and command.comparing is None:
        return load_best(saving.run_folder, progress.on_event), None
    ranks = ALONE if wanted.use_best else command.ranks
    try:
        dataset = scan_sounds(command.sounds, progress, should_stop, ranks)
    except Stopped:
        return TrainedPrior.none(Ended.STOPPED), None
    if wanted.use_best:
        return load_best(saving.run_folder, progress.on_event), dataset
    _say_what_is_trained(command, saving, dataset)
    trained = train_prior(
        command.model,
        dataset,
        overrides,
        on_event=progress.on_event,
        should_stop=should_stop,
        use_cache=command.use_cache,
        run_folder=saving.run_folder,
        resume=wanted.resume,
        ranks=ranks,
    )
    return trained, dataset


def _say_what_is_trained(command: _TrainPriorCommand, saving: PriorSaving, dataset: AudioDataset) -> None:
    _say_found(command.terminal, saving.summary, dataset)
    _say_poor_codec(command.terminal, codec_health(saving.summary))
    saving.say_replacing()


def _compare(
    command: _TrainPriorCommand,
    trained: TrainedPrior,
    dataset: AudioDataset | None,
    progress: TrainingProgress,
    should_stop: ShouldStop,
) -> bool:
    """Compare the kept epochs if that was asked for, and return whether there are several to choose from."""
    return command.comparing is not None and command.comparing.compare(trained, dataset, progress, should_stop)


def _say_found(terminal: Terminal, summary: ModelSummary, dataset: AudioDataset) -> None:
    terminal.say(
        f"Model: {printable(summary.name, LONGEST_NAME)} "
        f"({summary.num_quantizers} levels × {summary.codebook_size} codes, "
        f"{summary.geometry.sample_rate / 1000:g} kHz, {summary.positions_words})"
    )
    say_sounds(terminal, dataset, "perplexity")


def _say_poor_codec(terminal: Terminal, health: CodecHealth) -> None:
    """Warn of a codec whose faults the prior inherits; it stops nothing."""
    if health.warning:
        dead = [level.level for level in health.dead_levels]
        errors = {"error": health.error, "average_error": health.average_error}
        terminal.emit("poor_codec", message=f"{POOR_CODEC} {health.warning}", dead_levels=dead, **errors)
        terminal.say(f"{POOR_CODEC} {health.warning}", "yellow")


def _kept_line(trained: TrainedPrior) -> str:
    from distill_core.models.summary import unigram_of

    metadata = trained.metadata
    levels = ", ".join(f"{value:.1f}" for value in metadata["level_perplexities"])
    unigram = unigram_of(metadata)
    guessing = "" if unigram is None else f" (guessing by frequency alone: {unigram:.1f})"
    line = f"Kept: {trained.kept_words}, perplexity {metadata['final_perplexity']:.2f}, by level {levels}{guessing}."
    verdict = verdict_words(metadata.get("verdict"))
    return f"{line} Verdict: {verdict}." if verdict else line


def _emit_done(terminal: Terminal, trained: TrainedPrior, saved_to: Path | None, progress: TrainingProgress) -> None:
    metadata = trained.metadata
    stopped, ended = trained.stopped_early, trained.ended
    # The event's own values are those of the last epoch, these are those of the epoch that was saved.
    kept = {name: metadata.get(name) for name in _DONE_FACTS}
    facts = {"saved_to": saved_to, "stopped_early": stopped, "ended": ended.value, **kept}
    terminal.emit("done", progress.completed, **facts)


def _say_unsaved(terminal: Terminal, trained: TrainedPrior, progress: TrainingProgress) -> None:
    """Print that the choice between the compared epochs is open: a save would take the others away."""
    terminal.is_done = True
    _emit_done(terminal, trained, None, progress)
    choices = " or ".join(which.value for which, _ in trained.looser_to_closer)
    terminal.say(f"Not saved yet, and kept: --use-best --keep {choices} saves that one into the model.", "yellow")


def _say_done(terminal: Terminal, trained: TrainedPrior, saved_to: Path, progress: TrainingProgress) -> None:
    _emit_done(terminal, trained, saved_to, progress)
    terminal.say(f"Training ended {ENDED_WORDS[trained.ended]}.")
    terminal.say(_kept_line(trained))
    if note := trained.guessing_note():
        terminal.say(note, "yellow")
    terminal.say(f"Saved into {saved_to}", "green")
