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
from distill_core.audio.variants import VARIANTS, sound_samples, total_steps
from distill_core.models.flat import CodePrior
from distill_core.models.frames import FramesPrior
from distill_core.models.vqvae import ConvVQVAE
from distill_core.training.data.codes import encode_and_split
from distill_core.training.data.sound_codes import SoundCodes, first_codes
from distill_core.training.data.windows import as_windows
from distill_core.training.prior.config import PriorConfig
from distill_core.training.prior.step import train_step
from distill_core.training.prior.validation import validate

DATA = Path(__file__).parents[1] / "data"
CONFIG = SpectrogramConfig()
GEOMETRY = ConvVQVAE.geometry({"num_quantizers": 3}, CONFIG)


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
    assert total_steps(scan(grains).files, GEOMETRY) == 10
    assert trained.metadata["measure"] == 2


@pytest.mark.parametrize(("samples", "steps"), [(1, 1), (8192, 1), (8193, 2), (48_000, 6), (96_000, 12)])
def test_a_step_counts_if_a_frame_is_centred_within_the_sound(samples: int, steps: int) -> None:
    assert GEOMETRY.steps_of(samples) == steps
    centres = [frame * CONFIG.hop_length for frame in range(samples // CONFIG.hop_length + 2)]
    assert steps == len({frame // 16 for frame, centre in enumerate(centres) if centre < samples})


@given(seconds=st.floats(0.002, 4.0), variant=st.sampled_from(VARIANTS))
def test_a_variants_length_is_known_before_it_is_read(seconds: float, variant: object) -> None:
    from distill_core.audio.dataset import AudioFile
    from distill_core.audio.variants import Variant

    assert isinstance(variant, Variant)
    file = AudioFile("a.wav", "a.wav", round(seconds * 44_100) / 44_100, 44_100, 1, "digest")
    delay = round(variant.delay * 8192)
    assert sound_samples(file, GEOMETRY, variant) - delay == pytest.approx(
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
            assert sound.count == sound.sound_WHQ.numel()
            assert len(sound.sound_WHQ) == sound.steps
        assert codes.count == sum(sound.count for sound in (*codes.train, *codes.val))
    for file, sound in zip((*rows.train_files, *rows.val_files), (*rows.train, *rows.val), strict=True):
        assert sound.steps == steps[file.name]
    assert all(versions[1].steps >= versions[0].steps for versions in rows.versions)  # half a step later


def _half_padded() -> SoundCodes:
    """Two chunks of six steps, of which eight are sound."""
    return SoundCodes(torch.randint(0, 8, (12, 2, 2), generator=torch.Generator().manual_seed(0)), steps=8)


def _changed(sound: SoundCodes, steps: slice, band: int) -> SoundCodes:
    codes_WHQ = sound.codes_WHQ.clone()
    codes_WHQ[steps, band] = (codes_WHQ[steps, band] + 1) % 8
    return SoundCodes(codes_WHQ, sound.steps)


def test_padded_positions_of_a_chunk_are_no_targets_and_stay_as_inputs() -> None:
    torch.manual_seed(0)
    prior = CodePrior(8, 2, 24, hidden_size=32, num_layers=1, num_heads=2, dropout=0.0).eval()
    sound = _half_padded()
    losses = validate(prior, as_windows(prior, [[sound]], 48)).sounds[0]
    assert losses.isfinite().sum() == 16 * 2 - 2  # but the first code of each chunk
    assert not losses[8:].isfinite().any()
    in_the_end = _changed(sound, slice(8, 12), band=1)  # nothing real comes after these
    same = validate(prior, as_windows(prior, [[in_the_end]], 48))
    assert torch.equal(same.sounds[0].nan_to_num(), losses.nan_to_num())
    in_between = _changed(sound, slice(8, 12), band=0)  # what a higher band's sound sees before it
    other = validate(prior, as_windows(prior, [[in_between]], 48))
    assert not torch.equal(other.sounds[0].nan_to_num(), losses.nan_to_num())


def test_padding_moves_no_weight() -> None:
    moved = []
    for padding in (0, 5):
        torch.manual_seed(0)
        prior = CodePrior(8, 2, 24, hidden_size=32, num_layers=1, num_heads=2, dropout=0.0)
        codes_WHQ = _half_padded().codes_WHQ.clone()
        codes_WHQ[8:, 1] = padding
        windows = as_windows(prior, [[SoundCodes(codes_WHQ, 8)]], 48)
        optimizer = torch.optim.SGD(prior.parameters(), lr=0.1)
        for batch in windows.fixed():
            train_step(prior, batch.windows, optimizer, PriorConfig(precision="float32", token_dropout=0.0))
        moved.append(prior.head.weight.detach().clone())
    assert torch.equal(*moved)


def test_a_part_of_some_sounds_has_about_as_many_codes_as_asked_for() -> None:
    row = SoundCodes.whole(torch.zeros(10, 2, 3, dtype=torch.long))
    chunks = SoundCodes(torch.zeros(12, 2, 3, dtype=torch.long), 9)
    assert [sound.steps for sound in first_codes([row, row], 6 * 16)] == [10, 6]
    assert [sound.steps for sound in first_codes([chunks, chunks], 10**6, 6)] == [9, 9]
    (cut,) = first_codes([chunks], 1, 6)
    assert (cut.steps, len(cut.codes_WHQ), len(cut.sound_WHQ)) == (1, 6, 1)


def test_chunks_and_rows_of_the_same_steps_hold_the_same_codes() -> None:
    """A sound in one row becomes whole chunks for `flat`, and chunks become one row without padding for `frames`."""
    codes_WHQ = torch.randint(0, 8, (15, 2, 3), generator=torch.Generator().manual_seed(0))
    flat = CodePrior(8, 3, 36, hidden_size=32, num_layers=1, num_heads=2)
    frames = FramesPrior(8, 3, 2, 6, 32, 1, 2)
    chunks = as_windows(flat, [[SoundCodes.whole(codes_WHQ)]], 10**6)
    (batch,) = chunks.fixed()
    chunk_N = torch.tensor([row for row, _ in batch.places]).argsort()
    assert batch.windows.counted_BW[chunk_N].sum(1).tolist() == [6, 6, 3]
    assert chunks.code_count == 36 + 36 + 27
    assert torch.equal(batch.windows.codes_BWHQ[chunk_N].flatten(0, 1)[:15], codes_WHQ)
    padded = SoundCodes(torch.cat([codes_WHQ, torch.zeros(3, 2, 3, dtype=torch.long)]), 15)
    rows = as_windows(frames, [[padded]], 10**6)
    (batch,) = rows.fixed()
    assert torch.equal(torch.cat([codes_WHQ[start:stop] for start, stop in ((0, 6), (6, 12), (12, 15))]), codes_WHQ)
    in_order = [batch.places.index((0, slice(start, min(start + 6, 15)))) for start in (0, 6, 12)]
    assert torch.equal(batch.windows.codes_BWHQ[in_order].flatten(0, 1)[:15], codes_WHQ)
    assert rows.code_count == codes_WHQ.numel()


@pytest.mark.parametrize("steps", [1, 2, 5])
def test_a_chunk_cut_short_keeps_its_codes_in_their_places(steps: int) -> None:
    torch.manual_seed(0)
    prior = CodePrior(8, 2, 24, hidden_size=32, num_layers=1, num_heads=2, dropout=0.0).eval()
    chunk = SoundCodes.whole(torch.randint(0, 8, (6, 2, 2), generator=torch.Generator().manual_seed(0)))
    whole = validate(prior, as_windows(prior, [[chunk]], 48)).sounds[0]
    part = validate(prior, as_windows(prior, [[chunk.until(steps, 6)]], 48)).sounds[0]
    assert torch.allclose(part[:steps], whole[:steps], equal_nan=True, atol=1e-5)
    assert not part[steps:].isfinite().any()


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
