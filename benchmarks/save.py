"""What a save costs beside one without any care: `python3 run.py bench save`.

Both put the same prior into the same model file, which holds one of that size already. The careless program loads the
file, puts the prior in and calls `torch.save` straight to the path; the line below it leaves the loading out. They take
turns, so that a busy machine is busy for both; the medians are compared. `--json` prints one line, the last on stdout.
"""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import torch

from distill_core import CodePrior, read_summary, save_prior_to_model

DEMO = Path(__file__).parents[1] / "resources/demo/demo.distill"
SIZES = {"5 MB": {"hidden_size": 128, "num_layers": 2}, "500 MB": {"hidden_size": 1024, "num_layers": 10}}
HEADS = 8
BAR_SECONDS, BAR_RATIO = 0.3, 2.5


def _saves(model: Path, sizes: dict[str, int]) -> dict[str, Callable[[], object]]:
    summary = read_summary(model)
    prior = CodePrior(
        summary.codebook_size, summary.num_quantizers, summary.geometry.codes_per_second, num_heads=HEADS, **sizes
    )
    config = {**sizes, "num_heads": HEADS}

    def save() -> object:
        return save_prior_to_model(model, prior, config, {})

    def load_and_save() -> None:
        values = torch.load(model, weights_only=True)
        values |= {"prior_state_dict": prior.state_dict()}
        torch.save(values, model)

    save()
    values = torch.load(model, weights_only=True) | {"prior_state_dict": prior.state_dict()}
    return {"safe": save, "unsafe": load_and_save, "unsafe, without loading": lambda: torch.save(values, model)}


def _seconds(act: Callable[[], object]) -> float:
    start = perf_counter()
    act()
    return perf_counter() - start


def measure(folder: Path, sizes: dict[str, int], rounds: int) -> dict[str, Any]:
    model = Path(shutil.copy(DEMO, folder / "model.distill"))
    saves = _saves(model, sizes)
    seconds: dict[str, list[float]] = {name: [] for name in saves}
    for _ in range(rounds):
        for name, act in saves.items():
            seconds[name].append(_seconds(act))
    medians = {name: round(median(each), 3) for name, each in seconds.items()}
    ratios = {name: round(medians["safe"] / value, 2) for name, value in medians.items() if name != "safe"}
    return {"megabytes": round(model.stat().st_size / 1e6, 1), "seconds": medians, "ratios": ratios}


def _show(name: str, figures: dict[str, Any]) -> None:
    print(f"{name} ({figures['megabytes']} MB)")
    for way, seconds in figures["seconds"].items():
        ratio = figures["ratios"].get(way)
        print(f"  {way:26}{seconds:8.3f} s" + ("" if ratio is None else f"   the safe one costs {ratio:.2f}×"))


def main() -> None:
    parser = argparse.ArgumentParser(prog="run.py bench save", description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--folder", type=Path, help="where to save: a folder on the disk to measure")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(1)
    results: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(dir=options.folder, prefix="distill-bench-") as folder:
        for name, sizes in SIZES.items():
            results[name] = measure(Path(folder), sizes, options.rounds)
            _show(name, results[name])
    print(f"Bars: {BAR_SECONDS} s at 5 MB, {BAR_RATIO}× at 500 MB.")
    if options.json:
        print(json.dumps(results))


if __name__ == "__main__":
    main()
