"""Graphics card and processor of one computer: `python -m benchmarks.device [--device cuda] [--output FILE] [--json]`.

Trainings of priors from a small one to one of 300 million parameters, on synthetic codes of the KLT codec, in float32
and bfloat16, as the product computes them and in other ways; then the training of codecs, encoding and sampling.
Operations are those of matrix products alone. `--json` prints one line, the last on stdout.
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from time import perf_counter
from typing import Any, TypeAlias

import torch

from benchmarks.device_codec import measure_codec, measure_sampling
from benchmarks.device_prior import Way, compiled_ways_on, measure_training, ways_on
from distill_core.device import describe_device, resolve_device, training_threads
from distill_core.training.prior.number_format import bfloat16_gain

Row: TypeAlias = tuple[str, dict[str, Any]]  # its kind, and its figures
Show: TypeAlias = Callable[[str], None]
_SIDES = {"cuda": 8192, "mps": 4096, "cpu": 2048}
_ROUNDS = 10
_WIDTHS = ((128, 256, 512, 768, 1024), (256,))  # of priors on a card, and on a processor
_SECONDS = {"cuda": 1.0, "mps": 1.0, "cpu": 2.0}


def peak_tflops(device: torch.device, dtype: torch.dtype) -> float:
    """Return the speed of the product of two large matrices, in 10¹² operations a second."""
    side = _SIDES[device.type]
    left, right = (torch.randn(side, side, device=device).to(dtype) for _ in range(2))
    for _ in range(2):
        result = left @ right
    float(result[0, 0])
    started = perf_counter()
    for _ in range(_ROUNDS):
        result = left @ right
    float(result[0, 0])
    return 2 * side**3 * _ROUNDS / (perf_counter() - started) / 1e12


def facts_of(device: torch.device) -> dict[str, Any]:
    """Return a device's name, its peaks and the number format that suits it."""
    return {
        "device": device.type,
        "name": describe_device(device),
        "peak_tflops_bfloat16": peak_tflops(device, torch.bfloat16),
        "peak_tflops_float32": peak_tflops(device, torch.float32),
        "bfloat16_gain": {width: bfloat16_gain(device, width) for width in _WIDTHS[device.type == "cpu"]},
    }


def _showing(started: float) -> Show:
    def show(text: str) -> None:
        print(f"{perf_counter() - started:6.1f} s  {text}", flush=True)

    return show


def _line(row: dict[str, Any]) -> str:
    head = f"{row['device']:5}{row['size']:9}{row['format']:9} {row['way']:26}"
    if "error" in row:
        return f"{head} {row['error']}"
    memory = f"{row['peak_gb']:6.2f} GB" if "peak_gb" in row else " " * 9
    return (
        f"{head}{row['parameters'] / 1e6:7.1f} M{row['batch_s']:5} s{row['codes_per_s']:12,.0f} codes/s"
        f"{row['ms_per_step']:9.2f} ms{row['tflops']:8.2f} TFLOP/s{memory}{row['warm_up_s']:7.1f} s to warm up"
    )


def _training_rows(
    rows: Iterable[tuple[str, Way, int]], device: torch.device, show: Show, quick: bool
) -> Iterator[Row]:
    for size, way, batch_s in rows:
        row = measure_training(size, way, device, batch_s, 0.1 if quick else _SECONDS[device.type])
        show(_line(row))
        yield "training", row


def _codec_rows(device: torch.device, show: Show, quick: bool) -> Iterator[Row]:
    for codec in ("klt", "v2"):
        row = measure_codec(codec, device, 0.1 if quick else _SECONDS[device.type])
        show(
            f"{device.type:5}{codec} "
            + ", ".join(f"{key} {value:.4g}" for key, value in row.items() if isinstance(value, float))
        )
        yield "codecs", row


def _rows(device: torch.device, show: Show, quick: bool) -> Iterator[Row]:
    """Yield the rows, those that take long last."""
    for each in [device] if device.type == "cpu" else [device, torch.device("cpu")]:
        facts = facts_of(each)
        show(json.dumps(facts))
        yield "devices", facts
        yield from _training_rows(ways_on(each)[: 2 if quick else None], each, show, quick)
        yield from _codec_rows(each, show, quick)
    for size, batch in [("256×4", 1)] if quick else [("256×4", 1), ("256×4", 32), ("512×6", 32)]:
        row = measure_sampling(size, batch)
        show(f"sampling {size}, {batch} at once, on the processor: {row['codes_per_s']:,.0f} codes/s")
        yield "sampling", row
    if not quick:
        yield from _training_rows(compiled_ways_on(device), device, show, quick)


def _write(path: Path, found: dict[str, Any]) -> None:
    path.write_text(json.dumps(found, indent=1, ensure_ascii=False), encoding="utf-8")


def measure(device: torch.device, quick: bool = False, output: Path | None = None) -> dict[str, Any]:
    """Return all rows of a device, then those of the processor, by kind; `output` gets those so far after each row."""
    torch.set_num_threads(training_threads())
    software = {"torch": torch.__version__, "python": platform.python_version(), "cuda": torch.version.cuda}
    found: dict[str, Any] = {"software": software}
    for kind, row in _rows(device, _showing(perf_counter()), quick):
        found.setdefault(kind, []).append(row)
        if output is not None:
            _write(output, found)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.device", description=__doc__)
    parser.add_argument("--device", default="auto", help="auto, cuda, mps or cpu")
    parser.add_argument("--output", type=Path, help="write the rows into this file, as JSON")
    parser.add_argument("--quick", action="store_true", help="the smallest rows alone, briefly: does it run?")
    parser.add_argument("--json", action="store_true", help="print one line of JSON at the end")
    chosen = parser.parse_args()
    found = measure(resolve_device(chosen.device), chosen.quick, chosen.output)
    if chosen.json:
        sys.stdout.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    main()
