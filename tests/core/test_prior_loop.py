from __future__ import annotations

import gc
import math
import shutil
import threading
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

import pytest
import torch

from distill_core import (
    CodePrior,
    ConfigError,
    DatasetError,
    ModelFileError,
    PriorConfig,
    PriorEpochMetrics,
    PriorStepMetrics,
    PriorTrainingCompleteEvent,
    PriorTrainingStartEvent,
    TrainedPrior,
    TrainingError,
    load_model_v2,
    save_model_v2,
    train_prior,
    train_prior_epoch,
    validate_prior_epoch,
)
from distill_core.events import Stopped
from distill_core.training.data.windows import as_windows

TINY = PriorConfig(
    architecture="flat",
    patience=0,
    precision="float32",
    token_dropout=0.0,
    learning_rate=1e-3,
    hidden_size=32,
    num_layers=1,
    num_heads=2,
    max_epochs=3,
    batch_size=4,
    device="cpu",
)


def _events_of(kind: type, events: list[object]) -> list[object]:
    return [event for event in events if isinstance(event, kind)]


def _same_weights(first: CodePrior | None, second: CodePrior | None) -> bool:
    assert first is not None
    assert second is not None
    other = second.state_dict()
    return all(torch.equal(value, other[key]) for key, value in first.state_dict().items())


@pytest.fixture
def trained_with_events(tiny_model: Path, sounds_folder: Path) -> tuple[TrainedPrior, list[object]]:
    events: list[object] = []
    return train_prior(tiny_model, sounds_folder, TINY, on_event=events.append), events


def test_every_epoch_is_told_and_the_best_is_kept(trained_with_events: tuple[TrainedPrior, list[object]]) -> None:
    trained, events = trained_with_events
    epochs = _events_of(PriorEpochMetrics, events)
    assert tuple(epochs) == trained.history
    assert [metrics.epoch for metrics in trained.history] == [1, 2, 3]
    losses = [metrics.val_loss for metrics in trained.history]
    assert trained.metadata["best_perplexity"] == pytest.approx(math.exp(min(losses)))
    assert trained.metadata["best_epoch"] == 1 + losses.index(min(losses))
    assert trained.metadata["history"]["val_losses"] == losses
    assert trained.history[-1].best_perplexity == trained.metadata["best_perplexity"]
    (complete,) = _events_of(PriorTrainingCompleteEvent, events)
    assert events[-1] is complete
    assert complete.epochs_trained == 3


def test_the_start_event_comes_before_any_step(trained_with_events: tuple[TrainedPrior, list[object]]) -> None:
    _, events = trained_with_events
    kinds = [type(event) for event in events]
    assert kinds.index(PriorTrainingStartEvent) < kinds.index(PriorStepMetrics)
    (start,) = _events_of(PriorTrainingStartEvent, events)
    assert (start.train_files, start.validation_files) == (5, 1)
    assert 1 < start.unigram_perplexity < 20
    assert start.memorization_limit == 2.0


def test_the_result_is_what_the_best_epoch_was(tiny_model: Path, sounds_folder: Path) -> None:
    trained = train_prior(tiny_model, sounds_folder, replace(TINY, max_epochs=6, learning_rate=0.05))
    from distill_core import scan
    from distill_core.training.data.codes import encode_and_split

    codes = encode_and_split(load_model_v2(tiny_model), scan(sounds_folder), TINY.val_fraction, TINY.seed)
    assert trained.prior is not None
    assert not trained.prior.training
    windows = as_windows(trained.prior, [(sound,) for sound in codes.val], 4 * 96)
    val_loss = validate_prior_epoch(trained.prior, windows, config=TINY)
    assert val_loss == pytest.approx(min(metrics.val_loss for metrics in trained.history), abs=1e-6)


