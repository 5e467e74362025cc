"""Windows without a screen, in light and in dark."""

from __future__ import annotations

import gc
import os

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")  # before anything starts Qt

from collections.abc import Iterator

import pytest
from PySide6.QtGui import QColor, QPalette
from PySide6.QtWidgets import QApplication


def _palette(window: str, text: str, base: str, button: str) -> QPalette:
    palette = QPalette(QColor(button), QColor(window))
    role = QPalette.ColorRole
    for text_role in (role.WindowText, role.Text, role.ButtonText):
        palette.setColor(text_role, QColor(text))
    palette.setColor(role.Base, QColor(base))
    return palette


@pytest.fixture(autouse=True)
def _collected() -> Iterator[None]:
    """Collect what a test's windows left between tests, and not in the middle of a call into Qt, which may hang."""
    yield
    gc.collect()


@pytest.fixture
def palettes() -> dict[str, QPalette]:
    """A light and a dark palette: setColorScheme changes nothing on the offscreen platform."""
    return {
        "light": _palette("#efefef", "#000000", "#ffffff", "#efefef"),
        "dark": _palette("#323232", "#f0f0f0", "#242424", "#3c3c3c"),
    }


@pytest.fixture(params=["light", "dark"])
def palette(request: pytest.FixtureRequest, qapp: QApplication, palettes: dict[str, QPalette]) -> Iterator[QPalette]:
    """The application in light, then in dark."""
    before = qapp.palette()
    qapp.setPalette(palettes[request.param])
    yield palettes[request.param]
    qapp.setPalette(before)
