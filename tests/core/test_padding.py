"""Padding is no sound: it is neither learned from, nor scored, nor counted."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from distill_core import PriorTrainingStartEvent, load_model_v2, scan, train_prior
from distill_core.audio.spectrogram import SpectrogramConfig
from distill_core.audio.variants import VARIANTS, sound_samples, steps_of, total_steps
from distill_core.models.flat import CodePrior
from distill_core.training.data.codes import encode_and_split
from distill_core.training.data.sound_codes import SoundCodes, first_codes
from distill_core.training.prior.config import PriorConfig
from distill_core.training.prior.epoch import as_windows, train_step, validate

DATA = Path(__file__).parents[1] / "data"


@pytest.fixture
def grains(write_sound: Callable[..., Path], tmp_path: Path) -> Path:
    """Ten sounds of 8 to 30 ms."""
    for number in range(10):
        write_sound(tmp_path / "grains" / f"{number}.wav", seed=number, seconds=0.008 + 0.0024 * number)
    return tmp_path / "grains"


@pytest.mark.parametrize("architecture", ["frames", "flat"])
def test_ten_grains_are_ten_steps(grains: Path, architecture: str) -> None:
    events: list[object] = []
    settings = {"architecture": architecture, "max_epochs": 1, "hidden_size": 32, "num_layers": 1, "num_heads": 2}
    model = DATA / "ref_small_prior.distill"
    trained = train_prior(model, grains, settings | {"device": "cpu"}, on_event=events.append)
    (start,) = [event for event in events if isinstance(event, PriorTrainingStartEvent)]
    assert start.code_count == 10 * 8 * 3
    assert total_steps(scan(grains).files, SpectrogramConfig()) == 10
    assert trained.metadata["measure"] == 2


@pytest.mark.parametrize(("samples", "steps"), [(1, 1), (8192, 1), (8193, 2), (48_000, 6), (96_000, 12)])
def test_a_step_counts_if_a_frame_is_centred_within_the_sound(samples: int, steps: int) -> None:
    config = SpectrogramConfig()
    assert steps_of(samples, config) == steps
    centres = [frame * config.hop_length for frame in range(samples // config.hop_length + 2)]
    assert steps == len({frame // 16 for frame, centre in enumerate(centres) if centre < samples})


@given(seconds=st.floats(0.002, 4.0), variant=st.sampled_from(VARIANTS))
def test_a_variants_length_is_known_before_it_is_read(seconds: float, variant: object) -> None:
    from distill_core.audio.dataset import AudioFile
    from distill_core.audio.variants import Variant

    assert isinstance(variant, Variant)
    file = AudioFile(Path("a.wav"), "a.wav", round(seconds * 44_100) / 44_100, 44_100, 1, "digest")
    config = SpectrogramConfig()
    delay = round(variant.delay * 8192)
    assert sound_samples(file, config, variant) - delay == pytest.approx(
        file.duration_s * 48_000 / variant.speed, abs=2
    )


def test_a_sounds_rows_end_where_it_ends(tiny_model: Path, write_sound: Callable[..., Path], tmp_path: Path) -> None:
    for seed, seconds in enumerate([0.35, 1.2, 0.01, 2.0]):
        write_sound(tmp_path / "sounds" / f"{seed}.wav", seed=seed, seconds=seconds, rate=44_100)
    loaded, dataset = load_model_v2(tiny_model), scan(tmp_path / "sounds")
    rows = encode_and_split(loaded, dataset, 0.5, 0, layout="rows", variants=2)
    chunks = encode_and_split(loaded, dataset, 0.5, 0)
    steps = {file.name: math.ceil(file.duration_s * 48_000 / 8192 - 1e-9) for file in dataset.files}
    for codes in (rows, chunks):
        for sound in (*codes.train, *codes.val):
            assert sound.count == sound.counted_NS.sum() * 2
            assert sound.codes_WHQ.shape[0] == sound.steps
        assert codes.count == sum(sound.count for sound in (*codes.train, *codes.val))
    for file, sound in zip((*rows.train_files, *rows.val_files), (*rows.train, *rows.val), strict=True):
        assert sound.steps == steps[file.name]
    assert all(versions[1].steps >= versions[0].steps for versions in rows.versions)  # half a step later


def _half_padded() -> SoundCodes:
    return SoundCodes(torch.randint(0, 8, (2, 12, 2), generator=torch.Generator().manual_seed(0)), bands=2, steps=8)


def test_padded_positions_of_a_chunk_are_no_targets_and_stay_as_inputs() -> None:
    torch.manual_seed(0)
    prior = CodePrior(8, 2, 24, hidden_size=32, num_layers=1, num_heads=2, dropout=0.0).eval()
    sound = _half_padded()
    assert sound.counted_NS.tolist() == [[True] * 12, [True, True, False, False, False, False] * 2]
    losses = validate(prior, as_windows(prior, [[sound]], 48)).sounds[0]
    assert losses.isfinite().sum() == 16 * 2 - 2  # but the first code of each chunk
    assert not losses[1].view(2, 6, 2)[:, 2:].isfinite().any()
    in_the_end = sound.codes_NSQ.clone()
    in_the_end[1, 8:] = (in_the_end[1, 8:] + 1) % 8  # nothing real comes after these
    same = validate(prior, as_windows(prior, [[SoundCodes(in_the_end, 2, 8)]], 48))
    assert torch.equal(same.sounds[0].nan_to_num(), losses.nan_to_num())
    in_between = sound.codes_NSQ.clone()
    in_between[1, 2:6] = (in_between[1, 2:6] + 1) % 8  # what a higher band's sound sees before it
    other = validate(prior, as_windows(prior, [[SoundCodes(in_between, 2, 8)]], 48))
    assert not torch.equal(other.sounds[0].nan_to_num(), losses.nan_to_num())


def test_padding_moves_no_weight() -> None:
    moved = []
    for padding in (0, 5):
        torch.manual_seed(0)
        prior = CodePrior(8, 2, 24, hidden_size=32, num_layers=1, num_heads=2, dropout=0.0)
        sound = _half_padded()
        codes_NSQ = sound.codes_NSQ.clone()
        codes_NSQ[1, 8:] = padding
        windows = as_windows(prior, [[SoundCodes(codes_NSQ, 2, 8)]], 48)
        optimizer = torch.optim.SGD(prior.parameters(), lr=0.1)
        for batch in windows.fixed():
            train_step(prior, batch, optimizer, PriorConfig(precision="float32", token_dropout=0.0))
        moved.append(prior.head.weight.detach().clone())
    assert torch.equal(*moved)


def test_a_part_of_some_sounds_has_about_as_many_codes_as_asked_for() -> None:
    row = SoundCodes.in_a_row(torch.zeros(10, 2, 3, dtype=torch.long))
    chunk = SoundCodes(torch.zeros(2, 12, 3, dtype=torch.long), 2, 9)
    assert [sound.steps for sound in first_codes([row, chunk, row], 6 * 16)] == [10, 6]
    assert [sound.steps for sound in first_codes([row, chunk, row], 10**6)] == [10, 9, 10]
    assert [sound.steps for sound in first_codes([chunk], 1)] == [1]
    assert sum(int(sound.counted_NS.sum()) for sound in first_codes([chunk, row], 6 * 12)) == 2 * 12


def test_chunks_and_rows_of_the_same_steps_hold_the_same_codes() -> None:
    codes_WHQ = torch.randint(0, 8, (15, 2, 3), generator=torch.Generator().manual_seed(0))
    assert torch.equal(SoundCodes.in_chunks(codes_WHQ, 6).codes_WHQ, codes_WHQ)
    assert torch.equal(SoundCodes.in_a_row(codes_WHQ).codes_WHQ, codes_WHQ)
    assert SoundCodes.in_chunks(codes_WHQ, 6).codes_NSQ.shape == (3, 12, 3)


@pytest.mark.parametrize("steps", [1, 2, 5])
def test_a_chunk_cut_short_keeps_its_codes_in_their_places(steps: int) -> None:
    torch.manual_seed(0)
    prior = CodePrior(8, 2, 24, hidden_size=32, num_layers=1, num_heads=2, dropout=0.0).eval()
    chunk = SoundCodes(torch.randint(0, 8, (1, 12, 2), generator=torch.Generator().manual_seed(0)), 2, 6)
    whole = validate(prior, as_windows(prior, [[chunk]], 48)).sounds[0].view(2, 6, 2)
    part = validate(prior, as_windows(prior, [[chunk.until(steps)]], 48)).sounds[0].view(2, 6, 2)
    assert torch.allclose(part[:, :steps], whole[:, :steps], equal_nan=True, atol=1e-5)
    assert not part[:, steps:].isfinite().any()


@pytest.mark.parametrize("rate", [44_056, 44_101, 48_001])
def test_a_sample_that_resampling_adds_makes_no_chunk(
    tiny_model: Path, write_sound: Callable[..., Path], tmp_path: Path, rate: int
) -> None:
    for seed in range(3):
        write_sound(tmp_path / "sounds" / f"{seed}.wav", seed=seed, seconds=2.0, rate=rate)
    settings = {"architecture": "flat", "max_epochs": 1, "hidden_size": 32, "num_layers": 1, "num_heads": 2}
    trained = train_prior(tiny_model, tmp_path / "sounds", settings | {"device": "cpu"})
    assert trained.prior is not None


def test_flat_learns_from_the_sounds_as_they_are_alone(tiny_model: Path, sounds_folder: Path) -> None:
    from distill_core.events import JobProgress

    phases = set()

    def on_event(event: object) -> None:
        if isinstance(event, JobProgress):
            phases.add(event.phase)

    settings = {"architecture": "flat", "max_epochs": 3, "hidden_size": 32, "num_layers": 1, "num_heads": 2}
    train_prior(tiny_model, sounds_folder, settings | {"device": "cpu"}, on_event=on_event)
    assert phases == {"scan", "encode"}
