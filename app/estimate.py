"""How much work a training is, so that the last one's speed tells how long the next one takes."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from distill_core.audio.dataset import AudioDataset
    from distill_core.models.persistence import ModelSummary
    from distill_core.training.metrics import PriorEpochMetrics
    from distill_core.training.prior_config import PriorConfig

_PACE_EPOCHS = 20


def epoch_work(model: ModelSummary, dataset: AudioDataset, config: PriorConfig) -> float:
    """Return an epoch's work in parameters × codes: a transformer layer has about 12 · hidden² parameters."""
    chunks = sum(math.ceil(file.duration_s) for file in dataset.files)
    parameters = 12 * config.num_layers * config.hidden_size**2 + 2 * model.codebook_size * config.hidden_size
    return float(chunks * model.seq_len * parameters)


def seconds_left(epochs: list[PriorEpochMetrics]) -> float | None:
    """Return what the epochs to come take at the pace of the last ones; None before the first."""
    if not epochs:
        return None
    last = epochs[-_PACE_EPOCHS:]
    pace = sum(epoch.epoch_time_s for epoch in last) / len(last)
    return pace * (epochs[-1].total_epochs - epochs[-1].epoch)