def test_config_and_metadata_are_what_the_file_needs(
    trained_with_events: tuple[TrainedPrior, list[object]], sounds_folder: Path
) -> None:
    trained, _ = trained_with_events
    assert (trained.config["seq_len"], trained.config["num_quantizers"]) == (96, 2)
    assert trained.config["hidden_size"] == 32
    assert trained.config["architecture"] == "flat"
    assert trained.metadata["dataset_name"] == sounds_folder.name
    assert trained.metadata["dataset_file_count"] == 6
    assert len(trained.metadata["validation_files"]) == 1
    assert trained.metadata["epochs_trained"] == 3


def test_anonymous_leaves_names_out(tiny_model: Path, sounds_folder: Path) -> None:
    trained = train_prior(tiny_model, sounds_folder, replace(TINY, max_epochs=1, anonymous=True))
    text = repr(trained.metadata) + repr(trained.config)
    assert sounds_folder.name not in trained.metadata.values()
    assert ".wav" not in text
    assert ".flac" not in text


def test_same_seed_same_weights_with_and_without_a_listener(tiny_model: Path, sounds_folder: Path) -> None:
    def listen(event: object) -> None:
        torch.rand(3, generator=torch.Generator().manual_seed(1))
        seen.append(event)

    seen: list[object] = []
    quiet = train_prior(tiny_model, sounds_folder, TINY)
    heard = train_prior(tiny_model, sounds_folder, TINY, on_event=listen)
    assert seen
    assert _same_weights(quiet.prior, heard.prior)
    assert [metrics.val_loss for metrics in quiet.history] == [metrics.val_loss for metrics in heard.history]


def test_another_seed_gives_other_weights(tiny_model: Path, sounds_folder: Path) -> None:
    first = train_prior(tiny_model, sounds_folder, replace(TINY, max_epochs=1))
    second = train_prior(tiny_model, sounds_folder, replace(TINY, max_epochs=1, seed=1))
    assert not _same_weights(first.prior, second.prior)


def test_the_callers_random_state_is_left_alone(tiny_model: Path, sounds_folder: Path) -> None:
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    train_prior(tiny_model, sounds_folder, replace(TINY, max_epochs=1))
    assert torch.equal(torch.rand(2), expected)


def test_stopping_keeps_the_best_epoch(tiny_model: Path, sounds_folder: Path) -> None:
    stop = threading.Event()
    events: list[object] = []

    def stop_in_second_epoch(event: object) -> None:
        events.append(event)
        if isinstance(event, PriorStepMetrics) and event.epoch == 2:
            stop.set()

    trained = train_prior(tiny_model, sounds_folder, TINY, on_event=stop_in_second_epoch, should_stop=stop.is_set)
    assert trained.stopped_early
    assert trained.prior is not None
    assert [metrics.epoch for metrics in trained.history] == [1]
    assert len([step for step in _events_of(PriorStepMetrics, events) if step.epoch == 2]) == 1
    alone = train_prior(tiny_model, sounds_folder, replace(TINY, max_epochs=3), should_stop=lambda: False)
    assert alone.history[0].val_loss == trained.history[0].val_loss


@pytest.mark.parametrize("when", ["at once", "while encoding", "in the first step"])
def test_stopping_before_the_first_validation_gives_no_prior(tiny_model: Path, sounds_folder: Path, when: str) -> None:
    from distill_core.events import JobProgress

    stop = threading.Event()
    if when == "at once":
        stop.set()

    def on_event(event: object) -> None:
        if isinstance(event, JobProgress) and event.phase == "encode" and when == "while encoding":
            stop.set()
        if isinstance(event, PriorStepMetrics):
            stop.set()

    trained = train_prior(tiny_model, sounds_folder, TINY, on_event=on_event, should_stop=stop.is_set)
    assert trained.prior is None
    assert trained.stopped_early
    assert trained.history == ()


def test_training_leaves_the_model_file_alone(tiny_model: Path, sounds_folder: Path) -> None:
    before = tiny_model.read_bytes()
    train_prior(tiny_model, sounds_folder, replace(TINY, max_epochs=1))
    assert tiny_model.read_bytes() == before
    assert [path.name for path in tiny_model.parent.glob("*.distill")] == ["tiny.distill"]


