from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from PySide6.QtCore import QObject
from pytestqt.qtbot import QtBot

from app.desktop.awake import Awake


@pytest.mark.skipif(sys.platform != "linux", reason="systemd-inhibit is Linux's way")
def test_sleep_is_held_off_while_wanted(qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stand-in for systemd's program: a test must not keep a computer awake, and few test machines have it."""
    told = tmp_path / "told"
    program = tmp_path / "systemd-inhibit"
    program.write_text(f'#!/bin/sh\necho "$@" > "{told}"\nexec cat\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    parent = QObject()
    awake = Awake(parent)
    awake.hold(True)
    awake.hold(True)
    qtbot.waitUntil(lambda: told.exists() and told.read_text() != "")
    assert "--what=idle:sleep" in told.read_text()
    holder = awake._process.processId()
    assert holder > 0
    awake.hold(False)
    assert awake._process.processId() == 0


@pytest.mark.skipif(sys.platform != "linux", reason="systemd-inhibit is Linux's way")
def test_where_the_desktop_offers_nothing_the_log_says_so(
    qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    parent = QObject()
    with caplog.at_level("INFO", logger="distill"):
        Awake(parent).hold(True)
    assert "sleep is not held off" in caplog.text
