"""The number format of training's products: the one that a measurement finds faster, whatever a processor claims.

A processor without units for bfloat16 emulates it, 20 times slower and more; one with such units gains a factor of two
or nothing, by its make. On a graphics card it is the width of a network that decides: a narrow one keeps none of its
units busy. The result is kept for each processor or card, width, and version of torch.
"""

from __future__ import annotations

import json
import logging
import os
import platform
from contextlib import suppress
from functools import cache
from hashlib import blake2b
from pathlib import Path
from statistics import median
from time import perf_counter

import torch
from torch import Tensor, nn

from distill_core.folders import cache_folder, convenience

FLOAT32, BFLOAT16 = "float32", "bfloat16"
# bfloat16 costs precision, so it must gain this factor.
_LEAST_GAIN = 1.3
_PAIRS = 5
_WIDTH, _POSITIONS = 256, 256
# A batch has some 750. With so many a card waits for its orders in this one layer, but not in a whole training: on an
# H200 bfloat16 gained 1.9 at a width of 1024, 1.1 at 768 and 0.8 at 512, with 2048 here 2.0, 1.3 and 0.9.
_CARD_POSITIONS = 2048
_TYPES = {FLOAT32: torch.float32, BFLOAT16: torch.bfloat16}

logger = logging.getLogger("distill")


def number_format(precision: str, device: torch.device, width: int = _WIDTH) -> str:
    """Return "float32" or "bfloat16": `precision` itself, or for "auto" the one that suits the device.

    `width` is that of the network, which matters on graphics cards alone.
    """
    if precision in _TYPES:
        return precision
    return _measured(device.type, _WIDTH if device.type == "cpu" else width)


def dtype_of(name: str) -> torch.dtype:
    """Return torch's type for a format's name."""
    return _TYPES[name]


@cache
def _measured(kind: str, width: int) -> str:
    """Return the faster format on a kind of device, measured unless kept; float32 if that fails."""
    path = cache_folder() / "number_format" / f"{_fingerprint(kind, width)}.json"
    kept = _kept(path)
    if kept is not None:
        return kept
    try:
        gain = bfloat16_gain(torch.device(kind), width)
    except RuntimeError as error:  # a device that has no such products
        logger.info("bfloat16 can't be measured on %s: %s", kind, error)
        gain = 0.0
    found = BFLOAT16 if gain >= _LEAST_GAIN else FLOAT32
    _keep(path, {"format": found, "gain": round(gain, 3)})
    return found


def _fingerprint(kind: str, width: int) -> str:
    """Return a digest of the processor, the version of torch, and what else decides."""
    facts = [kind, str(torch.__version__), platform.machine(), processor_name()]
    if kind != "cpu":
        facts.append(str(width))
    if kind == "cuda":
        facts.append(torch.cuda.get_device_name())
    return blake2b(json.dumps(facts).encode(), digest_size=16).hexdigest()


def processor_name() -> str:
    """Return the processor's name with its vector units, as far as torch knows them."""
    capabilities = torch.cpu.get_capabilities() if hasattr(torch.cpu, "get_capabilities") else {}
    name = str(capabilities.get("cpu_name") or platform.processor() or platform.machine())
    units = [unit for unit in ("avx512_bf16", "amx_bf16") if capabilities.get(unit)]
    return ", ".join([name, torch.backends.cpu.get_cpu_capability(), *units])


def _kept(path: Path) -> str | None:
    with convenience("the number format that was measured before"), suppress(FileNotFoundError):
        found = json.loads(path.read_text(encoding="utf-8"))["format"]
        return found if found in _TYPES else None
    return None


def _keep(path: Path, found: dict[str, object]) -> None:
    """Write the result in one step; if the folder takes nothing, the next process measures again."""
    temporary = path.with_suffix(f".{os.getpid()}.tmp")
    with convenience("keeping the number format for the next time"):
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_text(json.dumps(found), encoding="utf-8")
        temporary.replace(path)


def bfloat16_gain(device: torch.device, width: int = _WIDTH) -> float:
    """Return the speed of a layer's training in bfloat16 over that in float32: the median of interleaved pairs.

    It is measured on one thread: the time in which threads meet says nothing about the products.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return _median_gain(device, width)
    finally:
        torch.set_num_threads(threads)


def _median_gain(device: torch.device, width: int) -> float:
    generator = torch.Generator().manual_seed(0)
    # A module would draw its weights from torch's global generator, which is training's.
    up_MC, down_CM = (
        (torch.randn(shape, generator=generator) / width**0.5).to(device).requires_grad_()
        for shape in ((4 * width, width), (width, 4 * width))
    )
    positions = _POSITIONS if device.type == "cpu" else _CARD_POSITIONS
    inputs_PC = torch.randn(positions, width, generator=generator).to(device)
    seconds: dict[str, list[float]] = {FLOAT32: [], BFLOAT16: []}
    for turn in range(_PAIRS + 1):
        for name, taken in seconds.items():
            spent = _seconds_of_a_layer(inputs_PC, up_MC, down_CM, name)
            if turn:  # the first pair only warms up
                taken.append(spent)
    pairs = zip(seconds[FLOAT32], seconds[BFLOAT16], strict=True)
    return median(full / reduced for full, reduced in pairs)


def _seconds_of_a_layer(inputs_PC: Tensor, up_MC: Tensor, down_CM: Tensor, name: str) -> float:
    """Return the seconds of an MLP forward and backward; its result is read, so that no device still computes."""
    started = perf_counter()
    with torch.autocast(inputs_PC.device.type, torch.bfloat16, enabled=name == BFLOAT16):
        hidden = nn.functional.linear(inputs_PC, up_MC).relu()
        loss = nn.functional.linear(hidden, down_CM).float().square().mean()
    gradients = torch.autograd.grad(loss, (up_MC, down_CM))
    sum(float(gradient.sum()) for gradient in gradients)
    return perf_counter() - started
