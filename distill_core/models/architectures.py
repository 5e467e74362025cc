"""The priors by the names that the file gives them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

from distill_core.models import flat, frames
from distill_core.models.flat import CodePrior
from distill_core.models.frames import FramesPrior

Prior: TypeAlias = CodePrior | FramesPrior
PRIOR_CLASSES: dict[str, type[CodePrior] | type[FramesPrior]] = {
    flat.ARCHITECTURE: CodePrior,
    frames.ARCHITECTURE: FramesPrior,
}


def architecture_of(prior_config: Mapping[str, Any]) -> str:
    """Return the architecture that a file's settings name; without a name it is the format's."""
    return str(prior_config.get("architecture", flat.ARCHITECTURE))
