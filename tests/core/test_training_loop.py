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
from distill_core.training.events import Ended, RolledBack, RunNotKept
from distill_core.training.keeper import Keeper, WritingRule
from distill_core.training.loop import Diverged, KeptWeights, TimeLimit, train_epochs
from distill_core.training.run_folder.facts import Kind
from distill_core.training.run_folder.folder import RunFolder
from distill_core.training.run_folder.kind import RunKind


@dataclass(frozen=True)
class Metrics:
    epoch: int
    total_epochs: int
    val_loss: float
    best_epoch: int


@dataclass
class NumberRun:
    """A training whose epochs reach the given losses; NaN diverges."""

    losses: Sequence[float]
    model: Path = Path("number.distill")
    best: KeptWeights = field(default_factory=KeptWeights)
    history: list[Metrics] = field(default_factory=list)
    is_inside_an_epoch: bool = False
    run_id: str = "a" * 32
    may_roll_back: int = 1

    def train_epoch(self, epoch: int, on_event: OnEvent, should_stop: ShouldStop) -> Metrics:
        self.is_inside_an_epoch = True
        on_event(f"step of {epoch}")
        stop_point(should_stop)
        loss = self.losses[epoch - 1]
        if math.isnan(loss):
            raise Diverged("the loss is no longer a number")
        self.best.keep_if_better({"weight": torch.tensor(loss)}, loss, epoch)
        self.history.append(Metrics(epoch, len(self.losses), loss, self.best.epoch))
        self.is_inside_an_epoch = False
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


@pytest.mark.parametrize(("rule", "epoch"), [(ONCE, 2), (EACH_BEST, 2), (EVERY_EPOCH, 2)], ids=["once", "best", "all"])
def test_a_stop_within_an_epoch_leaves_the_one_before(folder: RunFolder, rule: WritingRule, epoch: int) -> None:
    events: list[object] = []
    run = NumberRun([3, 2, 1], folder.model)
    with folder.in_use():
        keeper, ended = _keep(run, folder, rule, events.append, lambda: events[-1:] == ["step of 3"])
        assert ended is Ended.STOPPED
        keeper.keep_end(ended)
        facts = folder.unfinished() or folder.look()
    assert facts is not None
    assert (facts.epoch, facts.best_epoch, facts.has_ended) == (epoch, 2, False)
    assert keeper.has_best


def test_a_stop_abandons_the_write_and_the_end_makes_up_for_it(folder: RunFolder) -> None:
    events: list[object] = []

    def stop_in_the_write() -> bool:
        return len(run.history) == 2 and not run.is_inside_an_epoch

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
