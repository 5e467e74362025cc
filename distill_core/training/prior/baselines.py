"""The baselines of a prior's perplexity: guessing by frequency, and sounds that are nearly copies."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean, median

import torch
from torch import Tensor
from torch.nn import functional

from distill_core.events import ShouldStop, never, unless_stopped
from distill_core.training.data.near_copies import LEAST_LENGTH, NEAR_COPIES
from distill_core.training.data.sound_codes import Block, SoundCodes, heard_blocks, in_blocks
from distill_core.training.prior.events import perplexity

_MOST_SOUNDS_COMPARED = 256  # comparing one with an hour of others takes about ten milliseconds
_NEARLY_ONE_CODE = 1.05


def _added(counts_K: Tensor, codes_P: Tensor) -> Tensor:
    """Return counts of codes with those of more codes, for as many codes as occur."""
    more_K = torch.bincount(codes_P, minlength=len(counts_K))
    return more_K + functional.pad(counts_K, (0, len(more_K) - len(counts_K)))


def _counts(sounds: Sequence[SoundCodes], silence_WHQ: Tensor | None, codebook_size: int = 0) -> list[Tensor]:
    """Return how often each code is heard, for each level."""
    counts = [torch.zeros(codebook_size, dtype=torch.long)] * sounds[0].codes_WHQ.shape[2]
    for codes_PHQ in heard_blocks(sounds, silence_WHQ):
        levels = codes_PHQ.flatten(0, 1).unbind(1)
        counts = [_added(counts_K, codes_P) for counts_K, codes_P in zip(counts, levels, strict=True)]
    return counts


def _unigram_loss(counts_K: Tensor, val_codes_P: Tensor) -> float:
    """Return the mean loss in nats of codes under the frequencies of others (add-one smoothing)."""
    smoothed_K = counts_K.double() + 1
    log_shares_K = (smoothed_K / smoothed_K.sum()).log()
    return -float(log_shares_K[val_codes_P].mean())


def _of_level(sounds: Sequence[SoundCodes], silence_WHQ: Tensor | None, level: int) -> Tensor:
    """Return one level's codes of all that is heard."""
    heard = heard_blocks(sounds, silence_WHQ)
    return torch.cat([codes_PHQ[..., level].flatten().to(torch.int32) for codes_PHQ in heard])


def unigram_perplexities(
    train: Sequence[SoundCodes], val: Sequence[SoundCodes], codebook_size: int, silence_WHQ: Tensor | None = None
) -> tuple[float, tuple[float, ...]]:
    """Return the perplexity of guessing each code by its level's frequencies, and the same for each level.

    The first is exp of the mean of the levels' losses, as a prior's perplexity is. A prior that knows nothing of order
    reaches it; a useful one lies far below. Steps of silence, if its codes are given, do not count.
    """
    counts = _counts(train, silence_WHQ, codebook_size)
    losses = [_unigram_loss(counts_K, _of_level(val, silence_WHQ, level)) for level, counts_K in enumerate(counts)]
    return perplexity(fmean(losses)), tuple(map(perplexity, losses))


class _Compared:
    """A sound to compare others with, step by step from the beginning, over the length of the shorter one.

    Its steps of silence do not count: all sounds agree in silence.
    """

    def __init__(self, sound: SoundCodes, silence_WHQ: Tensor) -> None:
        self._codes_WC = sound.sound_WHQ.flatten(1)
        self._is_heard_W = sound.is_heard_W(silence_WHQ)
        self._heard_before_W = functional.pad(self._is_heard_W.cumsum(0), (1, 0))

    def agreements(self, block: Block, step_P: Tensor, sound_P: Tensor) -> Tensor:
        """Return `[N]`, the share of codes in which each of a block's sounds agrees with this one; 0 for a far shorter.

        So a sound of one step of silence, which all others begin with, is no copy of them. `step_P` and `sound_P` are
        the block's.
        """
        steps, codes = self._codes_WC.shape
        chosen_P = functional.pad(self._is_heard_W, (0, 1))[step_P.clamp(max=steps)]  # none after its end
        equal_P = (block.codes_PHQ.flatten(1)[chosen_P] == self._codes_WC[step_P[chosen_P]]).sum(1).double()
        equal_N = torch.zeros(len(block.lengths_N), dtype=torch.float64).index_add_(0, sound_P[chosen_P], equal_P)
        compared_N = self._heard_before_W[block.lengths_N.clamp(max=steps)] * codes
        shares_N = equal_N / compared_N.clamp(min=1)
        return shares_N.where(block.lengths_N >= LEAST_LENGTH * steps, 0.0)


def sibling_agreement(
    train: Sequence[SoundCodes], val: Sequence[SoundCodes], silence_WHQ: Tensor, should_stop: ShouldStop = never
) -> float:
    """Return the share of codes in which the median validation sound agrees with its nearest training sound.

    A high share means that the held-out sounds have siblings among the training sounds (a piano's key, struck three
    times), and that the perplexity says less about new sounds.

    Raises:
        Stopped: `should_stop()` turned true.
    """
    chosen = torch.linspace(0, len(val) - 1, min(len(val), _MOST_SOUNDS_COMPARED)).round().long().tolist()
    compared = [_Compared(val[index], silence_WHQ) for index in chosen]
    nearest = [0.0] * len(compared)
    for block in in_blocks(train):
        step_P, sound_P = block.step_P, block.sound_P
        for index, sound in unless_stopped(enumerate(compared), should_stop):
            nearest[index] = max(nearest[index], float(sound.agreements(block, step_P, sound_P).max()))
    return median(nearest)


def _all_agree(sounds: Sequence[SoundCodes], silence_WHQ: Tensor) -> bool:
    """Tell whether all sounds are near-copies of the longest one."""
    longest = _Compared(max(sounds, key=lambda sound: sound.steps), silence_WHQ)
    agreements = (longest.agreements(block, block.step_P, block.sound_P) for block in in_blocks(sounds))
    return all(float(agreements_N.min()) >= NEAR_COPIES for agreements_N in agreements)


def sameness(sounds: Sequence[SoundCodes], silence_WHQ: Tensor) -> str:
    """Return a sentence about sounds that are too much alike to learn from, or ""."""
    if perplexity(fmean(map(_entropy, _counts(sounds, silence_WHQ)))) < _NEARLY_ONE_CODE:
        return "The sounds are nearly one code to this model: there is next to nothing to learn from them."
    if len(sounds) > 1 and _all_agree(sounds, silence_WHQ):
        return f"All {len(sounds)} sounds are one sound to this model: a low perplexity says nothing about new sound."
    return ""


def _entropy(counts_K: Tensor) -> float:
    """Return the entropy of codes in nats, from how often each occurs."""
    shares_K = counts_K.double() / counts_K.sum()
    return float(torch.special.entr(shares_K).sum())
