"""The scan of sounds, and the small pictures of them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from app.session.activity import Activity, Runner, Subject
from app.session.state import State
from app.session.task import Taken, Task
from distill_core.errors import DatasetError
from distill_core.events import OnEvent, ShouldStop, Stopped

if TYPE_CHECKING:
    from distill_core.audio.dataset import AudioDataset, AudioFile

PEAKS = 48  # of a small picture


@dataclass(frozen=True, slots=True)
class SoundOutline:
    """The shape of a source sound: the largest amplitude in each of equal parts, 0 to 1; none of a damaged one."""

    file: AudioFile
    peaks: tuple[float, ...]


def _kept_out(state: State, dataset: AudioDataset, left_out: Collection[str]) -> frozenset[str]:
    """Return the names to leave out of sounds: those asked for, and of the same places those from before."""
    same = set(state.open.sources) == set(dataset.sources)
    return frozenset(left_out) | (state.open.left_out if same else frozenset())


def _take(state: State, dataset: AudioDataset, left_out: Collection[str]) -> Taken:
    names = _kept_out(state, dataset, left_out)
    try:
        state = state.with_sounds(dataset, names)
    except DatasetError:  # the others are gone meanwhile
        state = state.with_sounds(dataset, frozenset())
    return state, [("dataset_changed", state.open.dataset)]


def scanning(sources: Sequence[Path], left_out: Collection[str] = ()) -> Task[AudioDataset]:
    """Look through folders of sounds and single ones, and leave out those of some names."""

    def run(on_event: OnEvent, should_stop: ShouldStop) -> AudioDataset:
        from distill_core import scan

        return scan(*sources, on_event=on_event, should_stop=should_stop)

    return Task(Activity.SCANNING, Subject.SOUNDS, run, lambda state, dataset: _take(state, dataset, left_out))


def _peaks(file: AudioFile, should_stop: ShouldStop) -> tuple[float, ...]:
    from distill_core.audio.decoding.kinds import UnreadableSoundError
    from distill_core.audio.peaks import peaks_of

    try:
        return peaks_of(file.path, file.duration_s, file.channel, PEAKS, should_stop)
    except UnreadableSoundError:
        return (0.0,) * PEAKS  # a click on it says why


def outlining(files: Sequence[AudioFile]) -> Task[None]:
    """Read sounds, and send the outline of each; a stop ends this without an error."""

    def run(on_event: OnEvent, should_stop: ShouldStop) -> None:
        with suppress(Stopped):
            for file in files:
                on_event(SoundOutline(file, _peaks(file, should_stop)))

    def take(state: State, _: None) -> Taken:
        return state, [("sounds_outlined", tuple(files))]

    return Task(Activity.WORKING, Subject.SHELF, run, take, Runner.SHELF)
