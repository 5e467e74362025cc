"""The kept epochs of a training side by side: the same seed, a take of each, and whether it is a copy."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from threading import Event

import pytest
import torch

from distill_core import GenerateRequest, TrainedPrior, load_model_v2, scan, train_prior
from distill_core.audio.dataset import AudioDataset
from distill_core.audit.epochs import KeptEpoch, compare_kept
from distill_core.audit.verdict import NOT_HERE
from distill_core.events import JobProgress, Phase, Stopped
from distill_core.generation.generate import generate
from distill_core.generation.takes.verdict import Copying
from distill_core.training.loop import KeptWeights
from distill_core.training.prior.events import Keep
from tests.conftest import WriteSound

BY_HEART = {
    "hidden_size": 64,
    "num_layers": 2,
    "num_heads": 2,
    "learning_rate": 0.01,
    "dropout": 0.0,
    "variants": 0,
    "batch_size": 2,
    "max_epochs": 40,
    "patience": 0,
    "device": "cpu",
}
WANTED = GenerateRequest(seconds=0.75, seed=3, temperature=0.7)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> AudioDataset:
    from tests.conftest import _write_sound

    folder = tmp_path_factory.mktemp("kicks")
    for number in range(8):
        _write_sound(folder / f"kick_{number:02}.wav", seed=number, seconds=0.75)
    return scan(folder)


@pytest.fixture(scope="module")
def overfit(shared_tiny_model: Path, dataset: AudioDataset) -> TrainedPrior:
    """A training whose best epoch is early, and whose last knows its sounds by heart."""
    trained = train_prior(shared_tiny_model, dataset, BY_HEART)
    assert trained.history[-1].verdict == "memorizing"
    return trained


@pytest.fixture(scope="module")
def compared(overfit: TrainedPrior, shared_tiny_model: Path, dataset: AudioDataset) -> tuple[KeptEpoch, ...]:
    return compare_kept(overfit, shared_tiny_model, dataset, WANTED)


def test_each_kept_epoch_is_told_looser_ones_first(overfit: TrainedPrior, compared: tuple[KeptEpoch, ...]) -> None:
    assert [each.keep for each in compared] == [Keep.BEST, Keep.LAST]
    assert [each.metrics.epoch for each in compared] == [overfit.metadata["best_epoch"], len(overfit.history)]
    gaps = [each.metrics.val_perplexity / each.metrics.known_perplexity for each in compared]
    assert gaps == sorted(gaps), "later epochs know their sounds better than others"
    assert {each.take.request for each in compared} == {WANTED}


def test_the_last_epoch_of_an_overfit_training_copies_and_the_best_does_not(compared: tuple[KeptEpoch, ...]) -> None:
    best, last = (each.verdict for each in compared)
    assert last.verdict is Copying.COPY
    assert last.file.startswith("kick_")
    assert best.verdict is not Copying.COPY
    assert best.agreement < last.agreement


def test_the_same_seed_gives_the_same_takes_as_the_epoch_in_its_file(
    overfit: TrainedPrior, compared: tuple[KeptEpoch, ...], shared_tiny_model: Path, dataset: AudioDataset
) -> None:
    told: list[object] = []
    (again,) = compare_kept(overfit, shared_tiny_model, dataset, WANTED, only={Keep.LAST}, on_event=told.append)
    assert [each for each in told if isinstance(each, KeptEpoch)] == [again]
    assert torch.equal(again.take.codes_WHQ, compared[1].take.codes_WHQ)
    assert again.verdict == compared[1].verdict
    saved = overfit.keeping(Keep.LAST)
    in_file = replace(
        load_model_v2(shared_tiny_model), prior=saved.prior, prior_config=saved.config, prior_metadata=saved.metadata
    )
    assert torch.equal(generate(in_file, WANTED).codes_WHQ, again.take.codes_WHQ)


def test_without_the_sounds_nobody_can_tell(
    overfit: TrainedPrior, shared_tiny_model: Path, tmp_path: Path, write_sound: WriteSound
) -> None:
    (unheard,) = compare_kept(overfit, shared_tiny_model, None, WANTED, only=[Keep.BEST])
    assert (unheard.verdict.verdict, unheard.verdict.reason) == (Copying.CANT_TELL, NOT_HERE)
    assert unheard.take.duration_s == 0.75


def test_epochs_that_learned_from_the_same_variants_share_a_judge(
    overfit: TrainedPrior, shared_tiny_model: Path, dataset: AudioDataset
) -> None:
    """A judge reads all sounds and compares them with one another: for a medium set that takes seconds."""
    told = list[object]()
    compare_kept(overfit, shared_tiny_model, dataset, WANTED, on_event=told.append)
    read = [event.done for event in told if isinstance(event, JobProgress) and event.phase is Phase.ENCODE]
    assert read.count(1) == 1


def _three(overfit: TrainedPrior) -> TrainedPrior:
    """Return the training as if its best epoch had come after it had begun to memorize."""
    before, best, last = KeptWeights(), overfit.weights[Keep.BEST], overfit.weights[Keep.LAST]
    before.keep(best.state, overfit.history[0].val_loss, overfit.history[0].epoch)
    weights = {Keep.BEST: best, Keep.LAST: last, Keep.BEFORE_MEMORIZING: before}
    return replace(overfit, weights=weights)


def test_the_order_is_that_of_the_epochs(overfit: TrainedPrior) -> None:
    order = [which for which, _ in _three(overfit).looser_to_closer]
    assert order == [Keep.BEFORE_MEMORIZING, Keep.BEST, Keep.LAST]


def test_a_stop_ends_it(overfit: TrainedPrior, shared_tiny_model: Path, dataset: AudioDataset, caches: Path) -> None:
    stop = Event()

    def on_event(event: object) -> None:
        if isinstance(event, KeptEpoch):
            stop.set()

    told: list[object] = []
    with pytest.raises(Stopped):
        compare_kept(
            overfit, shared_tiny_model, dataset, WANTED, on_event=_both(told.append, on_event), should_stop=stop.is_set
        )
    assert len([event for event in told if isinstance(event, KeptEpoch)]) == 1


def _both(*takers: Callable[[object], object]) -> Callable[[object], object]:
    return lambda event: [take(event) for take in takers]
