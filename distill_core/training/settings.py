"""What the settings of all training share: doc lines, checks in words, and sizes that follow from the data."""

from __future__ import annotations

import math
from dataclasses import field, fields
from typing import Any

from distill_core.errors import ConfigError


def setting(default: Any, doc: str) -> Any:
    """Return a dataclass field whose doc line serves the terminal's --help and the window alike."""
    return field(default=default, metadata={"doc": doc})


def setting_docs(config_class: Any) -> dict[str, str]:
    """Return the doc line of each setting of a config class by its name."""
    return {setting.name: str(setting.metadata["doc"]) for setting in fields(config_class)}


def is_whole(value: object) -> bool:
    """Tell whether a setting is a whole number; yes and no are none."""
    return isinstance(value, int) and not isinstance(value, bool)


def is_number(value: object) -> bool:
    """Tell whether a setting is a finite number."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def require(config: object, name: str, holds: bool, wanted: str) -> None:
    """Refuse a setting that cannot be.

    Raises:
        ConfigError: `holds` is False; names the field and says what it must be.
    """
    if not holds:
        raise ConfigError(name, f"{name} cannot be {getattr(config, name)!r}.", f"It must be {wanted}.")


def val_fraction_for(file_count: int) -> float:
    """Return the share of so many usable files that is kept for validation."""
    if file_count < 10:
        return 0.5
    if file_count < 50:
        return 0.3
    return 0.2 if file_count < 200 else 0.1


def batch_size_for(file_count: int) -> int:
    """Return how many seconds of sound one step takes for so many usable files."""
    return min(32, max(1, file_count * 5 // 4))
