"""The temperature that was fitted to a prior, as its file holds it.

This module imports no torch: the window's words need it at once.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_COLDEST, _HOTTEST = 0.1, 10.0  # that can have been fitted


def temperature_of(prior_metadata: Mapping[str, Any] | None) -> float:
    """Return the temperature that was fitted to a prior, 1 if its facts have none that can be."""
    found = (prior_metadata or {}).get("temperature")
    if isinstance(found, bool) or not isinstance(found, int | float) or not _COLDEST <= found <= _HOTTEST:
        return 1.0
    return float(found)
