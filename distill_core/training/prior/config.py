"""The settings of prior training; their doc lines serve the terminal's --help and the window alike."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from distill_core.models.architectures import prior_row
from distill_core.training.prior.effort import overrides_for
from distill_core.training.settings import (
    Effort,
    EpochSettings,
    batch_size_for,
    check_decay,
    check_rate,
    check_setting,
    check_whole,
    is_number,
    is_whole,
    setting,
    shared_setting,
    val_fraction_for,
)

_MOST = 1_000_000
DEFAULT_ARCHITECTURE = "frames"
MOST_VARIANTS = 8
_LONGEST_CONTEXT_S = 600
LEAST_EPOCH_STEPS = 4  # optimizer steps of an epoch: a small set is gone through more than once
NUMBER_FORMATS = ("float32", "bfloat16")
PRECISIONS = ("auto", *NUMBER_FORMATS)
EFFORTS = tuple(effort.value for effort in Effort)
# The largest number of codes for: width, layers, heads, and variants, each of which takes as long to encode as the
# sounds.
_FRAMES_SIZES = ((150_000, (128, 2, 4, 8)), (1_500_000, (256, 4, 4, 4)), (math.inf, (384, 6, 6, 1)))
# The largest width for: seconds of sound in an optimizer step, and its largest rates (AdamW, Muon). The cost of a step
# that does not depend on its sound, above all Muon's, grows with the cube of the width: wide networks get more sound.
_FRAMES_STEPS = ((128, (8, 3e-3, 0.01)), (256, (16, 5e-3, 0.02)), (math.inf, (32, 3e-3, 0.01)))
_FLAT_RECIPE = {"architecture": "flat", "token_dropout": 0.0, "patience": 0, "precision": "float32"}


@dataclass(frozen=True, slots=True)
class PriorConfig(EpochSettings):
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
    weight_decay: float = shared_setting("weight_decay", 0.01)
    gradient_clip_norm: float = shared_setting("gradient_clip_norm", 1.0)
    batch_size: int = shared_setting("batch_size", 16)
    val_fraction: float = setting(0.2, "Share of the sounds kept aside to measure perplexity on.")
    device: str = shared_setting("device", "auto")
    seed: int = setting(0, "Same seed, same machine: the same prior.")
    architecture: str = setting(
        DEFAULT_ARCHITECTURE, "Network: frames, or flat, which the older Distill opens but learns slower."
    )
    context_s: float = setting(4.0, "Seconds of sound to look back over, 16,384 codes at most; flat has one.")
    variants: int = setting(8, "Variants of each sound to learn from too, a little higher, lower or later; flat: none.")
    token_dropout: float = setting(0.1, "Share of codes replaced by others while training; more holds back memorizing.")
    matrix_learning_rate: float = setting(0.01, "Largest step size of the trunk's matrices (Muon; not in flat).")
    matrix_weight_decay: float = setting(0.1, "Pull of the trunk's matrices towards zero (Muon; not in flat).")
    precision: str = setting("auto", "Arithmetic of training: float32, bfloat16, or auto for the faster one here.")
    time_limit_min: float = shared_setting("time_limit_min", 0.0)
    patience: int = shared_setting("patience", 8)
    anonymous: bool = shared_setting("anonymous", False)
    stop_when_memorizing: bool = setting(False, "End training once it memorizes; the best epoch before that is kept.")
    effort: str = setting(Effort.NORMAL.value, "Network size and patience together: quick, normal or thorough.")

    def __post_init__(self) -> None:
        self.check_shared()
        is_answer = isinstance(self.stop_when_memorizing, bool)
        check_setting(self, "stop_when_memorizing", is_answer, "yes or no")
        check_setting(self, "effort", self.effort in EFFORTS, f"one of {', '.join(EFFORTS)}")
        row = prior_row(self.architecture)
        if row.is_transformer:
            self._check_sizes(needs_even_heads=row.needs_even_heads)
        check_rate(self, "matrix_learning_rate")
        check_decay(self, "matrix_weight_decay")
        for name in ("dropout", "token_dropout"):
            is_share = is_number(getattr(self, name)) and 0 <= getattr(self, name) < 1
            check_setting(self, name, is_share, "at least 0 and below 1")
        check_setting(
            self,
            "variants",
            is_whole(self.variants) and 0 <= self.variants <= MOST_VARIANTS,
            f"from 0 to {MOST_VARIANTS}",
        )
        in_range = is_number(self.context_s) and 0 < self.context_s <= _LONGEST_CONTEXT_S
        check_setting(self, "context_s", in_range, f"above 0 and at most {_LONGEST_CONTEXT_S}")
        check_setting(self, "precision", self.precision in PRECISIONS, f"one of {', '.join(PRECISIONS)}")

    def _check_sizes(self, *, needs_even_heads: bool) -> None:
        check_whole(self, dict.fromkeys(("hidden_size", "num_layers", "num_heads"), (1, _MOST)))
        check_setting(self, "hidden_size", 16 <= self.hidden_size <= 4096, "from 16 to 4096")
        check_setting(self, "num_layers", self.num_layers <= 64, "at most 64")
        divides = self.hidden_size % self.num_heads == 0
        check_setting(self, "num_heads", divides, f"a divisor of hidden_size ({self.hidden_size})")
        is_even = self.hidden_size // self.num_heads % 2 == 0
        check_setting(self, "num_heads", is_even or not needs_even_heads, "such that a head's width is even")


def prior_config_for(code_count: int, **overrides: Any) -> PriorConfig:
    """Return the settings of a `frames` prior for `code_count` codes; `overrides` replace single ones.

    More codes fill a larger network: the sizes are those that learned best in equal time on sets of 15 to 250 sounds.
    Patience ends a run that learns no more before its last epoch.

    Raises:
        ConfigError: an override that cannot be.
    """
    return PriorConfig(**_sizes_for(code_count, overrides))


def _sizes_for(code_count: int, overrides: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings that follow from the number of codes, with the overrides in their place."""
    width, layers, heads, variants = next(sizes for most, sizes in _FRAMES_SIZES if code_count <= most)
    sizes = {"hidden_size": width, "num_layers": layers, "num_heads": heads, "variants": variants}
    return {**sizes, **_steps_for(overrides.get("hidden_size", width)), **overrides}


