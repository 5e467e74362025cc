"""Another model, whose curve is shown beside that of the open one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from distill_core.models.summary import ModelSummary


@dataclass(frozen=True, slots=True)
class BesideModel:
    """A model file's facts, and whether its codec is that of the open model: only then perplexities compare."""

    summary: ModelSummary
    has_same_codec: bool
