"""The settings of the KLT codec's training; their doc lines serve the terminal's --help and the window alike."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from distill_core.training.codec.settings import CodecSettings, SoundAmount
from distill_core.training.settings import (
    check_setting,
    check_whole,
    is_number,
    is_whole,
    setting,
    shared_setting,
    val_fraction_for,
)

AUTO = 0  # of a setting that follows from the sounds themselves, once they are read
# Seconds of sound that a network is refined on before it learns no more: some five minutes on one core.
_REFINED_ON_S, _FEWEST_EPOCHS, _MOST_EPOCHS = 40_000, 10, 400
_WHOLE_RANGES = {
    "codebook_size": (2, 4096),
    "num_quantizers": (AUTO, 32),
    "step_frames": (4, 256),
    "components": (1, 1024),
    "refiner_width": (1, 1024),
    "refiner_depth": (0, 64),
    "batch_size": (1, 4096),
}
_BAND_MELS = (16, 128)
# Numbers of a patch, whose directions take nearly a second that nothing can stop if they are 1024.
_MOST_IN_PATCH = 8192


@dataclass(frozen=True, slots=True)
class KLTConfig(CodecSettings):
    """The settings of one training run; saved inside the model file.

    Raises:
        ConfigError: a setting that cannot be; names the field.
    """

    codebook_size: int = setting(64, "Codes in each level's codebook.")
    num_quantizers: int = setting(AUTO, "Levels: each one codes what those before it left over; 0: as the sounds need.")
    step_frames: int = setting(16, "Frames of 11 ms in a step of time; a multiple of 4.")
    band_mels: int = setting(AUTO, "Of 128 mel bands, those described together; 0: as the held-out sounds need.")
    components: int = setting(64, "Numbers that describe one position of the sound.")
    rate_weight: float = setting(12.0, "How much rare codes are avoided: fewer bits for a prior to learn, more error.")
    refiner_width: int = setting(64, "Width of the network that refines the sound.")
    refiner_depth: int = setting(3, "Layers of the network that refines the sound.")
    max_epochs: int = setting(100, "Passes over the training sounds; the first fits the codec, the others refine it.")
    learning_rate: float = setting(2e-3, "Largest step size; it falls along a cosine.")
    weight_decay: float = shared_setting("weight_decay", 0.01)
    gradient_clip_norm: float = shared_setting("gradient_clip_norm", 1.0)
    batch_size: int = shared_setting("batch_size", 8)
    val_fraction: float = setting(0.2, "Share of the sounds kept aside to measure the error on.")
    device: str = shared_setting("device", "auto")
    seed: int = setting(0, "Same seed, same machine: the same model.")
    time_limit_min: float = shared_setting("time_limit_min", 0.0)
    patience: int = shared_setting("patience", 30)
    anonymous: bool = shared_setting("anonymous", False)

    def __post_init__(self) -> None:
        self.check_shared()
        check_whole(self, _WHOLE_RANGES)
        least, most = _BAND_MELS
        is_band = is_whole(self.band_mels) and (least <= self.band_mels <= most or self.band_mels == AUTO)
        check_setting(
            self, "band_mels", is_band and self.band_mels % 4 == 0, f"0, or a multiple of 4 from {least} to {most}"
        )
        check_setting(self, "step_frames", self.step_frames % 4 == 0, "a multiple of 4")
        most = most_band_mels(self.step_frames)
        check_setting(self, "band_mels", self.band_mels <= most, f"at most {most} with step_frames {self.step_frames}")
        is_weight = is_number(self.rate_weight) and 0 <= self.rate_weight <= 1e6
        check_setting(self, "rate_weight", is_weight, "a number from 0 to 1000000")


def most_band_mels(step_frames: int) -> int:
    """Return the most mel bands that can be described together."""
    return min(_BAND_MELS[1], _MOST_IN_PATCH // step_frames // 4 * 4)


def klt_config_for(amount: SoundAmount, **overrides: Any) -> KLTConfig:
    """Return the settings for an amount of sound; `overrides` replace single ones.

    The less sound, the more often it is gone through. Bands and levels follow from the sounds themselves.

    Raises:
        ConfigError: an override that cannot be.
    """
    epochs = 1 + min(max(round(_REFINED_ON_S / max(amount.seconds, 1.0)), _FEWEST_EPOCHS), _MOST_EPOCHS)
    return KLTConfig(**{"max_epochs": epochs, "val_fraction": val_fraction_for(amount.files), **overrides})
