"""A batch that is too large for the memory is learned in parts, and comes to the same."""

from __future__ import annotations

import copy
import json
import os
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
import torch

from distill_core import ModelFileError, PriorConfig, train_prior
from distill_core.audio.spectrogram import AudioSpectrogram
from distill_core.models.flat import CodePrior
from distill_core.models.frames import FramesPrior
from distill_core.models.prior import Prior, Windows
from distill_core.training.batch_parts import BATCH_PARTS, BatchParts, in_halves
from distill_core.training.codec.descent import take_step as take_codec_step
from distill_core.training.codec.klt.config import KLTConfig
from distill_core.training.codec.klt.learner import KLTLearner
from distill_core.training.codec.learner import CodecLearner
from distill_core.training.codec.train import train_codec
from distill_core.training.codec.vqvae.config import VQVAEConfig
from distill_core.training.codec.vqvae.learner import VQVAELearner
from distill_core.training.data.chunks import SplitSounds, VariantBatches
from distill_core.training.events import BatchHalved
from distill_core.training.kinds import codec_runs, prior_runs
from distill_core.training.prior.step import take_step

CONFIG = PriorConfig(
    hidden_size=32, num_layers=2, num_heads=2, dropout=0.0, token_dropout=0.3, precision="float32", device="cpu"
)
CPU = torch.device("cpu")
TOO_MUCH = 2**46  # more bytes than an address space has


def _windows() -> Windows:
    """Return windows of several lengths, padded; one of them has no code that counts."""
    generator = torch.Generator().manual_seed(0)
    codes_BWHQ = torch.randint(16, (7, 6, 2, 2), generator=generator)
    lengths_B = torch.tensor([6, 6, 5, 3, 1, 0, 2])
    return Windows(codes_BWHQ, torch.arange(6) < lengths_B[:, None], lengths_B % 2 == 0, lengths_B < 6)


def _prior(architecture: str) -> Prior:
    torch.manual_seed(0)
    if architecture == "flat":
        return CodePrior(16, 2, 24, 32, 2, 2, 0.0)
    prior = FramesPrior(16, 2, 2, 6, 32, 2, 2, 0.0, learns_end=True)
    for weight in prior.parameters():
        torch.nn.init.normal_(weight, std=0.1)  # else much of it begins at zero, where all is the same
    return prior


def _after_a_step(prior: Prior, parts: int) -> tuple[tuple[float, bool], list[torch.Tensor]]:
    prior = copy.deepcopy(prior).train()
    optimizer = torch.optim.SGD(prior.parameters(), lr=1.0)
    torch.manual_seed(1)
    told = take_step(prior, _windows(), optimizer, CONFIG, lambda: False, BatchParts(parts))
    return told, [weight.detach() for weight in prior.parameters()]


@pytest.mark.parametrize("architecture", ["frames", "flat"])
@pytest.mark.parametrize("parts", [2, 4, 64])
def test_a_prior_learns_the_same_in_parts(architecture: str, parts: int) -> None:
    prior = _prior(architecture)
    (loss, has_moved), whole = _after_a_step(prior, 1)
    (loss_in_parts, has_moved_in_parts), in_parts = _after_a_step(prior, parts)
    assert has_moved
    assert has_moved_in_parts
    assert loss_in_parts == pytest.approx(loss, rel=1e-5)
    assert all(torch.allclose(one, other, atol=1e-5) for one, other in zip(whole, in_parts, strict=True))
    assert not torch.equal(whole[0], prior.state_dict()[next(iter(dict(prior.named_parameters())))])


KLT = KLTConfig(
    codebook_size=8, num_quantizers=2, band_mels=32, components=8, refiner_width=8, refiner_depth=1, device="cpu"
)
V2 = VQVAEConfig(codebook_dim=8, codebook_size=8, num_quantizers=2, dropout=0.0, device="cpu")


def _learner(name: str) -> CodecLearner[Any, Any]:
    chunks_NT = 0.1 * torch.randn(10, 48_000, generator=torch.Generator().manual_seed(0))
    sounds = SplitSounds(chunks_NT[:8], chunks_NT[8:], (), ())
    torch.manual_seed(0)
    made: type[CodecLearner[Any, Any]] = KLTLearner if name == "klt" else VQVAELearner
    spectrogram = AudioSpectrogram(made.codec_class.spectrogram_config())
    learner = made(KLT if name == "klt" else V2, sounds, spectrogram, CPU)
    learner.prepare(lambda: False)
    batches = VariantBatches(chunks_NT, 1, 8, torch.Generator().manual_seed(0))
    if learner.fits_alone:
        learner.fit(batches, lambda event: None, lambda: False)
    else:
        learner.initialise(batches, lambda: False)
    learner.codec.train()
    return learner


def _after_a_codecs_step(name: str, parts: int) -> tuple[tuple[float, float] | None, list[torch.Tensor]]:
    learner = _learner(name)
    optimizer = torch.optim.SGD(learner.codec.parameters(), lr=1e-2)
    torch.manual_seed(1)
    taken = take_codec_step(learner, learner.sounds.train_NT, optimizer, batch_parts=BatchParts(parts))
    return taken, [weight.detach() for weight in learner.codec.parameters()]


def test_a_codec_learns_the_same_in_parts() -> None:
    taken, whole = _after_a_codecs_step("klt", 1)
    taken_in_parts, in_parts = _after_a_codecs_step("klt", 4)
    assert taken is not None
    assert taken_in_parts == pytest.approx(taken, rel=1e-5)
    assert all(torch.allclose(one, other, atol=1e-6) for one, other in zip(whole, in_parts, strict=True))


