"""The figures of a benchmark as people and programs read them."""

from __future__ import annotations

import json
from collections.abc import Mapping


def tell(found: Mapping[str, float], bars: str, as_json: bool) -> None:
    """Print each figure by its name and the bars below, then with `as_json` one line of JSON."""
    for name, value in found.items():
        print(f"{name:32}{value:8.2f}", flush=True)
    print(bars)
    if as_json:
        print(json.dumps(found))
