"""The whole job on each device that this computer has: the same numbers as on the processor, up to rounding."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from distill_core import (
    LoadedVQModel,
    PriorConfig,
    PriorEpochMetrics,
    TrainedPrior,
    load_model_v2,
    save_prior_to_model,
    scan,
    train_prior,
)
from distill_core.audit.audit import audit
from distill_core.audit.record import AuditSettings
from distill_core.cli import app
from distill_core.generation.generate import generate
from distill_core.generation.request import GenerateRequest
from distill_core.training.codec.klt.config import KLTConfig
from distill_core.training.codec.settings import CodecSettings
from distill_core.training.codec.train import train_codec
from distill_core.training.codec.trained import TrainedCodec
from distill_core.training.codec.vqvae.config import VQVAEConfig
from distill_core.training.data.codes import SoundEncoder
from distill_core.training.data.encoding import codes_of_silence
from distill_core.training.kinds import codec_runs, prior_runs
from distill_core.training.prior.events import PriorTrainingStartEvent
from distill_core.training.prior.number_format import number_format
from distill_core.training.prior.validation import heard_losses

_PRESENT = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
DEVICES = [
    pytest.param(name, marks=[] if is_present else pytest.mark.skip(reason=f"this computer has no {name} device"))
    for name, is_present in _PRESENT.items()
]
CLOSE = 1e-2  # of a loss: devices add in other orders, and the first steps of AdamW look at signs alone
PRIOR = PriorConfig(
    hidden_size=32,
    num_layers=2,
    num_heads=2,
    max_epochs=3,
    batch_size=4,
    patience=0,
    dropout=0.0,
    token_dropout=0.0,
    variants=0,
    precision="float32",
)
CODECS: dict[str, CodecSettings] = {
    "klt": KLTConfig(
        codebook_size=16, num_quantizers=2, band_mels=32, components=12, refiner_width=8, refiner_depth=1, max_epochs=3
    ),
    "v2": VQVAEConfig(codebook_dim=16, codebook_size=16, num_quantizers=2, dropout=0.0, max_epochs=2, augmentation=0),
}
pytestmark = pytest.mark.parametrize("device", DEVICES)


def _codec(sounds: Path, name: str, device: str) -> TrainedCodec:
    return train_codec(sounds, replace(CODECS[name], device=device))


def _prior(model: Path, sounds: Path, device: str, **settings: object) -> TrainedPrior:
    return train_prior(model, sounds, replace(PRIOR, device=device, **settings), use_cache=False)


def _losses(trained: TrainedPrior) -> list[float]:
    return [loss for epoch in trained.history for loss in (epoch.train_loss, epoch.val_loss)]


def _saved(model: Path, trained: TrainedPrior) -> LoadedVQModel:
    assert trained.prior is not None
    save_prior_to_model(model, trained.prior, trained.config, trained.metadata)
    return load_model_v2(model)


@pytest.mark.parametrize("name", CODECS)
def test_a_codec_trains_and_its_model_opens_on_the_processor(
    sounds_folder: Path, tmp_path: Path, device: str, name: str
) -> None:
    ours, reference = _codec(sounds_folder, name, device), _codec(sounds_folder, name, "cpu")
    # k-means and the fit of codebooks choose, so that a rounding may lead elsewhere; it leads to as good a place.
    assert ours.history[-1].val_l1 == pytest.approx(reference.history[-1].val_l1, rel=0.1)
    loaded = load_model_v2(ours.save(tmp_path / "new.distill"))
    waveform_1T = torch.sin(torch.arange(96_000) / 20)[None]
    codes_WHQ = loaded.model.codes_of(waveform_1T)[0]
    assert torch.cat([*loaded.model.audio_of([codes_WHQ])]).isfinite().all()


@pytest.mark.parametrize("name", CODECS)
def test_a_device_makes_the_codes_and_the_sound_of_the_processor(
    sounds_folder: Path, tmp_path: Path, device: str, name: str
) -> None:
    model = _codec(sounds_folder, name, "cpu").save(tmp_path / "new.distill")
    reference, ours = load_model_v2(model), load_model_v2(model, device)
    generator = torch.Generator().manual_seed(0)
    waveform_1T = torch.randn(1, 144_000, generator=generator) * torch.linspace(0, 0.5, 144_000)
    expected, found = (loaded.model.codes_of(waveform_1T)[0] for loaded in (reference, ours))
    assert found.device.type == device
    assert float((found.cpu() == expected).float().mean()) > 0.98  # a code between two entries may fall to either
    sounds = [torch.cat([*loaded.model.audio_of([expected])]) for loaded in (reference, ours)]
    assert torch.allclose(*(sound.abs().mean() for sound in sounds), rtol=0.02)
    assert ours.model.log_mel_of(expected).sub(reference.model.log_mel_of(expected)).abs().max() < 0.01


@pytest.mark.parametrize("architecture", ["frames", "flat"])
def test_a_prior_learns_as_on_the_processor(
    tiny_model: Path, sounds_folder: Path, device: str, architecture: str
) -> None:
    ours = _prior(tiny_model, sounds_folder, device, architecture=architecture)
    reference = _prior(tiny_model, sounds_folder, "cpu", architecture=architecture)
    assert _losses(ours) == pytest.approx(_losses(reference), rel=CLOSE)
    assert ours.prior is not None
    assert {weight.device.type for weight in ours.prior.state_dict().values()} == {"cpu"}


def test_a_prior_learns_in_bfloat16(tiny_model: Path, sounds_folder: Path, device: str) -> None:
    full = _prior(tiny_model, sounds_folder, device)
    reduced = _prior(tiny_model, sounds_folder, device, precision="bfloat16", dropout=0.1, token_dropout=0.1)
    assert reduced.history[-1].val_loss == pytest.approx(full.history[-1].val_loss, rel=0.05)


def test_the_same_prior_has_the_same_perplexity(tiny_model: Path, sounds_folder: Path, device: str) -> None:
    loaded = _saved(tiny_model, _prior(tiny_model, sounds_folder, "cpu"))
    encoder = SoundEncoder(loaded, "rows")
    codes = encoder.split(scan(sounds_folder), 0.3, 0)
    silence_WHQ = codes_of_silence(loaded, "rows", lambda: False)
    priors = [loaded.prior, load_model_v2(tiny_model, device).prior]
    means = [
        heard_losses(prior, codes.val, silence_WHQ, loaded.geometry.codes_per_second).mean for prior in priors if prior
    ]
    assert len(means) == 2
    assert means[1] == pytest.approx(means[0], rel=1e-4)


def _stopping_after(epoch: int) -> tuple[Callable[[object], None], Callable[[], bool]]:
    heard: list[int] = []

    def on_event(event: object) -> None:
        if isinstance(event, PriorEpochMetrics):
            heard.append(event.epoch)

    return on_event, lambda: bool(heard) and heard[-1] >= epoch


@pytest.mark.parametrize("begins_on", ["the device", "the processor"])
@pytest.mark.parametrize("architecture", ["frames", "flat"])
def test_a_training_goes_on_with_the_run_of_another_device(
    tiny_model: Path, sounds_folder: Path, device: str, begins_on: str, architecture: str
) -> None:
    whole = _prior(tiny_model, sounds_folder, "cpu", architecture=architecture)
    first, second = (device, "cpu") if begins_on == "the device" else ("cpu", device)
    folder, (on_event, should_stop) = prior_runs(tiny_model), _stopping_after(1)
    config = replace(PRIOR, device=first, architecture=architecture)
    train_prior(tiny_model, sounds_folder, config, on_event=on_event, should_stop=should_stop, run_folder=folder)
    moved = folder.load_to_resume()
    moved["config"]["device"] = second
    folder.save(moved)
    rest = train_prior(tiny_model, sounds_folder, run_folder=folder, resume=True)
    assert len(rest.history) == 3
    assert _losses(rest) == pytest.approx(_losses(whole), rel=CLOSE)


@pytest.mark.parametrize("name", CODECS)
def test_a_codecs_training_goes_on(sounds_folder: Path, tmp_path: Path, device: str, name: str) -> None:
    folder, epochs = codec_runs(tmp_path / "new.distill"), list[object]()

    def on_event(event: object) -> None:
        if type(event).__name__ == "CodecEpochMetrics":
            epochs.append(event)

    config = replace(CODECS[name], device=device)
    stopped = train_codec(
        sounds_folder, config, on_event=on_event, should_stop=lambda: len(epochs) == 1, run_folder=folder
    )
    assert len(stopped.history) == 1
    rest = train_codec(sounds_folder, on_event=on_event, run_folder=folder, resume=True)
    assert len(rest.history) == config.max_epochs
    assert math.isfinite(rest.history[-1].val_loss)


def test_a_prior_of_a_device_makes_sound_and_is_audited(tiny_model: Path, sounds_folder: Path, device: str) -> None:
    loaded = _saved(tiny_model, _prior(tiny_model, sounds_folder, device))
    sample = generate(loaded, GenerateRequest(seconds=0.5, seed=3))
    assert len(sample.waveform_T) == 24_000
    on_device = load_model_v2(tiny_model, device)
    assert torch.equal(generate(on_device, GenerateRequest(seconds=0.5, seed=3)).codes_WHQ, sample.codes_WHQ)
    judged = audit(loaded, scan(sounds_folder), AuditSettings(samples=2))
    assert judged.verdict


def test_the_terminal_trains_and_says_what_it_computes_on(sounds_folder: Path, tmp_path: Path, device: str) -> None:
    model = str(tmp_path / "new.distill")
    sizes = ["--codebook-size", "16", "--refiner-width", "8", "--refiner-depth", "1", "--components", "12"]
    prior_sizes = ["--hidden-size", "32", "--layers", "1", "--heads", "2", "--no-audit"]
    for command in (
        ["train", str(sounds_folder), "-o", model, "--epochs", "2", *sizes],
        ["train-prior", model, str(sounds_folder), "--epochs", "1", *prior_sizes],
    ):
        result = CliRunner().invoke(app, [*command, "--device", device, "--json"])
        assert result.exit_code == 0, result.output
        (start,) = [event for event in map(json.loads, result.stdout.splitlines()) if event["event"] == "start"]
        assert start["config"]["device"] == device
        assert f"Computing on {start['device']}, {start.get('number_format', 'float32')}." in result.stderr


def test_a_number_format_of_another_device_is_chosen_anew(tiny_model: Path, sounds_folder: Path, device: str) -> None:
    folder, (on_event, should_stop) = prior_runs(tiny_model), _stopping_after(1)
    config = replace(PRIOR, device=device, precision="auto")
    train_prior(tiny_model, sounds_folder, config, on_event=on_event, should_stop=should_stop, run_folder=folder)
    values, formats = folder.load(), {"float32": "bfloat16", "bfloat16": "float32"}
    other = formats[values["number_format"]]
    events: list[object] = []
    for made_on, expected in ((values["device"], other), ("CPU of 1999", values["number_format"])):
        folder.save({**values, "number_format": other, "device": made_on})
        train_prior(tiny_model, sounds_folder, on_event=events.append, run_folder=folder, resume=True)
        start = next(event for event in reversed(events) if isinstance(event, PriorTrainingStartEvent))
        assert start.number_format == expected


def test_a_number_format_is_found(device: str) -> None:
    for width in (32, 256):
        assert number_format("auto", torch.device(device), width) in ("float32", "bfloat16")
