"""The sounds behind a verdict, from values alone: which open sound it names, and the two that are compared."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    from app.session.slots import Playable
    from distill_core.audio.dataset import AudioDataset, AudioFile

Part: TypeAlias = Literal["take", "sound"]


@dataclass(frozen=True, slots=True)
class MomentKey:
    """A part of a take, or the moment of a sound that it is nearest to, in the player."""

    model: Path
    number: int
    part: Part


@dataclass(frozen=True, slots=True)
class HeardEvidence:
    """A take's part and its nearest moment, to be heard one against the other: both begin where they agree."""

    number: int
    take: Playable
    sound: Playable


def sound_called(dataset: AudioDataset | None, file: str) -> AudioFile | None:
    """Return the sound of a name or digest, None if it is not among these."""
    files = () if dataset is None else dataset.files
    return next((each for each in files if file in (each.name, each.digest)), None)
