"""How soon 5,000 sounds and 200 takes are on the screen, and how late the window's timer is while they move.

Real files, small ones: each sound is another. Prints milliseconds: until the rows of a scan are painted, and the
lateness of a 16 ms timer while all rows are scrolled through in four seconds, while every title is clicked, while the
small pictures come, and while sounds are left out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import cycle
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import soundfile
import torch
from PySide6.QtCore import QTimer

from app.desktop.application import DistillApplication
from app.flows.demo_files import copy_demo
from app.main_window import MainWindow
from app.session import Session
from app.session.state import Page
from app.widgets.rows.table import RowsTable
from benchmarks.lateness import TIMER_MS, Lateness, figures_of, wait_for, wait_ms
from distill_core.generation.request import GenerateRequest, Sample
from distill_core.generation.takes.shelf import TakeShelf

SOUNDS, TAKES = 5000, 200
_SCROLL_S, _RATE = 4.0, 16_000


def write_sounds(folder: Path, count: int) -> Path:
    """Write that many WAV files of a tenth to half a second each, and return their folder."""
    random = np.random.default_rng(0)
    folder.mkdir()
    for number in range(count):
        seconds_T = np.arange(round(_RATE * random.uniform(0.1, 0.5))) / _RATE
        tone_T = np.exp(-9 * seconds_T) * np.sin(6.283 * random.uniform(60, 900) * seconds_T)
        soundfile.write(folder / f"{('kick', 'snare', 'bell')[number % 3]} {number}.wav", 0.8 * tone_T, _RATE)
    return folder


def shelve_takes(model: Path, count: int) -> None:
    """Put that many takes of a second on a model's shelf, all with a star, so that they stay."""
    shelf, generator = TakeShelf(model), torch.Generator().manual_seed(0)
    for seed in range(count):
        waveform_T = torch.randn(48_000, generator=generator) * torch.linspace(0.3, 0, 48_000)
        sample = Sample(waveform_T, 48_000, torch.zeros(1, 1, 1).long(), GenerateRequest(seconds=1.0, seed=seed))
        shelf.star(shelf.add(sample).number, True)


def _settle(session: Session) -> None:
    while session.is_busy:
        wait_ms(20)


def _while_doing(act: Iterator[Any], seconds: float, pause_ms: int = TIMER_MS) -> dict[str, float]:
    """Return the lateness while a step is done at every pause."""
    timer = QTimer()
    timer.timeout.connect(lambda: next(act))
    timer.start(pause_ms)
    late_ms = Lateness().measure(seconds)
    timer.stop()
    return figures_of(late_ms)


def _scrolling(table: RowsTable) -> Iterator[None]:
    bar, steps = table.verticalScrollBar(), round(1000 * _SCROLL_S / TIMER_MS)
    for step in cycle(range(steps + 1)):
        bar.setValue(bar.maximum() * step // steps)
        yield


def _sorting(table: RowsTable) -> Iterator[None]:
    for column in cycle(range(len(table.rows.columns))):
        table.horizontalHeader().sectionClicked.emit(column)
        table.horizontalHeader().sectionClicked.emit(column)
        yield


def _leaving_out(session: Session, names: list[str]) -> Iterator[None]:
    for acts in cycle([session.leave_out, session.take_back]):
        acts(names)
        yield


def _shown_ms(table: RowsTable, act: Callable[[], object], signal: Any) -> float:
    """Return the milliseconds from a signal until the rows are painted."""
    begun: list[float] = []
    signal.connect(lambda _: begun.append(perf_counter()))
    act()
    wait_for(signal)
    table.viewport().repaint()
    return 1000 * (perf_counter() - begun[0])


def _figures_of_table(name: str, table: RowsTable) -> dict[str, Any]:
    table.verticalScrollBar().setValue(0)
    figures = {f"{name}: scrolling_ms": _while_doing(_scrolling(table), _SCROLL_S)}
    figures[f"{name}: sorting_ms"] = _while_doing(_sorting(table), 3.0, pause_ms=150)
    return figures


def measure(application: DistillApplication, folder: Path) -> dict[str, Any]:
    """Return the figures of one run of the real window."""
    model, _ = copy_demo(folder / "rows")
    sounds = write_sounds(folder / "sounds", SOUNDS)
    shelve_takes(model, TAKES)
    session = Session()
    window = MainWindow(session)
    window.resize(1280, 800)
    window.show()
    wait_for(session.device_known)
    _settle(session)
    figures: dict[str, Any] = {"rows: idle_ms": figures_of(Lateness().measure(2.0))}
    started = perf_counter()
    table, takes = window.sounds_page.table, window.takes_page.table
    session.open_model(model)
    figures["takes: opening_ms"] = figures_of(Lateness().measure(4.0))
    figures["sounds: shown_ms"] = round(_shown_ms(table, lambda: session.open_dataset(sounds), session.dataset_changed))
    figures["sounds: scan_s"] = round(perf_counter() - started - 4.0, 1)
    table.scrollToBottom()
    figures["sounds: pictures_ms"] = figures_of(Lateness().measure(3.0))
    figures |= _figures_of_table("sounds", table)
    names = [file.name for file in session.state.open.scanned.files[:100]] if session.state.open.scanned else []
    figures["sounds: leaving_out_ms"] = _while_doing(_leaving_out(session, names), 3.0, pause_ms=300)
    session.show_page(Page.TAKES)
    figures |= _figures_of_table("takes", takes)
    window._may_close = True
    window.close()
    application.processEvents()
    return figures
