"""The lines that each training command prints about its sounds, and about an end without a result."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

import typer

from distill_core.cli.progress import TrainingProgress
from distill_core.cli.terminal import Terminal
from distill_core.distributed import ALONE, Ranks
from distill_core.events import ShouldStop
from distill_core.training.events import Ended
from distill_core.training.words import nothing_to_save, one_sound_words

if TYPE_CHECKING:
    from distill_core.audio.dataset import AudioDataset, AudioFile

Sounds: TypeAlias = Annotated[
    list[Path], typer.Argument(help="Folders and files of sounds to learn from.", show_default=False)
]
_SHOWN_SKIPPED = 10
_SHOWN_SOURCES = 3


def _told(file: AudioFile) -> dict[str, Any]:
    """Return what a program is told of a sound."""
    facts = {each.name: getattr(file, each.name) for each in fields(file)}
    return {"path": facts.pop("place")} | {name: value for name, value in facts.items() if name != "stamp"}


def scan_sounds(
    sources: Sequence[Path], progress: TrainingProgress, should_stop: ShouldStop, ranks: Ranks = ALONE
) -> AudioDataset:
    """Scan folders and files, each rank a part of them, and emit the `scan` line.

    Raises:
        DatasetError: there are no usable sounds.
        Stopped: `should_stop()` turned true.
    """
    from distill_core.audio.dataset import scan

    dataset = scan(*sources, on_event=progress.on_event, should_stop=should_stop, ranks=ranks)
    if progress.terminal.as_json:
        files = [_told(file) for file in dataset.files]
        progress.terminal.emit("scan", dataset, total_duration_s=dataset.total_duration_s, files=files)
    return dataset


def _places(sources: Sequence[Path]) -> str:
    named = ", ".join(map(str, sources[:_SHOWN_SOURCES]))
    more = len(sources) - _SHOWN_SOURCES
    return f"{named} and {more} more" if more > 0 else named


def say_sounds(terminal: Terminal, dataset: AudioDataset, measure: str) -> None:
    """Print the number of sounds, notes on some of them, and those that are skipped.

    `measure` names the number that tells how good an epoch is.
    """
    count = len(dataset.files)
    terminal.say(
        f"Sounds: {count} sound{'s' * (count != 1)}, {dataset.total_duration_s:.1f} s, in {_places(dataset.sources)}"
    )
    if count == 1:
        terminal.say(one_sound_words(measure), "yellow")
    if dataset.sameness:
        terminal.say(dataset.sameness, "yellow")
    for file in dataset.files:
        if file.note:
            terminal.say(f"  {file.name}: {file.note}", "yellow")
    for skipped in dataset.skipped[:_SHOWN_SKIPPED]:
        terminal.say(f"  skipped {skipped.name}: {skipped.reason}", "yellow")
    if len(dataset.skipped) > _SHOWN_SKIPPED:
        terminal.say(f"  and {len(dataset.skipped) - _SHOWN_SKIPPED} more were skipped", "yellow")
    if dataset.passed_over:
        terminal.say(f"  {dataset.passed_over}", "yellow")


def say_stopped(terminal: Terminal, ended: Ended = Ended.STOPPED, *, can_go_on: bool = False) -> None:
    """Print that training ended before its first epoch had; `can_go_on`: it is on disk."""
    facts = {"stopped_early": ended is Ended.STOPPED, "ended": ended.value, "can_go_on": can_go_on}
    terminal.emit("done", saved_to=None, **facts)
    terminal.say(nothing_to_save(ended, can_go_on=can_go_on))
    if can_go_on:
        terminal.say("--resume goes on with it.")
