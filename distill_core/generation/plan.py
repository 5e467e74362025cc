"""The plan of a request's takes for one model: its beginning, its lengths, and whether the model can fulfil it."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from distill_core.audio.geometry import Geometry
from distill_core.errors import ConfigError, ModelFileError
from distill_core.events import ShouldStop
from distill_core.generation.prompt import Prompt, read_prompt
from distill_core.generation.request import GenerateRequest
from distill_core.generation.sampling import unit_steps
from distill_core.generation.settings import SamplingSettings
from distill_core.models.persistence import LoadedVQModel
from distill_core.models.prior import Prior
from distill_core.models.temperature import temperature_of
from distill_core.text import LONGEST_NAME, printable

SECONDS_FADE_S = 0.02  # from one second to the next, of a prior whose seconds do not know each other
_LOOP_FADE_S = 0.1  # of a loop's end into its beginning


@dataclass(frozen=True, slots=True)
class Plan:
    """The part of a request that its takes share.

    A take has `samples` samples and at most `steps` steps, of which the first are as in `given_WHQ` (see `Drawing`);
    `unit_steps` of them are drawn together. `loop_samples` more are made to fade the end into the beginning. `settings`
    have the prior's own temperature in them. `may_end`: a sound ends where the prior says so; `ends_early`: the take
    ends with it.
    """

    geometry: Geometry
    samples: int
    steps: int
    given_WHQ: Tensor
    settings: SamplingSettings
    unit_steps: int
    loop_samples: int
    may_end: bool
    ends_early: bool
    notes: tuple[str, ...]


def require_prior(loaded: LoadedVQModel) -> Prior:
    """Return a model's prior.

    Raises:
        ModelFileError: it has none that can be read.
    """
    name = printable(loaded.path.name, LONGEST_NAME)
    if not loaded.has_prior:
        raise ModelFileError(
            f"“{name}” has no prior yet, so it can't make new sound.",
            "Train one: distill train-prior, or Train in the window.",
        )
    if loaded.prior is None:
        raise ModelFileError(f"The prior in “{name}” was made by a newer Distill.", "Please update Distill.")
    return loaded.prior


def _require_possible(prior: Prior, request: GenerateRequest) -> None:
    """Check the request against the prior.

    Raises:
        ConfigError: this prior cannot fulfil it; names the field.
    """
    if request.until_end and not prior.learns_end:
        raise ConfigError(
            "until_end",
            "This prior has not learned where sounds end.",
            "Ask for a number of seconds, or train again with the architecture frames.",
        )
    if request.prompt is not None and prior.layout == "chunks":
        raise ConfigError(
            "prompt",
            "This prior makes each second by itself, so it can't go on from a sound.",
            "Leave the sound out, or train again with the architecture frames.",
        )
    if request.levels > prior.num_quantizers:
        raise ConfigError(
            "levels", f"This model has {prior.num_quantizers} levels, not {request.levels}.", "Ask for fewer levels."
        )


def fitted_sampling(loaded: LoadedVQModel, asked: SamplingSettings) -> SamplingSettings:
    """Return settings of sampling with the temperature that was fitted to a model's prior in them.

    Raises:
        ConfigError: there are level temperatures, but not one for each level.
        ModelFileError: the model has no prior that can be read.
    """
    settings = replace(asked, temperature=asked.temperature * temperature_of(loaded.prior_metadata))
    settings.temperatures(require_prior(loaded).num_quantizers)
    return settings


def _samples(request: GenerateRequest, rate: int, prompt_samples: int) -> int:
    """Return the length of a take: the one asked for, or the usual one.

    Raises:
        ConfigError: the prompt that is to be continued is longer.
    """
    if request.seconds is None:
        return prompt_samples + (0 if request.is_variation else round(request.usual_seconds * rate))
    if prompt_samples >= request.seconds * rate and not request.is_variation:
        raise ConfigError(
            "seconds",
            f"The prompt is {prompt_samples / rate:.2f} s long, so a take of {request.seconds:g} s ends before it.",
            "Ask for more seconds, or take a shorter prompt.",
        )
    return max(1, round(request.seconds * rate))


def units_of(samples: int, unit_samples: int, fade: int) -> int:
    """Return the number of units that have `samples` samples, where units overlap by `fade` samples."""
    return max(1, math.ceil((samples - fade) / (unit_samples - fade)))


def _steps(geometry: Geometry, unit: int, samples: int) -> int:
    """Return the number of steps that have `samples` samples; seconds overlap while they fade into each other."""
    if unit == 1:
        return units_of(samples, geometry.step_samples, 0)
    return unit * units_of(samples, geometry.sample_rate, round(SECONDS_FADE_S * geometry.sample_rate))


def _prompt(loaded: LoadedVQModel, request: GenerateRequest, should_stop: ShouldStop) -> Prompt:
    geometry = loaded.geometry
    if request.prompt is None:
        return Prompt(torch.empty(0, geometry.bands, geometry.levels, dtype=torch.long))
    return read_prompt(request.prompt, loaded, request.mode, should_stop)


def plan_takes(loaded: LoadedVQModel, request: GenerateRequest, should_stop: ShouldStop) -> Plan:
    """Return the plan of a request.

    Raises:
        ConfigError: this model cannot fulfil the request; names the field.
        ModelFileError: the model has no prior that can be read.
        DatasetError: the prompt cannot be used; says why.
        Stopped: `should_stop()` turned true.
    """
    prior, geometry = require_prior(loaded), loaded.geometry
    _require_possible(prior, request)
    settings = fitted_sampling(loaded, request.sampling)
    prompt = _prompt(loaded, request, should_stop)
    samples = _samples(request, geometry.sample_rate, prompt.samples)
    loop_samples = min(samples, round(_LOOP_FADE_S * geometry.sample_rate)) if request.loop else 0
    unit = unit_steps(prior, geometry.bands)
    return Plan(
        geometry,
        samples,
        _steps(geometry, unit, samples + loop_samples),
        prompt.given(request.mode),
        settings,
        unit,
        loop_samples,
        may_end=prior.learns_end,
        ends_early=request.until_end,
        notes=prompt.notes,
    )
