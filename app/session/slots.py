"""Two places for sounds that are compared, A and B."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    import numpy as np

Slot: TypeAlias = Literal["A", "B"]


@dataclass(frozen=True, slots=True, eq=False)
class Playable:
    """A sound to play: `samples` is float32 `[T]`, mono, at `sample_rate` Hz; `key` tells it from others."""

    title: str
    samples: np.ndarray[tuple[int, ...], np.dtype[np.float32]] = field(repr=False)
    sample_rate: int
    key: object = None

    @property
    def duration_s(self) -> float:
        """Its length in seconds."""
        return len(self.samples) / self.sample_rate

    def with_samples(self, samples: np.ndarray[tuple[int, ...], np.dtype[np.float32]]) -> Playable:
        """Return another state of the same sound."""
        return replace(self, samples=samples)

    def is_same(self, other: Playable | None) -> bool:
        """Tell whether both are one sound, by key if there is one."""
        return other is self or (other is not None and self.key is not None and self.key == other.key)


class Slots:
    """What is in A and in B: the last two sounds that were listened to."""

    def __init__(self) -> None:
        self.active: Slot = "A"
        self._held: dict[Slot, Playable] = {}

    @property
    def other(self) -> Slot:
        """The place that is not listened to."""
        return "B" if self.active == "A" else "A"

    def __getitem__(self, slot: Slot) -> Playable | None:
        return self._held.get(slot)

    def put(self, playable: Playable) -> None:
        """Listen to a sound: in the place where it is, or in that of the sound before the last."""
        here = self._held.get(self.active)
        if here is not None and not playable.is_same(here):
            self.active = self.other
        self._held[self.active] = playable

    def fill(self, first: Playable, second: Playable, active: Slot) -> Playable:
        """Put two sounds in A and B, listen to one of them, and return that."""
        self._held, self.active = {"A": first, "B": second}, active
        return self._held[active]

    def replace(self, playable: Playable) -> None:
        """Put a sound in the place that is listened to."""
        self._held[self.active] = playable

    def renew(self, former: Playable, playable: Playable) -> None:
        """Put a sound where a former state of it is."""
        for slot, held in self._held.items():
            if former.is_same(held):
                self._held[slot] = playable

    def choose(self, slot: Slot) -> Playable | None:
        """Listen to a place, and return what is in it; None if it is empty, and the place stays the former one."""
        if slot in self._held:
            self.active = slot
            return self._held[slot]
        return None
