"""A sound through its model and back: the best that a prior of that model can come to."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from distill_core.audio.rows import pieces_of_blocks
from distill_core.audio.variants import gain_of
from distill_core.events import ShouldStop, never, unless_stopped
from distill_core.models.persistence import LoadedVQModel


def _codes_of(loaded: LoadedVQModel, waveform_T: Tensor, should_stop: ShouldStop) -> Iterator[Tensor]:
    """Yield the codes `[w, H, Q]` of a waveform, piece by piece."""
    for piece in unless_stopped(pieces_of_blocks([waveform_T], loaded.geometry), should_stop):
        yield loaded.model.codes_of(piece.waveform_T[None], piece.skipped, piece.steps)[0]


@torch.no_grad()
def round_trip(loaded: LoadedVQModel, waveform_T: Tensor, should_stop: ShouldStop = never) -> Tensor:
    """Return what the codec makes of its own codes of a waveform `[T]` at the model's rate; as long, and as loud.

    The codec hears it at full level, as it hears the sounds that it learns from.

    Raises:
        Stopped: `should_stop()` turned true.
    """
    gain = gain_of(float(waveform_T.abs().max()) if len(waveform_T) else 0.0)
    blocks = loaded.model.audio_of(_codes_of(loaded, waveform_T * gain, should_stop))
    heard_T = torch.cat([torch.zeros(0), *unless_stopped(blocks, should_stop)])[: len(waveform_T)]
    return heard_T / gain
