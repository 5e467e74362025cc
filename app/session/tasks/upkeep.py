"""Loading the engine, clearing its cache, and adding Distill to the applications menu."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.session.activity import Activity, Runner, Subject
from app.session.state import State
from app.session.task import Taken, Task
from distill_core.errors import DistillError
from distill_core.events import OnEvent, ShouldStop

if TYPE_CHECKING:
    from distill_core.training.run_folder.facts import UnfinishedRun


@dataclass(frozen=True, slots=True)
class Engine:
    """The engine's device, and the trainings that were never saved."""

    device: str
    unfinished: tuple[UnfinishedRun, ...]


def _load_engine(on_event: OnEvent, should_stop: ShouldStop) -> Engine:
    import distill_core.models.persistence
    import distill_core.training.prior.train  # noqa: F401
    from distill_core.device import describe_device, resolve_device
    from distill_core.training.kinds import unfinished_runs

    return Engine(describe_device(resolve_device("auto")), tuple(unfinished_runs()))


def _take_engine(state: State, engine: Engine) -> Taken:
    state = state.with_open(recoverable=engine.unfinished)
    newest = next(iter(engine.unfinished), None)
    if newest is not None and newest.kind.makes_a_model and state.open.model is None:
        state = state.with_open(unfinished_model=newest)
    return state, [("device_known", engine.device)]


def loading_engine() -> Task[Engine]:
    """Import the engine, which takes seconds, and look for unfinished trainings."""
    return Task(Activity.STARTING, Subject.ENGINE, _load_engine, _take_engine)


def _load_networks(on_event: OnEvent, should_stop: ShouldStop) -> None:
    import distill_core.generation.generate
    import distill_core.generation.takes.shelf  # noqa: F401
    from distill_core.models.architectures import import_networks

    import_networks()


def loading_networks() -> Task[None]:
    """Import what a take is made with, which takes seconds too; a model can be opened meanwhile, and a take waits."""
    return Task(Activity.STARTING, Subject.ENGINE, _load_networks, lambda state, _: (state, []), Runner.LISTEN)


def loading_library(library: Callable[[], object]) -> Task[None]:
    """Import what the codec of an opened model is built from, before its first take needs it."""

    def run(on_event: OnEvent, should_stop: ShouldStop) -> None:
        library()

    return Task(Activity.STARTING, Subject.ENGINE, run, lambda state, _: (state, []), Runner.LISTEN)


def _clear_cache(on_event: OnEvent, should_stop: ShouldStop) -> int:
    from distill_core.training.data.code_cache import clear_code_cache

    return clear_code_cache()


def _take_cleared(state: State, freed_bytes: int) -> Taken:
    return state, [("cache_cleared", freed_bytes)]


def clearing_cache() -> Task[int]:
    """Remove the codes kept on disk."""
    return Task(Activity.CLEARING, Subject.CACHE, _clear_cache, _take_cleared)


def _take_registered(state: State, sentences: str) -> Taken:
    return state, [("registered", sentences)]


def registering(register: Callable[[], str]) -> Task[str]:
    """Add Distill to the applications menu; `register` belongs to the desktop and returns how that ended.

    A refusal is a result too: it is shown where the success would be.
    """

    def run(on_event: OnEvent, should_stop: ShouldStop) -> str:
        try:
            return register()
        except DistillError as error:
            return f"{error.message} {error.hint}".strip()

    return Task(Activity.WORKING, Subject.OTHER, run, _take_registered)
