"""Where the time of one step goes, by architecture and phase: `python3 run.py bench prior --profile`.

`frames` takes whole sounds in a row and `flat` one-second chunks, each with the product's settings, batch and number
format, on one thread. Encoding is the same for both. CPU times are medians without the profiler; the shares are of the
time under it, and Python is all of that which lies between operators, the profiler's own cost included.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from functools import partial
from statistics import median
from time import process_time

import torch
from torch.profiler import ProfilerActivity, profile, record_function

from benchmarks.prior_sounds import Sounds
from benchmarks.rival_sampling import TOP_P
from distill_core.audio.chunks import read_file
from distill_core.events import never
from distill_core.generation.sampling import SamplingSettings, sample_codes
from distill_core.models.architectures import PRIORS
from distill_core.models.prior import Prior
from distill_core.training.data.codes import extract_code_sequences
from distill_core.training.data.sound_codes import first_codes
from distill_core.training.data.split_codes import SplitCodes
from distill_core.training.data.windows import as_windows
from distill_core.training.prior.config import PriorConfig, get_adaptive_prior_config
from distill_core.training.prior.optimizers import build_optimizer
from distill_core.training.prior.step import train_step
from distill_core.training.prior.validation import validate

SIZES = ((128, 2), (256, 4))
SAMPLE_BATCHES = (1, 32)
_OPERATORS = 5
_LEAST_ROUNDS, _LEAST_CPU_S = 3, 1.0
_PROFILED_CPU_S = 0.1  # torch takes longer to sum up than to run: half a millisecond an event
_PYTHON = "Python"


@dataclass(frozen=True)
class Phase:
    """What is done: a call that takes `steps` steps over so many seconds of sound."""

    name: str
    call: Callable[[], object]
    sound_s: float
    steps: int = 1


def cpu_s(phase: Phase) -> float:
    """Return the median CPU time of a call, the first one left out."""
    phase.call()
    taken: list[float] = []
    while len(taken) < _LEAST_ROUNDS or sum(taken) < _LEAST_CPU_S:
        started = process_time()
        phase.call()
        taken.append(process_time() - started)
    return median(taken)


def self_shares(phase: Phase, rounds: int) -> list[tuple[str, float]]:
    """Return the share of each operator itself in the time of some calls, the largest first."""
    with profile(activities=[ProfilerActivity.CPU]) as profiler, record_function(_PYTHON):
        for _ in range(rounds):
            phase.call()
    found = profiler.key_averages()
    total = sum(each.self_cpu_time_total for each in found)
    shares = [(each.key, each.self_cpu_time_total / total) for each in found]
    return sorted(shares, key=lambda share: share[1], reverse=True)


def print_phase(phase: Phase) -> None:
    spent_s = cpu_s(phase)
    shares = self_shares(phase, math.ceil(_PROFILED_CPU_S / spent_s))[:_OPERATORS]
    names = ", ".join(f"{name.removeprefix('aten::')} {share:.0%}" for name, share in shares)
    print(f"  {phase.name:12}{spent_s / phase.steps:14.4f}{1000 * spent_s / phase.sound_s:15.2f}   {names}", flush=True)


def encode_phase(sounds: Sounds) -> Phase:
    """Return the encoding of one second of the first sound, from its waveform to its codes."""
    loaded = sounds.loaded
    chunk_1T = next(read_file(sounds.dataset.files[0], loaded.spectrogram.config, never))[:1]
    return Phase("encode", partial(extract_code_sequences, loaded.model, chunk_1T, loaded.spectrogram, "cpu"), 1.0)


def phases(prior: Prior, split: SplitCodes, config: PriorConfig, second: tuple[int, int]) -> Iterator[Phase]:
    """Yield a prior's training on a batch, its validation on one, and its sampling of a second of (bands, steps)."""
    positions, chunk_steps = math.prod(second), second[1] if prior.layout == "chunks" else 1
    codes_a_second = positions * prior.num_quantizers
    most = config.batch_size * codes_a_second
    optimizer = build_optimizer(prior, config)
    batch = next(as_windows(prior, split.versions, most).random(torch.Generator().manual_seed(config.seed)))
    held_out = as_windows(prior, ([sound] for sound in first_codes(split.val, most, chunk_steps)), most)
    prior.train()
    yield Phase(
        "train", partial(train_step, prior, batch.windows, optimizer, config), batch.windows.count / codes_a_second
    )
    scored_s = sum(each.windows.count for each in held_out.fixed()) / codes_a_second
    yield Phase("validate", partial(validate, prior, held_out), scored_s, len(held_out))
    sample = partial(sample_codes, prior, positions=positions, settings=SamplingSettings(top_p=TOP_P))
    for count in SAMPLE_BATCHES:
        yield Phase(f"sample, {count}", partial(sample, count), count)


def _untrained(sounds: Sounds, config: PriorConfig) -> tuple[Prior, SplitCodes]:
    loaded, prior_class = sounds.loaded, PRIORS[config.architecture].load()
    split = sounds.codes(prior_class.layout, config)
    steps = sounds.context_steps(split, config)
    return prior_class.begin(loaded.geometry, loaded.model.codebook_size, asdict(config), steps), split


def _print_prior(sounds: Sounds, prior: Prior, split: SplitCodes, config: PriorConfig) -> None:
    size = f"{config.hidden_size}×{config.num_layers}"
    print(f"{config.architecture} {size}, batches of {config.batch_size} s, {config.precision}")
    geometry = sounds.loaded.geometry
    for phase in phases(prior, split, config, (geometry.bands, geometry.chunk_steps)):
        print_phase(phase)


def print_profile(sounds: Sounds) -> None:
    """Print the encoding's phase, then each architecture's and size's."""
    print(f"{'':14}{'CPU s a step':>14}{'ms a second':>15}   most self time")
    print_phase(encode_phase(sounds))
    for hidden, layers in SIZES:
        torch.manual_seed(0)
        frames = replace(sounds.settings(hidden, layers, 0), variants=0)
        flat = get_adaptive_prior_config(
            len(sounds.dataset.files), hidden_size=hidden, num_layers=layers, num_heads=frames.num_heads, variants=0
        )
        for config in (frames, flat):
            _print_prior(sounds, *_untrained(sounds, config), config)
