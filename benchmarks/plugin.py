"""How fast a plugin's model makes takes beside Distill itself: `python3 run.py bench plugin --model MODEL`.

Both make the same takes in turn, in one thread; the file is loaded as a plugin loads it, and its first take, in which
TorchScript looks at what it runs, stands by itself. The codes are compared, too.
`--json` prints one line, the last on stdout.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import warnings
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import torch

from benchmarks.figures import tell
from distill_core.device import use_one_thread
from distill_core.errors import DistillError
from distill_core.export.neutone import export_neutone
from distill_core.generation.generate import generate
from distill_core.generation.request import GenerateRequest
from distill_core.models.persistence import LoadedVQModel, load_model_v2
from distill_core.training.prior.number_format import processor_name

BARS = "Bar: the same codes; at least 1 second of sound a second."
SECONDS = 5.0


def _plugin_s(plugin: Any, seed: int) -> float:
    began = perf_counter()
    plugin.nrb.model.forward(SECONDS, 1.0, GenerateRequest().top_p, seed)
    return perf_counter() - began


def _own_s(loaded: LoadedVQModel, plugin: Any, seed: int) -> float:
    """Return the seconds of the take that the plugin has made just before.

    Raises:
        RuntimeError: it has other codes.
    """
    began = perf_counter()
    sample = generate(loaded, GenerateRequest(seconds=SECONDS, seed=seed))
    taken = perf_counter() - began
    if not torch.equal(sample.codes_WHQ, plugin.nrb.model.codes_WHQ):
        raise RuntimeError(f"seed {seed} has other codes in the plugin's model")
    return taken


def measure(model: Path, count: int) -> dict[str, float]:
    loaded = load_model_v2(model)
    use_one_thread()
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.filterwarnings("ignore", r"`torch\.jit\.", DeprecationWarning)
        began = perf_counter()
        path = export_neutone(model, Path(folder) / "plugin.nm")
        exported_s, size = perf_counter() - began, path.stat().st_size
        plugin = torch.jit.load(str(path))
    first_s = _plugin_s(plugin, 0)
    _own_s(loaded, plugin, 0)
    pairs = [(_plugin_s(plugin, seed), _own_s(loaded, plugin, seed)) for seed in range(1, count + 1)]
    return {
        "plugin, s of sound a second": SECONDS / median(plugin_s for plugin_s, _ in pairs),
        "Distill, s of sound a second": SECONDS / median(own_s for _, own_s in pairs),
        "ratio of plugin to Distill": median(own_s / plugin_s for plugin_s, own_s in pairs),
        "plugin's first take, s a second": SECONDS / first_s,
        "export, s": exported_s,
        "file, MB": size / 1e6,
        "model, MB": model.stat().st_size / 1e6,
    }


def main() -> None:
    parser = argparse.ArgumentParser(prog="run.py bench plugin", description=__doc__)
    parser.add_argument("--model", type=Path, required=True, help="a .distill file with a prior")
    parser.add_argument("--count", type=int, default=10, help="takes of 5 s")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    if options.count < 1:
        parser.error("--count is 1 or more")
    print(f"{processor_name()}, torch {torch.__version__}, one thread, takes of {SECONDS:g} s")
    try:
        figures = measure(options.model, options.count)
    except DistillError as error:
        sys.exit(f"{error.message} {error.hint}")
    tell(figures, BARS, options.json)


if __name__ == "__main__":
    main()
