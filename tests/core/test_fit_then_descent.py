"""A codec that is fitted in its first epoch and refined along gradients in the next: best kept, stopped, resumed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor, nn

from distill_core import ConfigError, load_model_v2
from distill_core.audio.spectrogram import AudioSpectrogram
from distill_core.events import JobProgress, OnEvent, Phase, ShouldStop
from distill_core.models.architectures import CODECS, CodecRow
from distill_core.models.codec import Codec
from distill_core.models.value_reader import ValueReader
from distill_core.training.codec.events import CodecEpochMetrics, CodecTrainingStartEvent
from distill_core.training.codec.train import train_codec
from distill_core.training.codec.trained import TrainedCodec
from distill_core.training.codec.trainings import TRAININGS, CodecTraining
from distill_core.training.data.chunks import VariantBatches
from distill_core.training.events import Ended, RolledBack, StepMetrics
from distill_core.training.kinds import codec_runs
from distill_core.training.settings import setting, shared_setting
from tests.toy_codec import ToyCodec, ToyConfig, ToyLearner, toy_config_for

NAME = "refined"


class RefinedCodec(ToyCodec):
    """The toy with books that gradients move: their order may be lost."""

    architecture: ClassVar[str] = NAME

    def __init__(self, config: Mapping[str, Any], spectrogram: AudioSpectrogram, books_QHK: Tensor) -> None:
        super().__init__(config, spectrogram, books_QHK)
        del self.books_QHK
        self.books_QHK = nn.Parameter(books_QHK)

    @classmethod
    def check_numbers(cls, state: Mapping[str, Any], reader: ValueReader) -> None:
        """Accept books in any order."""


@dataclass(frozen=True, slots=True)
class RefinedConfig(ToyConfig):
    """The settings of the refined toy, which has an optimizer."""

    max_epochs: int = setting(5, "Passes over the training sounds.")
    learning_rate: float = setting(0.02, "Largest step size.")
    batch_size: int = shared_setting("batch_size", 4)
    augmentation: int = setting(2, "How often each sound is heard in an epoch.")
    patience: int = shared_setting("patience", 0)


class RefinedLearner(ToyLearner):
    """How the refined toy learns: the toy's fit, then its loss; `losses_to_spoil` makes the next ones infinite."""

    codec_class: ClassVar[type[Codec]] = RefinedCodec
    losses_to_spoil: ClassVar[int] = 0

    def untrained(self) -> ToyCodec:
        return RefinedCodec.without_books(self.config.to_file(), self.spectrogram)

    def fit(self, batches: VariantBatches, on_event: OnEvent, should_stop: ShouldStop) -> float:
        with torch.no_grad():
            return super().fit(batches, on_event, should_stop)

    def loss(self, waveforms_BT: Tensor, should_stop: ShouldStop) -> tuple[Tensor, Tensor]:
        loss, commitment = super().loss(waveforms_BT, should_stop)
        if torch.is_grad_enabled() and RefinedLearner.losses_to_spoil:
            RefinedLearner.losses_to_spoil -= 1
            return loss * torch.inf, commitment
        return loss, commitment


def _config_for(*arguments: Any, **overrides: Any) -> RefinedConfig:
    length = toy_config_for(*arguments).step_samples
    return RefinedConfig(**{"step_samples": length, **overrides})


@pytest.fixture(autouse=True)
def _two_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(CODECS, NAME, CodecRow(lambda: RefinedCodec))
    monkeypatch.setitem(TRAININGS, NAME, CodecTraining(RefinedConfig, _config_for, lambda: RefinedLearner))
    monkeypatch.setattr(RefinedLearner, "losses_to_spoil", 0)
    monkeypatch.setattr("distill_core.training.codec.state.PAUSE_IN_WRITING_S", 0.0)


def _books(trained: TrainedCodec) -> Tensor:
    assert trained.model is not None
    return trained.model.state_dict()["books_QHK"]


def _figures(trained: TrainedCodec) -> list[CodecEpochMetrics]:
    return [replace(metrics, epoch_time_s=0.0) for metrics in trained.history]


