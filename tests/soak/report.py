"""The report of a soak run: one for machines, one to read; neither names this computer or its folders."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import torch

from tests.soak.result import Result

SHOWN_VIOLATIONS = 20
NOT_SIMULATED = """\
## Not simulated

A device that writes half a sector, or swaps the order of writes across a flush it has confirmed; a drive that says
"flushed" and lies; memory that flips bits before they are written; network file systems; Windows and macOS.
A power cut here is ext4's own shutdown without flushing its journal: all that was not flushed is gone."""


def _first_value(path: str, name: str) -> str:
    """Return a value of /proc's "name : value" files, or "unknown"."""
    try:
        lines = Path(path).read_text().splitlines()
    except OSError:
        return "unknown"
    return next((line.partition(":")[2].strip() for line in lines if line.startswith(name)), "unknown")


def machine_facts() -> str:
    """Return processor, memory, system and versions in one sentence."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    processor, memory = _first_value("/proc/cpuinfo", "model name"), _first_value("/proc/meminfo", "MemTotal")
    system = f"{platform.system()} {platform.release().partition('-')[0]}"
    versions = f"Python {platform.python_version()}, torch {torch.__version__}"
    return f"{processor}, {cores} cores, memory {memory}, {system}, {versions}."


def _row(result: Result) -> str:
    control = "–" if result.skipped else "failed, as it must" if result.control_failed else "**did not fail**"
    cells = [result.name, f"{result.wanted:,}", f"{result.done:,}", str(len(result.violations)), control]
    return "| " + " | ".join([*cells, result.skipped or "", f"{result.seconds:.0f}"]) + " |"


def _details(result: Result) -> list[str]:
    lines = [f"- {fact}" for fact in result.facts]
    shown = result.violations[:SHOWN_VIOLATIONS]
    lines += [f"- Violation: {violation}" for violation in shown]
    if hidden := len(result.violations) - len(shown):
        lines.append(f"- … and {hidden} more violations")
    return ["", f"**{result.name}**", "", *lines] if lines else []


def summary(results: Sequence[Result]) -> str:
    """Return what went wrong and what was skipped, by name, in one line."""
    bad = [result.name for result in results if not result.is_green and not result.skipped]
    skipped = [f"{result.name} ({result.skipped})" for result in results if result.skipped]
    parts = [f"{len(results)} harnesses, {sum(len(result.violations) for result in results)} violations"]
    parts.append(f"not as it must be: {', '.join(bad) or 'none'}")
    parts.append(f"skipped: {', '.join(skipped) or 'none'}")
    return "; ".join(parts) + "."


def write_report(folder: Path, results: Sequence[Result], kind: str) -> None:
    """Write soak-report.json and soak-report.md; `kind` says what was run, in a sentence."""
    folder.mkdir(parents=True, exist_ok=True)
    records = json.dumps([result.record() for result in results], indent=2, ensure_ascii=False)
    (folder / "soak-report.json").write_text(records + "\n", encoding="utf-8")
    lines = ["# Soak report", "", f"{kind} {datetime.now(UTC):%Y-%m-%d}. {machine_facts()}", "", summary(results), ""]
    lines += ["| harness | wanted | done | violations | control | skipped | seconds |", "|---|--:|--:|--:|---|---|--:|"]
    lines += [_row(result) for result in results]
    lines += [line for result in results for line in _details(result)]
    text = "\n".join([*lines, "", NOT_SIMULATED, ""])
    (folder / "soak-report.md").write_text(text, encoding="utf-8")
