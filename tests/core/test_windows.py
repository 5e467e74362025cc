"""Windows: every code once an epoch, none longer than the context, and filling changes no loss."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from distill_core import PriorConfig, validate_prior_epoch
from distill_core.models.frames import FramesPrior
from distill_core.training.data.sound_codes import SoundCodes
from distill_core.training.data.windows import Batch, CodeWindows, Row, as_windows
from distill_core.training.prior.optimizers import build_optimizer
from distill_core.training.prior.step import train_step
from distill_core.training.prior.validation import validate


def _rows(lengths: list[int], bands: int) -> list[Row]:
    """Return rows of one level whose codes are all different, so that each can be found again."""
    codes = torch.arange(sum(lengths) * bands).view(-1, bands, 1)
    return [Row(part, len(part), part.numel()) for part in codes.split(lengths)]


def _codes(batches: list[Batch]) -> list[Tensor]:
    found = [batch.windows for batch in batches]
    return [
        codes[counted].flatten()
        for windows in found
        for codes, counted in zip(windows.codes_BWHQ, windows.counted_BW, strict=True)
    ]


def _random_sound(steps: int, bands: int, generator: torch.Generator | None = None) -> SoundCodes:
    return SoundCodes.whole(torch.randint(0, 8, (steps, bands, 2), generator=generator))


@given(
    lengths=st.lists(st.integers(1, 30), min_size=1, max_size=8),
    unit=st.integers(1, 5),
    context=st.integers(1, 12),
    per_batch=st.integers(1, 200),
    seed=st.integers(0, 100),
)
def test_an_epoch_holds_every_code_once_in_windows_of_the_context(
    lengths: list[int], unit: int, context: int, per_batch: int, seed: int
) -> None:
    rows = _rows(lengths, unit)
    windows = CodeWindows([[[row]] for row in rows], context, per_batch)
    begins = {int(row.codes_WHQ[0, 0]) for row in rows}
    for batches in (list(windows.random(torch.Generator().manual_seed(seed))), list(windows.fixed())):
        found = _codes(batches)
        assert sorted(torch.cat(found).tolist()) == list(range(sum(lengths) * unit))
        assert all(len(each) <= context * unit and len(each) % unit == 0 for each in found)
        assert len(batches) == len(windows)
        flags = [bool(flag) for batch in batches for flag in batch.windows.begins_B]
        assert flags == [int(each[0]) in begins for each in found]


def test_cuts_differ_from_epoch_to_epoch_and_follow_the_generator() -> None:
    windows = CodeWindows([[[row]] for row in _rows([40, 3], 2)], 8, 32)
    generator = torch.Generator().manual_seed(0)
    first, second = (_codes(list(windows.random(generator))) for _ in range(2))
    again = _codes(list(windows.random(torch.Generator().manual_seed(0))))
    assert [each.tolist() for each in first] == [each.tolist() for each in again]
    assert {int(each[0]) for each in first} != {int(each[0]) for each in second}


def test_an_epoch_holds_one_version_of_every_sound() -> None:
    versions = [
        [[Row(torch.full((3, 2, 1), 10 * sound + version), 3, 6)] for version in range(3)] for sound in range(4)
    ]
    windows, generator = CodeWindows(versions, 6, 8), torch.Generator().manual_seed(0)
    seen = set()
    for _ in range(12):
        codes = sorted(int(each[0]) for each in _codes(list(windows.random(generator))))
        assert [code // 10 for code in codes] == [0, 1, 2, 3]
        seen |= set(codes)
    assert len(seen) == 12
    assert sorted(int(each[0]) for each in _codes(list(windows.fixed()))) == [0, 10, 20, 30]


def test_windows_of_nearly_the_same_length_share_a_batch() -> None:
    lengths = [1, 9, 2, 8, 1, 9, 2, 8]
    batches = list(CodeWindows([[[row]] for row in _rows(lengths, 4)], 10, 40).fixed())
    filled = sum(batch.windows.codes_BWHQ.numel() for batch in batches)
    assert filled <= 1.25 * sum(lengths) * 4


def _prior() -> FramesPrior:
    torch.manual_seed(0)
    prior = FramesPrior(8, 2, 2, 6, 32, 1, 2, dropout=0.0).eval()
    for weight in prior.parameters():
        torch.nn.init.normal_(weight, std=0.3)
    return prior


def test_what_only_fills_changes_no_loss() -> None:
    prior, generator = _prior(), torch.Generator().manual_seed(1)
    sounds = [_random_sound(steps, 2, generator) for steps in (1, 6, 3)]
    together = validate(prior, as_windows(prior, [[sound] for sound in sounds], 10_000))
    counts = [sound.count - 1 for sound in sounds]
    alone = [validate(prior, as_windows(prior, [[sound]], 10_000)).mean for sound in sounds]
    weighted = sum(count * loss for count, loss in zip(counts, alone, strict=True)) / sum(counts)
    assert together.mean == pytest.approx(weighted, rel=1e-6)


def test_the_levels_mean_is_the_mean() -> None:
    prior, codes = _prior(), torch.randint(0, 8, (5, 12, 2))
    sounds = [SoundCodes.whole(codes_SQ.view(2, -1, 2).transpose(0, 1)) for codes_SQ in codes]
    loss = validate(prior, as_windows(prior, [[sound] for sound in sounds], 48))
    level_counts = [5 * 12 - 5, 5 * 12]  # the first code of each is not counted
    weighted = sum(count * mean for count, mean in zip(level_counts, loss.by_level, strict=True)) / sum(level_counts)
    assert loss.mean == pytest.approx(weighted, rel=1e-6)
    assert validate_prior_epoch(prior, codes, config=PriorConfig(batch_size=2)) == pytest.approx(loss.mean, rel=1e-6)


def test_the_start_is_learned_and_a_cut_is_no_start() -> None:
    """Every sound begins with code 5 and goes on with 2: the learned first code is 5, in the middle it is 2."""
    torch.manual_seed(0)
    config = PriorConfig(hidden_size=32, num_layers=1, num_heads=2, token_dropout=0.0, dropout=0.0)
    prior = FramesPrior(8, 1, 1, 6, 32, 1, 2, dropout=0.0)
    optimizer = build_optimizer(prior, config)
    sound = torch.full((30, 1, 1), 2)
    sound[0] = 5
    windows, generator = as_windows(prior, [[SoundCodes.whole(sound)]] * 8, 60), torch.Generator().manual_seed(0)
    prior.train()
    for _ in range(12):
        for batch in windows.random(generator):
            train_step(prior, batch.windows, optimizer, config)
    prior.eval()
    assert int(prior.start_logits().argmax()) == 5
    in_the_middle = prior.logits_with_start(torch.zeros(1, 1, dtype=torch.long), torch.tensor([False]))
    assert int(in_the_middle[0, 0].argmax()) == 2


def test_a_version_that_joins_moves_neither_the_batches_nor_the_schedule() -> None:
    rows = _rows([30, 7, 12], 2)
    shorter = [Row(row.codes_WHQ[:-2], row.counted - 2, row.length - 4) for row in rows]
    alone = CodeWindows([[[row]] for row in rows], 8, 24)
    joined = CodeWindows([[[row], [short]] for row, short in zip(rows, shorter, strict=True)], 8, 24)
    assert len(joined) == len(alone)
