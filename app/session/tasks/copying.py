"""The audit of a prior, and the verdicts on single takes, with the judge that gives them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from app.session.activity import Activity, Runner, Subject
from app.session.copying import SoundingPrior
from app.session.state import State
from app.session.task import Taken, Task
from app.session.tasks.models import OpenedModel, look_at
from app.session.tasks.saving import take_same_prior
from app.session.tasks.shelving import Shelf, take_shelf
from app.session.tasks.voices import Voice, Voices
from distill_core.audit.record import AUDIT, AuditSettings
from distill_core.errors import DistillError
from distill_core.events import JobProgress, OnEvent, Phase, ShouldStop, never, stop_point

if TYPE_CHECKING:
    from distill_core.audio.dataset import AudioDataset
    from distill_core.audit.record import AuditRecord
    from distill_core.audit.take import TakeJudge
    from distill_core.generation.takes.folder import Take
    from distill_core.models.persistence import LoadedVQModel
    from distill_core.models.summary import ModelSummary


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


def _take_record(state: State, record: AuditRecord) -> Taken:
    """Take a record; it becomes part of a prior that is not saved, so that a save writes it."""
    state = replace(state, copying=state.copying.with_record(record))
    trained = state.training.trained
    if trained is not None and state.training.unsaved:
        audited = replace(trained, metadata=trained.metadata | {AUDIT: record.as_facts()})
        state = state.with_training(trained=audited)
    return state, [("audited", record)]


def auditing(
    model: Path, voice: Voice, sounds: AudioDataset, settings: AuditSettings, is_given_up: Callable[[], bool] = never
) -> Task[AuditRecord]:
    """Audit a prior of a model; if `is_given_up()` is true at the end, all stays as it is."""

    def run(on_event: OnEvent, should_stop: ShouldStop) -> AuditRecord:
        from distill_core.audit.audit import audit

        stop_point(should_stop)
        loaded = voice(Voices(), model)  # of its own: the others are the listen runner's
        told = _telling(on_event, is_given_up)
        return audit(loaded, sounds, settings, on_event=told, should_stop=should_stop).record

    def take(state: State, record: AuditRecord) -> Taken:
        return (state, []) if is_given_up() else _take_record(state, record)

    return Task(Activity.WORKING, Subject.AUDIT, run, take, Runner.CHECK)


_NOT_NOTED = "The check for copies is not noted in the model. {0}"


def noting(model: ModelSummary, record: AuditRecord) -> Task[OpenedModel | str]:
    """Write the record of an audit into the model's file; what hinders that is a sentence, and no failure."""

    def run(on_event: OnEvent, should_stop: ShouldStop) -> OpenedModel | str:
        from distill_core.models.persistence import save_prior_facts

        try:
            save_prior_facts(model.path, {AUDIT: record.as_facts()}, expected=model.stamp)
        except DistillError as error:
            return _NOT_NOTED.format(error.message)
        return look_at(model.path)

    def take(state: State, noted: OpenedModel | str) -> Taken:
        return (state, [("said", noted)]) if isinstance(noted, str) else take_same_prior(state, noted)

    return Task(Activity.WORKING, Subject.NOTING, run, take)


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
    model: Path, voice: Voice, sounds: AudioDataset, prior: SoundingPrior, judges: Judges, voices: Voices
) -> Task[bool]:
    """Make the judge of the takes of the prior that sounds ready, and return whether there is one."""

    def run(on_event: OnEvent, should_stop: ShouldStop) -> bool:
        stop_point(should_stop)
        return judges.of(voice(voices, model), sounds, should_stop) is not None

    def take(state: State, is_ready: bool) -> Taken:
        return (state.with_copying(is_ready=is_ready) if state.copying.prior == prior else state), []

    return Task(Activity.WORKING, Subject.JUDGING, run, take, Runner.LISTEN)


def of_take(loaded: LoadedVQModel, take: Take) -> LoadedVQModel:
    """Return the networks with the facts of the epoch that made a take: later ones have learned from more variants."""
    metadata = dict(loaded.prior_metadata or {})
    if epoch := take.facts["prior_epoch"]:
        metadata["kept_epoch"] = epoch
    return replace(loaded, prior_metadata=metadata)


def on_shelf(model: Path, number: int) -> Take | None:
    """Return a take that is on a model's shelf now, None if it was deleted."""
    from distill_core.generation.takes.shelf import TakeShelf

    return next((take for take in TakeShelf(model).takes() if take.number == number), None)


def judging(
    model: Path, number: int, voice: Voice, sounds: AudioDataset, judges: Judges, voices: Voices
) -> Task[Shelf | None]:
    """Judge a take on the shelf and note the verdict; return what is on the shelf then, None if nothing was noted.

    `voice` is that of the training which made it, at whatever epoch.
    """

    def run(on_event: OnEvent, should_stop: ShouldStop) -> Shelf | None:
        from distill_core.generation.takes.shelf import TakeShelf

        stop_point(should_stop)
        if (take := on_shelf(model, number)) is None:
            return None
        judge = judges.of(of_take(voice(voices, model), take), sounds, should_stop)
        if judge is None:
            return None
        shelf = TakeShelf(model)
        try:
            shelf.note_verdict(number, judge.verdict_on(take.codes(), take.facts["ends"], take.facts["prompt_steps"]))
        except DistillError:
            if on_shelf(model, number) is None:  # it was deleted meanwhile
                return None
            raise
        return Shelf(model, tuple(shelf.takes()))

    def take_judged(state: State, shelf: Shelf | None) -> Taken:
        return (state if shelf is None else take_shelf(state, shelf)), []

    return Task(Activity.WORKING, Subject.JUDGING, run, take_judged, Runner.LISTEN)
