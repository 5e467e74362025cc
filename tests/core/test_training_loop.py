"""The loop, the keeper and the table of kinds, without any network: runs of a few numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import torch

from distill_core.errors import ModelFileError, SaveError
from distill_core.events import OnEvent, ShouldStop, Stopped, never, stop_point
from distill_core.training.events import Ended, RolledBack, RunNotKept, StepMetrics
from distill_core.training.keeper import Keeper, WritingRule
from distill_core.training.loop import Diverged, KeptWeights, TimeLimit, train_epochs
from distill_core.training.run_folder.facts import Kind
from distill_core.training.run_folder.folder import RunFolder
from distill_core.training.run_folder.kind import RunKind
from distill_core.training.run_folder.listing import listed_runs
from distill_core.training.under_way import EpochUnderWay, values_under_way


@dataclass(frozen=True)
class Metrics:
    epoch: int
    total_epochs: int
    val_loss: float
    best_epoch: int


@dataclass
class OneStep:
    """The sums after the only optimizer step that tells of itself."""

    step: int = 1
    bad_in_a_row: int = 0

    def values(self) -> dict[str, Any]:
        return vars(self)


@dataclass
class NumberRun:
    """A training whose epochs reach the given losses; NaN diverges."""

    losses: Sequence[float]
    model: Path = Path("number.distill")
    best: KeptWeights = field(default_factory=KeptWeights)
    history: list[Metrics] = field(default_factory=list)
    under_way: EpochUnderWay[OneStep] | None = None
    run_id: str = "a" * 32
    may_roll_back: int = 1

    def train_epoch(self, epoch: int, on_event: OnEvent, should_stop: ShouldStop) -> Metrics:
        self.under_way = EpochUnderWay(epoch, 2, 0.1, torch.zeros(1), OneStep())
        on_event(StepMetrics(epoch, 1, 2, 0.0, 0.1, 0.0))
        stop_point(should_stop)
        loss = self.losses[epoch - 1]
        if math.isnan(loss):
            raise Diverged("the loss is no longer a number")
        self.best.keep_if_better({"weight": torch.tensor(loss)}, loss, epoch)
        self.history.append(Metrics(epoch, len(self.losses), loss, self.best.epoch))
        self.under_way = None
        return self.history[-1]

    def roll_back(self) -> bool:
        self.may_roll_back -= 1
        return self.may_roll_back >= 0

    def state_of(self, ended: Ended | None, should_stop: ShouldStop) -> dict[str, Any]:
        stop_point(should_stop)
        return {
            "kind": "number",
            "run_id": self.run_id,
            "model_path": str(self.model),
            "sounds": ["/sounds"],
            "written": "2026-01-01T00:00:00+00:00",
            "codec_digest": "",
            "under_way": values_under_way(self.under_way, len(self.losses)),
            "best_epoch": self.best.epoch,
            "history": [vars(metrics) for metrics in self.history],
            "ended": "" if ended is None else ended.value,
            "best": dict(self.best.state),
        }


def _nothing(*_: object) -> None:
    pass


NUMBER = RunKind(
    Kind("number", measure="loss", digits=1, makes_a_model=True),
    check=_nothing,
    check_tensors=_nothing,
    best=lambda values: next(each["val_loss"] for each in values["history"] if each["epoch"] == values["best_epoch"]),
    codec_digest=lambda values: "",
    is_best_only=lambda values: False,
    best_only_error=lambda: ModelFileError("never", ""),
)
KINDS = {"number": NUMBER}
NAN = math.nan
EVERY_EPOCH = WritingRule(lambda writing_s: 0.0, each_best=True)
EACH_BEST = WritingRule(lambda writing_s: math.inf, each_best=True)
ONCE = WritingRule(lambda writing_s: math.inf, each_best=False)
EACH_STEP = WritingRule(lambda writing_s: 0.0, each_best=True, pause_within_s=lambda writing_s: 0.0)


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    return RunFolder(tmp_path / "number.distill", NUMBER, KINDS)


def _train(run: NumberRun, on_event: OnEvent = _nothing, should_stop: ShouldStop = never, patience: int = 0) -> Ended:
    return train_epochs(run, range(1, len(run.losses) + 1), on_event, should_stop, patience=patience)


@pytest.mark.parametrize(
    ("losses", "patience", "ended", "epochs", "best"),
    [
        ([3, 2, 1], 0, Ended.LAST_EPOCH, [1, 2, 3], 3),
        ([1, 2, 3], 0, Ended.LAST_EPOCH, [1, 2, 3], 1),
        ([2, 1, 1, 1, 1], 2, Ended.NO_BETTER, [1, 2, 3, 4], 2),
        ([2, 1, 3, 0.5, 3], 2, Ended.LAST_EPOCH, [1, 2, 3, 4, 5], 4),
        ([2, NAN, 1], 0, Ended.LAST_EPOCH, [1, 3], 3),
        ([2, NAN, NAN, 1], 0, Ended.DIVERGED, [1], 1),
    ],
)
def test_how_a_training_ends(losses: list[float], patience: int, ended: Ended, epochs: list[int], best: int) -> None:
    run, events = NumberRun(losses), list[object]()
    assert _train(run, events.append, patience=patience) is ended
    assert [metrics.epoch for metrics in run.history] == epochs
    assert run.best.epoch == run.history[-1].best_epoch == best
    assert len([event for event in events if isinstance(event, RolledBack)]) == (1 if NAN in losses[:2] else 0)


@pytest.mark.parametrize("losses", [[NAN], [NAN, 1.0]])
def test_a_training_that_diverges_at_once_is_an_error(losses: list[float]) -> None:
    with pytest.raises(Diverged):
        _train(NumberRun(losses))


def test_a_time_limit_is_no_stop_of_a_person() -> None:
    assert TimeLimit(0, never).ended_by(Ended.LAST_EPOCH) is Ended.LAST_EPOCH
    over = TimeLimit(1e-9, never)
    assert over.should_stop()
    assert over.ended_by(Ended.STOPPED) is Ended.TIME_LIMIT
    assert TimeLimit(1e-9, lambda: True).ended_by(Ended.STOPPED) is Ended.STOPPED


def _keep(
    run: NumberRun, folder: RunFolder, rule: WritingRule, on_event: OnEvent, should_stop: ShouldStop = never
) -> tuple[Keeper, Ended]:
    keeper = Keeper(folder, run, run.state_of, rule, on_event, should_stop)
    return keeper, _train(run, keeper.on_event, should_stop)


@pytest.mark.parametrize(
    ("rule", "losses", "kept"),
    [
        (EVERY_EPOCH, [3, 4, 2], [1, 2, 3]),
        (EACH_BEST, [3, 4, 2, 5], [1, 1, 3, 3]),
        (ONCE, [3, 2, 1], [1, 1, 1]),
    ],
    ids=["every epoch", "each best", "once"],
)
def test_which_epochs_are_on_disk_before_anybody_hears(
    folder: RunFolder, rule: WritingRule, losses: list[float], kept: list[int]
) -> None:
    found: list[int] = []

    def on_event(event: object) -> None:
        if isinstance(event, Metrics):
            facts = folder.look()
            found.append(0 if facts is None else facts.epoch)

    run = NumberRun(losses, folder.model)
    with folder.in_use():
        keeper, ended = _keep(run, folder, rule, on_event)
        assert found == kept
        assert keeper.has_best is (kept[-1] >= run.best.epoch)
        keeper.keep_end(ended)
        facts = folder.look()
    assert facts is not None
    assert (facts.epoch, facts.best_epoch, facts.has_ended) == (len(losses), run.best.epoch, True)
    assert facts.best_words == f"loss {run.best.loss:.1f}"
    assert keeper.has_best


def _stopping_in(epoch: int, events: list[object]) -> ShouldStop:
    def should_stop() -> bool:
        return bool(events) and isinstance(events[-1], StepMetrics) and events[-1].epoch == epoch

    return should_stop


@pytest.mark.parametrize("rule", [ONCE, EACH_BEST, EVERY_EPOCH, EACH_STEP], ids=["once", "best", "all", "step"])
def test_a_stop_within_an_epoch_leaves_the_part_that_is_done(folder: RunFolder, rule: WritingRule) -> None:
    events: list[object] = []
    run = NumberRun([3, 2, 1], folder.model)
    with folder.in_use():
        keeper, ended = _keep(run, folder, rule, events.append, _stopping_in(3, events))
        assert ended is Ended.STOPPED
        keeper.keep_end(ended)
        facts = folder.unfinished() or folder.look()
    assert facts is not None
    assert (facts.epoch, facts.best_epoch, facts.has_ended) == (2, 2, False)
    assert (facts.under_way, facts.share, facts.reached) == (3, 0.5, "epoch 3 of 3, 50% in")
    assert keeper.has_best


@pytest.mark.parametrize("rule", [EVERY_EPOCH, EACH_STEP], ids=["short", "long"])
def test_a_stop_in_the_first_epoch_leaves_the_part_of_it_that_took_long(folder: RunFolder, rule: WritingRule) -> None:
    events: list[object] = []
    run = NumberRun([3, 2], folder.model)
    with folder.in_use():
        keeper, ended = _keep(run, folder, rule, events.append, _stopping_in(1, events))
        keeper.keep_end(ended)
        facts = folder.look()
    if rule is EVERY_EPOCH:
        assert facts is None
        assert keeper.run_id == ""
    else:
        assert facts is not None
        assert (facts.reached, facts.has_best, facts.best_words) == ("epoch 1 of 2, 50% in", False, "none yet")
        assert facts.can_go_on
        assert keeper.run_id == run.run_id


def test_within_an_epoch_nothing_is_written_before_its_time(folder: RunFolder) -> None:
    found: list[object] = []

    def on_event(event: object) -> None:
        found.append(None if (facts := folder.look()) is None else (facts.epoch, facts.under_way))

    for rule, expected in (
        (EVERY_EPOCH, [None, (1, 0), (1, 0), (2, 0)]),
        (EACH_STEP, [(0, 1), (1, 0), (1, 2), (2, 0)]),
    ):
        found.clear()
        with folder.in_use():
            _keep(NumberRun([3, 2], folder.model), folder, rule, on_event)
        assert found == expected
        folder.discard()


def test_a_former_run_gives_way_to_one_with_a_best_epoch(folder: RunFolder) -> None:
    with folder.in_use():
        _keep(NumberRun([3], folder.model), folder, EVERY_EPOCH, _nothing)
    found: list[list[str]] = []

    def on_event(event: object) -> None:
        found.append(sorted(run.id for run in listed_runs(KINDS)))

    with folder.in_use():
        _keep(NumberRun([3, 2], folder.model, run_id="b" * 32), folder, EACH_STEP, on_event)
    assert found[0] == ["a" * 32, "b" * 32]
    assert found[1:] == [["b" * 32]] * 3


def test_what_diverges_before_its_first_epoch_leaves_no_run(folder: RunFolder) -> None:
    found: list[object] = []
    run = NumberRun([NAN], folder.model)
    keeper = Keeper(folder, run, run.state_of, EACH_STEP, lambda event: found.append(folder.look()), never)
    with folder.in_use(), pytest.raises(Diverged), keeper.forgetting_what_diverged():
        _train(run, keeper.on_event)
    assert found != [None]
    assert folder.look() is None


def test_weights_that_may_be_no_numbers_wait_for_the_next_good_step(folder: RunFolder) -> None:
    run = NumberRun([3], folder.model)
    keeper = Keeper(folder, run, run.state_of, EACH_STEP, _nothing, never)
    with folder.in_use():
        for bad_in_a_row in (1, 0):
            run.under_way = EpochUnderWay(1, 2, 0.1, torch.zeros(1), OneStep(bad_in_a_row=bad_in_a_row))
            keeper.on_event(StepMetrics(1, 1, 2, math.nan, 0.1, 0.0))
            assert (folder.look() is None) == bool(bad_in_a_row)


def test_a_stop_abandons_the_write_and_the_end_makes_up_for_it(folder: RunFolder) -> None:
    events: list[object] = []

    def stop_in_the_write() -> bool:
        return len(run.history) == 2 and run.under_way is None

    run = NumberRun([3, 2, 1], folder.model)
    with folder.in_use():
        keeper, ended = _keep(run, folder, EVERY_EPOCH, events.append, stop_in_the_write)
        assert ended is Ended.STOPPED
        assert run.history[1] not in events
        keeper.keep_end(ended)
        facts = folder.look()
    assert run.history[1] in events
    assert facts is not None
    assert facts.epoch == 2


def test_what_cannot_be_kept_is_told_once(folder: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise SaveError("The disk is full.", "")

    monkeypatch.setattr(folder, "save", fail)
    events: list[object] = []
    with folder.in_use():
        keeper, ended = _keep(NumberRun([3, 2, 1]), folder, EVERY_EPOCH, events.append)
        keeper.keep_end(ended)
    assert [event for event in events if isinstance(event, RunNotKept)] == [RunNotKept("The disk is full.")]
    assert keeper.run_id == ""
    assert not keeper.has_best


def test_without_a_folder_events_alone_are_passed_on() -> None:
    events: list[object] = []
    run = NumberRun([2, 1])
    keeper = Keeper(None, run, run.state_of, EVERY_EPOCH, events.append, never)
    keeper.keep_end(_train(run, keeper.on_event))
    assert [event for event in events if isinstance(event, Metrics)] == run.history


def test_a_stop_point_of_the_state_is_a_stop() -> None:
    with pytest.raises(Stopped):
        NumberRun([1]).state_of(None, lambda: True)
