"""How fast and how well Distill's prior learns beside its rivals: `python3 run.py bench prior`.

One process, one thread; the contenders take turns of about a second of CPU time until each has had N, so what else the
computer does hits all alike. All are scored on the same held-out codes: the format's one-second chunks of sounds that
nobody trained on, every code but the first and what only fills the last second. Distill's prior has the product's own
settings for its size, the number format that is the faster one here among them; `rivals.py` says what the rivals are.
`--json` prints one line, the last on stdout: per rival the ratios ours ÷ rival, null where one was not measured or
never reached. `--profile` shows what a step of each architecture and phase spends its time on instead.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import warnings
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path
from statistics import median
from time import process_time

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("KINETO_LOG_LEVEL", "99")  # or the profiler tells stderr when it begins and ends

import torch
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.prior_profile import print_profile
from benchmarks.prior_sounds import Sounds, padding_share, read_sounds
from benchmarks.rival_sampling import sample_codes_per_s
from benchmarks.rivals import (
    OURS,
    RIVAL_BATCH,
    RIVAL_FORMAT,
    RIVALS,
    Contender,
    Facts,
    OursInRows,
    all_sound,
    build,
    is_installed,
)
from distill_core.training.data.split_codes import SplitCodes
from distill_core.training.prior.baselines import unigram_perplexities
from distill_core.training.prior.config import get_adaptive_prior_config
from distill_core.training.prior.number_format import processor_name

DEMO = Path(__file__).resolve().parents[1] / "resources/demo"
SAMPLE_BATCHES = (1, 8, 32)
_TURN_S = 1.0
_MATMUL_SIZE = 1024
_BETWEEN_VALIDATIONS = 1.12
_ROWS_CPU_S = 100.0
_Row = dict[str, float | None]


def facts_of(options: argparse.Namespace, sounds: Sounds, seed: int) -> Facts:
    """Return what the contenders are built for."""
    geometry, codebook_size = sounds.loaded.geometry, sounds.loaded.model.codebook_size
    grid = (geometry.bands, geometry.chunk_steps)
    tier = get_adaptive_prior_config(len(sounds.dataset.files))
    ours = sounds.settings(options.hidden, options.layers, seed)
    shapes = (codebook_size, geometry.levels, grid)
    return Facts(*shapes, ours, tier, options.cpu_seconds, options.stock_spans_tier, geometry.codes_per_second)


def matmul_peak(seconds: float = 2.0) -> float:
    """Return the best rate of a large matrix multiplication in floating point operations a second."""
    left, right = torch.rand(2, _MATMUL_SIZE, _MATMUL_SIZE).unbind(0)
    best_s, until = math.inf, process_time() + seconds
    while process_time() < until:
        started = process_time()
        torch.mm(left, right)
        best_s = min(best_s, process_time() - started)
    return 2 * _MATMUL_SIZE**3 / best_s


def operations_per_code(name: str, facts: Facts) -> float:
    """Return how many floating point operations of matrix products a training step spends on a code."""
    contender = build(name, facts)
    codes_BWHQ = torch.randint(facts.codebook_size, (contender.batch_size, *facts.shape_WHQ))
    contender.network.train()
    with FlopCounterMode(display=False) as counter:
        contender.learn(all_sound(codes_BWHQ))
    return counter.get_total_flops() / codes_BWHQ.numel()


def _memory_mib(field: str) -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(field)) / 1024


def training_memory_mib(name: str, facts: Facts) -> float:
    """Return how far above torch itself the memory of a process rises that trains three steps."""
    torch.set_num_threads(1)
    # A tiny step first: torch loads parts of itself with it, which are nobody's memory.
    tiny = replace(facts.ours, hidden_size=32, num_layers=1, num_heads=1)
    build(name, replace(facts, ours=tiny)).learn(all_sound(torch.zeros(1, *facts.shape_WHQ, dtype=torch.long)))
    before = _memory_mib("VmRSS")
    contender = build(name, facts)
    codes_BWHQ = torch.randint(facts.codebook_size, (contender.batch_size, *facts.shape_WHQ))
    contender.network.train()
    for _ in range(3):
        contender.learn(all_sound(codes_BWHQ))
    return _memory_mib("VmHWM") - before


def memory_in_own_process(name: str, facts: Facts) -> float | None:
    """Return the peak memory of training, or None where the system does not tell it."""
    if not Path("/proc/self/status").exists():
        return None
    # A spawned process starts a high-water mark of its own; a forked one would inherit this one's memory.
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(training_memory_mib, name, facts).result()


def _validation_times(budget_s: float) -> list[float]:
    times = [budget_s / 50]
    while times[-1] * _BETWEEN_VALIDATIONS < budget_s:
        times.append(times[-1] * _BETWEEN_VALIDATIONS)
    return [*times, budget_s]


def race(contenders: dict[str, Contender], budget_s: float) -> None:
    """Let all train in turns until each has had its budget, validating at the same CPU times."""
    for contender in contenders.values():
        contender.validate()
    reached = 0.0
    for target in _validation_times(budget_s):
        turns = max(1, round((target - reached) / _TURN_S))
        for turn in range(1, turns + 1):
            for contender in contenders.values():
                contender.train_until(reached + (target - reached) * turn / turns)
        for contender in contenders.values():
            contender.validate()
        reached = target


def best_of(contender: Contender) -> tuple[float, float]:
    """Return when the best validation was, and its loss."""
    return min(contender.curve, key=lambda point: point[1])


def cpu_s_to(contender: Contender, loss: float) -> float | None:
    """Return the CPU time of the first validation that is at least as good."""
    return next((spent_s for spent_s, reached in contender.curve if reached <= loss), None)


def measure(name: str, contender: Contender, peak: float) -> _Row:
    """Return one contender's own figures."""
    best_s, best_loss = best_of(contender)
    computed = contender.codes_computed * operations_per_code(name, contender.facts)
    return {
        "train_codes_per_s": contender.codes_seen / contender.spent_s,
        "best_at_cpu_s": best_s,
        "best_perplexity": math.exp(best_loss),
        "peak_memory": memory_in_own_process(name, contender.facts),
        "peak_share": computed / contender.spent_s / peak,
    }


