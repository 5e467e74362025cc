"""What perplexities are compared with: frequencies, and siblings."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from distill_core.training.data.near_copies import NEAR_COPIES
from distill_core.training.data.sound_codes import SoundCodes, without_silence
from distill_core.training.prior.baselines import sameness, sibling_agreement, unigram_perplexities

SILENCE = torch.full((1, 4, 3), 99)  # codes of a step that no sound here has


def _sound(codes_WHQ: Tensor) -> SoundCodes:
    return SoundCodes.whole(codes_WHQ)


def _random(steps: int, generator: torch.Generator, codes: int = 64) -> SoundCodes:
    return _sound(torch.randint(0, codes, (steps, 4, 3), generator=generator))


def test_guessing_even_codes_is_as_good_as_their_number() -> None:
    codes = _sound((torch.arange(9600) % 8).view(-1, 4, 3))
    assert unigram_perplexities([codes], [codes], 8)[0] == pytest.approx(8.0)


def test_guessing_is_the_mean_of_the_levels_losses_and_not_of_a_pooled_histogram() -> None:
    levels = torch.stack([torch.arange(4000) % 8, torch.full((4000,), 9)], 1).view(-1, 1, 2)
    overall, by_level = unigram_perplexities([_sound(levels)], [_sound(levels)], 16)
    assert by_level[0] == pytest.approx(8.0, rel=1e-2)
    assert by_level[1] == pytest.approx(1.0, rel=1e-2)
    assert overall == pytest.approx(math.sqrt(by_level[0] * by_level[1]))
    pooled = torch.bincount(levels.flatten()).double()
    entropy = -sum(share * math.log(share) for share in (pooled / pooled.sum()).tolist() if share)
    assert overall < math.exp(entropy) / 1.5


def test_siblings_are_found_and_strangers_are_not() -> None:
    generator = torch.Generator().manual_seed(0)
    train = [_random(8, generator) for _ in range(40)]
    copies = []
    for sound in train[::3]:
        codes_WHQ = sound.codes_WHQ.clone()
        codes_WHQ[::4] = 63 - codes_WHQ[::4]
        copies.append(_sound(codes_WHQ))
    assert sibling_agreement(train, copies, SILENCE) == pytest.approx(0.75, abs=0.02)
    assert sibling_agreement(train, [_random(8, generator) for _ in range(50)], SILENCE) < 0.15


def test_one_shots_of_a_step_or_two_have_siblings_too_over_the_shorter_ones_length() -> None:
    generator = torch.Generator().manual_seed(0)
    long = _random(12, generator)
    assert sibling_agreement([_random(9, generator), long], [_sound(long.codes_WHQ[:2])], SILENCE) == 1.0
    assert sibling_agreement([_sound(long.codes_WHQ[:3])], [long], SILENCE) == 1.0
    assert sibling_agreement([_sound(long.codes_WHQ[:1])], [long], SILENCE) == 0.0  # the silence before it, perhaps


def test_sounds_that_are_one_are_told() -> None:
    generator = torch.Generator().manual_seed(0)
    one = _random(6, generator)
    assert "All 12 sounds are one sound" in sameness([one] * 12, SILENCE)
    assert not sameness([one, _random(6, generator)], SILENCE)
    assert not sameness([_random(3, generator) for _ in range(12)], SILENCE)
    assert not sameness([one], SILENCE)


def test_sounds_of_nearly_one_code_are_told() -> None:
    codes_WHQ = torch.full((400, 4, 3), 7)
    codes_WHQ[3, 1, 0] = 2
    assert "nearly one code" in sameness([_sound(codes_WHQ), _sound(codes_WHQ[:100])], SILENCE)
    few = [_sound(torch.full((1, 4, 3), 700)) for _ in range(3)]
    assert "nearly one code" in sameness(few, SILENCE)


def test_the_agreement_of_a_copy_is_that_of_near_copies() -> None:
    generator = torch.Generator().manual_seed(0)
    train = [_random(5, generator) for _ in range(4)]
    assert sibling_agreement(train, train[:2], SILENCE) >= NEAR_COPIES


def test_silence_makes_no_siblings_and_no_good_guesses() -> None:
    generator = torch.Generator().manual_seed(0)
    silence = SILENCE.expand(200, 4, 3)
    heard = [_random(8, generator) for _ in range(12)]
    sounds = [_sound(torch.cat([sound.codes_WHQ, silence])) for sound in heard]
    assert sibling_agreement(sounds[:9], sounds[9:], SILENCE) == sibling_agreement(heard[:9], heard[9:], SILENCE) < 0.15
    assert not sameness(sounds, SILENCE)
    assert "are one sound" in sameness([sounds[0]] * 5, SILENCE)
    kept = without_silence(sounds, SILENCE)
    assert all(torch.equal(one.codes_WHQ, other.codes_WHQ) for one, other in zip(kept, heard, strict=True))


def test_sounds_that_are_all_silence_count_as_they_are() -> None:
    sounds = [_sound(SILENCE.expand(20, 4, 3))] * 3
    assert without_silence(sounds, SILENCE)[0].count == sounds[0].count
    assert sibling_agreement(sounds[:2], sounds[2:], SILENCE) == 1.0
