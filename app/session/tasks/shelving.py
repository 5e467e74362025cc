"""The takes on the shelf: listing, playing, starring, deleting, bringing back and saving, milliseconds each.

They are done beside a take under way, so that a click on a clip need not wait for it.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from app.session.activity import Activity, Runner, Subject
from app.session.player import Playable
from app.session.state import State
from app.session.task import Taken, Task
from distill_core.errors import DistillError, SaveError
from distill_core.events import OnEvent, ShouldStop, Stopped, stop_point
from distill_core.folders import dragged_folder

if TYPE_CHECKING:
    import numpy as np

    from distill_core.generation.takes.folder import Take
    from distill_core.generation.takes.shelf import ListedShelf, TakeShelf

_SAMPLE_RATE = 48_000
_OUTLINE_COLUMNS = 96
_MOST_FAILURES = 3  # sentences that are shown: a disk that is full has one for each take


@dataclass(frozen=True, slots=True)
class TakeOutline:
    """The shape of a take's sound: the largest amplitude in each of equal parts, 0 to 1; none of a damaged one."""

    model: Path
    number: int
    peaks: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Shelf:
    """The takes of a model as they are on disk."""

    model: Path
    takes: tuple[Take, ...]


@dataclass(frozen=True, slots=True)
class WrittenTakes:
    """The files of takes that were saved, and the number of those that were passed over, as their names were taken.

    `failures` says in a sentence each why others could not be saved.
    """

    paths: tuple[Path, ...]
    there_already: int = 0
    failures: tuple[str, ...] = ()


def is_open(state: State, model: Path) -> bool:
    """Tell whether a model is still the open one."""
    return state.open.model is not None and state.open.model.path == model


def take_shelf(state: State, shelf: Shelf) -> State:
    """Return the state with what is on the shelf, unless another model has been opened."""
    if not is_open(state, shelf.model):
        return state
    return state.with_takes_state(state.takes.on_shelf(shelf.takes))


def outline(samples_T: np.ndarray[tuple[int, ...], np.dtype[np.float32]]) -> tuple[float, ...]:
    """Return the largest amplitude in each of 96 equal parts, or in each sample of a shorter sound."""
    import numpy as np

    parts = np.array_split(np.abs(samples_T), min(_OUTLINE_COLUMNS, max(1, len(samples_T))))
    return tuple(float(part.max(initial=0.0)) for part in parts)


def take_title(take: Take) -> str:
    """Return the title of a take in the player."""
    return f"Take {take.number} · seed {take.seed}"


def take_key(model: Path, number: int) -> tuple[str, Path, int]:
    """Return the identity of a take in the player."""
    return "take", model, number


def _read(take: Take) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    from distill_core.audio.decoding.kinds import UnreadableSoundError
    from distill_core.audio.io import read_mono

    try:
        samples: np.ndarray[tuple[int, ...], np.dtype[np.float32]] = read_mono(take.wav, _SAMPLE_RATE).numpy()
    except UnreadableSoundError as error:
        text = f"Take {take.number} can't be played: {error}."
        raise DistillError(text, "Make it again with its seed, or delete it.") from error
    return samples


def _send_outlines(shelf: Shelf, on_event: OnEvent, should_stop: ShouldStop) -> None:
    for take in shelf.takes:
        stop_point(should_stop)
        try:
            peaks = outline(_read(take))
        except DistillError:
            peaks = ()  # a click on it says why
        on_event(TakeOutline(shelf.model, take.number, peaks))


def _take(state: State, shelf: Shelf) -> Taken:
    return take_shelf(state, shelf), []


def _on_shelf(model: Path, change: Callable[[TakeShelf], object]) -> Task[Shelf]:
    """Return the task that changes something on a model's shelf."""

    def run(on_event: OnEvent, should_stop: ShouldStop) -> Shelf:
        from distill_core.generation.takes.shelf import TakeShelf

        shelf = TakeShelf(model)
        change(shelf)
        return Shelf(model, tuple(shelf.takes()))

    return Task(Activity.WORKING, Subject.SHELF, run, _take, Runner.SHELF)


@dataclass(frozen=True, slots=True)
class FoundTakes:
    """The takes of a model that was opened; `newest` is the last one that its present prior made, None for none."""

    shelf: Shelf
    newest: Playable | None
    number: int = 0


def _playable(model: Path, take: Take) -> Playable:
    return Playable(take_title(take), _read(take), _SAMPLE_RATE, take_key(model, take.number))


def _found(shelf: Shelf, prior_metadata: Mapping[str, Any]) -> FoundTakes:
    for take in shelf.takes:
        if take.is_by(prior_metadata):
            with suppress(DistillError):  # a click on it says why
                return FoundTakes(shelf, _playable(shelf.model, take), take.number)
    return FoundTakes(shelf, None)


def _take_found(state: State, found: FoundTakes) -> Taken:
    if not is_open(state, found.shelf.model):
        return state, []
    state = take_shelf(state, found.shelf)
    is_chosen = bool(found.number) and not state.takes.chosen
    return state.with_takes(chosen=found.number) if is_chosen else state, [("takes_found", found)]


def finding(model: Path, prior_metadata: Mapping[str, Any]) -> Task[FoundTakes]:
    """List the takes of a model, after those that were deleted before are removed for good."""

    def run(on_event: OnEvent, should_stop: ShouldStop) -> FoundTakes:
        from distill_core.generation.takes.shelf import TakeShelf

        shelf = TakeShelf(model)
        with suppress(SaveError):  # another Distill is at it
            shelf.tidy()
        return _found(Shelf(model, tuple(shelf.takes())), prior_metadata)

    return Task(Activity.WORKING, Subject.SHELF, run, _take_found, Runner.SHELF)


