"""How good a codec is, and how near and fast sound comes from a mel: `python3 run.py bench sound`.

For each `--sounds` the product's codec and the format's VQ-VAE by the ancestor's recipe (`rival_codec.py`) get the
same files and N CPU seconds each, in one thread; on the codes of each the default prior gets N / 4. They are measured
on files that neither has seen: errors of the round trip through the waveform (`sound_error.py`), bits of the codes
(`sound_codes.py`), and the distance of ten takes of 4 s from the held-out sounds (`sound_distance.py`). A set of up to
20 files is measured in folds, N CPU seconds each (`sound_split.py`), the demo in the first of them alone. Beside them
stand the mean frame of each piece, and Opus. Sounds are cut after 10 s, and round trips are of 60 at most.

Then true log-mels become sound by torchaudio's way and by Distill's (`sound_inversion.py`), and with `--model` a model
makes a take against the clock.
`--json` prints one line, the last on stdout: for each set, ratios ours ÷ theirs, null where one could not be measured;
those of a single set stand at the top, and `details` has all else.
"""

from __future__ import annotations

import argparse
import json
import math
import os
from collections.abc import Iterator
from functools import partial
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import torch

from benchmarks import sound_error
from benchmarks.rival_opus import KBITS, opus_round_trip, rate_for
from benchmarks.sound_contenders import OURS, V2, Contender, make_ours, make_v2
from benchmarks.sound_error import PieceError, mean_frame_errors
from benchmarks.sound_inversion import BARS as INVERSION_BARS
from benchmarks.sound_inversion import OURS as OUR_INVERSION
from benchmarks.sound_inversion import compare, print_comparison, read_seconds
from benchmarks.sound_speed import DEMO_SOUNDS, print_speed, with_prior
from benchmarks.sound_split import FOLDS, parts_of
from benchmarks.sound_worth import Findings, HeldOut, Row, details_of, examine, pooled, ratios
from distill_core.audio.dataset import scan
from distill_core.models.persistence import load_model_v2
from distill_core.training.prior.number_format import processor_name

BARS = """Bars, 300 CPU s, ours ÷ v2, notes, mixed: log1p .65, 1; dB .3, .4; STFT .6, .7; bits .8, .7; takes .25, .25.
Encode 100 ×, decode 5 × real time; every level's use .4; peak of a file −1 dBFS; usable after 15 CPU s (notes)."""
MEAN_FRAME = "mean frame"
_COLUMNS = {
    "log1p": ("log1p", "{:.3f}"),
    "db": ("dB", "{:.2f}"),
    "stft": ("STFT", "{:.2f}"),
    "codes_per_s": ("codes/s", "{:.1f}"),
    "unigram_bits_per_s": ("unigram", "{:.0f}"),
    "prior_bits_per_s": ("bits/s", "{:.0f}"),
    "generated_frechet_percent": ("takes %", "{:.1f}"),
    "generated_nearest_db": ("nearest", "{:.1f}"),
    "generated_coverage_db": ("coverage", "{:.1f}"),
    "min_codebook_use": ("use", "{:.2f}"),
    "encode_x_real_time": ("encode ×", "{:.0f}"),
    "decode_x_real_time": ("decode ×", "{:.1f}"),
    "usable_cpu_s": ("usable s", "{:.1f}"),
    "codec_cpu_s": ("CPU s", "{:.1f}"),
    "exported_peak_db": ("peak dB", "{:.1f}"),
    "hum_db": ("hum dB", "{:.0f}"),
}


