"""The settings of the VQ-VAE's training; their doc lines serve the terminal's --help and the window alike."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from distill_core.training.codec.settings import CodecSettings, SoundAmount
from distill_core.training.settings import (
    batch_size_for,
    check_setting,
    check_whole,
    is_number,
    setting,
    shared_setting,
    val_fraction_for,
)

_WHOLE_RANGES = {
    "codebook_dim": (1, 1024),
    "codebook_size": (2, 4096),
    "num_quantizers": (1, 32),
    "batch_size": (1, 4096),
    "augmentation": (0, 1000),
}
_NUMBER_RANGES = {
    "decay": (0, 0.9999),
    "commitment_weight": (0, 1e6),
    "threshold_ema_dead_code": (0, 1e9),
    "dropout": (0, 0.99),
    "weight_decay": (0, 1e6),
}


@dataclass(frozen=True, slots=True)
class VQVAEConfig(CodecSettings):
    """The settings of one training run; saved inside the model file.

    Raises:
        ConfigError: a setting that cannot be; names the field.
    """

    codebook_dim: int = setting(128, "Numbers that describe one position of the sound.")
    codebook_size: int = setting(128, "Codes in each level's codebook.")
    num_quantizers: int = setting(3, "Levels: each one codes what those before it left over.")
    decay: float = setting(0.9, "How slowly the codebooks follow the sounds; nearer to 1 is slower.")
    commitment_weight: float = setting(0.25, "How strongly the encoder is held to its codes.")
    threshold_ema_dead_code: float = setting(
        2.0, "A code used less often than this in an optimizer step is put elsewhere."
    )
    dropout: float = setting(0.2, "Share of channels dropped while training.")
    max_epochs: int = setting(200, "Passes over the training sounds.")
    learning_rate: float = setting(1e-3, "Largest step size; it falls along a cosine.")
    weight_decay: float = shared_setting("weight_decay", 0.01)
    gradient_clip_norm: float = shared_setting("gradient_clip_norm", 1.0)
    batch_size: int = shared_setting("batch_size", 32)
    val_fraction: float = setting(0.2, "Share of the sounds kept aside to measure the error on.")
    augmentation: int = setting(10, "How often each sound is heard in an epoch, changed a little; 0 and 1: as it is.")
    device: str = shared_setting("device", "auto")
    seed: int = setting(0, "Same seed, same machine: the same model.")
    time_limit_min: float = shared_setting("time_limit_min", 0.0)
    patience: int = shared_setting("patience", 0)
    anonymous: bool = shared_setting("anonymous", False)

    def __post_init__(self) -> None:
        self.check_shared()
        check_whole(self, _WHOLE_RANGES)
        for name, (least, most) in _NUMBER_RANGES.items():
            value = getattr(self, name)
            check_setting(
                self, name, is_number(value) and least <= value <= most, f"a number from {least:g} to {most:g}"
            )

    def to_file(self) -> dict[str, Any]:
        """Return the settings under the names that the format's files use."""
        values = asdict(self)
        values["augmentation_expansion"] = values.pop("augmentation")
        return values | {"kmeans_init": True, "kmeans_iters": 10, "chunk_duration_s": 1.0}


def get_adaptive_vqvae_config(file_count: int, **overrides: Any) -> VQVAEConfig:
    """Return the settings for `file_count` usable files; `overrides` replace single ones.

    Raises:
        ConfigError: an override that cannot be.
    """
    if file_count <= 20:
        sizes = {"codebook_size": 64, "dropout": 0.4, "decay": 0.8}
        schedule = {"max_epochs": 100, "learning_rate": 5e-4, "augmentation": 15}
    elif file_count <= 100:
        sizes = {"codebook_size": 128, "dropout": 0.2, "decay": 0.9}
        schedule = {"max_epochs": 200, "learning_rate": 1e-3, "augmentation": 10}
    else:
        sizes = {"codebook_size": 256, "dropout": 0.1, "decay": 0.95}
        schedule = {"max_epochs": 300, "learning_rate": 1e-3, "augmentation": 5}
    shares = {"val_fraction": val_fraction_for(file_count), "batch_size": batch_size_for(file_count)}
    return VQVAEConfig(**{**sizes, **schedule, **shares, **overrides})


def vqvae_config_for(amount: SoundAmount, **overrides: Any) -> VQVAEConfig:
    """Return the settings for an amount of sound, which follow from its files alone: the rule of version 2 is fixed.

    Raises:
        ConfigError: an override that cannot be.
    """
    return get_adaptive_vqvae_config(amount.files, **overrides)
