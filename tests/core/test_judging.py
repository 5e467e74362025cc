"""A bad result is judged before it replaces a good one, and a run says how it ended and what it keeps."""

from __future__ import annotations

import gc
import json
import math
import os
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from distill_core import (
    ModelFileError,
    PriorConfig,
    PriorEpochMetrics,
    TrainedPrior,
    TrainingError,
    load_model_v2,
    train_prior,
)
from distill_core.events import OnEvent, ignore
from distill_core.models.flat import CodePrior
from distill_core.models.persistence import read_summary, save_prior_to_model
from distill_core.training.events import Ended, RolledBack
from distill_core.training.kinds import prior_runs
from distill_core.training.prior.continuation import Continuation
from distill_core.training.prior.events import FilePrior, Keep, PriorStepMetrics, PriorTrainingStartEvent
from distill_core.training.prior.kept import naming_kept
from distill_core.training.prior.train import load_best
from distill_core.training.run_folder.folder import RunFolder
from tests.older_runs import leave_older_run
from tests.warm_python import warm_python

TINY = PriorConfig(
    hidden_size=32, num_layers=1, num_heads=2, max_epochs=12, batch_size=4, patience=0, variants=1, device="cpu"
)


@pytest.fixture(scope="module")
def good(
    shared_tiny_model: Path, shared_sounds_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, TrainedPrior]:
    """A model whose prior beats guessing, and the training that it is from."""
    model = Path(shutil.copy(shared_tiny_model, tmp_path_factory.mktemp("good") / "good.distill"))
    trained = train_prior(model, shared_sounds_folder, replace(TINY, max_epochs=30))
    assert trained.prior is not None
    assert not trained.is_no_better_than_guessing
    save_prior_to_model(model, trained.prior, trained.config, trained.metadata)
    return model, trained


@pytest.fixture
def good_model(good: tuple[Path, TrainedPrior], tmp_path: Path) -> Path:
    return Path(shutil.copy(good[0], tmp_path / "good.distill"))


