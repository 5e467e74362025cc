"""The sounds behind a verdict, from values alone: which open sound it names, and the two that are compared."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    from app.session.slots import Playable
    from distill_core.audio.dataset import AudioDataset, AudioFile
    from distill_core.generation.takes.verdict import TakeVerdict

Part: TypeAlias = Literal["take", "sound"]


@dataclass(frozen=True, slots=True)
class MomentKey:
    """A part of a take, or the moment of a sound that it is nearest to, in the player."""

    model: Path
    number: int
    part: Part


@dataclass(frozen=True, slots=True)
class HeardEvidence:
    """A take's part and its nearest moment by a verdict, to be heard one against the other: both begin there."""

    number: int
    verdict: TakeVerdict
    take: Playable
    sound: Playable


_last_named: list[tuple[AudioDataset, dict[str, AudioFile]]] = []  # the sounds asked for last


def sound_called(dataset: AudioDataset | None, file: str) -> AudioFile | None:
    """Return the sound of a name or digest, None if it is not among these.

    Each bar of a chart asks for it after every change of state: looking through 20,000 sounds takes 3 ms.
    """
    if dataset is None:
        return None
    for known, by_name in _last_named:
        if known is dataset:
            return by_name.get(file)
    by_name = {key: each for each in reversed(dataset.files) for key in (each.digest, each.name)}
    _last_named[:] = [(dataset, by_name)]
    return by_name.get(file)
