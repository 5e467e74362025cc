"""Starting where something is missing: a sentence, or going on without it."""

from __future__ import annotations

import logging
import os
import subprocess
import sys

import pytest

from app.problems import start_logging


def test_without_a_display_it_says_so_instead_of_aborting() -> None:
    hidden = ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM")
    environment = {name: value for name, value in os.environ.items() if name not in hidden}
    command = [sys.executable, "-m", "app"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert done.stderr.startswith("There is no display here")
    assert "run.py demo" in done.stderr


def test_without_a_place_for_the_log_the_window_starts_all_the_same(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("app.problems.log_folder", lambda: (_ for _ in ()).throw(PermissionError("read-only")))
    before = list(logging.getLogger("distill").handlers)
    start_logging()
    assert "there is no log: read-only" in caplog.text
    assert logging.getLogger("distill").handlers == before