def test_it_learns_a_repeating_pattern_and_flags_memorization() -> None:
    torch.manual_seed(0)
    codes = torch.tensor([0, 1, 2, 3] * 4).repeat(8, 1)
    prior = CodePrior(4, 2, 16, hidden_size=32, num_layers=1, num_heads=2, dropout=0.0)
    config = PriorConfig(hidden_size=32, num_heads=2, num_layers=1, batch_size=4, learning_rate=1e-2)
    optimizer = torch.optim.AdamW(prior.parameters(), lr=config.learning_rate)
    losses = [train_prior_epoch(prior, codes, optimizer, config=config, epoch=epoch) for epoch in range(1, 31)]
    assert losses[0] > 1.0
    assert losses[-1] < 0.05
    assert validate_prior_epoch(prior, codes, config=config) < 0.05


def test_random_codes_stay_at_the_codebook_size() -> None:
    generator = torch.Generator().manual_seed(0)
    train, val = torch.randint(0, 8, (256, 16), generator=generator), torch.randint(0, 8, (64, 16), generator=generator)
    torch.manual_seed(0)
    prior = CodePrior(8, 2, 16, hidden_size=32, num_layers=1, num_heads=2, dropout=0.0)
    config = PriorConfig(hidden_size=32, num_heads=2, num_layers=1)
    optimizer = torch.optim.AdamW(prior.parameters(), lr=1e-3)
    for epoch in range(1, 6):
        train_prior_epoch(prior, train, optimizer, config=config, epoch=epoch)
    assert math.exp(validate_prior_epoch(prior, val, config=config)) > 7.8


def test_three_and_two_dimensional_codes_are_the_same() -> None:
    torch.manual_seed(0)
    prior = CodePrior(4, 2, 16, hidden_size=32, num_layers=1, num_heads=2)
    codes = torch.randint(0, 4, (5, 8, 2))
    flat = validate_prior_epoch(prior, codes.flatten(1), config=TINY)
    assert validate_prior_epoch(prior, codes, config=TINY) == flat


def test_a_gradient_that_is_not_finite_never_reaches_the_weights() -> None:
    torch.manual_seed(0)
    prior = CodePrior(4, 2, 16, hidden_size=32, num_layers=1, num_heads=2)
    prior.head.weight.register_hook(lambda gradient: gradient * math.inf)
    before = {key: value.clone() for key, value in prior.state_dict().items()}
    optimizer = torch.optim.AdamW(prior.parameters(), lr=1e-3)
    with pytest.raises(TrainingError, match="diverged"):
        train_prior_epoch(prior, torch.randint(0, 4, (32, 16)), optimizer, config=TINY)
    assert all(torch.equal(before[key], value) for key, value in prior.state_dict().items())


def test_a_run_that_diverges_at_once_is_an_error(tiny_model: Path, sounds_folder: Path) -> None:
    config = replace(TINY, learning_rate=1e30, gradient_clip_norm=1e30, batch_size=1)
    with pytest.raises(TrainingError, match="diverged"):
        train_prior(tiny_model, sounds_folder, config)


def test_a_run_that_diverges_later_keeps_its_best(tiny_model: Path, sounds_folder: Path) -> None:

    def poison(event: object) -> None:
        """Turn the weights of the running prior to NaN after the first epoch, as faulty memory would."""
        if isinstance(event, PriorEpochMetrics) and event.epoch == 1:
            for prior in [found for found in gc.get_objects() if type(found) is CodePrior]:
                with torch.no_grad():
                    prior.head.weight.fill_(math.nan)
        if isinstance(event, PriorStepMetrics):
            rates.setdefault(event.epoch, []).append(event.learning_rate)

    rates: dict[int, list[float]] = {}
    config = replace(TINY, batch_size=1, max_epochs=4)
    trained = train_prior(tiny_model, sounds_folder, config, on_event=poison)
    assert rates[3][0] <= rates[2][-1] / 2
    assert trained.prior is not None
    assert all(torch.isfinite(value).all() for value in trained.prior.state_dict().values())
    assert [metrics.epoch for metrics in trained.history] == [1, 3, 4]


