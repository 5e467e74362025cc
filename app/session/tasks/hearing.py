"""Source sounds for the player, as they are and as the model makes them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from app.session.activity import Activity, Runner, Subject
from app.session.slots import Playable
from app.session.state import State
from app.session.task import Taken, Task
from distill_core.errors import DatasetError
from distill_core.events import OnEvent, ShouldStop
from distill_core.text import LONGEST_NAME, printable

if TYPE_CHECKING:
    from torch import Tensor

    from distill_core.audio.dataset import AudioFile
    from distill_core.models.summary import ModelSummary

Side: TypeAlias = Literal["original", "model"]

USUAL_RATE = 48_000  # Hz, where no model says another
LONGEST_S = 60.0  # of a source sound that is played


@dataclass(frozen=True, slots=True)
class SourceKey:
    """A source sound in the player: its file, and whether it is the file's or its round trip through the model."""

    file: AudioFile
    side: Side = "original"


def _title(file: AudioFile) -> str:
    first = f" (first {LONGEST_S:.0f} s)" if file.duration_s > LONGEST_S else ""
    return f"{printable(file.name, LONGEST_NAME)}{first}"


def _read(file: AudioFile, sample_rate: int, should_stop: ShouldStop) -> Tensor:
    """Return a file's waveform `[T]`, at most its first minute.

    Raises:
        DatasetError: it can no longer be read; says why.
        Stopped: `should_stop()` turned true.
    """
    import torch

    from distill_core.audio.decoding.kinds import UnreadableSoundError
    from distill_core.audio.io import read_blocks

    longest, blocks = round(LONGEST_S * sample_rate), []
    try:
        for block_T in read_blocks(file.path, sample_rate, file.channel, should_stop=should_stop):
            blocks.append(block_T)
            if sum(map(len, blocks)) >= longest:
                break
    except UnreadableSoundError as error:
        name = printable(file.name, LONGEST_NAME)
        raise DatasetError(f"“{name}” can't be played: {error}.", "Choose the sounds again.") from error
    return torch.cat([torch.zeros(0), *blocks])[:longest]


def _take(state: State, playable: Playable) -> Taken:
    return state, [("sound_heard", playable)]


def reading(file: AudioFile, sample_rate: int) -> Task[Playable]:
    """Read a source sound."""

    def run(on_event: OnEvent, should_stop: ShouldStop) -> Playable:
        waveform_T = _read(file, sample_rate, should_stop)
        return Playable(_title(file), waveform_T.numpy(), sample_rate, SourceKey(file))

    return Task(Activity.WORKING, Subject.HEARING, run, _take, Runner.SHELF)


def going_round(file: AudioFile, model: ModelSummary) -> Task[Playable]:
    """Send a source sound through a model and back."""

    def run(on_event: OnEvent, should_stop: ShouldStop) -> Playable:
        from distill_core.generation.round_trip import round_trip
        from distill_core.models.persistence import load_model_v2

        sample_rate = model.geometry.sample_rate
        waveform_T = _read(file, sample_rate, should_stop)
        heard_T = round_trip(load_model_v2(model.path), waveform_T, should_stop)
        return Playable(f"model: {_title(file)}", heard_T.numpy(), sample_rate, SourceKey(file, "model"))

    return Task(Activity.WORKING, Subject.HEARING, run, _take, Runner.LISTEN)
