"""The trainings of all codecs by the names that `architecture` gives them: one row for each codec.

Importing this module loads no torch; a row's `load` does.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

from distill_core.errors import ConfigError
from distill_core.events import OnEvent, ShouldStop
from distill_core.text import printable
from distill_core.training.codec.config import FitConfig, VQVAEConfig, get_adaptive_vqvae_config
from distill_core.training.settings import flag_of

if TYPE_CHECKING:
    from distill_core.audio.dataset import AudioDataset
    from distill_core.training.codec.fit import LoadFitted
    from distill_core.training.codec.request import CodecRequest
    from distill_core.training.codec.trained import TrainedCodec

FORMATS_OWN = ""  # the VQ-VAE of the format, whose files name no architecture
Train: TypeAlias = "Callable[[CodecRequest, AudioDataset, OnEvent, ShouldStop], TrainedCodec]"


@dataclass(frozen=True, slots=True)
class CodecTraining:
    """A codec's training: its class of settings, the settings for a number of usable files, and what runs it.

    `keeps_runs`: the training writes a run, which takes the place of the path's former run.
    """

    settings: type
    settings_for: Callable[..., Any]
    load: Callable[[], Train]
    keeps_runs: bool = True

    def config_for(self, file_count: int, overrides: dict[str, Any]) -> Any:
        """Return the settings for `file_count` usable files; `overrides` replace single ones.

        Raises:
            ConfigError: an override that cannot be, or for which this codec has no setting.
        """
        known = {setting.name for setting in fields(self.settings)}
        for name in overrides.keys() - known:
            raise ConfigError(name, f"This codec has no setting {name} ({flag_of(name)}).", "Leave it out.")
        return self.settings_for(file_count, **overrides)


def _load_vqvae() -> Train:
    from distill_core.training.codec.epochs import train_in_epochs

    return train_in_epochs


def fitted(load: LoadFitted, settings: type[FitConfig] = FitConfig) -> CodecTraining:
    """Return the row of a codec that is fitted in closed form; `load` returns its class, `settings` are its own."""

    def settings_for(file_count: int, **overrides: Any) -> FitConfig:
        return settings(**overrides)

    def load_fit() -> Train:
        from distill_core.training.codec.fit import fit_in_closed_form

        return partial(fit_in_closed_form, load, settings)

    return CodecTraining(settings, settings_for, load_fit, keeps_runs=False)


TRAININGS: dict[str, CodecTraining] = {
    FORMATS_OWN: CodecTraining(VQVAEConfig, get_adaptive_vqvae_config, _load_vqvae),
}


def training_of(architecture: object) -> CodecTraining:
    """Return the training of a codec by its name.

    Raises:
        ConfigError: there is no such codec.
    """
    if not isinstance(architecture, str) or architecture not in TRAININGS:
        names = ", ".join(name for name in TRAININGS if name)
        known = f"It must be one of {names}, or left out." if names else "Leave it out: there is one codec only."
        raise ConfigError("architecture", f"architecture cannot be “{printable(str(architecture))}”.", known)
    return TRAININGS[architecture]