def test_an_epoch_stopped_at_once_says_nan_and_a_validation_says_stopped() -> None:
    prior = CodePrior(4, 2, 16, hidden_size=32, num_layers=1, num_heads=2)
    optimizer = torch.optim.AdamW(prior.parameters())
    codes = torch.randint(0, 4, (5, 16))
    assert math.isnan(train_prior_epoch(prior, codes, optimizer, config=TINY, should_stop=lambda: True))
    with pytest.raises(Stopped):
        validate_prior_epoch(prior, codes, config=TINY, should_stop=lambda: True)


@pytest.mark.parametrize("count", [1, 2, 3, 5])
def test_few_files(tiny_model: Path, shared_sounds_folder: Path, tmp_path: Path, count: int) -> None:
    folder = tmp_path / "few"
    folder.mkdir()
    for path in sorted(shared_sounds_folder.iterdir(), key=lambda path: -path.stat().st_size)[:count]:
        shutil.copy(path, folder)
    trained = train_prior(tiny_model, folder, replace(TINY, max_epochs=1))
    assert trained.prior is not None
    assert trained.metadata["dataset_file_count"] == count


def test_a_single_short_sound_is_refused(tiny_model: Path, write_sound, tmp_path: Path) -> None:
    write_sound(tmp_path / "one" / "click.wav", seconds=0.3)
    with pytest.raises(DatasetError, match="too little"):
        train_prior(tiny_model, tmp_path / "one", TINY)


def test_a_second_of_more_codes_than_a_prior_can_hold_is_refused_before_training(
    tiny_model: Path, write_sound: Callable[..., Path], tmp_path: Path
) -> None:
    sounds_folder = write_sound(tmp_path / "short sounds" / "one.wav").parent
    write_sound(sounds_folder / "two.wav", seed=1)
    loaded = load_model_v2(tiny_model)
    fine = save_model_v2(
        tmp_path / "fine.distill",
        loaded.model,
        spectrogram_config=asdict(loaded.spectrogram.config) | {"sample_rate": 96_000, "hop_length": 16, "n_mels": 512},
        vqvae_config=loaded.vqvae_config,
        training_config={},
        metadata={},
    )
    events: list[object] = []
    with pytest.raises(ModelFileError, match="codes a second"):
        train_prior(fine, sounds_folder, TINY, on_event=events.append)
    assert not _events_of(PriorTrainingStartEvent, events)


def test_a_sound_that_vanishes_after_the_scan_is_skipped_by_name(tiny_model: Path, sounds_folder: Path) -> None:
    from distill_core import scan
    from distill_core.events import SkippedFile

    dataset = scan(sounds_folder)
    gone = dataset.files[0]
    gone.path.unlink()
    events: list[object] = []
    trained = train_prior(tiny_model, dataset, replace(TINY, max_epochs=1), on_event=events.append)
    assert trained.prior is not None
    assert [event.name for event in _events_of(SkippedFile, events)] == [gone.name]


def test_a_device_that_is_not_there_is_refused(tiny_model: Path, sounds_folder: Path) -> None:
    if torch.cuda.is_available():
        pytest.skip("this computer has a CUDA device")
    with pytest.raises(ConfigError, match="cuda"):
        train_prior(tiny_model, sounds_folder, replace(TINY, device="cuda"))


def test_patience_ends_a_run_that_no_longer_improves(tiny_model: Path, sounds_folder: Path) -> None:
    config = replace(TINY, max_epochs=200, learning_rate=0.02, patience=4)
    trained = train_prior(tiny_model, sounds_folder, config)
    assert not trained.stopped_early
    assert len(trained.history) == trained.metadata["best_epoch"] + 4 < 200
    losses = [metrics.val_loss for metrics in trained.history]
    assert min(losses[-4:]) > min(losses)
