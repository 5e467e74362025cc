"""How fast a codec encodes and decodes in one thread, and how fast a model makes a take."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from time import perf_counter, process_time

import torch
from torch import Tensor

from distill_core.audio.io import read_mono
from distill_core.audio.rows import pieces_of_blocks
from distill_core.generation.generate import generate
from distill_core.generation.request import GenerateRequest, SoundBlock
from distill_core.models.frames import FramesPrior
from distill_core.models.persistence import LoadedVQModel
from distill_core.training.prior.config import prior_config_for

ROOT = Path(__file__).resolve().parents[1]
DEMO_SOUNDS = ROOT / "resources/demo/sounds"
DEMO_MODEL = ROOT / "resources/demo/demo.distill"
BARS = "Bars of a take: sound alone at least 5 × real time, codes and sound 2 ×."
_MEASURED_S = 10


@torch.no_grad()
def encode_and_decode(loaded: LoadedVQModel, sounds: Sequence[Tensor]) -> dict[str, float]:
    """Return how many times real time sounds `[T]` become codes, and these sound, in CPU time and one thread."""
    torch.set_num_threads(1)
    geometry = loaded.geometry
    joined_T = torch.cat([*sounds])[: _MEASURED_S * geometry.sample_rate]
    pieces = [*pieces_of_blocks([joined_T], geometry)]
    loaded.model.codes_of(pieces[0].waveform_T[None])  # what is made on first use
    begun = process_time()
    codes = [loaded.model.codes_of(each.waveform_T[None], each.skipped, each.steps)[0] for each in pieces]
    encode_s = process_time() - begun
    begun = process_time()
    samples = sum(map(len, loaded.model.audio_of(codes)))
    decode_s = process_time() - begun
    return {
        "encode_x_real_time": len(joined_T) / geometry.sample_rate / encode_s,
        "decode_x_real_time": samples / geometry.sample_rate / decode_s,
    }


def with_prior(loaded: LoadedVQModel, codes: int) -> LoadedVQModel:
    """Return the model with its own prior, or with an untrained one."""
    if loaded.prior is not None:
        return loaded
    geometry, settings = loaded.geometry, asdict(prior_config_for(codes)) | {"learns_end": False}
    context_steps = geometry.steps_within(settings["context_s"])
    prior = FramesPrior.begin(geometry, loaded.model.codebook_size, settings, context_steps).eval()
    return replace(loaded, prior=prior, prior_config=settings | prior.sizes(), prior_metadata={})


def _codes(loaded: LoadedVQModel, seconds: float) -> Tensor:
    """Return codes `[W, H, Q]` of the demo's sounds one after another."""
    geometry = loaded.geometry
    waveforms = [read_mono(path, geometry.sample_rate) for path in sorted(DEMO_SOUNDS.iterdir())]
    waveform_T = torch.cat([each_T / each_T.abs().max() for each_T in waveforms])
    steps = geometry.steps_of(round(seconds * geometry.sample_rate))
    codes_WHQ = loaded.model.codes_of(waveform_T[None])[0].cpu()
    return codes_WHQ.repeat(-(-steps // len(codes_WHQ)), 1, 1)[:steps]


def sound_alone(loaded: LoadedVQModel, seconds: float) -> dict[str, float]:
    """Return how many times real time codes become sound in CPU time, and the CPU time of the first block."""
    codes_WHQ = _codes(loaded, seconds)
    begun = process_time()
    sound = loaded.model.audio_of([codes_WHQ])
    samples = len(next(sound))
    first_s = process_time() - begun
    samples += sum(map(len, sound))
    spent_s = process_time() - begun
    return {"sound alone, × real time": samples / loaded.geometry.sample_rate / spent_s, "its first block, s": first_s}


def codes_and_sound(loaded: LoadedVQModel, seconds: float) -> dict[str, float]:
    """Return how many times real time a take is made by the clock, and when its first block is there."""
    heard_s: list[float] = []

    def note(event: object) -> None:
        if isinstance(event, SoundBlock):
            heard_s.append(perf_counter() - begun)

    begun = perf_counter()
    take = generate(loaded, GenerateRequest(seconds=seconds), on_event=note)
    spent_s = perf_counter() - begun
    return {"codes and sound, × real time": take.duration_s / spent_s, "its first block, s": heard_s[0]}


def print_speed(loaded: LoadedVQModel, seconds: float) -> dict[str, dict[str, float]]:
    """Print how fast a model with a prior makes a take, and return it."""
    codes_and_sound(loaded, 1.0)  # what is loaded and made on first use
    found = {measure.__name__: measure(loaded, seconds) for measure in (sound_alone, codes_and_sound)}
    for row in found.values():
        for name, value in row.items():
            print(f"{name:32}{value:8.2f}", flush=True)
    print(BARS)
    return found
