"""The result of a codec's training, and how it becomes a model file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from distill_core.audio.spectrogram import SpectrogramConfig
from distill_core.models.codec import Codec
from distill_core.models.persistence import save_model_v2
from distill_core.training.codec.events import CodecEpochMetrics
from distill_core.training.events import Ended


@dataclass(frozen=True, slots=True)
class TrainedCodec:
    """The result of a codec's training.

    `model` has the best weights, in eval mode on the CPU, or is None if training ended before there were any; the
    configs, `metadata`, `codebook_health` and `loss_curve_history` are plain values exactly as the file holds them;
    `history` has one entry for each epoch; `ended` is the ending. `run_id` names the run in the run folder, "" without
    one; `is_kept`: the run has this model.
    """

    model: Codec | None
    spectrogram_config: SpectrogramConfig
    vqvae_config: dict[str, Any]
    training_config: dict[str, Any]
    metadata: dict[str, Any]
    codebook_health: dict[str, dict[str, float]] | None
    loss_curve_history: dict[str, list[float]]
    history: tuple[CodecEpochMetrics, ...]
    ended: Ended
    run_id: str = ""
    is_kept: bool = False

    @classmethod
    def none(cls, ended: Ended, run_id: str = "") -> TrainedCodec:
        """Return the empty result of a training that ended before there was a codec; `run_id` if it can go on."""
        return cls(None, SpectrogramConfig(), {}, {}, {}, {}, {}, (), ended, run_id)

    @property
    def stopped_early(self) -> bool:
        """Whether its caller stopped the training."""
        return self.ended is Ended.STOPPED

    def save(self, path: str | Path, *, replace: bool = True) -> Path:
        """Write the model file and return its real path; without `replace` it takes no other file's place.

        Raises:
            SaveError: it could not be written; the file at `path` is unchanged.
            ValueError: `model` is None.
        """
        if self.model is None:
            raise ValueError("training ended before there was a model to save")
        return save_model_v2(
            path,
            self.model,
            spectrogram_config=self.spectrogram_config,
            vqvae_config=self.vqvae_config,
            training_config=self.training_config,
            metadata=self.metadata,
            codebook_health=self.codebook_health,
            loss_curve_history=self.loss_curve_history,
            replace=replace,
        )
