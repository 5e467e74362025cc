"""The choice of bands and levels by the amount of sound and by how alike the sounds are.

Alike sounds, of which there are minutes, are described best as a whole: the notes of one piano repeat each other from
the lowest band to the highest. Few sounds, or very different ones, repeat themselves band by band only. So a layout
needs enough examples of its patches, and of those that have enough the one is taken that describes the held-out sounds
well in few bits, each fitted in closed form.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from distill_core.events import OnEvent, Phase, ProgressReporter, ShouldStop, stop_point
from distill_core.models.klt.codec import KLTCodec
from distill_core.models.klt.patches import loudness_of
from distill_core.training.codec.klt.config import AUTO, KLTConfig, most_band_mels
from distill_core.training.codec.klt.fit import fit

# Mel bands that are described together, and levels: from eight bands a step to one. At sixteen frames a step they make
# 94, 141, 94, 70 and 47 codes a second. The first one is for any amount of sound.
LAYOUTS = ((16, 2), (16, 3), (32, 4), (64, 6), (128, 8))
_EXAMPLES = 40  # patches for each entry of a codebook: of 64 entries, 55 s of sound in eight bands, 440 s in one
MOST_KNOWN, MOST_HELD_OUT = 200, 64  # chunks: about half a second of work for each layout
_BACK_OFF = 20.0  # examples of a pair of codes that count as much as the codes alone


def settled(
    config: KLTConfig,
    chunks: int,
    known_mels: Tensor,
    held_out_mels: Tensor,
    on_event: OnEvent,
    should_stop: ShouldStop,
) -> KLTConfig:
    """Return the settings with bands and levels in the place of `AUTO`, for a number of known chunks.

    Of known and held-out sounds, the log-mels `[N, F, M]` of some are enough. The layout is chosen whose error to the
    fourth, times bits, is lowest: a tenth less error is worth half as many bits again.

    Raises:
        Stopped: `should_stop()` turned true.
    """
    known, held_out = loudness_of(known_mels), loudness_of(held_out_mels)
    possible = (layout for layout in LAYOUTS if layout[0] <= most_band_mels(config.step_frames))
    layouts = dict.fromkeys(_filled_in(config, mels, levels) for mels, levels in possible)
    first, *others = layouts
    enough = [first, *(layout for layout in others if _examples(layout, chunks, known) >= _EXAMPLES)]
    if len(enough) == 1:
        return first
    progress, costs = ProgressReporter(Phase.FIT, len(enough), on_event), dict[KLTConfig, float]()
    for done, layout in enumerate(enough, start=1):
        costs[layout] = _cost_of(layout, known, held_out, should_stop)
        progress.update(done)
    return min(costs, key=lambda layout: costs[layout])


def _examples(config: KLTConfig, chunks: int, known_NFM: Tensor) -> float:
    """Return the number of patches in a number of chunks, for each entry of a codebook."""
    frames, mels = known_NFM.shape[1:]
    return chunks * frames / config.step_frames * mels / config.band_mels / config.codebook_size


def _filled_in(config: KLTConfig, band_mels: int, levels: int) -> KLTConfig:
    if config.band_mels != AUTO:  # the levels are those of the layout with the most similar bands
        band_mels, levels = config.band_mels, min(LAYOUTS, key=lambda layout: abs(layout[0] - config.band_mels))[1]
    return replace(config, band_mels=band_mels, num_quantizers=config.num_quantizers or levels)


def _bits_of(codes_NWHQ: Tensor, known_NWHQ: Tensor, size: int) -> float:
    """Return the bits of a chunk by known codes: each code is expected as it followed that of the step before.

    A pair that was hardly seen is expected as its second code by itself (interpolation, Jelinek and Mercer 1980).
    """
    total = 0.0
    for codes_NWH, known_NWH in zip(codes_NWHQ.unbind(3), known_NWHQ.unbind(3), strict=True):
        counts_K = torch.bincount(known_NWH.flatten(), minlength=size) + 0.5
        shares_K = counts_K / counts_K.sum()
        pairs = torch.bincount((known_NWH[:, :-1] * size + known_NWH[:, 1:]).flatten(), minlength=size**2)
        pairs_KK = pairs.unflatten(0, (size, size)).double()
        after_KK = (pairs_KK + _BACK_OFF * shares_K) / (pairs_KK.sum(1, keepdim=True) + _BACK_OFF)
        total -= float(shares_K[codes_NWH[:, 0]].log2().sum())
        total -= float(after_KK[codes_NWH[:, :-1], codes_NWH[:, 1:]].log2().sum())
    return total / len(codes_NWHQ)


def _cost_of(config: KLTConfig, known_NFM: Tensor, held_out_NFM: Tensor, should_stop: ShouldStop) -> float:
    """Return error to the fourth times bits of held-out sounds, by a codec that is fitted to the known ones."""
    codec = KLTCodec(config.to_file()).to(known_NFM.device)
    for _ in fit(codec, known_NFM, torch.Generator().manual_seed(config.seed), should_stop):
        stop_point(should_stop)
    codes_NWHQ = codec.encode(held_out_NFM)
    known_NWHQ = codec.encode(known_NFM)
    frames, mels = held_out_NFM.shape[1:]
    error = float((codec.decode(codes_NWHQ)[:, :frames, :mels] - held_out_NFM).abs().mean())
    stop_point(should_stop)
    return error**4 * _bits_of(codes_NWHQ.cpu(), known_NWHQ.cpu(), config.codebook_size)
