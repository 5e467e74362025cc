"""The contract of how a codec learns: all that its training in epochs asks.

A codec's training is one class that implements it, with a class of settings, and one row of `TRAININGS`. Epochs, their
order, the optimizer, the best weights, stopping and going on are `run.py` and `epochs.py`, the same for all.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, TypeVar

import torch
from torch import Tensor

from distill_core.audio.spectrogram import AudioSpectrogram
from distill_core.events import OnEvent, ShouldStop
from distill_core.models.architectures import naming_codec
from distill_core.models.codec import Codec
from distill_core.training.codec.settings import CodecSettings
from distill_core.training.data.chunks import SplitSounds, VariantBatches

CodecT = TypeVar("CodecT", bound=Codec)
SettingsT = TypeVar("SettingsT", bound=CodecSettings)


@dataclass(frozen=True, slots=True)
class Validation:
    """The figures of one pass over the held-out sounds.

    `loss` judges which epoch is best. `l1` is the mean absolute error of the log-mel, or of the codec's own features if
    it has no mel; `codebook_use` is the share of the first level's codes in use.
    """

    loss: float
    l1: float
    codebook_use: float


class CodecLearner(ABC, Generic[CodecT, SettingsT]):
    """How a codec learns.

    `codec` has the weights under way, on `device`. Its parameters are what optimizer steps move, if they need
    gradients; parameters and buffers together are what is kept of an epoch. `mean_frame_l1` is `Validation.l1` of
    answering with each held-out chunk's mean frame, known after `prepare`.

    With `fits_alone`, epoch 1 is a fit in closed form, without an optimizer step. A codec without parameters fits
    alone, in the only epoch.
    """

    codec_class: ClassVar[type[Codec]]
    fits_alone: ClassVar[bool] = False
    mean_frame_l1: float = math.nan

    def __init__(
        self, config: SettingsT, sounds: SplitSounds, spectrogram: AudioSpectrogram, device: torch.device
    ) -> None:
        self.config, self.sounds, self.spectrogram, self.device = config, sounds, spectrogram, device
        self.codec = self.untrained().to(device)
        self.codec.spectrogram = spectrogram

    @classmethod
    def settle(
        cls,
        config: SettingsT,
        sounds: SplitSounds,
        spectrogram: AudioSpectrogram,
        on_event: OnEvent,
        should_stop: ShouldStop,
    ) -> SettingsT:
        """Return the settings of a training that begins, with those that follow from the sounds themselves.

        It reports its progress as `Phase.FIT`.

        Raises:
            Stopped: `should_stop()` turned true.
        """
        return config

    @property
    def vqvae_config(self) -> dict[str, Any]:
        """The settings as the file holds them, with the codec's name."""
        return naming_codec(self.config.to_file(), self.codec_class.architecture)

    @abstractmethod
    def untrained(self) -> CodecT:
        """Return the codec before training, on any device, with weights of their final shapes.

        Random weights are drawn from torch's global generator, which is seeded.
        """

    @abstractmethod
    def prepare(self, should_stop: ShouldStop) -> None:
        """Compute what validation needs, and `mean_frame_l1`; called when training begins, and when it goes on.

        No random number is drawn.

        Raises:
            Stopped: `should_stop()` turned true.
        """

    def initialise(self, batches: VariantBatches, should_stop: ShouldStop) -> None:
        """Set what the first optimizer step needs; called once, at the beginning of epoch 1, unless it fits alone.

        Raises:
            Stopped: `should_stop()` turned true.
        """

    def fit(self, batches: VariantBatches, on_event: OnEvent, should_stop: ShouldStop) -> float:
        """Fit the weights in closed form, in place, and return the mean loss on the training sounds.

        It is the whole of epoch 1 of a learner that `fits_alone`, before its validation, and reports its progress as
        `Phase.FIT`. The training sounds as they are stand in `sounds.train_NT`; `batches` has variants of them too.

        Raises:
            Stopped: `should_stop()` turned true.
        """
        raise NotImplementedError

    @abstractmethod
    def loss(self, waveforms_BT: Tensor, should_stop: ShouldStop) -> tuple[Tensor, Tensor]:
        """Return the loss of a batch, with gradients, and the part of it that is the commitment loss.

        The codec is in train mode, the waveforms are on the CPU. An optimizer step that is stopped or not finite puts
        all buffers back.

        Raises:
            Stopped: `should_stop()` turned true.
        """

    @abstractmethod
    def validate(self, should_stop: ShouldStop) -> Validation:
        """Return the figures of the held-out sounds; the codec is in eval mode, and no gradients are kept.

        Raises:
            Stopped: `should_stop()` turned true.
        """
