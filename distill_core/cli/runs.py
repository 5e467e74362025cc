"""`distill runs`: the runs, which are trainings on disk that were never saved."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.cells import cell_len

from distill_core.cli.terminal import Terminal, check_output, check_writable, terminal_session
from distill_core.errors import ConfigError, DistillError
from distill_core.text import printable
from distill_core.training.run_folder.facts import STATE_WORDS, ListedRun
from distill_core.training.words import NO_UNFINISHED, not_removed_words

if TYPE_CHECKING:
    from distill_core.training.run_folder.stored import StoredRun

_TITLES = ("ID", "Kind", "Model", "Sounds", "Epoch", "Best", "State", "Size", "Written")
_FEWEST_ID_LETTERS, _LONGEST_NAME = 8, 28


def runs(
    discard: Annotated[
        str | None, typer.Option("--discard", metavar="ID", help="Remove this one; the beginning of an ID will do.")
    ] = None,
    save: Annotated[
        str | None, typer.Option("--save", metavar="ID", help="Save the best codec of this training of a codec.")
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="The model file to write with --save; else where it was to be saved."),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace the file at --output.")] = False,
    json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False,
) -> None:
    """List the trainings whose result was never saved: each model's, and those whose model is gone.

    `distill train-prior MODEL SOUNDS` goes on with one with --resume, and saves its best with --use-best; so does
    `distill train SOUNDS -o MODEL` with one that makes a model.
    """
    with terminal_session(json) as terminal:
        _check_flags(discard, save, output, force)
        from distill_core.training.kinds import listed_runs

        listed = listed_runs()
        if discard is not None:
            _discard(terminal, _named(listed, discard, "discard"))
        elif save is not None:
            _save(terminal, _named(listed, save, "save"), output, force)
        else:
            _show(terminal, listed)


def _check_flags(discard: str | None, save: str | None, output: Path | None, force: bool) -> None:
    """Refuse flags of which one would be ignored.

    Raises:
        ConfigError: names them.
    """
    if discard is not None and save is not None:
        raise ConfigError(
            "discard", "--discard and --save contradict each other; nothing was done.", "Give one of them alone."
        )
    if save is None and (output is not None or force):
        flag = "--output" if output is not None else "--force"
        raise ConfigError("output", f"{flag} belongs to --save; nothing was done.", "Name a training: --save ID")


def _named(listed: Sequence[ListedRun], start: str, flag: str) -> ListedRun:
    """Return the one run whose ID begins with `start`.

    Raises:
        ConfigError: no run has such an ID, or several have.
    """
    found = [run for run in listed if start and run.id.startswith(start)]
    shown = printable(start)
    if not found:
        raise ConfigError(flag, f"There is no training “{shown}”.", "distill runs lists those that there are.")
    if len(found) > 1:
        raise ConfigError(flag, f"The IDs of {len(found)} trainings begin with “{shown}”.", "Give more of the ID.")
    return found[0]


def _stored(run: ListedRun) -> StoredRun:
    from distill_core.training.kinds import stored_run

    return stored_run(run.id)


def _discard(terminal: Terminal, run: ListedRun) -> None:
    if obstacle := _stored(run).discard():
        raise ConfigError("discard", *not_removed_words(obstacle))
    terminal.emit("discarded", id=run.id)
    terminal.say(f"Discarded: {_run_in_words(run)}.", "green")


def _run_in_words(run: ListedRun) -> str:
    if run.facts is None:
        return f"a training that can't be read, {run.id}"
    return f"the training into “{printable(run.facts.model.name)}”, {run.facts.reached}"


def _save(terminal: Terminal, run: ListedRun, output: Path | None, force: bool) -> None:
    """Save the best codec of a run, and remove the run.

    Raises:
        ConfigError: the run is a prior's, a newer Distill made it, or it is in use.
        SaveError: the codec was not saved; the run is kept.
        ModelFileError: the run cannot be read, or no epoch of it is finished.
    """
    from distill_core.cli.progress import TrainingProgress
    from distill_core.training.codec.state import trained_of

    if run.facts is not None and not run.facts.kind.makes_a_model:
        raise ConfigError(
            "save",
            "That is the training of a prior, which is saved into its model.",
            "distill train-prior MODEL SOUNDS --use-best saves it.",
        )
    stored, path = _stored(run), output or (run.facts.model if run.facts is not None else None)
    if run.facts is None and (newer := stored.newer()) is not None:
        raise ConfigError("save", newer.message, newer.hint)
    with stored.in_use() as obstacle:
        if obstacle:
            raise ConfigError("save", f"{obstacle} Nothing was saved.", "Wait until it has ended, then try again.")
        trained = trained_of(stored.load(TrainingProgress(terminal).on_event))
        if path is None:
            raise ConfigError("output", "Where to save it can't be read.", "Name a file: --output MODEL.distill")
        check_output(path, force)
        check_writable(path)
        saved_to = trained.save(path)
        stored.remove()
    terminal.emit("done", id=run.id, saved_to=saved_to, best_epoch=trained.training_config.get("best_epoch"))
    terminal.say(f"Saved into {saved_to}", "green")


def _show(terminal: Terminal, listed: Sequence[ListedRun]) -> None:
    terminal.emit("runs", runs=[_as_object(run) for run in listed])
    if not listed:
        terminal.say(NO_UNFINISHED)
        return
    letters = _id_letters([run.id for run in listed])
    rows = [_TITLES, *(_row(run, letters) for run in listed)]
    widths = [max(cell_len(cell) for cell in column) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = (cell + " " * (width - cell_len(cell)) for cell, width in zip(row, widths, strict=True))
        terminal.say("  ".join(cells).rstrip())


def _id_letters(ids: Sequence[str]) -> int:
    """Return the number of first letters in which all IDs differ."""
    enough = (count for count in range(_FEWEST_ID_LETTERS, 256) if len({each[:count] for each in ids}) == len(ids))
    return next(enough, 256)


def _as_object(run: ListedRun) -> dict[str, Any]:
    """Return a run as a program reads it."""
    common = {"id": run.id, "state": run.state.value, "size_bytes": run.size_bytes, "written": _iso(run.written)}
    facts = run.facts
    if facts is None:
        return common
    return common | {
        "kind": facts.kind.name,
        "model": facts.model,
        "sounds": list(facts.sounds),
        "epoch": facts.epoch,
        "total_epochs": facts.total_epochs,
        "under_way": facts.under_way,
        "share": facts.share,
        "best_epoch": facts.best_epoch,
        f"best_{facts.kind.measure}": facts.best,
        "can_go_on": facts.can_go_on,
    }


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds).astimezone().isoformat(timespec="seconds")


def _row(run: ListedRun, letters: int) -> tuple[str, ...]:
    date, size = datetime.fromtimestamp(run.written).strftime("%Y-%m-%d %H:%M"), f"{run.size_bytes / 1e6:,.1f} MB"
    end, facts = (STATE_WORDS[run.state], size, date), run.facts
    if facts is None:
        return (run.id[:letters], *("–",) * 5, *end)
    sounds = _short(facts.sounds[0].name) if len(facts.sounds) == 1 else f"{len(facts.sounds)} places"
    epoch = facts.reached.removeprefix("epoch ")
    return (run.id[:letters], facts.kind.name, _short(facts.model.name), sounds, epoch, facts.best_words, *end)


def _short(name: str) -> str:
    """Return a name in one line; the middle of a long one is left out."""
    shown, half = printable(name), _LONGEST_NAME // 2
    return shown if len(shown) <= _LONGEST_NAME else f"{shown[:half]}…{shown[-half:]}"


def naming_kept_codec(error: DistillError, run_id: str) -> DistillError:
    """Return the error of a codec that could not be saved, with the command that saves it later."""
    kept = f"The codec is kept: distill runs --save {run_id[:_FEWEST_ID_LETTERS]} --output FILE saves it."
    return type(error)(error.message, f"{error.hint} {kept}".strip() if run_id else error.hint)
