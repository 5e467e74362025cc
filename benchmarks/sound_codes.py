"""The codes of held-out sounds: how many there are, how many bits they need, and how much of the codebooks they use.

Bits are those of a second of sound: of guessing each code by the frequency of its level's codes in known sounds, and of
the prior, from its mean loss on every code but a window's first.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from distill_core.audio.dataset import AudioFile
from distill_core.audio.rows import read_row
from distill_core.audio.variants import sound_samples
from distill_core.events import never
from distill_core.models.persistence import LoadedVQModel
from distill_core.training.data.sound_codes import SoundCodes
from distill_core.training.data.windows import as_windows
from distill_core.training.prior.baselines import unigram_perplexities
from distill_core.training.prior.validation import validate

_BATCH_S = 16


@dataclass(frozen=True)
class CodeFigures:
    """Figures of sounds that last `seconds`: the number of their codes and bits, and each level's share of entries.

    `prior_bits` and `level_perplexities` are the prior's, None and empty without one.
    """

    seconds: float
    codes: int
    unigram_bits: float
    prior_bits: float | None
    level_perplexities: tuple[float, ...]
    use: tuple[float, ...]


@torch.no_grad()
def codes_of(loaded: LoadedVQModel, files: Sequence[AudioFile]) -> list[SoundCodes]:
    """Return the codes of sounds, each in a row with one gain, without padding."""
    geometry, found = loaded.geometry, []
    for file in files:
        pieces = read_row(file, geometry, never)
        parts = [loaded.model.codes_of(each.waveform_T[None], each.skipped, each.steps)[0] for each in pieces]
        found.append(SoundCodes.whole(torch.cat(parts)[: geometry.steps_of(sound_samples(file, geometry))]))
    return found


def _prior_losses(loaded: LoadedVQModel, sounds: Sequence[SoundCodes]) -> tuple[float | None, tuple[float, ...]]:
    """Return the prior's mean loss in nats, and that of each level."""
    if loaded.prior is None:
        return None, ()
    windows = as_windows(loaded.prior, ([sound] for sound in sounds), _BATCH_S * loaded.geometry.codes_per_second)
    losses = validate(loaded.prior, windows)
    return losses.mean, losses.by_level


def _use(sounds: Sequence[SoundCodes], codebook_size: int) -> tuple[float, ...]:
    codes_PQ = torch.cat([sound.sound_WHQ.flatten(0, 1) for sound in sounds])
    return tuple(len(codes_P.unique()) / codebook_size for codes_P in codes_PQ.unbind(1))


def code_figures(loaded: LoadedVQModel, known: Sequence[AudioFile], held_out: Sequence[AudioFile]) -> CodeFigures:
    """Return the figures of held-out sounds; the frequencies of codes are those of known ones."""
    sounds, size = codes_of(loaded, held_out), loaded.model.codebook_size
    unigram, _ = unigram_perplexities(codes_of(loaded, known), sounds, size)
    loss, by_level = _prior_losses(loaded, sounds)
    codes = sum(sound.count for sound in sounds)
    steps_s = sum(sound.steps for sound in sounds) * loaded.geometry.step_s
    prior_bits = None if loss is None else codes * loss / math.log(2)
    perplexities = tuple(map(math.exp, by_level))
    return CodeFigures(steps_s, codes, codes * math.log2(unigram), prior_bits, perplexities, _use(sounds, size))


def pooled(figures: Sequence[CodeFigures]) -> dict[str, float | None]:
    """Return the figures of all sounds together, by the second; `use` is the mean over parts of the worst level's."""
    seconds = sum(each.seconds for each in figures)
    prior_bits = [each.prior_bits for each in figures if each.prior_bits is not None]
    return {
        "codes_per_s": sum(each.codes for each in figures) / seconds,
        "unigram_bits_per_s": sum(each.unigram_bits for each in figures) / seconds,
        "prior_bits_per_s": sum(prior_bits) / seconds if len(prior_bits) == len(figures) else None,
        "min_codebook_use": sum(min(each.use) for each in figures) / len(figures),
    }
