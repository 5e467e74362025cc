"""The work of a training, from which the speed of one gives the time of another."""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import TYPE_CHECKING

from distill_core.models.architectures import prior_row
from distill_core.training.prior.config import LEAST_EPOCH_STEPS, PriorConfig

if TYPE_CHECKING:
    from distill_core.audio.geometry import Geometry


def epoch_work(config: PriorConfig, geometry: Geometry, codebook_size: int, *, steps: int, whole_seconds: int) -> float:
    """Return an epoch's multiplications, up to a factor that all trainings share.

    `steps` is the number of steps of all sounds; an architecture that learns from chunks learns from `whole_seconds`.
    """
    prior_class = prior_row(config.architecture).load()
    in_chunks = prior_class.layout == "chunks"
    codes = whole_seconds * geometry.codes_per_second if in_chunks else steps * geometry.codes_per_step
    work_per_code = prior_class.cost(asdict(config), codebook_size, geometry.levels)
    return float(_passes(codes / geometry.codes_per_second, config) * codes * work_per_code)


def _passes(seconds: float, config: PriorConfig) -> int:
    """Return the number of times that an epoch goes through the sounds: a small set needs several for four steps."""
    learned = max(1.0, seconds * (1 - config.val_fraction))
    return math.ceil(LEAST_EPOCH_STEPS / math.ceil(learned / config.batch_size))
