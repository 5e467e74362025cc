"""How fast codecs encode and train on a device, and how fast a prior is sampled; for `benchmarks.device`."""

from __future__ import annotations

from time import perf_counter
from typing import Any

import torch
from torch import Tensor

from benchmarks.device_prior import config_of, geometry, klt_settings, prior_of
from distill_core.audio.rows import pieces_of_blocks
from distill_core.audio.spectrogram import AudioSpectrogram
from distill_core.events import ignore, never
from distill_core.generation.sampling import sample_steps
from distill_core.training.codec.descent import Descent
from distill_core.training.codec.klt.config import KLTConfig
from distill_core.training.codec.klt.learner import KLTLearner
from distill_core.training.codec.learner import CodecLearner
from distill_core.training.codec.vqvae.config import VQVAEConfig
from distill_core.training.codec.vqvae.learner import VQVAELearner
from distill_core.training.data.chunks import SplitSounds, VariantBatches

RATE = 48_000
_CHUNKS, _HELD_OUT = 150, 16
_ENCODED_S = 300


def _tones(count: int, seed: int) -> Tensor:
    """Return chunks `[N, T]` of decaying tones with a little noise."""
    generator = torch.Generator().manual_seed(seed)
    hertz_N1 = 110 * 2 ** (torch.randint(0, 36, (count, 1), generator=generator) / 12)
    seconds_T = torch.arange(RATE) / RATE
    tones_NT = (2 * torch.pi * hertz_N1 * seconds_T).sin() * (-2 * seconds_T).exp()
    return 0.5 * tones_NT + 0.02 * torch.randn(count, RATE, generator=generator)


def _synchronize(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize()


def _learner(codec: str, device: torch.device) -> CodecLearner[Any, Any]:
    sounds = SplitSounds(_tones(_CHUNKS, 0), _tones(_HELD_OUT, 1), (), ())
    torch.manual_seed(0)
    if codec == "klt":
        kept = klt_settings()
        layout = {name: kept[name] for name in ("band_mels", "num_quantizers", "codebook_size")}
        config = KLTConfig(**layout, device=device.type)
        return KLTLearner(config, sounds, AudioSpectrogram(KLTLearner.codec_class.spectrogram_config(), device), device)
    spectrogram = AudioSpectrogram(VQVAELearner.codec_class.spectrogram_config(), device)
    return VQVAELearner(VQVAEConfig(device=device.type), sounds, spectrogram, device)


def _begin(learner: CodecLearner[Any, Any], batches: VariantBatches) -> float:
    """Fit or initialise a codec and return the seconds that it took."""
    started = perf_counter()
    learner.prepare(never)
    if learner.fits_alone:
        learner.fit(batches, ignore, never)
    else:
        learner.initialise(batches, never)
    _synchronize(learner.device)
    return perf_counter() - started


def _steps_per_s(learner: CodecLearner[Any, Any], batches: VariantBatches, seconds: float) -> float:
    descent, waveforms = Descent(learner), [*batches.epoch()][:8]
    learner.codec.train()
    for waveforms_BT in waveforms[:3]:
        descent.step(waveforms_BT, never)
    _synchronize(learner.device)
    steps, started = 0, perf_counter()
    while steps < 3 or perf_counter() - started < seconds:
        descent.step(waveforms[steps % len(waveforms)], never)
        steps += 1
    _synchronize(learner.device)
    return steps / (perf_counter() - started)


@torch.no_grad()
def _encoding(learner: CodecLearner[Any, Any], seconds: float) -> dict[str, float]:
    """Return how many times real time sounds are encoded, as rows of some minutes and as chunks."""
    codec = learner.codec.eval()
    own = codec.geometry(learner.vqvae_config, learner.spectrogram.config)
    row_T = _tones(_ENCODED_S, 2).flatten()
    pieces, chunks_NT = [*pieces_of_blocks([row_T], own)], _tones(64, 3)

    def encode_row() -> int:
        for piece in pieces:
            codec.codes_of(piece.waveform_T[None], piece.skipped, piece.steps)[0].cpu()
        return _ENCODED_S

    def encode_chunks() -> int:
        for waveforms_BT in chunks_NT.split(32):
            codec.codes_of(waveforms_BT).cpu()
        return len(chunks_NT)

    found = {}
    for name, encode in (("rows_x_real_time", encode_row), ("chunks_x_real_time", encode_chunks)):
        encode()
        done, started = 0, perf_counter()
        while not done or perf_counter() - started < seconds:
            done += encode()
        found[name] = done / (perf_counter() - started)
    return found


def measure_codec(codec: str, device: torch.device, seconds: float) -> dict[str, Any]:
    """Return how long a codec's beginning takes, its optimizer steps a second, and its speed of encoding."""
    learner = _learner(codec, device)
    config = learner.config
    batches = VariantBatches(learner.sounds.train_NT, 1, config.batch_size, torch.Generator().manual_seed(0))
    row = {"codec": codec, "device": device.type, "batch_s": config.batch_size, "begin_s": _begin(learner, batches)}
    row["steps_per_s"] = _steps_per_s(learner, batches, seconds)
    return row | _encoding(learner, seconds)


def measure_sampling(size: str, batch: int) -> dict[str, Any]:
    """Return the codes a second of new sequences; priors are sampled on the processor, on any computer."""
    prior, own = prior_of(config_of(size, "float32", 0), torch.device("cpu")), geometry()
    steps = own.steps_within(2.0)
    sample_steps(prior, 1, 2, own.bands)
    started = perf_counter()
    codes_NWHQ = sample_steps(prior, batch, steps, own.bands, batch_size=batch)
    return {"size": size, "batch": batch, "codes_per_s": codes_NWHQ.numel() / (perf_counter() - started)}
