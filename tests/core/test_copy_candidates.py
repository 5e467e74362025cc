"""Near-copies are found without comparing all with all, and the groups are those that comparing all gives."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from distill_core.training.data import copy_candidates, sound_codes
from distill_core.training.data.near_copies import LEAST_LENGTH, NEAR_COPIES, near_copies
from distill_core.training.data.sound_codes import SoundCodes

BANDS, LEVELS = 4, 3
SILENCE = torch.full((1, BANDS, LEVELS), 63)


def _heard(codes_WHQ: Tensor) -> Tensor:
    return (codes_WHQ != SILENCE).flatten(1).any(1)


def _agreement(one_WHQ: Tensor, other_WHQ: Tensor) -> float:
    """Return the best agreement over all shifts, by comparing everything."""
    short, long = sorted((one_WHQ, other_WHQ), key=lambda codes: int(_heard(codes).sum()))
    best = 0
    for shift in range(1 - len(short), len(long)):
        first, end = max(0, -shift), min(len(short), len(long) - shift)
        own, others = short[first:end], long[first + shift : end + shift]
        best = max(best, int((own == others)[_heard(own) & _heard(others)].sum()))
    return best / max(1, int(_heard(short).sum()) * BANDS * LEVELS)


def _are_near(one_WHQ: Tensor, other_WHQ: Tensor) -> bool:
    counts = sorted(int(_heard(codes).sum()) for codes in (one_WHQ, other_WHQ))
    return counts[0] >= max(1, LEAST_LENGTH * counts[1]) and _agreement(one_WHQ, other_WHQ) >= NEAR_COPIES


def _groups_by_comparing_all(codes: Sequence[Tensor]) -> tuple[tuple[int, ...], ...]:
    """Return the groups as former versions found them, who compared each sound with each."""
    group = [*range(len(codes))]
    for one in range(len(codes)):
        for other in range(one + 1, len(codes)):
            if group[one] != group[other] and _are_near(codes[one], codes[other]):
                group = [group[one] if each == group[other] else each for each in group]
    members = [tuple(number for number, each in enumerate(group) if each == known) for known in dict.fromkeys(group)]
    return tuple(each for each in members if len(each) > 1)


def _copies(codes_WHQ: Tensor, generator: torch.Generator) -> Iterator[Tensor]:
    """Yield copies of a sound with some other codes, later, and cut at either end."""
    for share in (0.0, 0.02, 0.04, 0.07):
        noise = torch.rand(codes_WHQ.shape, generator=generator) < share
        later, cut = torch.randint(0, 4, (2,), generator=generator).tolist()
        other_WHQ = torch.where(noise, 61, codes_WHQ)[cut // 2 :]
        yield torch.cat([SILENCE.expand(later, BANDS, LEVELS), other_WHQ[: len(other_WHQ) - cut % 2]])


def _set_of_sounds(seed: int, count: int, values: int, longest: int) -> list[Tensor]:
    """Return sounds of so many different codes, some of them held for several steps, and copies of some."""
    generator = torch.Generator().manual_seed(seed)
    found: list[Tensor] = []
    for number in range(count):
        steps, held = (int(torch.randint(1, most, (), generator=generator)) for most in (longest, 4))
        codes_WHQ = torch.randint(0, values, (-(-steps // held), BANDS, LEVELS), generator=generator)
        found.append(codes_WHQ.repeat_interleave(held, 0))
        found += [*_copies(found[-1], generator)][: number % 5] if len(found[-1]) > 2 else []
    order = torch.randperm(len(found), generator=generator).tolist()
    return [found[index] for index in order]


@pytest.fixture(params=["all at once", "in parts"])
def _in_parts(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "in parts":
        monkeypatch.setattr(copy_candidates, "_MOST_INDEXED", 20)
        monkeypatch.setattr(copy_candidates, "_MOST_INDEXES", 100)
        monkeypatch.setattr(copy_candidates, "_PAIRS_AT_ONCE", 3)
        monkeypatch.setattr(sound_codes.in_blocks, "__defaults__", (16,))


@pytest.mark.usefixtures("_in_parts")
def test_the_groups_are_those_that_comparing_all_gives() -> None:
    grouped = 0

    @settings(max_examples=60, deadline=None, derandomize=True)
    @given(
        seed=st.integers(0, 10_000),
        count=st.integers(1, 8),
        values=st.sampled_from([2, 3, 60]),
        longest=st.sampled_from([3, 8, 24]),
    )
    def check(seed: int, count: int, values: int, longest: int) -> None:
        nonlocal grouped
        codes = _set_of_sounds(seed, count, values, longest)
        expected = _groups_by_comparing_all(codes)
        assert near_copies([SoundCodes.whole(each) for each in codes], SILENCE) == expected
        grouped += len(expected)

    check()
    assert grouped > 40, "the sets have near-copies"


@pytest.mark.usefixtures("_in_parts")
@pytest.mark.parametrize("seed", range(2))
def test_copies_of_long_sounds_of_which_some_units_are_kept_are_found(seed: int) -> None:
    codes = _set_of_sounds(seed, 5, 60, 600)
    assert max(map(len, codes)) > copy_candidates._MOST_UNITS
    expected = _groups_by_comparing_all(codes)
    assert expected
    assert near_copies([SoundCodes.whole(each) for each in codes], SILENCE) == expected


def test_a_thousand_sounds_of_one_kind_still_hang_together() -> None:
    """Each differs from each in a few codes: all of them meet all others, and only some are compared."""
    generator = torch.Generator().manual_seed(0)
    one = torch.randint(0, 60, (6, BANDS, LEVELS), generator=generator)
    codes = one.repeat(600, 1, 1, 1)
    changed = torch.rand(codes.shape, generator=generator) < 0.01
    codes = torch.where(changed, torch.randint(0, 60, codes.shape, generator=generator), codes)
    (group,) = near_copies([SoundCodes.whole(each) for each in codes], SILENCE)
    assert len(group) > 590


def test_pairs_are_judged_in_proportion_to_the_sounds() -> None:
    """Of random sounds hardly any two are judged, where all-pairs would be half a million."""
    generator = torch.Generator().manual_seed(0)
    sounds = [SoundCodes.whole(torch.randint(0, 60, (4, BANDS, LEVELS), generator=generator)) for _ in range(1000)]
    judged: list[int] = []
    search = copy_candidates.CopyCandidates(sounds, SILENCE, torch.full((1000,), 4).numpy(), NEAR_COPIES, LEAST_LENGTH)
    shares = search._shares

    def counting(shorts_M, longs_M):  # type: ignore[no-untyped-def]
        judged.append(len(shorts_M))
        return shares(shorts_M, longs_M)

    search._shares = counting  # type: ignore[method-assign]
    assert not len(search.pairs(lambda: False).firsts_M)
    assert sum(judged) < 5000
