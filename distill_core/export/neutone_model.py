"""A model's takes as a model of Neutone Gen: its knobs, its papers, and how the plugin stops it and asks how far it is.

This module needs the Neutone SDK.
"""

# TorchScript makes no types of `from __future__ import annotations`, and knows no global constants.
from typing import TYPE_CHECKING

# The SDK imports torchaudio as though its extension always fitted.
import distill_core.audio.torchaudio_import  # noqa: F401

# isort: split
import torch
from neutone_sdk import ContinuousNeutoneParameter, NeutoneParameter
from neutone_sdk.non_realtime_wrapper import NonRealtimeBase
from torch import Tensor

from distill_core.export.plugin_words import PluginWords
from distill_core.export.take_script import TakeScript
from distill_core.generation.request import DEFAULT_SECONDS, GenerateRequest

_LEAST_S, _MOST_S = 1.0, 30.0
_LEAST_VARIETY, _MOST_VARIETY = 0.5, 1.5
_LEAST_FOCUS = 0.1
_LAST_SEED = 999


def _knobs() -> list[NeutoneParameter]:
    usual = GenerateRequest()
    return [
        ContinuousNeutoneParameter("length", "Seconds", DEFAULT_SECONDS, _LEAST_S, _MOST_S),
        ContinuousNeutoneParameter(
            "variety",
            "How far it strays: 1 is the variety of the sounds, less is safer, more is wilder",
            usual.temperature,
            _LEAST_VARIETY,
            _MOST_VARIETY,
        ),
        ContinuousNeutoneParameter(
            "focus", "Share of the likeliest choices that may be drawn: 1 for all", usual.top_p, _LEAST_FOCUS, 1.0
        ),
        ContinuousNeutoneParameter(
            "seed", "Which take: the same number gives the same one again", 0.0, 0.0, float(_LAST_SEED)
        ),
    ]


class NeutoneTakes(NonRealtimeBase):
    """Takes of a model, made at once and without a sound coming in."""

    if TYPE_CHECKING:  # TorchScript knows what it is
        model: TakeScript

    def __init__(self, script: TakeScript, words: PluginWords) -> None:
        self._name, self._short, self._long, self._technical = words.name, words.short, words.long, words.technical
        self._tags = list(words.tags)
        super().__init__(script)

    def get_model_name(self) -> str:
        """Return the name, of 30 characters at most."""
        return self._name

    def get_model_authors(self) -> list[str]:
        """Return who wrote this wrapper."""
        return ["Distill"]

    def get_model_short_description(self) -> str:
        """Return what the model does, in 150 characters at most."""
        return self._short

    def get_model_long_description(self) -> str:
        """Return what else a musician should know, in 500 characters at most."""
        return self._long

    def get_technical_description(self) -> str:
        """Return what it consists of, in 500 characters at most."""
        return self._technical

    def get_tags(self) -> list[str]:
        """Return tags of 15 characters at most."""
        return self._tags

    def get_model_version(self) -> str:
        """Return the version of this wrapper."""
        return "1"

    def is_experimental(self) -> bool:
        """Tell that no such model was run in the plugin yet."""
        return True

    def get_neutone_parameters(self) -> list[NeutoneParameter]:
        """Return the knobs."""
        return _knobs()

    @torch.jit.export
    def get_audio_in_channels(self) -> list[int]:
        """Return that no sound comes in."""
        return []

    @torch.jit.export
    def get_audio_out_channels(self) -> list[int]:
        """Return that one mono sound goes out."""
        return [1]

    @torch.jit.export
    def get_native_sample_rates(self) -> list[int]:
        """Return the model's sample rate in Hz."""
        return [self.model.rate]

    @torch.jit.export
    def get_native_buffer_sizes(self) -> list[int]:
        """Return that any number of samples will do."""
        return []

    @torch.jit.export
    def is_one_shot_model(self) -> bool:
        """Tell that a whole take is made at once."""
        return True

    @torch.jit.export
    def reset_model(self) -> bool:
        """Make the model ready for the next take."""
        self.model.is_cancelled = False
        self.model.progress = 0.0
        return True

    @torch.jit.export
    def request_cancel_forward_pass(self) -> None:
        """End the take under way at its next code or block of sound."""
        self.cancel_forward_pass_requested = True
        self.model.is_cancelled = True

    @torch.jit.export
    def get_progress_percentage(self) -> float:
        """Return how much of the take is made."""
        return self.model.progress

    def do_forward_pass(
        self,
        curr_block_idx: int,
        audio_in: list[Tensor],
        numerical_params: dict[str, Tensor],
        text_params: list[str],
        tokens_params: list[list[int]],
    ) -> list[Tensor]:
        """Return the take `[1, T]`, or nothing once it is cancelled.

        The plugin's knobs are single precision; two digits after the point are those of Distill's own settings.
        """
        seconds = round(float(numerical_params["length"]) * 100) / 100
        variety = round(float(numerical_params["variety"]) * 100) / 100
        focus = round(float(numerical_params["focus"]) * 100) / 100
        seed = int(round(float(numerical_params["seed"])))  # noqa: RUF046 - a float in TorchScript
        take_T = self.model.forward(seconds, variety, focus, seed)
        return [] if self.model.is_cancelled else [take_T[None]]
