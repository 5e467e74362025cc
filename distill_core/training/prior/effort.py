"""The effort of a training: how much larger or smaller than automatic its network, its epochs and its patience are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from distill_core.training.settings import Effort


class AutomaticSettings(Protocol):
    """The settings that follow from the sounds, and that an effort changes."""

    @property
    def hidden_size(self) -> int:
        """The width of the network."""

    @property
    def num_heads(self) -> int:
        """The number of attention heads."""

    @property
    def max_epochs(self) -> int:
        """The number of epochs."""

    @property
    def patience(self) -> int:
        """The number of epochs without a better one that end a training, 0 for none."""

    @property
    def variants(self) -> int:
        """The number of variants of each sound."""


@dataclass(frozen=True, slots=True)
class _Scale:
    """The factors of an effort."""

    width: float
    epochs: float
    patience: float
    variants: float


# Work grows with the epochs and nearly with the square of the width.
_SCALES = {
    Effort.QUICK: _Scale(width=0.75, epochs=0.35, patience=0.5, variants=0.5),
    Effort.THOROUGH: _Scale(width=1.5, epochs=1.5, patience=1.5, variants=1.0),
}
_NARROWEST, _WIDEST = 16, 4096
_NARROWEST_HEAD = 4


def overrides_for(effort: Effort, auto: AutomaticSettings) -> dict[str, Any]:
    """Return the settings that an effort puts in the place of automatic ones; none for NORMAL.

    QUICK takes about a quarter of the work of NORMAL, THOROUGH three to four times as much. Of a patience of 0, which
    never ends a training early, nothing changes.
    """
    scale = _SCALES.get(effort)
    if scale is None:
        return {}
    return {
        "hidden_size": _scaled_width(auto, scale.width),
        "max_epochs": max(1, round(auto.max_epochs * scale.epochs)),
        "patience": _scaled_patience(auto.patience, scale.patience),
        "variants": round(auto.variants * scale.variants),
    }


def _scaled_width(auto: AutomaticSettings, factor: float) -> int:
    """Return a width that the heads divide into even parts; one that is narrow already stays."""
    head = round(auto.hidden_size / auto.num_heads * factor / 4) * 4
    width = auto.num_heads * max(_NARROWEST_HEAD, head)
    return width if _NARROWEST <= width <= _WIDEST else auto.hidden_size


def _scaled_patience(patience: int, factor: float) -> int:
    return max(2, round(patience * factor)) if patience else 0