def _distill(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [*warm_python(), "-m", "distill_core.cli", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False, env=os.environ)


SMALL = ("--hidden-size", 32, "--layers", 1, "--heads", 2, "--variants", 0, "--no-audit")


def _start(events: list[object]) -> PriorTrainingStartEvent:
    (start,) = [event for event in events if isinstance(event, PriorTrainingStartEvent)]
    return start


def test_the_files_prior_is_measured_anew_on_the_same_held_out_codes(
    good: tuple[Path, TrainedPrior], good_model: Path, sounds_folder: Path
) -> None:
    events: list[object] = []
    trained = train_prior(good_model, sounds_folder, replace(TINY, max_epochs=1), on_event=events.append)
    measured = _start(events).file_prior
    assert measured == trained.file_prior
    assert measured is not None
    assert measured.decides
    assert measured.perplexity == pytest.approx(good[1].metadata["final_perplexity"], rel=1e-4)
    objection = trained.objection(read_summary(good_model))
    assert "worse than the one in the file" in objection or "no better" in objection


def test_a_prior_that_may_know_the_held_out_sounds_decides_nothing(good_model: Path, sounds_folder: Path) -> None:
    other = next(seed for seed in range(1, 20) if _held_out(sounds_folder, seed) != _held_out(sounds_folder, 0))
    trained = train_prior(good_model, sounds_folder, replace(TINY, max_epochs=1, seed=other))
    assert trained.file_prior is not None
    assert trained.file_prior.perplexity is not None
    assert not trained.file_prior.decides


def _held_out(folder: Path, seed: int) -> set[str]:
    from distill_core import scan
    from distill_core.audio.dataset import split_files

    return {file.name for file in split_files(scan(folder).files, TINY.val_fraction, seed)[1]}


def test_a_flat_prior_in_the_file_is_measured_on_the_codes_of_a_frames_run(
    tiny_model: Path, sounds_folder: Path
) -> None:
    flat = replace(TINY, architecture="flat", max_epochs=2)
    trained = train_prior(tiny_model, sounds_folder, flat)
    assert trained.prior is not None
    save_prior_to_model(tiny_model, trained.prior, trained.config, trained.metadata)
    again = train_prior(tiny_model, sounds_folder, replace(TINY, max_epochs=1))
    assert again.file_prior is not None
    assert again.file_prior.perplexity == pytest.approx(trained.metadata["final_perplexity"], rel=0.3)
    back = train_prior(tiny_model, sounds_folder, replace(flat, max_epochs=1))
    assert back.file_prior is not None
    assert back.file_prior.perplexity == pytest.approx(trained.metadata["final_perplexity"], rel=1e-4)


@pytest.mark.parametrize(
    ("reached", "unigram", "file_prior", "objects"),
    [
        (9.0, 20.0, None, False),
        (30.0, 20.0, None, True),  # it came into the file meanwhile
        (30.0, 20.0, FilePrior(None, decides=False), True),
        (20.0, 20.0, FilePrior(50.0, decides=True), True),
        (9.0, 20.0, FilePrior(8.0, decides=True), True),
        (9.0, 20.0, FilePrior(8.0, decides=False), False),
        (9.0, 20.0, FilePrior(8.9999, decides=True), False),  # another batching
        (9.0, 20.0, FilePrior(9.0, decides=True), False),
        (9.0, 20.0, FilePrior(None, decides=False), False),
    ],
)
def test_what_is_objected_to(
    good: tuple[Path, TrainedPrior], reached: float, unigram: float, file_prior: FilePrior | None, objects: bool
) -> None:
    facts = {"final_perplexity": reached, "unigram_by_level": [unigram, unigram]}
    file = read_summary(good[0])
    known = None if file_prior is None else replace(file_prior, sha256=file.stamp.sha256)
    trained = replace(good[1], metadata=good[1].metadata | facts, file_prior=known)
    assert bool(trained.objection(file)) is objects
    assert not trained.objection(replace(file, prior_architecture=""))  # a file without a prior
    assert bool(trained.guessing_note()) is (reached >= unigram)


def test_the_terminal_keeps_a_worse_prior_out_until_it_is_asked_for(good_model: Path, sounds_folder: Path) -> None:
    before = read_summary(good_model).perplexity
    refused = _distill("train-prior", good_model, sounds_folder, "--epochs", 1, *SMALL)
    assert refused.returncode == 4, refused.stdout
    assert "Nothing was saved; the new prior is kept." in refused.stderr
    assert "--save-worse" in refused.stderr
    assert read_summary(good_model).perplexity == before
    assert prior_runs(good_model).unfinished() is not None
    still = _distill("train-prior", good_model, sounds_folder, "--use-best")
    assert still.returncode == 4
    saved = _distill("train-prior", good_model, sounds_folder, "--use-best", "--save-worse")
    assert saved.returncode == 0, saved.stderr
    after = read_summary(good_model).perplexity
    assert before is not None
    assert after is not None
    assert after > before
    assert prior_runs(good_model).unfinished() is None


def test_a_copy_takes_any_prior_and_leaves_the_model(good_model: Path, sounds_folder: Path, tmp_path: Path) -> None:
    before = good_model.read_bytes()
    copied = _distill("train-prior", good_model, sounds_folder, "--epochs", 1, "-o", tmp_path / "copy.distill", *SMALL)
    assert copied.returncode == 0, copied.stderr
    assert good_model.read_bytes() == before


def test_a_rate_of_three_never_leaves_a_worse_prior_in_the_file(good_model: Path, sounds_folder: Path) -> None:
    before = read_summary(good_model).perplexity
    for rate in (3, 30):
        ended = _distill("train-prior", good_model, sounds_folder, "--lr", rate, "--epochs", 12, *SMALL)
        assert ended.returncode in (0, 3, 4)
        after = read_summary(good_model).perplexity
        assert after is not None
        assert before is not None
        assert after <= before


def test_a_model_without_a_prior_gets_any_with_the_sentence(tiny_model: Path, sounds_folder: Path) -> None:
    saved = _distill("train-prior", tiny_model, sounds_folder, "--epochs", 1, "--lr", 1e-6, *SMALL)
    assert saved.returncode == 0, saved.stderr
    assert "no better than guessing" in saved.stdout
    assert read_summary(tiny_model).has_prior


def test_an_epoch_far_above_guessing_is_rolled_back_and_told(tiny_model: Path, sounds_folder: Path) -> None:
    """Weights that were led astray after some good epochs give a loss that is a number, and yet no learner's."""
    events: list[object] = []

    def lead_astray(event: object) -> None:
        events.append(event)
        if isinstance(event, PriorStepMetrics) and event.epoch == 8 and event.step == event.total_steps:
            for prior in [found for found in gc.get_objects() if type(found) is CodePrior]:
                with torch.no_grad():
                    prior.head.weight.normal_(std=8.0)

    config = replace(TINY, architecture="flat", batch_size=1, max_epochs=10, learning_rate=1e-3, precision="float32")
    trained = train_prior(tiny_model, sounds_folder, config, on_event=lead_astray)
    (back,) = [event for event in events if isinstance(event, RolledBack)]
    assert back.epoch == 8
    assert back.to_epoch <= 7
    assert "far above that of guessing" in back.reason
    assert [epoch.epoch for epoch in trained.history] == [1, 2, 3, 4, 5, 6, 7, 9, 10]
    assert trained.metadata["history"]["epochs"] == [1, 2, 3, 4, 5, 6, 7, 9, 10]
    assert trained.ended == "last_epoch"


def test_a_run_that_goes_astray_again_and_again_ends_so(tiny_model: Path, sounds_folder: Path) -> None:
    def lead_astray(event: object) -> None:
        if isinstance(event, PriorStepMetrics) and event.epoch > 2 and event.step == event.total_steps:
            for prior in [found for found in gc.get_objects() if type(found) is CodePrior]:
                with torch.no_grad():
                    prior.head.weight.fill_(math.nan)

    config = replace(TINY, architecture="flat", batch_size=1, max_epochs=20)
    trained = train_prior(tiny_model, sounds_folder, config, on_event=lead_astray)
    assert trained.ended == trained.metadata["ended"] == "diverged"
    assert not trained.stopped_early
    assert len(trained.history) == 2


def test_a_time_limit_ends_a_training_that_can_be_gone_on_with(tiny_model: Path, sounds_folder: Path) -> None:
    folder = prior_runs(tiny_model)
    config = replace(TINY, max_epochs=100_000, time_limit_min=0.03)
    trained = train_prior(tiny_model, sounds_folder, config, run_folder=folder)
    assert trained.ended == trained.metadata["ended"] == "time_limit"
    assert not trained.stopped_early
    found = folder.unfinished()
    assert found is not None
    assert found.can_go_on


def _overfitted(
    model: Path, sounds: Path, architecture: str, on_event: OnEvent = ignore, **settings: object
) -> TrainedPrior:
    by_heart = {"dropout": 0.0, "token_dropout": 0.0, "variants": 0, "weight_decay": 0.0, "matrix_weight_decay": 0.0}
    sizes = {"hidden_size": 64, "num_layers": 2, "num_heads": 2, "patience": 0, "precision": "float32"}
    settings = {"architecture": architecture, "device": "cpu", **by_heart, **sizes, **settings}
    return train_prior(model, sounds, settings, on_event=on_event, run_folder=prior_runs(model))


DATA = Path(__file__).parents[1] / "data"


SCHEDULES = {"frames": {"max_epochs": 25}, "flat": {"max_epochs": 60, "learning_rate": 2e-3}}


@pytest.fixture(scope="module", params=[*SCHEDULES])
def architecture(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def drums(tmp_path: Path) -> Path:
    return Path(shutil.copy(DATA / "ref_small_prior.distill", tmp_path / "drums.distill"))


@pytest.fixture(scope="module")
def drums_by_heart(architecture: str, tmp_path_factory: pytest.TempPathFactory) -> TrainedPrior:
    model = Path(shutil.copy(DATA / "ref_small_prior.distill", tmp_path_factory.mktemp("heart") / "drums.distill"))
    return _overfitted(model, DATA / "sounds", architecture, **SCHEDULES[architecture])


def test_learning_by_heart_becomes_memorizing_and_the_epoch_kept_lies_before(drums_by_heart: TrainedPrior) -> None:
    epochs = [epoch for epoch in drums_by_heart.history if epoch.verdict == "memorizing"]
    assert epochs
    assert epochs[-1].known_perplexity < 2
    assert "by heart" in epochs[0].memorization_message
    assert drums_by_heart.metadata["run_verdict"] == "memorizing"
    assert drums_by_heart.metadata["verdict"] != "memorizing"
    assert drums_by_heart.metadata["kept_epoch"] < epochs[0].epoch
    history = drums_by_heart.history
    for count, epoch in enumerate(history, start=1):
        before = [each for each in history[:count] if each.epoch < epochs[0].epoch]
        assert epoch.kept_epoch == min(before, key=lambda each: each.val_loss).epoch
        assert epoch.memorizing_from == (epochs[0].epoch if epoch.epoch >= epochs[0].epoch else 0)
    assert history[-1].kept_epoch == drums_by_heart.metadata["kept_epoch"]


def _losses(trained: TrainedPrior) -> list[tuple[float, float]]:
    return [(epoch.train_loss, epoch.val_loss) for epoch in trained.history]


class _Crash(BaseException):
    pass


def test_a_training_ends_once_it_memorizes_if_that_is_asked_for(
    architecture: str, drums_by_heart: TrainedPrior, drums: Path
) -> None:
    assert drums_by_heart.ended is Ended.LAST_EPOCH, "unasked it never does"
    folder, first = prior_runs(drums), drums_by_heart.history[-1].memorizing_from

    def crash(event: object) -> None:
        if isinstance(event, PriorEpochMetrics) and event.epoch == 2:
            raise _Crash

    with pytest.raises(_Crash):
        _overfitted(drums, DATA / "sounds", architecture, crash, **SCHEDULES[architecture], stop_when_memorizing=True)
    ended = train_prior(drums, DATA / "sounds", run_folder=folder, resume=True)
    assert ended.ended is Ended.MEMORIZING
    assert ended.metadata["ended"] == "memorizing"
    assert ended.config["stop_when_memorizing"] is True
    assert _losses(ended) == _losses(drums_by_heart)[:first]
    assert ended.history[-1].memorizing_from == first
    assert ended.metadata["kept_epoch"] == drums_by_heart.history[first - 1].kept_epoch < first
    again = train_prior(drums, DATA / "sounds", run_folder=folder, resume=True)
    assert (again.ended, _losses(again)) == (Ended.MEMORIZING, _losses(ended)), "it has ended, and stays so"


def test_one_that_ended_so_goes_further_without_the_end_or_with_it(
    architecture: str, drums_by_heart: TrainedPrior, drums: Path
) -> None:
    folder, first = prior_runs(drums), drums_by_heart.history[-1].memorizing_from
    settings = {**SCHEDULES[architecture], "stop_when_memorizing": True}
    assert _overfitted(drums, DATA / "sounds", architecture, **settings).ended is Ended.MEMORIZING
    one_more = train_prior(drums, DATA / "sounds", run_folder=folder, resume=Continuation(further=True))
    assert one_more.ended is Ended.MEMORIZING
    assert len(one_more.history) > first
    without = Continuation(further=True, stop_when_memorizing=False)
    to_the_end = train_prior(drums, DATA / "sounds", run_folder=folder, resume=without)
    assert to_the_end.ended is Ended.LAST_EPOCH
    assert _losses(to_the_end) == _losses(drums_by_heart)
    assert to_the_end.metadata["kept_epoch"] == drums_by_heart.metadata["kept_epoch"]


def test_the_terminal_says_that_it_ended_because_it_memorized(drums: Path) -> None:
    flags = ("--stop-when-memorizing", "--dropout", 0, "--token-dropout", 0, "--variants", 0, "--weight-decay", 0)
    sizes = ("--hidden-size", 64, "--layers", 2, "--heads", 2, "--patience", 0, "--epochs", 40, "--device", "cpu")
    more = ("--matrix-weight-decay", 0, "--save-worse", "--precision", "float32")
    ended = _distill("train-prior", "--no-audit", drums, DATA / "sounds", *flags, *sizes, *more)
    assert ended.returncode == 0, ended.stderr
    assert "Training ended because it began to memorize." in ended.stdout
    metadata = load_model_v2(drums).prior_metadata
    assert metadata is not None
    assert metadata["ended"] == "memorizing"
    assert metadata["run_verdict"] == "memorizing"
    assert metadata["verdict"] != "memorizing"


def test_the_best_before_memorizing_is_kept_or_the_best_if_it_memorizes_from_the_start(
    an_older_epoch: PriorEpochMetrics,
) -> None:
    epochs = [replace(an_older_epoch, epoch=number, val_loss=loss) for number, loss in ((1, 3.0), (2, 2.0), (3, 2.5))]
    from_the_start = naming_kept(replace(epoch, verdict="memorizing") for epoch in epochs)
    assert [(epoch.kept_epoch, epoch.memorizing_from) for epoch in from_the_start] == [(1, 1), (2, 1), (2, 1)]
    later = naming_kept([epochs[0], *(replace(epoch, verdict="memorizing") for epoch in epochs[1:])])
    assert [(epoch.kept_epoch, epoch.memorizing_from) for epoch in later] == [(1, 0), (1, 2), (1, 2)]
    unjudged = naming_kept(epochs)
    assert [(epoch.kept_epoch, epoch.memorizing_from) for epoch in unjudged] == [(1, 0), (2, 0), (2, 0)]


@pytest.fixture
def an_older_epoch() -> PriorEpochMetrics:
    """An epoch as it was before there were verdicts."""
    return PriorEpochMetrics(1, 3, 2.0, 3.0, 20.0, 20.0, False, "", 1.0, 1e-3)


def test_a_person_may_choose_other_weights(drums_by_heart: TrainedPrior) -> None:
    last = drums_by_heart.keeping(Keep.LAST)
    assert last.metadata["kept"] == "last"
    assert last.metadata["kept_epoch"] == last.history[-1].epoch
    assert last.metadata["final_perplexity"] == last.history[-1].val_perplexity
    assert last.metadata["verdict"] == last.history[-1].verdict
    for fact in ("best_perplexity", "best_epoch", "run_verdict"):
        assert last.metadata[fact] == drums_by_heart.metadata[fact]
    assert last.prior is not None
    assert drums_by_heart.prior is not None
    weights = drums_by_heart.prior.state_dict()
    assert not all(torch.equal(value, weights[key]) for key, value in last.prior.state_dict().items())
    assert last.keeping(Keep.BEST).metadata["kept"] == "best"


def test_the_run_on_disk_has_all_that_can_be_chosen(sounds_folder: Path, tmp_path: Path) -> None:
    model = Path(shutil.copy(DATA / "ref_small_prior.distill", tmp_path / "drums.distill"))
    folder = prior_runs(model)
    seen: list[PriorEpochMetrics] = []

    def stop() -> bool:
        return bool(seen) and seen[-1].epoch == 6

    def on_event(event: object) -> None:
        if isinstance(event, PriorEpochMetrics):
            seen.append(event)

    trained = train_prior(
        model,
        DATA / "sounds",
        replace(TINY, max_epochs=20, learning_rate=0.02),
        on_event=on_event,
        should_stop=stop,
        run_folder=folder,
    )
    again = load_best(folder)
    assert {which: weights.epoch for which, weights in again.weights.items()} == {
        which: weights.epoch for which, weights in trained.weights.items()
    }
    for which in trained.weights:
        one, other = trained.keeping(which), again.keeping(which)
        assert one.prior is not None
        assert other.prior is not None
        weights = other.prior.state_dict()
        assert all(torch.equal(value, weights[key]) for key, value in one.prior.state_dict().items())
        assert {**one.metadata, "training_date": ""} == {**other.metadata, "training_date": ""}
    assert again.ended == "stopped"


def test_keep_is_a_flag(tiny_model: Path, sounds_folder: Path) -> None:
    ended = _distill(
        "train-prior", "--json", tiny_model, sounds_folder, "--epochs", 3, "--keep", "last", "--lr", 0.02, *SMALL
    )
    assert ended.returncode == 0, ended.stderr
    assert '"kept_epoch": 3' in ended.stdout
    metadata = load_model_v2(tiny_model).prior_metadata
    assert metadata is not None
    assert metadata["kept_epoch"] == 3
    assert metadata["kept"] in ("last", "best")  # the last may be the best


@pytest.fixture
def older_run(tiny_model: Path) -> RunFolder:
    """A run as a Distill of before left it: three of five epochs."""
    leave_older_run(tiny_model, version=1)
    return prior_runs(tiny_model)


def test_a_run_of_an_older_distill_is_named_and_its_best_prior_saved(
    older_run: RunFolder, tiny_model: Path, sounds_folder: Path
) -> None:
    found = older_run.look()
    assert found is not None
    assert found.is_older
    assert not found.can_go_on
    assert (found.epoch, found.total_epochs) == (3, 5)
    resumed = _distill("train-prior", "--no-audit", tiny_model, sounds_folder, "--resume")
    assert resumed.returncode == 2
    assert "made by an older Distill" in resumed.stderr
    assert older_run.look() == found
    best = load_best(older_run)
    assert best.prior is not None
    assert [epoch.epoch for epoch in best.history] == [1, 2, 3]
    used = _distill("train-prior", tiny_model, sounds_folder, "--use-best")
    assert used.returncode == 0, used.stderr
    saved = load_model_v2(tiny_model)
    assert saved.prior is not None
    assert read_summary(tiny_model).counts_padding
    assert all(torch.equal(value, saved.prior.state_dict()[key]) for key, value in best.prior.state_dict().items())


def test_a_rate_that_diverges_before_anything_was_worth_keeping_is_an_error(
    tiny_model: Path, sounds_folder: Path
) -> None:
    config = replace(TINY, architecture="flat", learning_rate=30.0, batch_size=1, max_epochs=1, precision="float32")
    with pytest.raises(TrainingError, match="diverged"):
        train_prior(tiny_model, sounds_folder, replace(config, gradient_clip_norm=1e30, learning_rate=1e30))


def test_a_prior_that_came_into_the_file_meanwhile_is_not_replaced_by_one_that_guesses(
    good: tuple[Path, TrainedPrior], good_model: Path, tiny_model: Path, sounds_folder: Path
) -> None:
    trained = train_prior(tiny_model, sounds_folder, replace(TINY, max_epochs=1, learning_rate=1e-6))
    assert trained.file_prior is None
    assert not trained.objection(read_summary(tiny_model))
    assert "no better than guessing" in trained.objection(read_summary(good_model))


def test_what_was_measured_of_another_file_decides_nothing(
    good: tuple[Path, TrainedPrior], good_model: Path, sounds_folder: Path
) -> None:
    trained = train_prior(good_model, sounds_folder, replace(TINY, max_epochs=1))
    facts = {"final_perplexity": 1e-3 + good[1].metadata["final_perplexity"] * 1.01, "unigram_by_level": [1e6]}
    trained = replace(trained, metadata=trained.metadata | facts)
    now = read_summary(good_model)
    assert "worse than the one in the file" in trained.objection(now)
    assert not trained.objection(replace(now, stamp=replace(now.stamp, sha256="another")))


def test_a_slow_run_that_gets_better_has_not_diverged(tiny_model: Path, sounds_folder: Path) -> None:
    slow = replace(TINY, architecture="flat", learning_rate=2e-5, batch_size=1, max_epochs=12, precision="float32")
    events: list[object] = []
    trained = train_prior(tiny_model, sounds_folder, slow, on_event=events.append)
    assert trained.history[-1].val_perplexity > math.e * trained.metadata["unigram_perplexity"] * 0.5
    assert not [event for event in events if isinstance(event, RolledBack)]
    assert trained.ended == "last_epoch"


def test_a_time_limit_before_the_first_epoch_is_no_stop(tiny_model: Path, sounds_folder: Path) -> None:
    told = _distill("train-prior", "--json", tiny_model, sounds_folder, "--time-limit", 1e-6, *SMALL)
    assert told.returncode == 0, told.stderr
    done = json.loads(told.stdout.splitlines()[-1])
    assert (done["event"], done["saved_to"], done["ended"], done["stopped_early"]) == (
        "done",
        None,
        "time_limit",
        False,
    )
    assert "time limit" in told.stderr


@pytest.mark.parametrize(
    "change",
    [{"joined": 100}, {"joined": -1}, {"number_format": "foo"}, {"number_format": ""}, {"ended": "exploded"}],
    ids=str,
)
def test_a_run_whose_numbers_cannot_be_is_damaged(
    tiny_model: Path, sounds_folder: Path, change: dict[str, object]
) -> None:
    folder = prior_runs(tiny_model)
    train_prior(tiny_model, sounds_folder, replace(TINY, max_epochs=2), run_folder=folder)
    _damage(folder, change)
    with pytest.raises(ModelFileError):
        load_best(folder)


@pytest.mark.parametrize("change", [{"verdict": 5}, {"verdict": "unheard of"}, {"val_loss": "low"}], ids=str)
def test_an_epoch_that_cannot_be_is_damaged(tiny_model: Path, sounds_folder: Path, change: dict[str, object]) -> None:
    folder = prior_runs(tiny_model)
    train_prior(tiny_model, sounds_folder, replace(TINY, max_epochs=2), run_folder=folder)
    _damage(folder, {"history": [epoch | change for epoch in folder.load()["history"]]})
    for use in (load_best, lambda run: train_prior(tiny_model, sounds_folder, run_folder=run, resume=True)):
        with pytest.raises(ModelFileError, match="damaged"):
            use(folder)


def _damage(folder: RunFolder, change: dict[str, object]) -> None:
    file = folder.folder / "run.distill-run"
    torch.save(folder.load() | change, file)
    file.with_name("run.distill-run.bak").unlink(missing_ok=True)
