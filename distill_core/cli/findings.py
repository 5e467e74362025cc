"""What each training command tells about sounds and settings before it starts."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from distill_core.cli.progress import TrainingProgress
from distill_core.cli.terminal import Terminal
from distill_core.events import ShouldStop
from distill_core.training.metrics import Ended

if TYPE_CHECKING:
    from distill_core.audio.dataset import AudioDataset

_SHOWN_SKIPPED = 10


def scan_folder(folder: Path, progress: TrainingProgress, should_stop: ShouldStop) -> AudioDataset:
    """Scan the folder and emit the `scan` line.

    Raises:
        DatasetError: there is nothing usable.
        Stopped: `should_stop()` turned true.
    """
    from distill_core.audio.dataset import scan

    dataset = scan(folder, on_event=progress.on_event, should_stop=should_stop)
    progress.terminal.emit("scan", dataset, total_duration_s=dataset.total_duration_s)
    return dataset


def say_sounds(terminal: Terminal, dataset: AudioDataset, measure: str) -> None:
    """Tell how many sounds there are, what is special about some and which are skipped; `measure` is what is kept."""
    count = len(dataset.files)
    terminal.say(f"Sounds: {count} sound{'s' * (count != 1)}, {dataset.total_duration_s:.1f} s, in {dataset.folder}")
    if count == 1:
        terminal.say(f"One sound only: its end is kept for validation, so the {measure} is less trustworthy.", "yellow")
    if dataset.sameness:
        terminal.say(dataset.sameness, "yellow")
    for file in dataset.files:
        if file.note:
            terminal.say(f"  {file.name}: {file.note}", "yellow")
    for skipped in dataset.skipped[:_SHOWN_SKIPPED]:
        terminal.say(f"  skipped {skipped.name}: {skipped.reason}", "yellow")
    if len(dataset.skipped) > _SHOWN_SKIPPED:
        terminal.say(f"  and {len(dataset.skipped) - _SHOWN_SKIPPED} more were skipped", "yellow")


def say_stopped(terminal: Terminal, ended: Ended = Ended.STOPPED) -> None:
    """Tell that training ended before there was anything to save."""
    terminal.emit("done", saved_to=None, stopped_early=ended is Ended.STOPPED, ended=ended.value)
    why = "Its time limit came" if ended is Ended.TIME_LIMIT else "Stopped"
    terminal.say(f"{why} before the first epoch: nothing to save.")
