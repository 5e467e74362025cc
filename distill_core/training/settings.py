"""The settings that all trainings share: doc lines, checks in words, and sizes that follow from the data."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import field, fields
from enum import StrEnum
from typing import Any

from distill_core.device import DEVICE_NAMES
from distill_core.errors import ConfigError

_SHARED_DOCS = {
    "weight_decay": "Pull of the weights towards zero (AdamW).",
    "gradient_clip_norm": "Longest gradient that is followed.",
    "batch_size": "Seconds of sound in one optimizer step.",
    "device": "Where to compute: auto, cpu, cuda or mps.",
    "time_limit_min": "Minutes after which training ends and keeps what it has; 0: no limit.",
    "patience": "Epochs without a better one after which training stops; 0 never stops early.",
    "anonymous": "Leave the names of folder and sounds out of the model file.",
}
# The settings whose flag in the terminal is shorter than their name.
_SHORT_NAMES = {
    "context_s": "context",
    "learning_rate": "lr",
    "max_epochs": "epochs",
    "num_heads": "heads",
    "num_layers": "layers",
    "num_quantizers": "levels",
    "time_limit_min": "time-limit",
}


class Effort(StrEnum):
    """The effort of a training: NORMAL is what follows from the sounds alone."""

    QUICK = "quick"
    NORMAL = "normal"
    THOROUGH = "thorough"


MOST_EPOCHS, _LARGEST_SEED = 1_000_000, 2**63 - 1
_LARGEST_RATE, _LARGEST_DECAY = 1e30, 1e6  # the product of both is a float32


def setting(default: Any, doc: str) -> Any:
    """Return a dataclass field whose doc line serves the terminal's --help and the window alike."""
    return field(default=default, metadata={"doc": doc})


def shared_setting(name: str, default: Any) -> Any:
    """Return the field of a setting that every training has, with the doc line that they share."""
    return setting(default, _SHARED_DOCS[name])


def setting_docs(config_class: Any) -> dict[str, str]:
    """Return the doc line of each setting of a config class by its name."""
    return {each.name: str(each.metadata["doc"]) for each in fields(config_class)}


def flag_of(name: str) -> str:
    """Return the flag of a setting in the terminal: "--batch-size"."""
    return f"--{_SHORT_NAMES.get(name, name).replace('_', '-')}"


def is_whole(value: object) -> bool:
    """Tell whether a setting is a whole number; True and False are none."""
    return isinstance(value, int) and not isinstance(value, bool)


def is_number(value: object) -> bool:
    """Tell whether a setting is a finite number."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def check_setting(config: object, name: str, holds: bool, wanted: str) -> None:
    """Refuse a setting unless `holds`.

    Raises:
        ConfigError: names the field, and the values that it may have: `wanted`.
    """
    if not holds:
        raise ConfigError(name, f"{name} cannot be {getattr(config, name)!r}.", f"It must be {wanted}.")


def check_whole(config: object, ranges: Mapping[str, tuple[int, int]]) -> None:
    """Refuse settings that are no whole numbers within their ranges, both ends included.

    Raises:
        ConfigError: names the first such field.
    """
    for name, (least, most) in ranges.items():
        value = getattr(config, name)
        in_range = is_whole(value) and least <= value <= most
        check_setting(config, name, in_range, f"a whole number from {least} to {most}")


def check_settings_class(config: object, wanted: type) -> None:
    """Refuse settings that are neither all of a training's class, nor single ones by name, nor None.

    Raises:
        ConfigError: names the classes.
    """
    if config is not None and not isinstance(config, Mapping) and type(config) is not wanted:
        raise ConfigError(
            "config",
            f"config cannot be of the class {type(config).__name__}; nothing was done.",
            f"It must be a {wanted.__name__}, or single settings by name.",
        )


def check_rate(config: Any, name: str) -> None:
    """Refuse a learning rate, or the length of a gradient, that cannot be.

    Raises:
        ConfigError: names the field.
    """
    check_setting(config, name, is_number(getattr(config, name)) and getattr(config, name) > 0, "a number above 0")
    check_setting(config, name, getattr(config, name) <= _LARGEST_RATE, f"at most {_LARGEST_RATE:g}")


def check_decay(config: Any, name: str) -> None:
    """Refuse a weight decay that cannot be.

    Raises:
        ConfigError: names the field.
    """
    is_decay = is_number(getattr(config, name)) and getattr(config, name) >= 0
    check_setting(config, name, is_decay, "a number of 0 or more")
    check_setting(config, name, getattr(config, name) <= _LARGEST_DECAY, f"at most {_LARGEST_DECAY:g}")


class TrainingSettings:
    """The settings that every training has.

    The class is no dataclass: each training's own class gives the fields their order, in --help as in files.
    """

    __slots__ = ()
    val_fraction: float
    device: str
    seed: int
    anonymous: bool

    def check_shared(self) -> None:
        """Refuse a shared setting that is out of range.

        Raises:
            ConfigError: names the field, and the values that it may have.
        """
        check_setting(
            self,
            "seed",
            is_whole(self.seed) and 0 <= self.seed <= _LARGEST_SEED,
            f"a whole number from 0 to {_LARGEST_SEED}",
        )
        between = is_number(self.val_fraction) and 0 < self.val_fraction < 1
        check_setting(self, "val_fraction", between, "above 0 and below 1")
        check_setting(self, "device", self.device in DEVICE_NAMES, f"one of {', '.join(DEVICE_NAMES)}")
        check_setting(self, "anonymous", isinstance(self.anonymous, bool), "yes or no")


class EpochSettings(TrainingSettings):
    """The settings that every training in epochs has."""

    __slots__ = ()
    max_epochs: int
    learning_rate: float
    weight_decay: float
    gradient_clip_norm: float
    batch_size: int
    time_limit_min: float
    patience: int

    def check_shared(self) -> None:
        """Refuse a shared setting that is out of range.

        Raises:
            ConfigError: names the field, and the values that it may have.
        """
        check_whole(self, dict.fromkeys(("max_epochs", "batch_size"), (1, MOST_EPOCHS)))
        check_setting(self, "patience", is_whole(self.patience) and self.patience >= 0, "a whole number of 0 or more")
        is_amount = is_number(self.time_limit_min) and self.time_limit_min >= 0
        check_setting(self, "time_limit_min", is_amount, "a number of 0 or more")
        check_decay(self, "weight_decay")
        for name in ("learning_rate", "gradient_clip_norm"):
            check_rate(self, name)
        super().check_shared()


def val_fraction_for(file_count: int) -> float:
    """Return the share of `file_count` usable files that is kept for validation."""
    if file_count < 10:
        return 0.5
    if file_count < 50:
        return 0.3
    return 0.2 if file_count < 200 else 0.1


def batch_size_for(file_count: int) -> int:
    """Return the seconds of sound in one optimizer step, for `file_count` usable files."""
    return min(32, max(1, file_count * 5 // 4))
