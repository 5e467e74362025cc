"""How fast a prior trains on a device, by size and by the way it is computed; for `benchmarks.device`."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from functools import cache
from itertools import chain, repeat
from time import perf_counter
from typing import Any

import torch
from torch.nn import functional
from torch.optim import AdamW

from distill_core.audio.geometry import Geometry
from distill_core.audio.spectrogram import SpectrogramConfig
from distill_core.memory import is_short_of_memory, let_go
from distill_core.models.frames import FramesPrior
from distill_core.models.klt import KLTCodec
from distill_core.models.prior import Windows
from distill_core.training.codec.klt.config import KLTConfig
from distill_core.training.data.sound_codes import SoundCodes
from distill_core.training.data.windows import as_windows
from distill_core.training.prior.config import PriorConfig, prior_config_for
from distill_core.training.prior.muon import Muon
from distill_core.training.prior.number_format import dtype_of
from distill_core.training.prior.optimizers import JointOptimizer, build_optimizer
from distill_core.training.prior.step import take_step

BANDS_IN_MELS, LEVELS = 32, 4  # the KLT codec's layout of 94 codes a second
CODEBOOK_SIZE = 64
SIZES = {"128×2": (128, 2, 4), "256×4": (256, 4, 4), "512×6": (512, 6, 8), "768×12": (768, 12, 12)}
SIZES |= {"1024×24": (1024, 24, 16)}
_SOUNDS, _LENGTHS_S = 600, (1.0, 14.0)
_WARM_UP_STEPS = 4
_COMPILED_STEPS = 12  # in which each shape that is compiled has come


@dataclass(frozen=True, slots=True)
class Way:
    """A way to compute a training: its number format, its optimizers and functions, and whether it is compiled.

    `one_by_one`: AdamW without its fused kernel, Muon matrix by matrix. `compiled` is "", "dynamic" or "graphs" (CUDA
    graphs, on padded batches).
    """

    format: str
    one_by_one: bool = False
    compiled: str = ""

    @property
    def name(self) -> str:
        words = ["one by one"] if self.one_by_one else []
        words += [f"compiled, {self.compiled}"] if self.compiled else []
        return ", ".join(words) or "as in the product"


def klt_settings() -> dict[str, Any]:
    """Return the file's settings of the KLT codec that the codes are of."""
    return KLTConfig(band_mels=BANDS_IN_MELS, num_quantizers=LEVELS, codebook_size=CODEBOOK_SIZE).to_file()


def geometry() -> Geometry:
    return KLTCodec.geometry(klt_settings(), SpectrogramConfig())


@cache
def random_walks(count: int, seed: int = 0) -> list[SoundCodes]:
    """Return codes of sounds of several lengths, each code near the one a step before it."""
    numbers, generator, own = random.Random(seed), torch.Generator().manual_seed(seed), geometry()
    sounds = []
    for _ in range(count):
        steps = own.steps_within(numbers.uniform(*_LENGTHS_S))
        moves_WHQ = torch.randint(-2, 3, (steps, own.bands, own.levels), generator=generator)
        sounds.append(SoundCodes.whole(moves_WHQ.cumsum(0) % CODEBOOK_SIZE))
    return sounds


def config_of(size: str, precision: str, seconds: int) -> PriorConfig:
    """Return the settings of a size; `seconds` of sound in a batch, 0 for those that the product takes."""
    width, depth, heads = SIZES[size]
    sizes = {"hidden_size": width, "num_layers": depth, "num_heads": heads, "precision": precision}
    return prior_config_for(10**6, **sizes, **({"batch_size": seconds} if seconds else {}))


def prior_of(config: PriorConfig, device: torch.device) -> FramesPrior:
    torch.manual_seed(0)
    own = geometry()
    with device:  # 300 million random numbers take the processor a while
        return FramesPrior.begin(own, CODEBOOK_SIZE, asdict(config), own.steps_within(config.context_s))


def _one_by_one(prior: FramesPrior, config: PriorConfig) -> JointOptimizer:
    taken = {id(weight) for weight in prior.matrices()}
    others = [weight for weight in prior.parameters() if id(weight) not in taken]
    adam = AdamW(others, lr=config.learning_rate, weight_decay=config.weight_decay)
    rates = (config.matrix_learning_rate, config.matrix_weight_decay, dtype_of(config.precision))
    return JointOptimizer([adam, Muon(prior.matrices(), *rates)])


def _compile(prior: FramesPrior, how: str) -> None:
    if how == "dynamic":
        for block in prior.blocks:
            block.compile(dynamic=True)
    elif how == "graphs":
        compiled: Any = torch.compile(prior.position_logits, mode="reduce-overhead", dynamic=False)
        prior.position_logits = compiled  # type: ignore[method-assign]


