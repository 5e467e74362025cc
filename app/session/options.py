"""The settings of the next training: the choices, and those that follow from the sounds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from app.session.estimate import likely_config
from distill_core.errors import ConfigError
from distill_core.training.codec.effort import overrides_for
from distill_core.training.codec.settings import SoundAmount
from distill_core.training.codec.trainings import DEFAULT_CODEC, training_of
from distill_core.training.prior.config import PriorConfig
from distill_core.training.settings import Effort

if TYPE_CHECKING:
    from distill_core.audio.dataset import AudioDataset
    from distill_core.models.summary import ModelSummary

_SHARED = ("time_limit_min", "device", "anonymous")


@dataclass(frozen=True, slots=True)
class Options:
    """The choices of a person, and the settings that follow.

    `overrides` are the choices that can be read; `is_valid` says whether training can start with them. `auto` has the
    settings without any choice but the effort, `unasked` without that one too, `config` has them with all choices, and
    `efforts` has those of each effort with all other choices. `unasked` is None until a model and sounds are open;
    until then, or if the choices are not possible, `config` is None and `efforts` is empty. `making` are choices for a
    model that is made, in place of those that follow from the others.
    """

    overrides: Mapping[str, Any] = field(default_factory=dict)
    is_valid: bool = True
    auto: PriorConfig = PriorConfig()  # noqa: RUF009 - frozen
    unasked: PriorConfig | None = None
    config: PriorConfig | None = None
    efforts: Mapping[Effort, PriorConfig] = field(default_factory=dict)
    making: Mapping[str, Any] = field(default_factory=dict)

    def for_making(self, dataset: AudioDataset) -> dict[str, Any]:
        """Return the choices for a model of these sounds: its effort, and what a prior's training has in common."""
        effort = Effort(self.overrides.get("effort", Effort.NORMAL))
        usual = training_of(DEFAULT_CODEC).config_for(SoundAmount.of(dataset), {})
        shared = {name: self.overrides[name] for name in _SHARED if name in self.overrides}
        return {**overrides_for(effort, usual), **shared, **self.making}

    def following(self, model: ModelSummary | None, dataset: AudioDataset | None) -> Options:
        """Return the same choices with the settings that follow from a model and sounds."""
        if model is None or dataset is None:
            return self
        unasked = likely_config(model, dataset, {})
        chosen = {name: value for name, value in self.overrides.items() if name in ("architecture", "effort")}
        try:
            # "auto" keeps the default architecture, or the chosen one would count as left alone.
            auto = replace(likely_config(model, dataset, chosen), architecture=PriorConfig().architecture)
        except ConfigError:
            return replace(self, unasked=unasked, config=None, efforts={})
        try:
            config = likely_config(model, dataset, self.overrides)
            efforts = {each: likely_config(model, dataset, {**self.overrides, "effort": each.value}) for each in Effort}
        except ConfigError:
            config, efforts = None, {}
        return replace(self, auto=auto, unasked=unasked, config=config, efforts=efforts)
