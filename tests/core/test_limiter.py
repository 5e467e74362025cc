"""The limiter: nothing above full scale comes out, and what is below it and far from a peak stays as it is."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from distill_core.audio.limiter import Limiter

RATE = 8000


def sound(seed: int, samples: int, peaks: list[int]) -> Tensor:
    waveform_T = 0.5 * (2 * torch.rand(samples, generator=torch.Generator().manual_seed(seed)) - 1)
    for place in peaks:
        waveform_T[place % samples] = 4.0
    return waveform_T


@settings(deadline=None)
@given(
    st.integers(1, 4000),
    st.lists(st.integers(0, 10_000), max_size=4),
    st.lists(st.integers(1, 700), min_size=1, max_size=20),
)
def test_no_sample_is_above_full_scale_and_others_stay(samples: int, peaks: list[int], sizes: list[int]) -> None:
    limiter, waveform_T = Limiter(RATE), sound(samples, samples, peaks)
    cuts = [*torch.tensor(sizes).cumsum(0).tolist()]
    limited_T = torch.cat([*limiter.blocks_of(waveform_T.tensor_split([cut for cut in cuts if cut < samples]))])
    assert len(limited_T) == samples
    assert float(limited_T.abs().max()) <= 1 + 1e-6
    is_far_T = torch.ones(samples, dtype=torch.bool)
    for place in peaks:
        middle = place % samples
        is_far_T[max(0, middle - limiter.reach) : middle + limiter.reach + 1] = False
    torch.testing.assert_close(limited_T[is_far_T], waveform_T[is_far_T])


def test_a_quiet_sound_stays_bit_for_bit() -> None:
    waveform_T = sound(0, 5000, [])
    assert torch.equal(torch.cat([*Limiter(RATE).blocks_of(waveform_T.split(700))]), waveform_T)


def test_the_gain_has_no_steps() -> None:
    waveform_T = torch.full((4000,), 0.5)
    waveform_T[2000] = 8.0
    limited_T = torch.cat([*Limiter(RATE).blocks_of([waveform_T])])
    gain_T = limited_T / waveform_T
    assert float(gain_T.diff().abs().max()) < 0.06
    assert float(limited_T[2000]) == pytest.approx(1.0, abs=0.01)


def test_nothing_comes_of_nothing() -> None:
    assert not [*Limiter(RATE).blocks_of([])]
