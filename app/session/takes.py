"""The takes of the open model: the choices for the next one, the one under way, and those on the shelf."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from distill_core.generation.request import DEFAULT_SECONDS, GenerateRequest, PromptMode

if TYPE_CHECKING:
    from distill_core.generation.takes.folder import Take

LEAST_VARIETY, MOST_VARIETY = 0.5, 1.5
LARGEST_SEED = 2**31 - 1  # of a field in the window


@dataclass(frozen=True, slots=True)
class TakeOptions:
    """The choices for the next take; see `GenerateRequest` for their meaning.

    `start` is a sound to start from; `holds_seed` leaves the seed as it is after a take.
    """

    seconds: float = DEFAULT_SECONDS
    one_sound: bool = False
    variety: float = 1.0
    start: Path | None = None
    mode: PromptMode = PromptMode.CONTINUE
    seed: int = 1
    holds_seed: bool = False

    @property
    def unasked(self) -> TakeOptions:
        """The choices for a take that nobody asked for: short, and from nothing."""
        return replace(self, seconds=min(self.seconds, DEFAULT_SECONDS), start=None)

    def request(self, *, can_end: bool, can_start: bool) -> GenerateRequest:
        """Return the request for a prior that knows, or does not know, where sounds end and how one goes on.

        Raises:
            ConfigError: an impossible choice; names the field.
        """
        is_variation = can_start and self.start is not None and self.mode is PromptMode.VARY
        return GenerateRequest(
            seconds=None if is_variation else self.seconds,
            until_end=self.one_sound and can_end and not is_variation,
            temperature=self.variety,
            seed=self.seed,
            prompt=self.start if can_start else None,
            mode=self.mode,
        )


@dataclass(frozen=True, slots=True, eq=False)
class Making:
    """A take under way: its title and seed, and whether it is played while it is made."""

    title: str
    seed: int
    is_aloud: bool


@dataclass(frozen=True, slots=True)
class TakeEvent:
    """An event from inside a take, and the one that it is of: one that was given up may still be telling something."""

    making: Making
    event: object


@dataclass(frozen=True, slots=True)
class TakesState:
    """The takes of the open model, the newest first, and what is done with them.

    `chosen` is the number of the take that the actions are for, 0 for none. `making` is the take under way. `deleted`
    are those that clicks bring back, the last first. `problem` says in a sentence what failed last.
    """

    takes: tuple[Take, ...] = ()
    options: TakeOptions = TakeOptions()
    chosen: int = 0
    making: Making | None = None
    deleted: tuple[Take, ...] = ()
    problem: str = ""

    def numbered(self, number: int) -> Take | None:
        """Return the take of a number, None if it is not on the shelf."""
        return next((take for take in self.takes if take.number == number), None)

    @property
    def chosen_take(self) -> Take | None:
        """The take that the actions are for."""
        return self.numbered(self.chosen)

    def starred(self, number: int, is_starred: bool) -> TakesState:
        """Return the takes, one of them with a star or without."""
        takes = (replace(take, is_starred=is_starred) if take.number == number else take for take in self.takes)
        return replace(self, takes=tuple(takes))

    def without(self, number: int) -> TakesState:
        """Return the takes without one, which can be brought back; the next one is chosen if it was."""
        numbers = [take.number for take in self.takes]
        place = numbers.index(number) if number in numbers else -1
        left = tuple(take for take in self.takes if take.number != number)
        next_chosen = left[min(place, len(left) - 1)].number if left and place >= 0 else 0
        chosen = next_chosen if self.chosen == number else self.chosen
        gone = tuple(take for take in self.takes if take.number == number)
        return replace(self, takes=left, chosen=chosen, deleted=(*gone, *self.deleted))

    def on_shelf(self, takes: Iterable[Take]) -> TakesState:
        """Return the state with what is on the shelf now; the chosen take stays chosen if it is there."""
        state = replace(self, takes=tuple(takes))
        return state if state.chosen_take is not None else replace(state, chosen=0)
