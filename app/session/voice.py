"""The prior that Generate plays, from the state alone: the trained one that is not saved, or else the file's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from app.session.state import State
from distill_core.models.architectures import PRIORS, architecture_of


def prior_settings(state: State) -> Mapping[str, Any] | None:
    """Return the settings of the prior that sounds, as a file holds them; None without one that can be read."""
    training, model = state.training, state.open.model
    if model is None:
        return None
    if training.unsaved and training.trained is not None and training.trained.prior is not None:
        return training.trained.config
    return model.prior_config if model.has_prior and model.prior_is_readable else None


def can_end(state: State) -> bool:
    """Tell whether the prior has learned where sounds end."""
    return (prior_settings(state) or {}).get("learns_end") is True


def can_start(state: State) -> bool:
    """Tell whether the prior can start from a sound."""
    settings = prior_settings(state)
    return settings is not None and not PRIORS[architecture_of(settings)].knows_seconds
