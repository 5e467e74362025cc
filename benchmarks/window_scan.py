"""A folder of 20,000 sounds: how soon its scan tells of itself, how late the window is, how soon a cancel is answered.

Real WAV files, short ones; a hundred names share a file. Prints: seconds until the first progress and the longest time
without any, seconds of the scan, the lateness of a 16 ms timer meanwhile, and how many MB the process grew; then how
long a cancel takes, from the first moment on.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

from PySide6.QtWidgets import QApplication

from app.desktop.application import DistillApplication
from app.main_window import MainWindow
from app.session import Session
from benchmarks.lateness import Lateness, figures_of, wait_for, wait_ms
from benchmarks.window_rows import write_sounds

SOUNDS, LINKS = 20_000, 100
_CANCELLED_AFTER_S = (0.0, 0.01, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.6, 0.8, 1.0, 1.5, 2.0, 3.0)


def write_links(folder: Path, count: int, links: int) -> Path:
    """Write that many sounds into folders of a thousand, of which so many are one file; return their folder."""
    originals = sorted(write_sounds(folder.with_name(f"{folder.name} originals"), count // links).iterdir())
    for number in range(count):
        place = folder / f"pack {number // 1000:02d}"
        if number % 1000 == 0:
            place.mkdir(parents=True)
        os.link(originals[number % len(originals)], place / f"{number:05d} {originals[number % len(originals)].name}")
    return folder


def memory_mb() -> float:
    """Return the memory of this process in MB, where /proc tells of it, else 0."""
    status = Path("/proc/self/status")
    lines = status.read_text(encoding="utf-8").splitlines() if status.exists() else []
    return next((int(line.split()[1]) / 1000 for line in lines if line.startswith("VmRSS")), 0.0)


def _scan_figures(session: Session, sounds: Path) -> dict[str, Any]:
    """Return the figures of one whole scan."""
    moments, lateness, before = [perf_counter()], Lateness(), memory_mb()
    session.progress.connect(lambda progress: moments.append(perf_counter()))
    lateness.begin()
    session.open_dataset(sounds)
    wait_for(session.dataset_changed)
    wait_ms(500)  # the rows come
    late_ms = lateness.end()
    gaps = [later - earlier for earlier, later in pairwise(moments)]
    return {
        "scan: first_progress_s": round(gaps[0], 3),
        "scan: longest_without_progress_s": round(max(gaps), 3),
        "scan: all_s": round(moments[-1] - moments[0], 1),
        "scan: late_ms": figures_of(late_ms),
        "scan: grown_mb": round(memory_mb() - before),
    }


def _cancels(session: Session, sounds: Path) -> Iterator[float]:
    """Yield the seconds that a cancel takes: while folders are listed, and while sounds are read."""
    for seconds in _CANCELLED_AFTER_S:
        session.open_dataset(sounds)
        wait_ms(round(1000 * seconds))
        asked = perf_counter()
        session.stop()
        while session.is_busy:
            QApplication.processEvents()
        yield perf_counter() - asked


def measure(application: DistillApplication, folder: Path) -> dict[str, Any]:
    """Return the figures of one run of the real window."""
    sounds = write_links(folder / "many", SOUNDS, LINKS)
    session = Session()
    window = MainWindow(session)
    window.resize(1280, 800)
    window.show()
    wait_for(session.device_known)
    while session.is_busy:
        wait_ms(20)
    figures = _scan_figures(session, sounds)
    cancels = [*_cancels(session, sounds)]
    figures["scan: cancel_s"] = {"p50": round(median(cancels), 3), "max": round(max(cancels), 3)}
    window._may_close = True
    window.close()
    application.processEvents()
    return figures