def test_the_first_epoch_is_the_fit_and_the_next_ones_better_it(shared_sounds_folder: Path, tmp_path: Path) -> None:
    events: list[object] = []
    trained = train_codec(shared_sounds_folder, architecture=NAME, on_event=events.append)
    fit, *refined = trained.history
    kinds = [type(event) for event in events if not isinstance(event, JobProgress)]
    assert kinds[:3] == [CodecTrainingStartEvent, CodecEpochMetrics, StepMetrics]
    assert (fit.commit_loss, fit.learning_rate) == (0, 0)
    assert refined[0].learning_rate == 0.02
    assert 0 < refined[-1].learning_rate < 0.004
    assert trained.history[-1].best_epoch > 1
    assert trained.history[-1].best_val_loss < fit.val_loss
    assert trained.ended is Ended.LAST_EPOCH
    loaded = load_model_v2(trained.save(tmp_path / "refined.distill"))
    assert torch.equal(loaded.model.state_dict()["books_QHK"], _books(trained))
    assert trained.training_config["best_val_l1"] < trained.training_config["mean_frame_l1"]


@pytest.mark.parametrize("epoch", [1, 2, 5])
def test_it_is_gone_on_with_bit_for_bit(sounds_folder: Path, tmp_path: Path, epoch: int) -> None:
    folder, told = codec_runs(tmp_path / "refined.distill"), 0

    def on_event(event: object) -> None:
        if isinstance(event, CodecEpochMetrics) and event.epoch == epoch:
            raise KeyboardInterrupt

    def count(event: object) -> None:
        nonlocal told
        told += isinstance(event, JobProgress) and event.phase is Phase.FIT

    with pytest.raises(KeyboardInterrupt):
        train_codec(sounds_folder, architecture=NAME, on_event=on_event, run_folder=folder)
    whole = train_codec(sounds_folder, architecture=NAME)
    rest = train_codec(sounds_folder, on_event=count, run_folder=folder, resume=True)
    assert told == 0  # it is not fitted again
    assert torch.equal(_books(rest), _books(whole))
    assert _figures(rest) == _figures(whole)
    assert rest.training_config == whole.training_config


def test_stopped_within_the_fit_there_is_no_model_and_after_it_there_is(sounds_folder: Path, tmp_path: Path) -> None:
    seen: list[object] = []
    folder = codec_runs(tmp_path / "refined.distill")

    def in_the_fit() -> bool:
        return bool(seen) and isinstance(seen[-1], JobProgress) and seen[-1].phase is Phase.FIT

    def in_the_second_epoch() -> bool:
        return bool(seen) and isinstance(seen[-1], StepMetrics)

    def train(should_stop: Callable[[], bool]) -> TrainedCodec:
        seen.clear()
        return train_codec(
            sounds_folder, architecture=NAME, on_event=seen.append, should_stop=should_stop, run_folder=folder
        )

    assert train(in_the_fit).model is None
    assert folder.unfinished() is None
    stopped = train(in_the_second_epoch)
    assert stopped.ended is Ended.STOPPED
    assert [metrics.epoch for metrics in stopped.history] == [1]
    assert torch.equal(_books(stopped), _books(train_codec(sounds_folder, {"max_epochs": 1}, architecture=NAME)))
    rest = train_codec(sounds_folder, run_folder=folder, resume=True)
    assert torch.equal(_books(rest), _books(train_codec(sounds_folder, architecture=NAME)))


def test_an_epoch_that_diverges_at_once_goes_back_to_the_fit(sounds_folder: Path) -> None:
    RefinedLearner.losses_to_spoil = 3
    events: list[object] = []
    trained = train_codec(sounds_folder, {"learning_rate": 0.01}, architecture=NAME, on_event=events.append)
    assert [(event.epoch, event.to_epoch) for event in events if isinstance(event, RolledBack)] == [(2, 1)]
    assert [metrics.epoch for metrics in trained.history] == [1, 3, 4, 5]
    assert trained.history[1].learning_rate < 0.005
    assert trained.ended is Ended.LAST_EPOCH


def test_a_class_of_settings_names_the_codec_and_another_name_contradicts_it(sounds_folder: Path) -> None:
    assert isinstance(train_codec(sounds_folder, RefinedConfig(max_epochs=1)).model, RefinedCodec)
    with pytest.raises(ConfigError, match="RefinedConfig"):
        train_codec(sounds_folder, RefinedConfig(), architecture="v2")