def keep_to_one_thread() -> None:
    """Have everything compute in one thread: a training takes all cores of the process but one, so it gets two."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:2])
    torch.set_num_threads(1)


def _print_head() -> None:
    print(f"{'':20}" + "".join(f"{title:>10}" for title, _ in _COLUMNS.values()), flush=True)


def _print_row(name: str, row: Row) -> None:
    cells = ("–" if row.get(key) is None else form.format(row[key]) for key, (_, form) in _COLUMNS.items())
    print(f"{name:20}" + "".join(f"{cell:>10}" for cell in cells), flush=True)


def _compete(options: argparse.Namespace, held_out: HeldOut) -> Iterator[tuple[str, Contender]]:
    """Yield the contenders one after another, each as soon as it is trained."""
    known, given = held_out.part.known, (options.seed, options.cpu_seconds)
    with TemporaryDirectory() as folder:
        yield OURS, make_ours(known, options.architecture, *given, Path(folder))
        yield V2, make_v2(known, *given, Path(folder))


def _without_codes(held_out: HeldOut) -> Iterator[tuple[str, list[PieceError], float | None]]:
    """Yield the errors of the rivals that no prior learns from, and the kbit/s of Opus."""
    yield MEAN_FRAME, [error for sound_T in held_out.sounds for error in mean_frame_errors(sound_T)], None
    for kbits in KBITS:
        rate, name = rate_for(held_out.sounds, kbits), f"Opus {kbits}"
        heard = held_out.round_trips(name, partial(opus_round_trip, level=rate.level))
        yield name, held_out.errors(heard), rate.kbits


class SetOfSounds:
    """The measures of one set: what was found so far, part by part."""

    def __init__(self, folder: Path, options: argparse.Namespace) -> None:
        self._options, self._listen = options, options.listen and options.listen / folder.name
        self._findings: dict[str, list[Findings]] = {OURS: [], V2: []}
        self._errors: dict[str, list[PieceError]] = {}
        self._kbits: dict[str, list[float]] = {}
        dataset = scan(folder)
        self.parts = [*islice(parts_of(dataset, options.seed), options.folds)]
        print(f"\n{folder.name}: {len(dataset.files)} files, {dataset.total_duration_s:.0f} s", flush=True)

    def measure(self) -> None:
        """Measure all parts; each contender's row is printed as soon as it is there."""
        for number, part in enumerate(self.parts, start=1):
            print(f"Part {number} of {len(self.parts)}: {len(part.held_out)} files held out of all training")
            _print_head()
            listen = self._listen and self._listen / (f"part {number}" if len(self.parts) > 1 else "")
            self._measure_part(HeldOut(part, listen))
        if len(self.parts) > 1:
            print("All parts")
            _print_head()
            for name, row in self.rows().items():
                _print_row(name, row)
        self._print_rest()

    def _measure_part(self, held_out: HeldOut) -> None:
        held_out.round_trips("original", lambda sound_T: sound_T)
        for name, errors, kbits in _without_codes(held_out):
            self._errors.setdefault(name, []).extend(errors)
            self._kbits.setdefault(name, []).extend([] if kbits is None else [kbits])
            _print_row(name, sound_error.pooled(errors))
        for name, contender in _compete(self._options, held_out):
            self._findings[name].append(examine(name, contender, held_out, self._options.seed))
            _print_row(name, pooled(self._findings[name][-1:]))

    def rows(self) -> dict[str, Row]:
        """Return each contender's figures of all parts."""
        rows: dict[str, Row] = {name: sound_error.pooled(errors) for name, errors in self._errors.items()}
        for name, found in self._kbits.items():
            rows[name]["kbits_per_s"] = sum(found) / len(found) if found else None
        return rows | {name: pooled(findings) for name, findings in self._findings.items()}

    def _print_rest(self) -> None:
        rows = self.rows()
        ours, listed = rows[OURS], ", ".join(f"{rows[f'Opus {kbits}']['kbits_per_s']:.1f}" for kbits in KBITS)
        nearest = f"nearest {ours['floor_nearest_db']:.1f}, coverage {ours['floor_coverage_db']:.1f}"
        few = f"ten of them {ours['floor_of_few_frechet_percent']:.1f} %"
        floor = f"{ours['floor_frechet_percent']:.1f} %, {few}, {nearest}"
        print(f"Known sounds against held-out ones: {floor}. Opus, kbit/s: {listed}.", flush=True)

    def results(self) -> dict[str, Any]:
        """Return the ratios, and under `details` everything else."""
        rows = self.rows()
        parts = {name: [details_of(each) for each in found] for name, found in self._findings.items()}
        found = ratios(rows[OURS], rows[V2], rows[MEAN_FRAME])
        return found | {"details": {"rows": rows, "parts": parts}}


def inversion(folder: Path, most: int) -> tuple[Row, dict[str, Any]]:
    """Return the ratios of inversion on a set, and its rows."""
    seconds_NT = read_seconds(folder, most)
    rows = compare(seconds_NT)
    print_comparison(rows, len(seconds_NT))
    ours = rows[OUR_INVERSION]
    return {
        "inversion_error_vs_griffinlim": round(ours["error_ratio"], 4),
        "inversion_cpu_vs_griffinlim": round(ours["cpu_s_ratio"], 4),
    }, rows


def measure_set(folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Measure a set and return its ratios and details."""
    sounds = SetOfSounds(folder, options)
    sounds.measure()
    results = sounds.results()
    ratio, rows = inversion(folder, options.most)
    results["details"]["inversion"] = rows
    shown = {name: value for name, value in (results | ratio).items() if name != "details"}
    for name, value in shown.items():
        print(f"  {name:32}" + ("–" if value is None else f"{value:8.3f}"), flush=True)
    return shown | {"details": results["details"]}


def plain(value: Any) -> Any:
    """Return a value for JSON, which knows no infinity."""
    if isinstance(value, dict):
        return {str(name): plain(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [plain(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="run.py bench sound", description=__doc__)
    parser.add_argument("--sounds", type=Path, action="append", help="a folder of sounds, instead of the demo's; again")
    parser.add_argument("--cpu-seconds", type=float, default=300.0, help="of each codec, and of each fold")
    parser.add_argument("--architecture", help="of our codec (default: the product's)")
    parser.add_argument("--seed", type=int, default=0, help="of the split, of all training, and of the takes")
    parser.add_argument("--folds", type=int, help=f"the first ones of a small set (default: {FOLDS}, of the demo 1)")
    parser.add_argument("--listen", type=Path, help="a folder for originals, round trips and takes")
    parser.add_argument("--most", type=int, default=24, help="seconds of each folder for the inversion")
    parser.add_argument("--model", type=Path, help="a .distill file that makes takes against the clock")
    parser.add_argument("--codes", type=int, default=147_000, help="of the set that sizes an untrained prior for it")
    parser.add_argument("--seconds", type=float, default=20.0, help="length of its takes")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    options.folds = options.folds or (FOLDS if options.sounds else 1)
    options.sounds = options.sounds or [DEMO_SOUNDS]
    return options


def main() -> None:
    options = parse()
    keep_to_one_thread()
    print(f"{processor_name()}, {torch.backends.cpu.get_cpu_capability()}, torch {torch.__version__}, one thread")
    print(f"{options.cpu_seconds:g} CPU seconds for each codec, a quarter of it for its prior; seed {options.seed}")
    results: dict[str, Any] = {str(folder): measure_set(folder, options) for folder in options.sounds}
    if len(results) == 1:
        results = results[str(options.sounds[0])]
    print(BARS, INVERSION_BARS, sep="\n")
    if options.model is not None:
        results["speed"] = print_speed(with_prior(load_model_v2(options.model), options.codes), options.seconds)
    if options.json:
        print(json.dumps(plain(results)))


if __name__ == "__main__":
    main()
