"""Sampling: the same logits as without a cache, the right frequencies, the same codes at any batch size."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from distill_core import CodePrior, ConfigError, SamplingSettings, sample_codes
from distill_core.events import JobProgress, Phase, Stopped
from distill_core.generation.sampling import draw, keep_top_k, keep_top_p, probabilities, sample_steps, uniform_numbers
from distill_core.models.frames import FramesPrior
from distill_core.models.prior import Prior

BANDS, STEPS, LEVELS, CODES = 2, 6, 3, 16
CONTEXT = BANDS * STEPS
ARCHITECTURES = ["flat", "frames"]
# Random numbers of seed 41, step 7, times 2⁵³: what any other program has to draw.
WORDS_OF_41_7 = [3156146230449625, 2710112078509011, 3483146891250535]
GREEDY = SamplingSettings(top_k=1)


def _randomized(prior: Prior) -> Prior:
    """With weights of a size at which every one of them matters."""
    for weight in prior.parameters():
        torch.nn.init.normal_(weight, std=0.3)
    return prior.eval()


def _frames(bands: int = BANDS, steps: int = STEPS, levels: int = LEVELS, codes: int = CODES) -> Prior:
    torch.manual_seed(0)
    return _randomized(FramesPrior(codes, levels, bands, steps, 32, 2, 2, dropout=0.5))


def _flat(positions: int = CONTEXT, levels: int = LEVELS, codes: int = CODES) -> Prior:
    torch.manual_seed(0)
    return _randomized(CodePrior(codes, levels, positions * levels, 32, 2, 2, dropout=0.5))


def _prior(architecture: str) -> Prior:
    return _flat() if architecture == "flat" else _frames()


def _random_codes(length: int, batch: int = 3) -> Tensor:
    return torch.randint(0, CODES, (batch, length), generator=torch.Generator().manual_seed(1))


def _in_time_order(codes_NSQ: Tensor) -> Tensor:
    return codes_NSQ.unflatten(1, (BANDS, -1)).transpose(1, 2).flatten(1)


@torch.no_grad()
def _uncached(prior: Prior, codes_BT: Tensor, is_begin: bool = True) -> Tensor:
    """Return logits `[B, T + 1, K]` of every code and of the one after the last."""
    if isinstance(prior, FramesPrior):
        begins = torch.full((len(codes_BT),), is_begin)
        return prior.logits_with_start(torch.nn.functional.pad(codes_BT, (0, 1)), begins)
    start = prior.start_logits().expand(len(codes_BT), 1, -1)
    return torch.cat([start, prior(codes_BT)], 1) if codes_BT.shape[1] else start


@torch.no_grad()
def _cached(prior: Prior, codes_BT: Tensor) -> Tensor:
    decoder = prior.decoder(len(codes_BT))
    return torch.stack([decoder.logits(codes_BT, index) for index in range(codes_BT.shape[1])], 1)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_logits_are_those_without_a_cache(architecture: str) -> None:
    prior, codes = _prior(architecture), _random_codes(CONTEXT * LEVELS)
    wanted = _uncached(prior, codes[:, :-1])
    torch.testing.assert_close(_cached(prior, codes), wanted, atol=1e-5, rtol=0)


@pytest.mark.parametrize(("bands", "steps", "levels"), [(8, 6, 3), (1, 47, 8), (3, 2, 1), (2, 1, 2), (1, 5, 2)])
def test_frames_slides_its_window_by_half(bands: int, steps: int, levels: int) -> None:
    prior, context = _frames(bands, steps, levels), bands * steps * levels
    codes = _random_codes(2 * context + levels, batch=2)
    begin, cached = 0, _cached(prior, codes)
    while begin < codes.shape[1]:
        window = codes[:, begin : begin + context]
        wanted = _uncached(prior, window[:, :-1], begin == 0)
        new = 0 if begin == 0 else steps // 2 * bands * levels
        got = cached[:, begin + new : begin + context]
        torch.testing.assert_close(got, wanted[:, new:], atol=1e-5, rtol=0)
        begin += context - steps // 2 * bands * levels


def test_flat_forgets_at_the_end_of_its_context() -> None:
    prior, codes = _flat(), _random_codes(2 * CONTEXT * LEVELS)
    seconds = codes.unflatten(1, (2, -1)).flatten(0, 1)
    both = _cached(prior, codes).unflatten(1, (2, -1)).flatten(0, 1)
    torch.testing.assert_close(both, _uncached(prior, seconds[:, :-1]), atol=1e-5, rtol=0)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("settings", [SamplingSettings(), SamplingSettings(0.8, 9, 0.9, (1.0, 0.5, 2.0))])
def test_same_seed_same_codes_at_any_batch_size(architecture: str, settings: SamplingSettings) -> None:
    prior = _prior(architecture)
    one, eight, all_at_once = (
        sample_codes(prior, count, 2 * CONTEXT, settings=settings, seed=5, batch_size=size)
        for count, size in ((3, 1), (20, 8), (32, 32))
    )
    assert all_at_once.shape == (32, 2 * CONTEXT, LEVELS)
    assert torch.equal(one, all_at_once[:3])
    assert torch.equal(eight, all_at_once[:20])
    assert len({tuple(codes.flatten().tolist()) for codes in all_at_once}) == 32
    other = sample_codes(prior, 3, 2 * CONTEXT, settings=settings, seed=6)
    assert not (other == one).flatten(1).all(1).any()


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_same_seed_same_codes_on_any_number_of_threads(architecture: str) -> None:
    prior, threads = _prior(architecture), torch.get_num_threads()
    try:
        codes = []
        for count in (1, 2):
            torch.set_num_threads(count)
            codes.append(sample_codes(prior, 8, CONTEXT, seed=3))
    finally:
        torch.set_num_threads(threads)
    assert torch.equal(*codes)


def test_more_steps_continue_the_same_sound() -> None:
    prior = _frames()
    short = sample_codes(prior, 2, 4 * BANDS).view(2, BANDS, 4, LEVELS)
    long = sample_codes(prior, 2, 15 * BANDS).view(2, BANDS, 15, LEVELS)
    assert torch.equal(short, long[:, :, :4])


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_codes_come_time_first_and_in_the_formats_order(architecture: str) -> None:
    prior = _prior(architecture)
    codes_NWHQ = sample_steps(prior, 2, 2 * STEPS, BANDS, seed=4)
    assert codes_NWHQ.shape == (2, 2 * STEPS, BANDS, LEVELS)
    codes_NSQ = sample_codes(prior, 2, 2 * CONTEXT, seed=4)
    seconds = (
        codes_NSQ.view(2, 2, BANDS, STEPS, LEVELS)
        if architecture == "flat"
        else codes_NSQ.view(2, 1, BANDS, -1, LEVELS)
    )
    assert torch.equal(seconds.transpose(2, 3).flatten(1, 2), codes_NWHQ)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_nothing_outside_is_touched(architecture: str) -> None:
    prior = _prior(architecture).train()
    state = torch.get_rng_state()
    codes = sample_codes(prior, 2, CONTEXT)
    assert torch.equal(torch.get_rng_state(), state)
    assert prior.training
    assert torch.equal(codes, sample_codes(prior.eval(), 2, CONTEXT))  # without dropout
    assert not codes.is_inference()
    prior(codes.flatten(1)[:, :5]).sum().backward()


@pytest.mark.parametrize("make", [lambda: _frames(1, 2, 1, 3), lambda: _flat(2, 1, 3)])
def test_frequencies_are_the_priors_probabilities(make: Callable[[], Prior]) -> None:
    prior, count = make(), 20_000
    pairs = torch.cartesian_prod(torch.arange(3), torch.arange(3))
    first, second = _uncached(prior, torch.arange(3)[:, None]).softmax(2).unbind(1)
    chances = first[0][:, None] * second
    codes = sample_codes(prior, count, 2, batch_size=count).flatten(1)
    found = (codes[:, None] == pairs).all(2).sum(0)
    expected = count * chances.flatten()
    assert float(((found - expected) ** 2 / expected).sum()) < 26.1  # chi-square, 8 degrees, 1 in 1000


@pytest.mark.parametrize("settings", [GREEDY, SamplingSettings(top_p=1e-6), SamplingSettings(temperature=1e-9)])
def test_greedy_in_three_ways(settings: SamplingSettings) -> None:
    prior = _frames()
    codes = sample_codes(prior, 2, CONTEXT, settings=settings)
    flat = _in_time_order(codes)
    assert torch.equal(_uncached(prior, flat[:, :-1]).argmax(2), flat)


def test_flat_draws_its_first_code_uniformly_even_so() -> None:
    first = sample_codes(_flat(), 200, CONTEXT, settings=SamplingSettings(top_k=1), batch_size=200)[:, 0, 0]
    assert len(first.unique()) == CODES


@pytest.mark.parametrize("level", range(LEVELS))
def test_a_level_temperature_acts_on_its_level(level: int) -> None:
    factors = tuple(1e-9 if each == level else 50.0 for each in range(LEVELS))
    prior = _frames()
    codes = sample_codes(prior, 16, CONTEXT, settings=SamplingSettings(level_temperatures=factors))
    flat = _in_time_order(codes)
    is_best = _uncached(prior, flat[:, :-1]).argmax(2) == flat
    shares = is_best.float().unflatten(1, (-1, LEVELS)).mean((0, 1))
    assert float(shares[level]) == 1.0
    assert all(float(share) < 0.5 for each, share in enumerate(shares) if each != level)


def test_the_small_functions() -> None:
    shares = torch.tensor([[0.1, 0.4, 0.2, 0.3], [0.25, 0.25, 0.25, 0.25]], dtype=torch.float64)
    assert keep_top_k(shares, 2).tolist() == [[0.0, 0.4, 0.0, 0.3], [0.25] * 4]  # equals stay together
    assert keep_top_k(shares, 0) is shares
    assert keep_top_p(shares, 0.6).tolist() == [[0.0, 0.4, 0.0, 0.3], [0.25] * 4]
    assert keep_top_p(shares, 0.39)[0].tolist() == [0.0, 0.4, 0.0, 0.0]
    assert keep_top_p(shares, 1.0) is shares
    assert keep_top_p(shares, 1e-30)[0].tolist() == [0.0, 0.4, 0.0, 0.0]
    drawn = [draw(shares[:1], torch.tensor([u], dtype=torch.float64)).item() for u in (0.0, 0.09, 0.11, 0.6, 0.9999)]
    assert drawn == [0, 0, 1, 2, 3]
    assert draw(torch.tensor([[0.0, 1.0, 0.0]]), torch.tensor([0.0])).item() == 1
    logits = torch.tensor([[1e4, 1e4, 0.0]])
    assert probabilities(logits, 1e-30).tolist() == [[0.5, 0.5, 0.0]]


def test_random_numbers_are_a_function_of_seed_step_band_and_level() -> None:
    numbers = uniform_numbers(0, 0, 1000)
    assert float(numbers.mean()) == pytest.approx(0.5, abs=0.05)
    assert torch.equal(uniform_numbers(0, 0, 10), numbers[:10])
    others = [uniform_numbers(seed, step, 1000) for seed, step in ((1, 0), (0, 1), (2**63 - 1, 5))]
    assert all(abs(float(torch.corrcoef(torch.stack([numbers, other]))[0, 1])) < 0.15 for other in others)
    assert [int(number * 2**53) for number in uniform_numbers(41, 7, 3)] == WORDS_OF_41_7


def test_progress_and_stopping() -> None:
    events: list[Any] = []
    sample_codes(_frames(), 3, CONTEXT, batch_size=2, on_event=events.append)
    assert events[-1] == JobProgress(Phase.SAMPLE, 3 * STEPS, 3 * STEPS)
    answers = iter([False] * 5 + [True])
    with pytest.raises(Stopped):
        sample_codes(_frames(), 3, CONTEXT, should_stop=lambda: next(answers))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("temperature", 0.0),
        ("temperature", -1.0),
        ("temperature", float("nan")),
        ("top_k", -1),
        ("top_k", 1.5),
        ("top_p", 0.0),
        ("top_p", 1.01),
        ("level_temperatures", (1.0, 0.0, 1.0)),
        ("level_temperatures", [1.0, 1.0, 1.0]),
    ],
)
def test_settings_that_cannot_be(field: str, value: Any) -> None:
    with pytest.raises(ConfigError, match=field) as caught:
        SamplingSettings(**{field: value})
    assert caught.value.field == field


@pytest.mark.parametrize(
    ("architecture", "field", "arguments"),
    [
        ("frames", "count", {"count": 0}),
        ("frames", "positions", {"positions": BANDS + 1}),
        ("flat", "positions", {"positions": CONTEXT + BANDS}),
        ("frames", "seed", {"seed": -1}),
        ("frames", "batch_size", {"batch_size": 0}),
        ("frames", "level_temperatures", {"settings": SamplingSettings(level_temperatures=(1.0, 1.0))}),
    ],
)
def test_requests_that_cannot_be(architecture: str, field: str, arguments: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=field) as caught:
        sample_codes(_prior(architecture), **{"count": 1, "positions": CONTEXT, **arguments})
    assert caught.value.field == field
