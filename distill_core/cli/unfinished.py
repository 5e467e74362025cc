"""The unfinished training at a command's place: the note on it, and the checks before it is gone on with."""

from __future__ import annotations

import time
from collections.abc import Collection
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple, TypeAlias

import typer

from distill_core.cli.terminal import Terminal
from distill_core.errors import ConfigError
from distill_core.folders import convenience, lock_folder
from distill_core.launch import is_restart, launch_id
from distill_core.text import file_name
from distill_core.training.run_folder.facts import NO_BEST, NO_BEST_HINT
from distill_core.training.words import STARTS_AFRESH, moved_words, unfinished_words

if TYPE_CHECKING:
    from distill_core.training.run_folder.facts import UnfinishedRun
    from distill_core.training.run_folder.folder import RunFolder

_FINISHED, _NOTE_S = ".finished", 7 * 24 * 3600.0  # by then no torchrun starts its processes again
Resume: TypeAlias = Annotated[bool, typer.Option("--resume", help="Go on with the unfinished training into MODEL.")]


class Wanted(NamedTuple):  # a tuple, to be told to other ranks
    """The wish for an unfinished training: to go on with it, to save its best, or neither."""

    resume: bool
    use_best: bool

    @property
    def flag(self) -> str:
        """The flag that was given."""
        return "--use-best" if self.use_best else "--resume"


def look_for_unfinished(terminal: Terminal, run_folder: RunFolder, wanted: Wanted, overrides: Collection[str]) -> None:
    """Print the note on an unfinished training, or check that it can be used as wanted; `overrides` were given.

    Raises:
        ConfigError: there is no run, it is a newer Distill's or in use, it has no best yet, or settings were given
            beside it.
        ModelFileError: an older Distill left its best alone.
    """
    found = run_folder.unfinished()
    if wanted.resume or wanted.use_best:
        _check(run_folder, found, wanted, overrides)
    elif found is not None:
        measure = {f"best_{found.kind.measure}": found.best}
        terminal.emit("unfinished", found, **measure, kind=found.kind.name, can_go_on=found.can_go_on)
        terminal.say(_line(found, run_folder), "yellow")


def _check(run_folder: RunFolder, found: UnfinishedRun | None, wanted: Wanted, overrides: Collection[str]) -> None:
    name = file_name(run_folder.model)
    if wanted.resume and wanted.use_best:
        raise ConfigError("resume", "--resume and --use-best contradict each other.", "Give one of them alone.")
    if run_folder.is_busy():
        raise ConfigError("resume", f"Another training into “{name}” is under way.", "Wait until it has ended.")
    if found is None and (newer := run_folder.newer()) is not None:
        raise ConfigError("resume", newer.message, newer.hint)
    if found is None:
        raise ConfigError(
            "resume",
            f"There is no unfinished training into “{name}”.",
            f"Leave {wanted.flag} out; distill runs lists all.",
        )
    if overrides:
        message = f"An unfinished training keeps its settings ({', '.join(sorted(overrides))})."
        raise ConfigError("resume", message, f"Give {wanted.flag} alone.")
    if wanted.use_best and not found.has_best:
        raise ConfigError("use_best", NO_BEST, NO_BEST_HINT)
    if wanted.resume:
        run_folder.check_can_go_on(found)


def _line(found: UnfinishedRun, run_folder: RunFolder) -> str:
    """Return the note on an unfinished training, and what becomes of it: the run of a moved model stays."""
    is_here = run_folder.is_at_its_place(found)
    moved = "" if is_here else f"{moved_words(found)} "
    go_on = "--resume goes on with it, " if found.can_go_on else ""
    leaves_it = "starts afresh and leaves it where distill runs lists it"
    afresh = STARTS_AFRESH if is_here else leaves_it
    best = f"--use-best saves its best {found.kind.name}, " if found.has_best else ""
    ways = f"{go_on}{best}".removesuffix(", ")
    return f"{unfinished_words(found)} {moved}{ways}; this one {afresh}."


def _finished_note() -> Path:
    return lock_folder() / f"{sha256(launch_id().encode()).hexdigest()[:32]}{_FINISHED}"


def _forget_old_notes() -> None:
    for note in lock_folder().glob(f"*{_FINISHED}"):
        if time.time() - note.stat().st_mtime > _NOTE_S:
            note.unlink(missing_ok=True)


def note_finished() -> None:
    """Note that what torchrun was started for is done: a process that it starts again has nothing to do."""
    if launch_id():
        with convenience("a note of the end"):
            _finished_note().touch()
            _forget_old_notes()


def has_finished() -> bool:
    """Tell whether the processes before this one had finished; a first start forgets what was before it."""
    if is_restart():
        return _finished_note().exists()
    with convenience("a note of the end"):
        _finished_note().unlink(missing_ok=True)
    return False


def say_finished(terminal: Terminal) -> None:
    """Say that a process which torchrun started again has nothing to do."""
    terminal.say("The training was saved before torchrun started this process again: there is nothing to do.")


def wanted_now(terminal: Terminal, run_folder: RunFolder, wanted: Wanted, overrides: Collection[str]) -> Wanted:
    """Return what is wanted of an unfinished training, after a look for one.

    Processes that torchrun has started again go on with what those before them had begun, or save it if it had ended.

    Raises:
        ConfigError: there is no run, it is a newer Distill's or in use, or settings were given beside it.
        ModelFileError: an older Distill left its best alone.
    """
    if is_restart():
        found = run_folder.unfinished()
        if found is not None and found.launch == launch_id():
            return Wanted(resume=found.can_go_on, use_best=not found.can_go_on)
    look_for_unfinished(terminal, run_folder, wanted, overrides)
    return wanted
