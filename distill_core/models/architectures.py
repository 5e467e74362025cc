"""The priors by the names that the file gives them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

from distill_core.models import frames, prior
from distill_core.models.frames import FramesPrior
from distill_core.models.prior import CodePrior

Prior: TypeAlias = CodePrior | FramesPrior
PRIOR_CLASSES: dict[str, type[CodePrior] | type[FramesPrior]] = {
    prior.ARCHITECTURE: CodePrior,
    frames.ARCHITECTURE: FramesPrior,
}


def architecture_of(prior_config: Mapping[str, Any]) -> str:
    """Return the architecture that a file's settings name; without a name it is the format's."""
    return str(prior_config.get("architecture", prior.ARCHITECTURE))
