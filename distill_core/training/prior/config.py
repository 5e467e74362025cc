"""Every setting of prior training; the doc lines serve the terminal's --help and the window alike."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from distill_core.device import DEVICE_NAMES
from distill_core.training import settings
from distill_core.training.settings import batch_size_for, is_number, is_whole, require, setting, val_fraction_for

_MOST = 1_000_000
MOST_VARIANTS = 8
_LONGEST_CONTEXT_S = 600
ARCHITECTURES = ("frames", "flat")
NUMBER_FORMATS = ("float32", "bfloat16")
PRECISIONS = ("auto", *NUMBER_FORMATS)
# Up to so many codes: width, layers, heads, and variants, which take as long to encode as the sounds each.
_FRAMES_SIZES = ((150_000, (128, 2, 4, 8)), (1_500_000, (256, 4, 4, 4)), (math.inf, (384, 6, 6, 1)))
# Up to such a width: seconds of sound in a step, and its largest sizes (AdamW, Muon). What a step costs whatever it
# learns from, above all in Muon, grows with the cube of the width, so a wide network needs more to learn from in each.
_FRAMES_STEPS = ((128, (8, 3e-3, 0.01)), (256, (16, 5e-3, 0.02)), (math.inf, (32, 3e-3, 0.01)))
_FLAT_RECIPE = {"architecture": "flat", "token_dropout": 0.0, "patience": 0, "precision": "float32"}


@dataclass(frozen=True, slots=True)
class PriorConfig:
    """The settings of one training run; saved inside the model file.

    Raises:
        ConfigError: a setting that cannot be; names the field.
    """

    hidden_size: int = setting(256, "Width of the network; the heads must divide it.")
    num_layers: int = setting(4, "Transformer layers.")
    num_heads: int = setting(4, "Attention heads.")
    dropout: float = setting(0.2, "Share of activations dropped while training; more holds back memorizing.")
    max_epochs: int = setting(40, "Passes over the training sounds; a small set counts several as one.")
    learning_rate: float = setting(3e-3, "Largest step size; it warms up, then falls along a cosine.")
    weight_decay: float = setting(0.01, "Pull of the weights towards zero (AdamW).")
    gradient_clip_norm: float = setting(1.0, "Longest gradient that is followed.")
    batch_size: int = setting(16, "Seconds of sound in one step.")
    val_fraction: float = setting(0.2, "Share of the sounds kept aside to measure perplexity on.")
    device: str = setting("auto", "Where to compute: auto, cpu, cuda or mps.")
    seed: int = setting(0, "Same seed, same machine: the same prior.")
    architecture: str = setting("frames", "Network: frames, or flat, which the older Distill opens but learns slower.")
    context_s: float = setting(4.0, "Seconds of sound to look back over, 16,384 codes at most (frames only).")
    variants: int = setting(8, "Variants of each sound to learn from too, a little higher, lower or later (frames).")
    token_dropout: float = setting(0.1, "Share of codes replaced by others while training; more holds back memorizing.")
    matrix_learning_rate: float = setting(0.01, "Largest step size of the trunk's matrices (Muon; frames only).")
    matrix_weight_decay: float = setting(0.1, "Pull of the trunk's matrices towards zero (Muon; frames only).")
    precision: str = setting("auto", "Arithmetic of training: float32, bfloat16, or auto for the faster one here.")
    time_limit_min: float = setting(0.0, "Minutes after which training ends and keeps what it has; 0: no limit.")
    patience: int = setting(8, "Stop after so many epochs without a better one; 0 never stops early.")
    anonymous: bool = setting(False, "Leave the names of folder and sounds out of the model file.")

    def __post_init__(self) -> None:
        for name in ("hidden_size", "num_layers", "num_heads", "max_epochs", "batch_size"):
            is_in_range = is_whole(getattr(self, name)) and 1 <= getattr(self, name) <= _MOST
            self._require(name, is_in_range, f"a whole number from 1 to {_MOST}")
        self._require("patience", is_whole(self.patience) and self.patience >= 0, "a whole number of 0 or more")
        is_time = is_number(self.time_limit_min) and self.time_limit_min >= 0
        self._require("time_limit_min", is_time, "a number of 0 or more")
        self._require("seed", is_whole(self.seed) and 0 <= self.seed < 2**63, "a whole number of 0 or more")
        for name in ("learning_rate", "gradient_clip_norm", "matrix_learning_rate"):
            self._require(name, is_number(getattr(self, name)) and getattr(self, name) > 0, "a number above 0")
        for name in ("weight_decay", "matrix_weight_decay"):
            self._require(name, is_number(getattr(self, name)) and getattr(self, name) >= 0, "a number of 0 or more")
        for name in ("dropout", "token_dropout"):
            is_share = is_number(getattr(self, name)) and 0 <= getattr(self, name) < 1
            self._require(name, is_share, "at least 0 and below 1")
        between = is_number(self.val_fraction) and 0 < self.val_fraction < 1
        self._require("val_fraction", between, "above 0 and below 1")
        self._require(
            "variants", is_whole(self.variants) and 0 <= self.variants <= MOST_VARIANTS, f"from 0 to {MOST_VARIANTS}"
        )
        in_range = is_number(self.context_s) and 0 < self.context_s <= _LONGEST_CONTEXT_S
        self._require("context_s", in_range, f"above 0 and at most {_LONGEST_CONTEXT_S}")
        self._require("hidden_size", 16 <= self.hidden_size <= 4096, "from 16 to 4096")
        self._require("num_layers", self.num_layers <= 64, "at most 64")
        divides = self.hidden_size % self.num_heads == 0
        self._require("num_heads", divides, f"a divisor of hidden_size ({self.hidden_size})")
        self._require("architecture", self.architecture in ARCHITECTURES, f"one of {', '.join(ARCHITECTURES)}")
        even = self.architecture == "flat" or self.hidden_size // self.num_heads % 2 == 0
        self._require("num_heads", even, "such that a head's width is even")
        self._require("precision", self.precision in PRECISIONS, f"one of {', '.join(PRECISIONS)}")
        self._require("device", self.device in DEVICE_NAMES, f"one of {', '.join(DEVICE_NAMES)}")
        self._require("anonymous", isinstance(self.anonymous, bool), "yes or no")

    def _require(self, name: str, holds: bool, wanted: str) -> None:
        require(self, name, holds, wanted)


def setting_docs() -> dict[str, str]:
    """Return the doc line of each setting by its name."""
    return settings.setting_docs(PriorConfig)


def prior_config_for(code_count: int, **overrides: Any) -> PriorConfig:
    """Return the settings of a `frames` prior for so many codes; `overrides` replace single ones.

    The more codes, the larger the network that they can fill: sizes are what learned best in equal time on sets of 15
    to 250 sounds. How many epochs there are follows too: patience ends a run before, where it learns no more.

    Raises:
        ConfigError: an override that cannot be.
    """
    width, layers, heads, variants = next(sizes for most, sizes in _FRAMES_SIZES if code_count <= most)
    sizes = {"hidden_size": width, "num_layers": layers, "num_heads": heads, "variants": variants}
    return PriorConfig(**{**sizes, **_steps_for(overrides.get("hidden_size", width)), **overrides})


def _steps_for(hidden_size: int) -> dict[str, Any]:
    """Return the batch and the learning rates of a `frames` prior of this width, however that was chosen."""
    wide = hidden_size if is_number(hidden_size) else math.inf  # what is no width is refused later
    seconds, rate, matrix_rate = next(steps for widest, steps in _FRAMES_STEPS if wide <= widest)
    return {"batch_size": seconds, "learning_rate": rate, "matrix_learning_rate": matrix_rate}


def get_adaptive_prior_config(file_count: int, **overrides: Any) -> PriorConfig:
    """Return the settings of a `flat` prior for so many usable files; `overrides` replace single ones.

    Raises:
        ConfigError: an override that cannot be.
    """
    if file_count <= 20:
        sizes = {"hidden_size": 128, "num_layers": 2, "num_heads": 4, "dropout": 0.3}
        schedule = {"max_epochs": 50, "learning_rate": 3e-4}
    elif file_count <= 100:
        sizes = {"hidden_size": 256, "num_layers": 4, "num_heads": 4, "dropout": 0.2}
        schedule = {"max_epochs": 100, "learning_rate": 1e-3}
    else:
        sizes = {"hidden_size": 512, "num_layers": 6, "num_heads": 8, "dropout": 0.1}
        schedule = {"max_epochs": 150, "learning_rate": 1e-3}
    shares = {"val_fraction": val_fraction_for(file_count), "batch_size": batch_size_for(file_count)}
    return PriorConfig(**{**_FLAT_RECIPE, **sizes, **schedule, **shares, **overrides})


def config_for_sounds(file_count: int, code_count: int, overrides: Mapping[str, Any]) -> PriorConfig:
    """Return the settings for a set of sounds: of `frames` by its codes, or of `flat`, where that is chosen, by files.

    Raises:
        ConfigError: an override that cannot be.
    """
    if overrides.get("architecture") == "flat":
        return get_adaptive_prior_config(file_count, **overrides)
    return prior_config_for(code_count, **{"val_fraction": val_fraction_for(file_count), **overrides})