def test_a_vqvae_learns_nearly_the_same_in_parts() -> None:
    taken, _ = _after_a_codecs_step("v2", 1)
    taken_in_parts, in_parts = _after_a_codecs_step("v2", 2)
    assert taken is not None
    assert taken_in_parts == pytest.approx(taken, rel=0.05)  # BatchNorm sees each part by itself
    assert all(bool(weight.isfinite().all()) for weight in in_parts)


def _short_above(most: int, seen: list[list[int]]) -> Any:
    def take(parts: list[slice]) -> str:
        sizes = [part.stop - part.start for part in parts]
        seen.append(sizes)
        if max(sizes) > most:
            torch.empty(TOO_MUCH, dtype=torch.uint8)
        return "taken"

    return take


def test_the_parts_are_halved_until_they_fit_and_stay_so() -> None:
    parts, seen, undone, events = BatchParts(), list[list[int]](), list[int](), list[object]()
    assert parts.until_it_fits(10, _short_above(3, seen), lambda: undone.append(1), events.append) == "taken"
    assert seen == [[10], [5, 5], [2, 3, 2, 3]]
    assert (parts.count, len(undone), events) == (4, 2, [BatchHalved(4)])
    assert "learned in 4 parts" in BatchHalved(4).sentence
    assert parts.until_it_fits(8, _short_above(3, seen), lambda: None, events.append) == "taken"
    assert (seen[-1], events) == ([2, 2, 2, 2], [BatchHalved(4)])
    assert parts.until_it_fits(3, _short_above(3, seen), lambda: None, events.append) == "taken"
    assert seen[-1] == [1, 1, 1]


def test_a_single_one_that_is_too_large_is_said_so() -> None:
    parts = BatchParts()
    with pytest.raises(RuntimeError, match="allocate"):
        parts.until_it_fits(4, _short_above(0, []), lambda: None)
    with pytest.raises(RuntimeError, match="allocate"):
        in_halves(2, lambda part: torch.empty(TOO_MUCH, dtype=torch.uint8))
    with pytest.raises(KeyError):  # of another kind
        parts.until_it_fits(4, lambda parts: {}["nothing"], lambda: None)


_TELL = """
from distill_core.cli.progress import TrainingProgress
from distill_core.cli.terminal import terminal_session
from distill_core.training.events import BatchHalved

with terminal_session(as_json=True) as terminal, TrainingProgress(terminal) as progress:
    progress.on_event(BatchHalved(2))
"""


def test_the_terminal_says_it() -> None:
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", _TELL], cwd=root, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == {"event": "batch_halved", "parts": 2}
    assert "too little memory for the whole batch, so it is learned in 2 parts. Nothing else changes." in done.stderr


@pytest.mark.parametrize("begins_in_parts", [1, 2])
def test_a_run_remembers_its_parts(tiny_model: Path, sounds_folder: Path, begins_in_parts: int) -> None:
    folder, config = prior_runs(tiny_model), replace(CONFIG, max_epochs=2, batch_size=4, patience=0, variants=0)
    epochs: list[object] = []

    def on_event(event: object) -> None:
        epochs.extend([event] if type(event).__name__ == "PriorEpochMetrics" else [])

    train_prior(
        tiny_model, sounds_folder, config, on_event=on_event, should_stop=lambda: bool(epochs), run_folder=folder
    )
    values = folder.load()
    assert values[BATCH_PARTS] == 1
    folder.save({**values, BATCH_PARTS: begins_in_parts})
    rest = train_prior(tiny_model, sounds_folder, on_event=on_event, run_folder=folder, resume=True)
    assert len(rest.history) == 2
    assert folder.load()[BATCH_PARTS] == begins_in_parts
    folder.save({**folder.load(), BATCH_PARTS: 0})
    with pytest.raises(ModelFileError):
        train_prior(tiny_model, sounds_folder, run_folder=folder, resume=True)


def test_a_codecs_run_remembers_its_parts(sounds_folder: Path, tmp_path: Path) -> None:
    folder = codec_runs(tmp_path / "new.distill")
    config = replace(KLT, max_epochs=2)
    train_codec(sounds_folder, config, run_folder=folder)
    values = folder.load()
    assert values[BATCH_PARTS] == 1
    folder.save({**values, "config": asdict(replace(config, max_epochs=3)), BATCH_PARTS: 4})
    train_codec(sounds_folder, run_folder=folder, resume=True)
    assert folder.load()[BATCH_PARTS] == 4


@pytest.mark.skipif(sys.platform != "linux", reason="other systems don't limit an address space")
def test_a_real_lack_of_memory_halves_the_batch() -> None:
    environment = os.environ | {"MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_TRIM_THRESHOLD_": "65536"}
    environment |= {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "tests.core.short_of_memory"]
    root = Path(__file__).parents[2]
    done = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["whole_fails"]
    assert found["parts"] in (2, 4, 8)
    assert found["said"] == BatchHalved(found["parts"]).sentence
    assert found["train_loss"] == pytest.approx(found["expected_train_loss"], rel=1e-5)
    assert found["difference"] < 1e-4
    assert found["validation_fails"]
    assert found["val_loss"] == pytest.approx(found["expected_val_loss"], rel=1e-5)
    assert found["single_is_refused"]