def _ratio(ours: float | None, rival: float | None) -> float | None:
    return round(ours / rival, 4) if ours is not None and rival else None


def ratios(ours: Contender, our_row: _Row, rival: Contender, row: _Row) -> _Row:
    """Return ours ÷ rival."""
    best_s, best_loss = best_of(rival)
    same = ["train_codes_per_s", "peak_memory", *(f"sample_codes_per_s_b{batch}" for batch in SAMPLE_BATCHES)]
    return {
        "cpu_s_to_rival_best": _ratio(cpu_s_to(ours, best_loss), best_s),
        "best_perplexity_equal_cpu": _ratio(our_row["best_perplexity"], row["best_perplexity"]),
        **{measure_name: _ratio(our_row[measure_name], row[measure_name]) for measure_name in same},
    }


def _cell(value: float | None, form: str) -> str:
    return "–" if value is None else form.format(value)


def print_table(rows: dict[str, _Row], found: dict[str, _Row]) -> None:
    """Print each contender's figures, and behind a rival's the ratio ours ÷ rival."""
    columns = {
        "train_codes_per_s": ("codes/s", "{:.0f}", "train_codes_per_s"),
        "best_at_cpu_s": ("CPU s to its best", "{:.1f}", "cpu_s_to_rival_best"),
        "best_perplexity": ("best perplexity", "{:.2f}", "best_perplexity_equal_cpu"),
        "peak_memory": ("MiB training", "{:.0f}", "peak_memory"),
        "peak_share": ("of matmul peak", "{:.2f}", ""),
    }
    for batch in SAMPLE_BATCHES:
        key = f"sample_codes_per_s_b{batch}"
        columns[key] = (f"sampled/s, {batch}", "{:.0f}", key)
    print(f"{'':16}" + "".join(f"{title:>20}" for title, _, _ in columns.values()))
    for name in (OURS, *RIVALS):
        if name not in rows:
            print(f"{name:16}not installed: pip install .[bench]")
            continue
        cells = []
        for column, (_, form, key) in columns.items():
            cell = _cell(rows[name][column], form)
            ratio = found.get(name, {}).get(key) if key else None
            cells.append(cell if ratio is None else f"{cell} ({ratio:.2f}×)")
        print(f"{name:16}" + "".join(f"{cell:>20}" for cell in cells))


def in_rows(options: argparse.Namespace, sounds: Sounds, facts: Facts) -> None:
    """Race Distill's prior with contexts of one second and of four on whole sounds in a row, and print both."""
    split = sounds.codes("rows", facts.ours)
    bands, second = sounds.loaded.geometry.bands, sounds.loaded.geometry.chunk_steps
    steps = sounds.context_steps(split, facts.ours)
    budget_s = min(_ROWS_CPU_S, options.cpu_seconds)
    contenders = {}
    for name, length in {"1 second": second, f"{steps} steps": steps}.items():
        torch.manual_seed(facts.ours.seed)
        contenders[name] = OursInRows(replace(facts, grid=(bands, length), budget_s=budget_s))
        contenders[name].enter(split, facts.ours.seed)
    race(contenders, budget_s)
    unigram, _ = unigram_perplexities(split.train, split.val, facts.codebook_size)
    print(f"\nWhole sounds in a row, one gain each, {budget_s:g} CPU seconds; unigram perplexity {unigram:.1f}")
    for name, contender in contenders.items():
        best_s, best_loss = best_of(contender)
        rate = f"{contender.codes_seen / contender.spent_s:8.0f} codes/s"
        print(f"frames, context {name:12}{rate}   best perplexity {math.exp(best_loss):7.2f} at {best_s:.0f} s")


