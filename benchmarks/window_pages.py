"""How late the window's timer is while a prior trains, with each page and each side of the drawer open.

What else the computer does shows in the figures without a training.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from app.desktop.application import DistillApplication
from app.flows.demo_files import copy_demo
from app.main_window import MainWindow
from app.session import Session
from app.session.state import Page
from benchmarks.lateness import Lateness, figures_of, wait_for, wait_ms
from benchmarks.window_rows import shelve_takes, write_sounds

SOUNDS, TAKES = 200, 50
VIEWS = {
    f"sounds, {SOUNDS} rows": (Page.SOUNDS, "closed"),
    "learning": (Page.LEARNING, "closed"),
    f"takes, {TAKES} rows": (Page.TAKES, "closed"),
    "learning, inspect": (Page.LEARNING, "inspect"),
    "learning, options": (Page.LEARNING, "options"),
}


def measure(application: DistillApplication, seconds: float, folder: Path, options: dict[str, int]) -> dict[str, Any]:
    """Return the figures of one run of the real window: `seconds` for each view."""
    model, _ = copy_demo(folder / "pages")
    shelve_takes(model, TAKES)
    session = Session()
    window = MainWindow(session)
    window.options.form.set_overrides(options)
    window.resize(1280, 800)
    window.show()
    wait_for(window.shown)
    session.open_model(model)
    session.open_dataset(write_sounds(folder / "pages sounds", SOUNDS))
    wait_for(session.dataset_changed)
    while session.is_busy:
        wait_ms(20)
    figures = {"pages: idle_ms": figures_of(Lateness().measure(seconds / 2))}
    window.commands.train()
    wait_for(session.step_finished)
    figures |= {f"{name}: training_ms": _figures(window, session, *view, seconds) for name, view in VIEWS.items()}
    session.stop()
    wait_for(session.training_ended)
    window._may_close = True
    window.close()
    application.processEvents()
    return figures


def _figures(window: MainWindow, session: Session, page: Page, drawer: str, seconds: float) -> dict[str, float]:
    """Turn to a view within the time that is measured, and return the lateness."""
    lateness = Lateness()
    session.show_page(page)
    window.drawer.turn_to(drawer)
    return figures_of(lateness.measure(seconds))
