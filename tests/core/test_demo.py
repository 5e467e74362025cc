"""The bundled demo model and its sounds keep what the README promises of them."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import torch

from distill_core import (
    LoadedVQModel,
    PriorTrainingStartEvent,
    extract_code_sequences,
    load_model_v2,
    read_summary,
    scan,
    train_prior,
)
from distill_core.events import ignore, never
from distill_core.models.architectures import codec_name
from distill_core.models.codec_health import codec_health
from distill_core.training.codec.learner import CodecLearner
from distill_core.training.codec.quality import codebook_health
from distill_core.training.codec.trainings import training_of
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


def _learner_of(demo: LoadedVQModel, sounds: SplitSounds) -> CodecLearner[Any, Any]:
    """Return the learner that the demo's codec was trained by, with that codec."""
    training = training_of(codec_name(demo.vqvae_config))
    chosen: Any = training.settings
    known = {each.name: demo.vqvae_config[each.name] for each in fields(chosen) if each.name in demo.vqvae_config}
    learner = training.load()(chosen(**known), sounds, demo.spectrogram, torch.device("cpu"))
    learner.codec = demo.model
    return learner


@torch.no_grad()
def test_it_beats_the_mean_frame_on_sounds_kept_aside(demo: LoadedVQModel, sounds: SplitSounds) -> None:
    learner = _learner_of(demo, sounds)
    learner.prepare(never)
    assert learner.validate(never).l1 < 0.9 * learner.mean_frame_l1


def test_it_uses_its_codes(demo: LoadedVQModel, sounds: SplitSounds) -> None:
    chunks_NT = torch.cat([sounds.train_NT[:], sounds.val_NT[:]])
    codes_NSQ = extract_code_sequences(demo.model, chunks_NT, demo.spectrogram, torch.device("cpu"))
    health = codebook_health(codes_NSQ, demo.model.codebook_size)
    assert health["level_0"]["utilization"] >= 0.3


def test_its_codec_is_without_fault() -> None:
    assert codec_health(read_summary(MODEL)).warning == ""


def test_a_prior_learns_more_than_how_often_codes_come() -> None:
    events: list[object] = []
    trained = train_prior(MODEL, SOUNDS, {"max_epochs": 10}, on_event=events.append)
    start = next(event for event in events if isinstance(event, PriorTrainingStartEvent))
    assert trained.metadata["best_perplexity"] < start.unigram_perplexity
