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
from distill_core.training.data.windows import Batch, CodeWindows, whole_row
from distill_core.training.prior.epoch import as_windows, train_step, validate
from distill_core.training.prior.optimizers import build_optimizer


def _rows(lengths: list[int], unit: int) -> list[Tensor]:
    """Return rows whose codes are all different, so that each can be found again."""
    codes = torch.arange(sum(lengths) * unit)
    return list(codes.split([length * unit for length in lengths]))


def _codes(batches: list[Batch]) -> list[Tensor]:
    return [row[counted] for batch in batches for row, counted in zip(batch.codes_BT, batch.counted_BT, strict=True)]


def _in_rows(codes_SQ: Tensor, bands: int) -> SoundCodes:
    return SoundCodes(codes_SQ, bands, codes_SQ.shape[1] // bands)


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
    windows = CodeWindows([[[whole_row(row)]] for row in rows], unit, context * unit, per_batch)
    begins = {int(row[0]) for row in rows}
    for batches in (list(windows.random(torch.Generator().manual_seed(seed))), list(windows.fixed())):
        found = _codes(batches)
        assert sorted(torch.cat(found).tolist()) == list(range(sum(lengths) * unit))
        assert all(len(each) <= context * unit and len(each) % unit == 0 for each in found)
        assert len(batches) == len(windows)
        flags = [bool(flag) for batch in batches for flag in batch.begins_B]
        assert flags == [int(each[0]) in begins for each in found]


def test_cuts_differ_from_epoch_to_epoch_and_follow_the_generator() -> None:
    windows = CodeWindows([[[whole_row(row)]] for row in _rows([40, 3], 2)], 2, 16, 32)
    generator = torch.Generator().manual_seed(0)
    first, second = (_codes(list(windows.random(generator))) for _ in range(2))
    again = _codes(list(windows.random(torch.Generator().manual_seed(0))))
    assert [each.tolist() for each in first] == [each.tolist() for each in again]
    assert {int(each[0]) for each in first} != {int(each[0]) for each in second}


def test_an_epoch_holds_one_version_of_every_sound() -> None:
    versions = [[[whole_row(torch.full((6,), 10 * sound + version))] for version in range(3)] for sound in range(4)]
    windows, generator = CodeWindows(versions, 2, 12, 8), torch.Generator().manual_seed(0)
    seen = set()
    for _ in range(12):
        codes = sorted(int(each[0]) for each in _codes(list(windows.random(generator))))
        assert [code // 10 for code in codes] == [0, 1, 2, 3]
        seen |= set(codes)
    assert len(seen) == 12
    assert sorted(int(each[0]) for each in _codes(list(windows.fixed()))) == [0, 10, 20, 30]


def test_windows_of_nearly_the_same_length_share_a_batch() -> None:
    lengths = [1, 9, 2, 8, 1, 9, 2, 8]
    batches = list(CodeWindows([[[whole_row(row)]] for row in _rows(lengths, 4)], 4, 40, 40).fixed())
    filled = sum(batch.codes_BT.numel() for batch in batches)
    assert filled <= 1.25 * sum(lengths) * 4


def _prior() -> FramesPrior:
    torch.manual_seed(0)
    prior = FramesPrior(8, 2, 2, 6, 32, 1, 2, dropout=0.0).eval()
    for weight in prior.parameters():
        torch.nn.init.normal_(weight, std=0.3)
    return prior


def test_what_only_fills_changes_no_loss() -> None:
    prior, generator = _prior(), torch.Generator().manual_seed(1)
    sounds = [_in_rows(torch.randint(0, 8, (1, 2 * steps, 2), generator=generator), 2) for steps in (1, 6, 3)]
    together = validate(prior, as_windows(prior, [[sound] for sound in sounds], 10_000))
    counts = [sound.count - 1 for sound in sounds]
    alone = [validate(prior, as_windows(prior, [[sound]], 10_000)).mean for sound in sounds]
    weighted = sum(count * loss for count, loss in zip(counts, alone, strict=True)) / sum(counts)
    assert together.mean == pytest.approx(weighted, rel=1e-6)


def test_the_levels_mean_is_the_mean() -> None:
    prior, codes = _prior(), torch.randint(0, 8, (5, 12, 2))
    loss = validate(prior, as_windows(prior, [[_in_rows(row[None], 2)] for row in codes], 48))
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
    sound = torch.full((1, 30, 1), 2)
    sound[0, 0] = 5
    windows, generator = as_windows(prior, [[_in_rows(sound, 1)]] * 8, 60), torch.Generator().manual_seed(0)
    prior.train()
    for _ in range(12):
        for batch in windows.random(generator):
            train_step(prior, batch, optimizer, config)
    prior.eval()
    assert int(prior.start_logits().argmax()) == 5
    in_the_middle = prior.logits_with_start(torch.zeros(1, 1, dtype=torch.long), torch.tensor([False]))
    assert int(in_the_middle[0, 0].argmax()) == 2


def test_a_version_that_joins_moves_neither_the_batches_nor_the_schedule() -> None:
    rows = [whole_row(row) for row in _rows([30, 7, 12], 2)]
    alone = CodeWindows([[[row]] for row in rows], 2, 16, 24)
    joined = CodeWindows([[[row], [whole_row(row.codes_T[:-4])]] for row in rows], 2, 16, 24)
    assert len(joined) == len(alone)
