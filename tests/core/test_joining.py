"""The first epoch comes soon: variants join one by one, by count and never by clock."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from distill_core import PriorConfig, PriorEpochMetrics, TrainedPrior, load_model_v2, scan, train_prior
from distill_core.events import JobProgress, SkippedFile
from distill_core.training.data.codes import SoundEncoder
from distill_core.training.kinds import prior_runs
from distill_core.training.prior.events import PriorStepMetrics
from distill_core.training.prior.state import codes_digest

TINY = PriorConfig(
    hidden_size=32,
    num_layers=1,
    num_heads=2,
    max_epochs=5,
    batch_size=4,
    patience=0,
    variants=3,
    device="cpu",
    precision="float32",
)


@pytest.fixture(autouse=True)
def _each_epoch_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("distill_core.training.prior.state.PAUSE_IN_WRITING_TIMES", 0)


def _same(one: TrainedPrior, other: TrainedPrior) -> bool:
    assert one.prior is not None
    assert other.prior is not None
    weights = other.prior.state_dict()
    return all(torch.equal(value, weights[key]) for key, value in one.prior.state_dict().items())


def test_variant_k_joins_before_epoch_k_plus_one(tiny_model: Path, sounds_folder: Path) -> None:
    told: list[str] = []

    def on_event(event: object) -> None:
        if isinstance(event, JobProgress) and event.phase in ("encode", "variants"):
            told.append(event.phase)
        elif isinstance(event, PriorEpochMetrics):
            told.append(f"epoch {event.epoch}")

    train_prior(tiny_model, sounds_folder, TINY, on_event=on_event)
    firsts = [what for index, what in enumerate(told) if not index or told[index - 1] != what]
    assert firsts == [
        "encode",
        "epoch 1",
        "variants",
        "epoch 2",
        "variants",
        "epoch 3",
        "variants",
        "epoch 4",
        "epoch 5",
    ]


def test_the_schedule_knows_all_steps_before_any_variant_has_joined(tiny_model: Path, sounds_folder: Path) -> None:
    steps: dict[int, set[int]] = {}

    def on_event(event: object) -> None:
        if isinstance(event, PriorStepMetrics):
            steps.setdefault(event.epoch, set()).add(event.total_steps)

    train_prior(tiny_model, sounds_folder, TINY, on_event=on_event)
    assert len(set.union(*steps.values())) == 1


def test_the_cache_and_the_clock_change_nothing(tiny_model: Path, sounds_folder: Path) -> None:
    cold = train_prior(tiny_model, sounds_folder, TINY)
    warm = train_prior(tiny_model, sounds_folder, TINY)
    uncached = train_prior(tiny_model, sounds_folder, TINY, use_cache=False)
    assert _same(cold, warm)
    assert _same(cold, uncached)


@pytest.mark.parametrize("epoch", [1, 2, 4])
def test_going_on_takes_the_variants_that_had_joined(tiny_model: Path, sounds_folder: Path, epoch: int) -> None:
    class _Crash(BaseException):
        pass

    def crash(event: object) -> None:
        if isinstance(event, PriorEpochMetrics) and event.epoch == epoch:
            raise _Crash

    folder = prior_runs(tiny_model)
    whole = train_prior(tiny_model, sounds_folder, TINY)
    with pytest.raises(_Crash):
        train_prior(tiny_model, sounds_folder, TINY, on_event=crash, run_folder=folder)
    assert folder.load()["joined"] == min(epoch - 1, TINY.variants)
    rest = train_prior(tiny_model, sounds_folder, run_folder=folder, resume=True)
    assert _same(whole, rest)


def test_stopping_while_a_variant_is_encoded_keeps_the_epoch_before(tiny_model: Path, sounds_folder: Path) -> None:
    seen: list[object] = []

    def stop() -> bool:
        return bool(seen) and isinstance(seen[-1], JobProgress) and seen[-1].phase == "variants"

    trained = train_prior(tiny_model, sounds_folder, TINY, on_event=seen.append, should_stop=stop)
    assert trained.stopped_early
    assert [epoch.epoch for epoch in trained.history] == [1]


def test_the_digest_covers_what_has_joined(tiny_model: Path, sounds_folder: Path) -> None:
    encoder = SoundEncoder(load_model_v2(tiny_model), "rows")
    split = encoder.split(scan(sounds_folder), 0.3, 0)
    digests = [codes_digest(split, None)]
    for _ in range(2):
        split = encoder.join_variant(split)
        digests.append(codes_digest(split, None))
    assert len(set(digests)) == 3
    again = encoder.join_variants(encoder.split(scan(sounds_folder), 0.3, 0), 2)
    assert codes_digest(again, None) == digests[2]


def test_a_sound_that_changes_meanwhile_is_told_once_and_training_goes_on(
    tiny_model: Path, sounds_folder: Path
) -> None:
    dataset = scan(sounds_folder)
    events: list[object] = []
    first = train_prior(tiny_model, dataset, replace(TINY, max_epochs=1))
    gone = next(file for file in dataset.files if file.name not in first.metadata["validation_files"])

    def on_event(event: object) -> None:
        events.append(event)
        if isinstance(event, PriorEpochMetrics) and event.epoch == 1:
            gone.path.unlink()

    trained = train_prior(tiny_model, dataset, TINY, on_event=on_event, use_cache=False)
    assert len(trained.history) == TINY.max_epochs
    assert [event.name for event in events if isinstance(event, SkippedFile)] == [gone.name]


def test_a_single_sound_has_no_variants(tiny_model: Path, write_sound, tmp_path: Path) -> None:
    write_sound(tmp_path / "one" / "a.wav", seconds=6.0)
    events: list[object] = []
    train_prior(tiny_model, tmp_path / "one", replace(TINY, max_epochs=2), on_event=events.append)
    assert not [event for event in events if isinstance(event, JobProgress) and event.phase == "variants"]


def test_a_fault_of_our_own_while_a_run_is_read_is_no_damaged_file(
    tiny_model: Path, sounds_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = prior_runs(tiny_model)
    train_prior(tiny_model, sounds_folder, replace(TINY, max_epochs=1), run_folder=folder)

    def fail(*arguments: object) -> str:
        raise KeyError("a bug")

    monkeypatch.setattr("distill_core.training.prior.state.codes_digest", fail)
    with pytest.raises(KeyError, match="a bug"):
        train_prior(tiny_model, sounds_folder, run_folder=folder, resume=True)
