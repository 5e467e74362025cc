"""The report of a soak run: one for machines, one to read; neither names this computer or its folders."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import torch

from tests.soak.result import Record, Result, is_green

SHOWN_VIOLATIONS = 20
_HEAD = "| harness | wanted | done | violations | control | skipped | seconds | run |"
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


def _row(record: Record, run: int) -> str:
    control = "–" if record["skipped"] else "failed, as it must" if record["control_failed"] else "**did not fail**"
    cells = [record["name"], f"{record['wanted']:,}", f"{record['done']:,}", str(record["violations"]), control]
    return "| " + " | ".join([*cells, record["skipped"] or "", f"{record['seconds']:.0f}", str(run)]) + " |"


def _details(record: Record) -> list[str]:
    lines = [f"- {detail}" for detail in record["details"]]
    return ["", f"**{record['name']}**", "", *lines] if lines else []


def _summary(records: Sequence[Record]) -> str:
    bad = [record["name"] for record in records if not is_green(record) and not record["skipped"]]
    skipped = [f"{record['name']} ({record['skipped']})" for record in records if record["skipped"]]
    parts = [f"{len(records)} harnesses, {sum(record['violations'] for record in records)} violations"]
    parts.append(f"not as it must be: {', '.join(bad) or 'none'}")
    parts.append(f"skipped: {', '.join(skipped) or 'none'}")
    return "; ".join(parts) + "."


def summary(results: Sequence[Result]) -> str:
    """Return what went wrong and what was skipped, by name, in one line."""
    return _summary([result.record() for result in results])


def _former_records(folder: Path) -> list[Record]:
    try:
        return list(json.loads((folder / "soak-report.json").read_text(encoding="utf-8")))
    except FileNotFoundError:
        return []


def _record(result: Result) -> Record:
    shown = [f"Violation: {violation}" for violation in result.violations[:SHOWN_VIOLATIONS]]
    hidden = len(result.violations) - len(shown)
    details = [*result.facts, *shown, *([f"… and {hidden} more violations"] if hidden else [])]
    return result.record() | {"details": details, "date": f"{datetime.now(UTC):%Y-%m-%d}", "machine": machine_facts()}


def _in_order(records: Iterable[Record], names: Sequence[str]) -> list[Record]:
    """Return the last record of each name: named ones first, in the order of the names; one that was skipped yields."""
    last: dict[str, Record] = {}
    for record in records:
        if not record["skipped"] or last.get(record["name"], record)["skipped"]:
            last[record["name"]] = record
    return [*(last.pop(name) for name in names if name in last), *last.values()]


def write_report(folder: Path, result: Result, kind: str, names: Sequence[str] = ()) -> None:
    """Put a result into soak-report.json and soak-report.md; other harnesses keep the rows of their own last runs.

    `kind` says what the report holds, in a sentence; the rows come in the order of `names`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    records = _in_order([*_former_records(folder), _record(result)], names)
    text = json.dumps(records, indent=2, ensure_ascii=False)
    (folder / "soak-report.json").write_text(text + "\n", encoding="utf-8")
    runs = [*dict.fromkeys((record["date"], record["machine"]) for record in records)]
    lines = ["# Soak report", "", kind, "", _summary(records), "", _HEAD, "|---|--:|--:|--:|---|---|--:|--:|"]
    lines += [_row(record, 1 + runs.index((record["date"], record["machine"]))) for record in records]
    lines += ["", "The runs:", "", *(f"{number}. {date}. {machine}" for number, (date, machine) in enumerate(runs, 1))]
    lines += [line for record in records for line in _details(record)]
    (folder / "soak-report.md").write_text("\n".join([*lines, "", NOT_SIMULATED, ""]), encoding="utf-8")
