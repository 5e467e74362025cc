"""Shows over hours that nothing is lost and nothing gets in: `python3 run.py soak`, report in docs/soak-report.md.

`--only NAME` runs one harness, and puts its row into the report. `--minutes N` and `--trials N` run samples, and report
to a temporary folder. Exits 0 iff there was no violation and every control failed.
"""

from __future__ import annotations

import argparse
import math
import os
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from tests.soak.report import summary, write_report
from tests.soak.result import Result, not_run, result_of

DOCS = Path(__file__).parents[2] / "docs"
WHOLE = "The last whole run of each harness: `python3 run.py soak` runs all, `--only NAME` one."


@dataclass(frozen=True, slots=True)
class Harness:
    """Where a harness is found, and the number its bar names; 0: all there are."""

    name: str
    module: str
    function: str
    bar: int
    forks: bool = False

    def run(self, wanted: int, until: float) -> Result:
        """Run it until it did `wanted` or `until`, in seconds of the monotonic clock; one that breaks is no success."""
        if self.forks and not hasattr(os, "fork"):
            return not_run(self.name, wanted, "This system has no fork, and a save is struck in a forked process")
        start = time.monotonic()
        try:
            return result_of(getattr(import_module(self.module), self.function)(wanted, until))
        except Exception as error:  # noqa: BLE001 - the other harnesses still have something to say
            violation = f"The harness itself broke: {type(error).__name__}: {error}"
            return Result(self.name, wanted, 0, [violation], False, None, time.monotonic() - start)


HARNESSES = (
    Harness("kill −9 during saves", "tests.soak.kill", "kills_during_saves", 1000, forks=True),
    Harness("kill −9 during restores", "tests.soak.kill", "kills_during_restores", 200, forks=True),
    Harness("power cuts", "tests.soak.power", "power_cuts", 600, forks=True),
    Harness("syscall failures", "tests.soak.syscalls", "syscall_failures", 0, forks=True),
    Harness("concurrent saver pairs", "tests.soak.pairs", "saver_pairs", 200, forks=True),
    Harness("short memory", "tests.soak.memory", "short_memory", 1000, forks=True),
    Harness("mutated files", "tests.soak.loading", "mutated_files", 200_000),
    Harness("attack corpus", "tests.soak.loading", "attack_corpus", 45),
    Harness("bit flips", "tests.soak.loading", "bit_flips", 10_000),
    Harness("truncation", "tests.soak.loading", "truncation", 0),
    Harness("counterfactual proofs", "tests.soak.proofs", "proofs", 20),
    Harness("audits of overfitting", "tests.soak.audits", "audits", 6),
    Harness("kills during training", "tests.soak.training_kills", "kills_during_training", 200),
    Harness("injected NaN and infinity", "tests.soak.not_numbers", "injected_values", 100),
    Harness("files changed meanwhile", "tests.soak.meanwhile", "changes_meanwhile", 30),
    Harness("the whole job over and over", "tests.soak.rounds", "whole_jobs", 0),
    Harness("mutated sounds", "tests.soak.sounds", "mutated_sounds", 20_000),
    Harness("awkward sounds", "tests.soak.sounds", "awkward_sounds", 81),
    Harness("foreign sounds", "tests.soak.sounds", "foreign_sounds", 100),
    Harness("killed ranks", "tests.soak.ranks", "killed_ranks", 10),
    Harness("two machines", "tests.soak.ranks", "two_machines", 2),
    Harness("blocked terminal", "tests.soak.terminal", "blocked_terminals", 56),
)


def _chosen(only: str | None) -> list[Harness]:
    return [harness for harness in HARNESSES if only is None or only in harness.name]


def _arguments(words: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="run.py soak", description=__doc__)
    parser.add_argument("--minutes", type=float, help="run a sample of everything that takes so long")
    parser.add_argument("--only", metavar="NAME", help="run the one with this in its name")
    parser.add_argument("--trials", type=int, default=0, metavar="N", help="as if the bars were N; for a sample in CI")
    options = parser.parse_args(words)
    if not _chosen(options.only):
        parser.error(f"there are: {', '.join(harness.name for harness in HARNESSES)}")
    return options


def _line(result: Result) -> str:
    if result.skipped:
        return f"{result.name}: skipped. {result.skipped}."
    control = "the control failed" if result.control_failed else "THE CONTROL DID NOT FAIL"
    done = f"{result.done:,} of {result.wanted:,}, {len(result.violations)} violations, {control}"
    return f"{result.name}: {done}, {result.seconds:.0f} s. {' '.join(result.facts)}"


def run_all(harnesses: Sequence[Harness], trials: int, seconds: float, folder: Path, kind: str) -> list[Result]:
    """Run one after the other; what one leaves of its share of the time, the later ones get."""
    names = [harness.name for harness in HARNESSES]
    results: list[Result] = []
    end = time.monotonic() + seconds
    for number, harness in enumerate(harnesses):
        share = (end - time.monotonic()) / (len(harnesses) - number)
        results.append(harness.run(trials or harness.bar, time.monotonic() + share))
        print(_line(results[-1]), flush=True)
        write_report(folder, results[-1], kind, names)
    return results


def is_success(results: Sequence[Result], is_full: bool) -> bool:
    """A skipped harness is named in the summary; it is no violation, but a full run of skipped ones shows nothing."""
    if is_full and all(result.skipped for result in results):
        return False
    reached = [result.done >= result.wanted or not is_full for result in results if not result.skipped]
    return all(result.is_green or result.skipped for result in results) and all(reached)


def main(words: Sequence[str] | None = None) -> int:
    """Run what the words ask for and return the exit code."""
    options = _arguments(sys.argv[1:] if words is None else words)
    is_full = options.minutes is None and not options.trials
    folder = DOCS if is_full else Path(tempfile.mkdtemp(prefix="distill-soak-"))
    kind = WHOLE if is_full else "A sample."
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # disks are unmounted then as after Ctrl-C
    print(f"Reporting to {folder}", flush=True)
    seconds = math.inf if options.minutes is None else 60 * options.minutes
    with tempfile.TemporaryDirectory(prefix="distill-soak-caches-") as caches:
        os.environ.update(XDG_CACHE_HOME=caches, XDG_RUNTIME_DIR=caches)  # where locks may be
        results = run_all(_chosen(options.only), options.trials, seconds, folder, kind)
    print(summary(results))
    return 0 if is_success(results, is_full) else 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        print("Stopped. The report holds the harnesses that had ended.")
        sys.exit(130)
