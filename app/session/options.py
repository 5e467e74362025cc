"""The settings of the next training: the choices, and those that follow from the sounds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from app.session.estimate import likely_config
from distill_core.errors import ConfigError
from distill_core.training.prior.config import PriorConfig

if TYPE_CHECKING:
    from distill_core.audio.dataset import AudioDataset
    from distill_core.models.summary import ModelSummary


@dataclass(frozen=True, slots=True)
class Options:
    """The choices of a person, and the settings that follow.

    `overrides` are the choices that can be read; `is_valid` says whether training can start with them. `auto` has the
    settings without any choice, `config` has them with all choices; `config` is None until a model and sounds are open,
    or if the choices are not possible. `making` are the choices for a model that is made.
    """

    overrides: Mapping[str, Any] = field(default_factory=dict)
    is_valid: bool = True
    auto: PriorConfig = PriorConfig()  # noqa: RUF009 - frozen
    config: PriorConfig | None = None
    making: Mapping[str, Any] = field(default_factory=dict)

    def following(self, model: ModelSummary | None, dataset: AudioDataset | None) -> Options:
        """Return the same choices with the settings that follow from a model and sounds."""
        if model is None or dataset is None:
            return self
        chosen = {name: value for name, value in self.overrides.items() if name == "architecture"}
        try:
            # "auto" keeps the default architecture, or the chosen one would count as left alone.
            auto = replace(likely_config(model, dataset, chosen), architecture=PriorConfig().architecture)
        except ConfigError:
            return replace(self, config=None)
        try:
            config = likely_config(model, dataset, self.overrides)
        except ConfigError:
            config = None
        return replace(self, auto=auto, config=config)