def _steps_for(hidden_size: int) -> dict[str, Any]:
    """Return the batch size and the learning rates of a `frames` prior of a width, given or by size."""
    wide = hidden_size if is_number(hidden_size) else math.inf  # no width at all is refused later
    seconds, rate, matrix_rate = next(steps for widest, steps in _FRAMES_STEPS if wide <= widest)
    return {"batch_size": seconds, "learning_rate": rate, "matrix_learning_rate": matrix_rate}


def get_adaptive_prior_config(file_count: int, **overrides: Any) -> PriorConfig:
    """Return the settings of a `flat` prior for `file_count` usable files; `overrides` replace single ones.

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
    """Return the settings for a set of sounds: by its number of codes, or of files if the architecture follows those.

    An `effort` among the overrides changes what follows from the sounds; the other overrides replace single settings.

    Raises:
        ConfigError: an override that cannot be.
    """
    return _settings_for(file_count, code_count, _with_effort(file_count, code_count, overrides))


def _settings_for(file_count: int, code_count: int, overrides: Mapping[str, Any]) -> PriorConfig:
    if prior_row(overrides.get("architecture", DEFAULT_ARCHITECTURE)).follows_files:
        return get_adaptive_prior_config(file_count, **overrides)
    return prior_config_for(code_count, **{"val_fraction": val_fraction_for(file_count), **overrides})


def _with_effort(file_count: int, code_count: int, overrides: Mapping[str, Any]) -> dict[str, Any]:
    """Return the overrides with those of their effort, in whose place a single setting stands that was given."""
    kept = {name: overrides[name] for name in ("architecture", "effort") if name in overrides}
    auto = _settings_for(file_count, code_count, kept)  # refuses an effort that there is not
    return {**overrides_for(Effort(auto.effort), auto), **overrides}


def sized_for_codes(asked: PriorConfig, code_count: int, overrides: Mapping[str, Any]) -> PriorConfig:
    """Return the settings of `config_for_sounds` with the sizes for the number of codes that the sounds gave."""
    if prior_row(asked.architecture).follows_files:
        return asked
    return replace(asked, **_sizes_for(code_count, _with_effort(0, code_count, overrides)))
