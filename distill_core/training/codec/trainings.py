"""The trainings of all codecs by their names: one row for each codec.

Importing this module loads no torch; a row's `load` does.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from distill_core.errors import ConfigError
from distill_core.models.architectures import NAMELESS_CODEC
from distill_core.text import printable
from distill_core.training.codec.klt.config import KLTConfig, klt_config_for
from distill_core.training.codec.settings import CodecSettings, SoundAmount
from distill_core.training.codec.vqvae.config import VQVAEConfig, vqvae_config_for
from distill_core.training.settings import flag_of

if TYPE_CHECKING:
    from distill_core.training.codec.learner import CodecLearner

DEFAULT_CODEC = "klt"  # of a training that names none
_LEAST = SoundAmount(files=1, seconds=1.0)


@dataclass(frozen=True, slots=True)
class CodecTraining:
    """A codec's training: its class of settings, the settings for an amount of sound, and how the codec learns.

    `settings_for` takes the amount, and settings by name that replace single ones; it raises a `ConfigError` for one
    that cannot be.
    """

    settings: type[CodecSettings]
    settings_for: Callable[..., CodecSettings]
    load: Callable[[], type[CodecLearner[Any, Any]]]

    def has_setting(self, name: str) -> bool:
        """Tell whether a setting of the codec can be chosen."""
        chosen: Any = self.settings
        return any(setting.name == name for setting in fields(chosen))

    def config_for(self, amount: SoundAmount, overrides: dict[str, Any]) -> CodecSettings:
        """Return the settings for an amount of sound; `overrides` replace single ones.

        Raises:
            ConfigError: an override that cannot be, or for which this codec has no setting.
        """
        for name in overrides:
            if not self.has_setting(name):
                raise ConfigError(name, f"This codec has no setting {name} ({flag_of(name)}).", _hint_without(name))
        return self.settings_for(amount, **overrides)

    def check_overrides(self, overrides: dict[str, Any]) -> None:
        """Refuse wrong settings before any work.

        Raises:
            ConfigError: an override that cannot be, or for which this codec has no setting.
        """
        self.config_for(_LEAST, overrides)


def _vqvae() -> type[CodecLearner[Any, Any]]:
    from distill_core.training.codec.vqvae.learner import VQVAELearner

    return VQVAELearner


def _klt() -> type[CodecLearner[Any, Any]]:
    from distill_core.training.codec.klt.learner import KLTLearner

    return KLTLearner


TRAININGS: dict[str, CodecTraining] = {
    "klt": CodecTraining(KLTConfig, klt_config_for, _klt),
    NAMELESS_CODEC: CodecTraining(VQVAEConfig, vqvae_config_for, _vqvae),
}


def _hint_without(name: str) -> str:
    """Return the hint for a setting that a codec has not, but perhaps another one."""
    having = [codec for codec, training in TRAININGS.items() if training.has_setting(name)]
    return f"Leave it out, or train {' or '.join(having)} (--architecture)." if having else "Leave it out."


def training_of(architecture: object) -> CodecTraining:
    """Return the training of a codec by its name.

    Raises:
        ConfigError: there is no such codec.
    """
    if not isinstance(architecture, str) or architecture not in TRAININGS:
        known = f"It must be one of {', '.join(TRAININGS)}, or left out."
        raise ConfigError("architecture", f"architecture cannot be “{printable(str(architecture))}”.", known)
    return TRAININGS[architecture]


def codec_trained_with(config: object) -> str:
    """Return the name of the codec whose class of settings `config` is of, that of the default codec for any other."""
    own = (name for name, training in TRAININGS.items() if type(config) is training.settings)
    return next(own, DEFAULT_CODEC)