def _padded(windows: Windows, count: int, steps: int) -> Windows:
    """Return windows of one shape for all batches: CUDA graphs know no other."""
    batch, length = windows.counted_BW.shape
    beyond, later = count - batch, steps - length
    codes_BWHQ = functional.pad(windows.codes_BWHQ, (0, 0, 0, 0, 0, later, 0, beyond))
    counted_BW = functional.pad(windows.counted_BW, (0, later, 0, beyond))
    marks = (functional.pad(part, (0, beyond)) for part in (windows.begins_B, windows.ends_B))
    return Windows(codes_BWHQ, counted_BW, *marks)


def _batches(prior: FramesPrior, config: PriorConfig, way: Way, sounds: list[SoundCodes]) -> list[Windows]:
    windows = as_windows(prior, ((sound,) for sound in sounds), config.batch_size * geometry().codes_per_second)
    found = [batch.windows for batch in windows.random(torch.Generator().manual_seed(0))]
    if way.compiled != "graphs":
        return found
    count, steps = (max(each.counted_BW.shape[axis] for each in found) for axis in (0, 1))
    return [_padded(each, count, steps) for each in found]


def _synchronize(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize()


def _timed(step: Callable[[], int], device: torch.device, seconds: float) -> tuple[int, int, float]:
    """Return optimizer steps, codes and seconds of as many steps as fit, at least three."""
    _synchronize(device)
    steps, codes, started = 0, 0, perf_counter()
    while steps < 3 or perf_counter() - started < seconds:
        codes += step()
        steps += 1
    _synchronize(device)
    return steps, codes, perf_counter() - started


def _row(prior: FramesPrior, config: PriorConfig, way: Way, sounds: list[SoundCodes], seconds: float) -> dict[str, Any]:
    device = prior.start_emb.device
    optimizer = _one_by_one(prior, config) if way.one_by_one else build_optimizer(prior, config)
    batches = chain.from_iterable(repeat(_batches(prior, config, way, sounds)))
    _compile(prior.train(), way.compiled)

    def step() -> int:
        windows = next(batches)
        loss, has_moved = take_step(prior, windows, optimizer, config, lambda: False)
        assert has_moved, f"the step did not move the weights: loss {loss}"
        return windows.count

    started = perf_counter()
    for _ in range(_COMPILED_STEPS if way.compiled else _WARM_UP_STEPS):
        step()
    _synchronize(device)
    warm_up_s = perf_counter() - started
    steps, codes, spent_s = _timed(step, device, seconds)
    return {
        "codes_per_s": codes / spent_s,
        "ms_per_step": 1000 * spent_s / steps,
        "codes_per_step": codes / steps,
        "warm_up_s": warm_up_s,
        "tflops": 6 * prior.cost(asdict(config), CODEBOOK_SIZE, LEVELS) * codes / spent_s / 1e12,
    }


def _measured(size: str, way: Way, device: torch.device, batch_s: int, seconds: float) -> dict[str, Any]:
    config = config_of(size, way.format, batch_s)
    prior = prior_of(config, device)
    facts = {"parameters": sum(weight.numel() for weight in prior.parameters()), "batch_s": config.batch_size}
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats()
    found = _row(prior, config, way, random_walks(_SOUNDS), seconds)
    if device.type == "cuda":
        found["peak_gb"] = torch.cuda.max_memory_allocated() / 1e9
    return facts | found


def measure_training(
    size: str, way: Way, device: torch.device, batch_s: int = 0, seconds: float = 1.0
) -> dict[str, Any]:
    """Return a row: codes and optimizer steps of a training; `error` if the device can't compute it this way."""
    row = {"size": size, "format": way.format, "way": way.name, "device": device.type}
    try:
        return row | _measured(size, way, device, batch_s, seconds)
    except Exception as error:  # noqa: BLE001 - whatever a compiler raises is a finding
        let_go(error)
        reason = "too little memory" if is_short_of_memory(error) else f"{type(error).__name__}: {error}"
        return row | {"error": reason.strip().splitlines()[0][:200]}
    finally:
        if way.compiled:
            torch.compiler.reset()
        if device.type == "cuda":
            torch.cuda.empty_cache()


def ways_on(device: torch.device) -> list[tuple[str, Way, int]]:
    """Return the rows of a device: size, way, and seconds of sound in a batch (0: as in the product)."""
    full, reduced = Way("float32"), Way("bfloat16")
    if device.type == "cpu":
        return [(size, way, 0) for size in ("128×2", "256×4") for way in (full, reduced)]
    rows = [(size, way, 0) for size in SIZES for way in (full, reduced)]
    rows += [(size, way, 256) for size in ("256×4", "768×12", "1024×24") for way in (full, reduced)]
    return [*rows, *((size, replace(reduced, one_by_one=True), 0) for size in ("256×4", "1024×24"))]


def compiled_ways_on(device: torch.device) -> list[tuple[str, Way, int]]:
    """Return the rows that are compiled first, most of a minute each."""
    if device.type != "cuda":
        return []
    rows = [("256×4", Way("bfloat16", compiled=how), 0) for how in ("dynamic", "graphs")]
    return [*rows, ("1024×24", Way("bfloat16", compiled="dynamic"), 256)]
