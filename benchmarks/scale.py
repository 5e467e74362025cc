"""What a training costs by the number of its sounds: `python3 run.py bench scale`.

Each number of short sounds is trained on in a process of its own: found, encoded, compared, learned, and written to a
run folder. Its line has the seconds of each phase and the largest memory of the process until its end. The network is
the same for all numbers, that of the product for the largest one, unless `--hidden` and `--layers` say another: so what
grows is the sounds' share. `--json` prints one line, the last on stdout.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from time import perf_counter
from typing import Any

from benchmarks.scale_sounds import link_sounds, train_model, write_short_sounds
from distill_core import PriorEpochMetrics, PriorTrainingStartEvent, scan, train_prior
from distill_core.events import JobProgress, Phase
from distill_core.training.codec.events import CodecEpochMetrics, CodecTrainingStartEvent
from distill_core.training.codec.train import train_codec
from distill_core.training.kinds import codec_runs, prior_runs
from distill_core.training.prior.events import PriorStepMetrics

FILES = (100, 1_000, 5_000, 20_000)
BAR_MEGABYTES = 50
_PHASE_ENDS = {Phase.ENCODE: "encode", Phase.READ: "read"}


def peak_megabytes() -> float:
    """Return the largest memory of this process so far.

    Linux tells of it alone under `VmHWM`: in `ru_maxrss` the process that started it has a part.
    """
    status = Path("/proc/self/status")
    if status.exists():
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) * 1024 / 1e6
    import resource  # not on Windows

    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6


class _Phases:
    """A listener that takes the time of each phase of a training, and the largest memory until its end."""

    def __init__(self) -> None:
        self.found: dict[str, dict[str, float]] = {}
        self._started = perf_counter()

    def end(self, phase: str) -> None:
        now = perf_counter()
        self.found[phase] = {"seconds": round(now - self._started, 2), "megabytes": round(peak_megabytes(), 1)}
        self._started = now

    def on_event(self, event: object) -> None:
        match event:
            case JobProgress(phase, done, total) if done == total and phase in _PHASE_ENDS:
                self.end(_PHASE_ENDS[phase])
            case PriorTrainingStartEvent() | CodecTrainingStartEvent():
                self.end("compare")
            case PriorStepMetrics(epoch=epoch, step=1) if epoch > 1:
                self.end(f"variant {epoch - 1}")
            case PriorEpochMetrics() | CodecEpochMetrics():
                self.end(f"epoch {event.epoch}")


def _train(options: argparse.Namespace, folder: Path) -> dict[str, dict[str, float]]:
    """Train on the sounds in a folder, and return the figures of each phase."""
    phases = _Phases()
    phases.end("start")
    dataset = scan(folder / "sounds")
    phases.end("scan")
    if options.prior == "none":
        runs, wanted = codec_runs(folder / "codec.distill"), {"max_epochs": options.epochs, "device": "cpu"}
        train_codec(dataset, wanted, architecture=options.codec, on_event=phases.on_event, run_folder=runs)
    else:
        sizes = {"hidden_size": options.hidden, "num_layers": options.layers, "num_heads": options.heads}
        config = {"max_epochs": options.epochs, "architecture": options.prior, "device": "cpu", **sizes}
        model = options.model
        train_prior(model, dataset, config, on_event=phases.on_event, run_folder=prior_runs(folder / "m.distill"))
    phases.end("end")
    return phases.found


def in_own_process(options: argparse.Namespace, model: Path, folder: Path) -> dict[str, dict[str, float]]:
    """Train on the sounds in a folder in a fresh process, and return the figures of each phase."""
    command = [sys.executable, "-m", "benchmarks.scale", "--in", str(folder), "--model", str(model)]
    for name in ("codec", "prior", "epochs", "hidden", "layers", "heads"):
        command += [f"--{name}", str(getattr(options, name))]
    homes = {name: str(folder / "home") for name in ("XDG_CACHE_HOME", "XDG_DATA_HOME", "HOME")}
    done = subprocess.run(command, env={**os.environ, **homes}, stdout=subprocess.PIPE, text=True, check=True)
    found: dict[str, dict[str, float]] = json.loads(done.stdout.splitlines()[-1])
    return found


def _show(files: int, phases: dict[str, dict[str, float]]) -> None:
    cells = [f"{name} {each['seconds']:.1f} s {each['megabytes']:.0f} MB" for name, each in phases.items()]
    print(f"{files:7,} files: " + " · ".join(cells), flush=True)


def _growth(results: dict[int, dict[str, dict[str, float]]]) -> float:
    peaks = [phases["end"]["megabytes"] for phases in results.values()]
    return round(peaks[-1] - peaks[0], 1)


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Train on each number of sounds, and return the figures."""
    results: dict[int, dict[str, dict[str, float]]] = {}
    if options.folder is not None:
        options.folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=options.folder, prefix="distill-bench-") as name:
        folder = Path(name)
        model, sounds = train_model(folder, options.codec), write_short_sounds(folder / "all", max(options.files))
        for files in options.files:
            (folder / str(files)).mkdir()
            link_sounds(sounds, folder / str(files) / "sounds", files)
            results[files] = in_own_process(options, model, folder / str(files))
            _show(files, results[files])
    return {"files": results, "growth_megabytes": _growth(results)}


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="run.py bench scale", description=__doc__)
    parser.add_argument("--files", type=int, nargs="+", default=FILES)
    parser.add_argument("--codec", choices=("klt", "v2"), default="klt")
    parser.add_argument("--prior", choices=("frames", "flat", "none"), default="frames", help="none: train a codec")
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--hidden", type=int, default=384)
    parser.add_argument("--layers", type=int, default=6)
    parser.add_argument("--heads", type=int, default=6)
    parser.add_argument("--folder", type=Path, help="where to write the sounds")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--in", dest="place", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--model", type=Path, help=argparse.SUPPRESS)
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, or be one of the measured processes."""
    options = _options(arguments)
    if options.place is not None:
        print(json.dumps(_train(options, options.place)))
        return
    results = measure(options)
    growth, numbers = results["growth_megabytes"], f"from {options.files[0]:,} to {options.files[-1]:,} files"
    print(f"Memory grows by {growth:.0f} MB {numbers}. Bar: {BAR_MEGABYTES} MB, from 100 to 20,000.")
    if options.json:
        print(json.dumps(results))


if __name__ == "__main__":
    main()
