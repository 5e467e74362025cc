"""A take: made by a voice, sent on block by block, and put on the shelf."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from app.session.activity import Activity, Runner, Subject
from app.session.player import Playable
from app.session.state import State
from app.session.takes import Making, TakeEvent, TakeOptions
from app.session.task import Taken, Task
from app.session.tasks.shelving import Shelf, TakeOutline, is_open, outline, take_key, take_shelf, take_title
from app.session.tasks.voices import Voice, Voices
from distill_core.errors import SaveError
from distill_core.events import OnEvent, ShouldStop, stop_point
from distill_core.generation.request import GenerateRequest

if TYPE_CHECKING:
    from distill_core.generation.request import Sample
    from distill_core.models.persistence import LoadedVQModel

Wanted: TypeAlias = Callable[["LoadedVQModel"], GenerateRequest]

_NOT_SHELVED = "This take can be played until the next one, but it is not on the shelf."


@dataclass(frozen=True, slots=True)
class MadeTake:
    """A take that is made: the one that it was, its sound, its outline, and its place on the shelf.

    `number` is 0 and `shelf` None if it could not be put there; `problem` says why then.
    """

    making: Making
    model: Path
    playable: Playable
    outline: TakeOutline
    number: int = 0
    shelf: Shelf | None = None
    problem: str = ""


def _tell(on_event: OnEvent, making: Making, event: object) -> None:
    on_event(TakeEvent(making, event))


def _shelved(model: Path, making: Making, sample: Sample, prior_metadata: dict[str, Any] | None) -> MadeTake:
    """Put a take on the shelf; what hinders that is part of the result, for the take can still be played."""
    from distill_core.generation.takes.shelf import TakeShelf

    samples_T = (sample.waveform_T * sample.gain).numpy()
    peaks = outline(samples_T)
    try:
        shelf = TakeShelf(model)
        take = shelf.add(sample, prior_metadata)
        takes = Shelf(model, tuple(shelf.takes()))
    except SaveError as error:
        playable = Playable(making.title, samples_T, sample.sample_rate)
        problem = f"{error.message} {error.hint} {_NOT_SHELVED}"
        return MadeTake(making, model, playable, TakeOutline(model, 0, peaks), problem=problem)
    playable = Playable(take_title(take), samples_T, sample.sample_rate, take_key(model, take.number))
    return MadeTake(making, model, playable, TakeOutline(model, take.number, peaks), take.number, takes)


def _take(state: State, made: MadeTake) -> Taken:
    """Take a take; one that was given up, or whose model is no longer open, is on its shelf, and nothing more."""
    if not is_open(state, made.model):
        return state, []
    if made.shelf is not None:
        state = take_shelf(state, made.shelf)
    if state.takes.making is not made.making:
        return state, [("take_outlined", made.outline)]
    is_heard = made.making.is_aloud or not state.takes.chosen
    chosen = made.number if made.shelf is not None and is_heard else state.takes.chosen
    state = state.with_takes(making=None, chosen=chosen, problem=made.problem)
    return state, [("take_outlined", made.outline), ("take_made", made)]


def chosen(options: TakeOptions) -> Wanted:
    """Return the request of a person's choices, as far as a prior can fulfil them."""

    def wanted(loaded: LoadedVQModel) -> GenerateRequest:
        from distill_core.generation.plan import require_prior

        prior = require_prior(loaded)
        return options.request(can_end=prior.learns_end, can_start=prior.layout != "chunks")

    return wanted


def making(model: Path, wanted: Wanted, making: Making, voice: Voice, voices: Voices) -> Task[MadeTake]:
    """Make the wanted take of a model with a voice."""

    def run(on_event: OnEvent, should_stop: ShouldStop) -> MadeTake:
        from distill_core.generation.generate import generate

        stop_point(should_stop)
        loaded = voice(voices, model)
        tell = partial(_tell, on_event, making)
        sample = generate(loaded, wanted(loaded), on_event=tell, should_stop=should_stop)
        return _shelved(model, making, sample, loaded.prior_metadata)

    return Task(Activity.WORKING, Subject.TAKE, run, _take, Runner.LISTEN)
