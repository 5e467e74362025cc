"""The bundled demo model and its sounds keep what the README promises of them."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from distill_core import LoadedVQModel, PriorTrainingStartEvent, load_model_v2, read_summary, scan, train_prior
from distill_core.events import ignore, never
from distill_core.training.codec.quality import codebook_health, mean_frame_l1
from distill_core.training.data.chunks import SplitSounds, read_and_split

DEMO = Path(__file__).parents[2] / "resources" / "demo"
MODEL, SOUNDS = DEMO / "demo.distill", DEMO / "sounds"


@pytest.fixture(scope="module")
def demo() -> LoadedVQModel:
    return load_model_v2(MODEL)


@pytest.fixture(scope="module")
def sounds(demo: LoadedVQModel) -> SplitSounds:
    """The split that the demo model itself was trained with."""
    config = demo.vqvae_config
    dataset = scan(SOUNDS)
    split = read_and_split(dataset, demo.geometry, config["val_fraction"], config["seed"], ignore, never)
    assert [file.name for file in split.val_files] == read_summary(MODEL).training_config["validation_files"]
    return split


def test_it_is_small_and_has_no_prior_yet(demo: LoadedVQModel) -> None:
    assert demo.prior is None
    assert not read_summary(MODEL).has_prior
    files = [MODEL, *SOUNDS.iterdir()]
    assert sum(file.stat().st_size for file in files) < 8_000_000
    assert 16 <= len(files) - 1 <= 20


@torch.no_grad()
def _heard_and_answered(demo: LoadedVQModel, waveforms_NT: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    mels = demo.spectrogram.log_mel(waveforms_NT)
    recon, codes_NSQ, _ = demo.model(mels)
    return mels, recon, codes_NSQ


def test_it_beats_the_mean_frame_on_sounds_kept_aside(demo: LoadedVQModel, sounds: SplitSounds) -> None:
    mels, recon, _ = _heard_and_answered(demo, sounds.val_NT)
    assert (recon - mels).abs().mean().item() < mean_frame_l1(mels)


def test_it_uses_its_codes(demo: LoadedVQModel, sounds: SplitSounds) -> None:
    _, _, codes_NSQ = _heard_and_answered(demo, torch.cat([sounds.train_NT, sounds.val_NT]))
    health = codebook_health(codes_NSQ, demo.model.codebook_size)
    assert health["level_0"]["utilization"] >= 0.3


@pytest.mark.slow
def test_a_prior_learns_more_than_how_often_codes_come() -> None:
    events: list[object] = []
    trained = train_prior(MODEL, SOUNDS, on_event=events.append)
    start = next(event for event in events if isinstance(event, PriorTrainingStartEvent))
    assert trained.metadata["best_perplexity"] < start.unigram_perplexity