def starring(model: Path, number: int, is_starred: bool) -> Task[Shelf]:
    """Give a take a star, which keeps it for good, or take that away."""
    return _on_shelf(model, lambda shelf: shelf.star(number, is_starred))


def deleting(model: Path, number: int) -> Task[Shelf]:
    """Delete a take, which can be brought back until the model is opened again."""
    return _on_shelf(model, lambda shelf: shelf.delete(number))


def bringing_back(model: Path, number: int) -> Task[Shelf]:
    """Bring a deleted take back."""
    return _on_shelf(model, lambda shelf: shelf.restore(number))


def outlining(model: Path, takes: tuple[Take, ...]) -> Task[None]:
    """Read takes, and send the outline of each; a stop ends this without an error."""

    def run(on_event: OnEvent, should_stop: ShouldStop) -> None:
        with suppress(Stopped):
            _send_outlines(Shelf(model, takes), on_event, should_stop)

    def take(state: State, _: None) -> Taken:
        numbers = frozenset(take.number for take in takes)
        return state, [("takes_outlined", numbers)] if is_open(state, model) else []

    return Task(Activity.WORKING, Subject.SHELF, run, take, Runner.SHELF)


def reading(model: Path, take: Take) -> Task[Playable]:
    """Read a take to be played."""

    def run(on_event: OnEvent, should_stop: ShouldStop) -> Playable:
        return _playable(model, take)

    def take_read(state: State, playable: Playable) -> Taken:
        return state.with_takes(problem=""), [("take_read", playable)]

    return Task(Activity.WORKING, Subject.SHELF, run, take_read, Runner.SHELF)


def _export(shelf: TakeShelf, take: Take, target: Path, replace_files: bool, sidecar: bool) -> Path:
    from distill_core.audio.sound_format import Container

    container = Container.FLAC if target.suffix.lower() == ".flac" else Container.WAV
    return shelf.export(take, target, container, replace=replace_files, sidecar=sidecar)


def _write(
    shelf: TakeShelf, takes: Sequence[Take], targets: Sequence[Path], replace_files: bool, sidecar: bool
) -> WrittenTakes:
    """Save takes; one that can't be saved is counted, and hinders no other.

    Raises:
        DistillError: none could be saved; says why of the first.
    """
    paths: list[Path] = []
    errors: list[DistillError] = []
    there_already = 0
    for take, target in zip(takes, targets, strict=True):
        if target.exists() and not replace_files:
            there_already += 1
            continue
        try:
            paths.append(_export(shelf, take, target, replace_files, sidecar))
        except DistillError as error:
            errors.append(error)
    if errors and not paths and not there_already:
        raise errors[0]
    return WrittenTakes(tuple(paths), there_already, tuple(f"{error.message} {error.hint}".strip() for error in errors))


def writing(
    model: Path, takes: Sequence[Take], targets: Sequence[Path], *, replace_files: bool, sidecar: bool = False
) -> Task[WrittenTakes]:
    """Save takes as files, on request each with its sidecar.

    A file that is there is replaced on request, and otherwise passed over.
    """

    def run(on_event: OnEvent, should_stop: ShouldStop) -> WrittenTakes:
        from distill_core.generation.takes.shelf import TakeShelf

        return _write(TakeShelf(model), takes, targets, replace_files, sidecar)

    def take(state: State, written: WrittenTakes) -> Taken:
        return state.with_takes(problem="\n".join(written.failures[:_MOST_FAILURES])), [("takes_written", written)]

    return Task(Activity.WORKING, Subject.SHELF, run, take, Runner.SHELF)


# The shelves of all models


@dataclass(frozen=True, slots=True)
class AllShelves:
    """The shelves of all models, the room of copies that were dragged away, and the open model's shelf as it is now."""

    shelves: tuple[ListedShelf, ...]
    dragged_bytes: int
    open: Shelf | None


def _dragged_bytes() -> int:
    with suppress(OSError):
        return sum(path.stat().st_size for path in dragged_folder().rglob("*") if path.is_file())
    return 0


def _all_shelves(open_model: Path | None) -> AllShelves:
    from distill_core.generation.takes.shelf import TakeShelf, all_shelves

    now = None if open_model is None else Shelf(open_model, tuple(TakeShelf(open_model).takes()))
    return AllShelves(tuple(all_shelves()), _dragged_bytes(), now)


def _take_all(state: State, found: AllShelves) -> Taken:
    state = state if found.open is None else take_shelf(state, found.open)
    return state, [("shelves_listed", found)]


def _take_left(state: State, found: AllShelves) -> Taken:
    """Take what is left; of a shelf that is gone, no take can be brought back."""
    model = None if found.open is None else found.open.model
    if model is not None and is_open(state, model) and all(shelf.model != model for shelf in found.shelves):
        state = state.with_takes(deleted=())
    return _take_all(state, found)


def listing_all(open_model: Path | None) -> Task[AllShelves]:
    """List the shelves of all models."""
    return Task(
        Activity.WORKING, Subject.SHELF, lambda on_event, should_stop: _all_shelves(open_model), _take_all, Runner.SHELF
    )


def removing(shelves: Sequence[str], open_model: Path | None, *, with_dragged: bool) -> Task[AllShelves]:
    """Remove shelves with all their takes, and on request the copies that were dragged away; return what is left."""

    def run(on_event: OnEvent, should_stop: ShouldStop) -> AllShelves:
        from distill_core.generation.takes.shelf import remove_shelf

        for identity in shelves:
            remove_shelf(identity)
        if with_dragged:
            shutil.rmtree(dragged_folder(), ignore_errors=True)
        return _all_shelves(open_model)

    return Task(Activity.WORKING, Subject.SHELF, run, _take_left, Runner.SHELF)