def run(options: argparse.Namespace, sounds: Sounds, seed: int) -> dict[str, _Row]:
    """Race, print the table and return the ratios per rival."""
    facts = facts_of(options, sounds, seed)
    split = sounds.codes("chunks", facts.ours)
    print_conditions(options, facts, split)
    names = [name for name in (OURS, *RIVALS) if is_installed(name)]
    contenders = {name: build(name, facts) for name in names}
    for contender in contenders.values():
        contender.enter(split, seed)
    peak = matmul_peak()
    race(contenders, options.cpu_seconds)
    peak = max(peak, matmul_peak())
    rows = {name: measure(name, contender, peak) for name, contender in contenders.items()}
    for batch in SAMPLE_BATCHES:
        for name, rate in sample_codes_per_s(contenders, batch).items():
            rows[name][f"sample_codes_per_s_b{batch}"] = rate
    ours = contenders[OURS]
    found = {name: ratios(ours, rows[OURS], contenders[name], rows[name]) for name in names if name != OURS}
    print_table(rows, found)
    print(f"In brackets: ours ÷ rival. One core multiplies matrices at {peak / 1e9:.0f} GFLOP/s.")
    in_rows(options, sounds, facts)
    return found


def _middle(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return median(known) if len(known) == len(values) else None


def over_seeds(found: list[dict[str, _Row]]) -> dict[str, _Row]:
    """Return the median of each ratio, and print how far apart the seeds are; None where one seed has none."""
    middle: dict[str, _Row] = {}
    for name, row in found[0].items():
        middle[name] = {key: _middle([each[name][key] for each in found]) for key in row}
        for key in row:
            values = [each[name][key] for each in found]
            if len(found) > 1:
                print(f"{name:16}{key:28}" + "".join(f"{_cell(value, '{:.3f}'):>10}" for value in values))
    return middle


def print_conditions(options: argparse.Namespace, facts: Facts, split: SplitCodes) -> None:
    """Print what the figures hold for: processor, formats, batches, sounds, padding and schedules."""
    ours, steps = facts.ours, facts.grid[1]
    seconds = [sum(len(sound.codes_WHQ) // steps for sound in part) for part in (split.train, split.val)]
    unigram, _ = unigram_perplexities(split.train, split.val, facts.codebook_size)
    schedule = "tier's epochs" if facts.stock_spans_tier else "budget"
    print(
        f"{processor_name()}, torch {torch.__version__}, one thread. {OURS} trains in {ours.precision} with batches of "
        f"{ours.batch_size} s, the rivals in {RIVAL_FORMAT} of {RIVAL_BATCH} s; all are scored in float32.\n"
        f"{seconds[0]} training and {seconds[1]} held-out seconds of {facts.codes} codes; padding, neither learned nor "
        f"scored: {padding_share(split.train):.1%} and {padding_share(split.val):.1%}; "
        f"unigram perplexity by level {unigram:.1f}.\n"
        f"Hidden {ours.hidden_size}, layers {ours.num_layers}, seed {ours.seed}; {OURS} also learns from "
        f"{ours.variants} variants of each sound, which join one an epoch.\n"
        f"{options.cpu_seconds:g} CPU seconds of training each, validation not counted. Learning rates span the "
        f"budget; stock's cosine moves once an epoch and spans the {schedule}.",
        flush=True,
    )


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="run.py bench prior", description=__doc__)
    parser.add_argument("--model", type=Path, default=DEMO / "demo.distill", help="a .distill file (default: the demo)")
    parser.add_argument("--sounds", type=Path, default=DEMO / "sounds", help="a folder of sounds (default: the demo's)")
    parser.add_argument("--cpu-seconds", type=float, default=200.0, help="training time of each, in CPU seconds")
    parser.add_argument("--hidden", type=int, default=256)
    parser.add_argument("--layers", type=int, default=4)
    parser.add_argument("--seeds", type=int, default=1, help="run all with so many seeds; the ratios are the medians")
    parser.add_argument("--stock-spans-tier", action="store_true", help="stock's cosine ends with its tier's epochs")
    parser.add_argument("--profile", action="store_true", help="show where the time of a step goes, and race nobody")
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


def main() -> None:
    # torch's encoder hints at a fast path that training does not take.
    warnings.filterwarnings("ignore", category=UserWarning, module="torch")
    options = parse()
    sounds = read_sounds(options)
    if options.profile:
        print_profile(sounds)
        return
    found = over_seeds([run(options, sounds, seed) for seed in range(options.seeds)])
    if options.json:
        null = dict.fromkeys(next(iter(found.values())))
        print(json.dumps({name: found.get(name, null) for name in RIVALS}))


if __name__ == "__main__":
    main()
