"""The audit of a prior, and the verdicts on single takes, with the judge that gives them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from app.session.activity import Activity, Runner, Subject
from app.session.state import State
from app.session.task import Taken, Task
from app.session.tasks.shelving import Shelf, take_shelf
from app.session.tasks.voices import Voice, Voices
from distill_core.audit.record import AuditSettings
from distill_core.events import JobProgress, OnEvent, Phase, ShouldStop, never, stop_point

if TYPE_CHECKING:
    from distill_core.audio.dataset import AudioDataset
    from distill_core.audit.record import AuditRecord
    from distill_core.audit.take import TakeJudge
    from distill_core.generation.takes.folder import Take
    from distill_core.models.persistence import LoadedVQModel


@dataclass(frozen=True, slots=True)
class AuditProgress:
    """The progress of an audit in samples; `total` is 0 while that is unknown."""

    done: int
    total: int


def _telling(on_event: OnEvent, is_given_up: Callable[[], bool]) -> OnEvent:
    """Pass on how many samples are checked: each is drawn, then compared."""

    def pass_on(event: object) -> None:
        if isinstance(event, JobProgress) and event.phase in (Phase.SAMPLE, Phase.COMPARE) and not is_given_up():
            already = event.total if event.phase is Phase.COMPARE else 0
            on_event(AuditProgress((already + event.done) // 2, event.total))

    return pass_on


def auditing(
    model: Path,
    voice: Voice,
    dataset: AudioDataset,
    settings: AuditSettings,
    take: Callable[[State, AuditRecord], Taken],
    is_given_up: Callable[[], bool] = never,
) -> Task[AuditRecord]:
    """Audit a prior of a model; `take` is done with the record unless `is_given_up()` is true at the end."""

    def run(on_event: OnEvent, should_stop: ShouldStop) -> AuditRecord:
        from distill_core.audit.audit import audit

        stop_point(should_stop)
        loaded = voice(Voices(), model)
        told = _telling(on_event, is_given_up)
        return audit(loaded, dataset, settings, on_event=told, should_stop=should_stop).record

    def take_record(state: State, record: AuditRecord) -> Taken:
        return (state, []) if is_given_up() else take(state, record)

    return Task(Activity.WORKING, Subject.AUDIT, run, take_record, Runner.CHECK)


class Judges:
    """The judge of takes, kept for the next one: its making takes seconds. Only the listen runner's thread uses it."""

    def __init__(self) -> None:
        self._key: object = None
        self._judge: TakeJudge | None = None

    def of(self, loaded: LoadedVQModel, dataset: AudioDataset, should_stop: ShouldStop) -> TakeJudge | None:
        """Return the judge of a prior's takes, None if none of the sounds is one that it learned from.

        Raises:
            ModelFileError: the model has no prior that can be read.
            Stopped: `should_stop()` turned true.
        """
        from distill_core.audit.learned import identity_of
        from distill_core.audit.take import take_judge
        from distill_core.generation.plan import require_prior

        key = identity_of(loaded, require_prior(loaded), dataset)
        if self._key != key:
            self._judge = self._key = None  # two at once may be too much for the memory
            self._judge, self._key = take_judge(loaded, dataset, should_stop=should_stop), key
        return self._judge


def preparing_judge(
    model: Path, voice: Voice, dataset: AudioDataset, judges: Judges, voices: Voices, is_given_up: ShouldStop = never
) -> Task[bool]:
    """Make the judge of a prior's takes ready, and return whether sounds are there to judge by."""

    def run(on_event: OnEvent, should_stop: ShouldStop) -> bool:
        stop_point(should_stop)
        return judges.of(voice(voices, model), dataset, should_stop) is not None

    def take(state: State, is_there: bool) -> Taken:
        return (state if is_given_up() else state.with_copying(is_ready=is_there)), []

    return Task(Activity.WORKING, Subject.JUDGING, run, take, Runner.LISTEN)


def of_take(loaded: LoadedVQModel, take: Take) -> LoadedVQModel:
    """Return the networks with the facts of the epoch that made a take: later ones have learned from more variants."""
    metadata = dict(loaded.prior_metadata or {})
    if epoch := take.facts["prior_epoch"]:
        metadata["kept_epoch"] = epoch
    return replace(loaded, prior_metadata=metadata)


def judging(
    model: Path, number: int, voice: Voice, dataset: AudioDataset, judges: Judges, voices: Voices
) -> Task[Shelf | None]:
    """Judge a take on the shelf and note the verdict; return what is on the shelf then, None if nothing was noted."""

    def run(on_event: OnEvent, should_stop: ShouldStop) -> Shelf | None:
        from distill_core.generation.takes.shelf import TakeShelf

        stop_point(should_stop)
        shelf = TakeShelf(model)
        take = next((take for take in shelf.takes() if take.number == number), None)
        if take is None:
            return None
        judge = judges.of(of_take(voice(voices, model), take), dataset, should_stop)
        if judge is None:
            return None
        shelf.note_verdict(number, judge.verdict_on(take.codes(), take.facts["ends"], take.facts["prompt_steps"]))
        return Shelf(model, tuple(shelf.takes()))

    def take_judged(state: State, shelf: Shelf | None) -> Taken:
        return (state if shelf is None else take_shelf(state, shelf)), []

    return Task(Activity.WORKING, Subject.JUDGING, run, take_judged, Runner.LISTEN)
