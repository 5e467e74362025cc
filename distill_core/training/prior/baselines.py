"""The baselines of a prior's perplexity: guessing by frequency, and sounds that are nearly copies."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean, median

import torch
from torch import Tensor
from torch.nn import functional

from distill_core.events import ShouldStop, never, unless_stopped
from distill_core.training.data.near_copies import LEAST_LENGTH, NEAR_COPIES
from distill_core.training.data.sound_codes import SoundCodes, without_silence
from distill_core.training.prior.events import perplexity

_MOST_SOUNDS_COMPARED = 256  # comparing one with an hour of others takes about ten milliseconds
_NEARLY_ONE_CODE = 1.05


def unigram_loss(train_codes: Tensor, val_codes: Tensor, codebook_size: int) -> float:
    """Return the mean loss in nats of validation codes under the training codes' frequencies (add-one smoothing)."""
    counts_K = torch.bincount(train_codes.flatten(), minlength=codebook_size).double() + 1
    log_shares_K = (counts_K / counts_K.sum()).log()
    return -float(log_shares_K[val_codes.flatten()].mean())


def _by_level(sounds: Sequence[SoundCodes]) -> Sequence[Tensor]:
    """Return each level's codes of all sounds together."""
    return torch.cat([sound.sound_WHQ.flatten(0, 1) for sound in sounds]).unbind(1)


def unigram_perplexities(
    train: Sequence[SoundCodes], val: Sequence[SoundCodes], codebook_size: int
) -> tuple[float, tuple[float, ...]]:
    """Return the perplexity of guessing each code by its level's frequencies, and the same for each level.

    The first is exp of the mean of the levels' losses, as a prior's perplexity is. A prior that knows nothing of order
    reaches it; a useful one lies far below.
    """
    losses = [
        unigram_loss(train_P, val_P, codebook_size)
        for train_P, val_P in zip(_by_level(train), _by_level(val), strict=True)
    ]
    return perplexity(fmean(losses)), tuple(map(perplexity, losses))


class _Neighbours:
    """Sounds to compare another with, step by step from the beginning, over the length of the shorter one."""

    def __init__(self, sounds: Sequence[SoundCodes]) -> None:
        codes = [sound.sound_WHQ.flatten(1).to(torch.int32) for sound in sounds]
        self._codes_PC = torch.cat(codes)
        self._lengths_N = torch.tensor([len(each) for each in codes])
        self._sound_P = torch.arange(len(codes)).repeat_interleave(self._lengths_N)
        self._step_P = torch.cat([torch.arange(len(each)) for each in codes])

    def agreements(self, sound: SoundCodes, silence_WHQ: Tensor) -> Tensor:
        """Return `[N]`, the share of codes in which each sound agrees with the given one; 0 for a far shorter one.

        So a sound of one step of silence, which all others begin with, is no copy of them. The given sound's steps of
        silence do not count: all sounds agree in silence.
        """
        codes_WC, is_heard_W = sound.sound_WHQ.flatten(1).to(torch.int32), sound.is_heard_W(silence_WHQ)
        chosen_P = functional.pad(is_heard_W, (0, 1))[self._step_P.clamp(max=len(codes_WC))]  # none after its end
        equal_P = (self._codes_PC[chosen_P] == codes_WC[self._step_P[chosen_P]]).sum(1).double()
        equal_N = torch.zeros(len(self._lengths_N), dtype=torch.float64).index_add_(0, self._sound_P[chosen_P], equal_P)
        heard_before_W = functional.pad(is_heard_W.cumsum(0), (1, 0))
        compared_N = heard_before_W[self._lengths_N.clamp(max=len(codes_WC))] * codes_WC.shape[1]
        shares_N = equal_N / compared_N.clamp(min=1)
        return shares_N.where(self._lengths_N >= LEAST_LENGTH * len(codes_WC), 0.0)


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
    neighbours = _Neighbours(train)
    compared = unless_stopped(chosen, should_stop)
    return median(float(neighbours.agreements(val[index], silence_WHQ).max()) for index in compared)


def sameness(sounds: Sequence[SoundCodes], silence_WHQ: Tensor) -> str:
    """Return a sentence about sounds that are too much alike to learn from, or ""."""
    heard = without_silence(sounds, silence_WHQ)
    if perplexity(fmean(_entropy(codes_P) for codes_P in _by_level(heard))) < _NEARLY_ONE_CODE:
        return "The sounds are nearly one code to this model: there is next to nothing to learn from them."
    count, longest = len(sounds), max(sounds, key=lambda sound: sound.steps)
    if count > 1 and float(_Neighbours(sounds).agreements(longest, silence_WHQ).min()) >= NEAR_COPIES:
        return f"All {count} sounds are one sound to this model: a low perplexity says nothing about new sound."
    return ""


def _entropy(codes_P: Tensor) -> float:
    """Return the entropy of codes in nats."""
    shares_K = torch.bincount(codes_P).double() / len(codes_P)
    return float(torch.special.entr(shares_K).sum())
