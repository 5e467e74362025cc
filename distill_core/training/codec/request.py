"""The request for a codec's training, of any codec."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from distill_core.distributed import ALONE, Ranks
from distill_core.training.codec.settings import CodecSettings
from distill_core.training.codec.trainings import CodecTraining
from distill_core.training.run_folder.folder import RunFolder


@dataclass(frozen=True, slots=True)
class CodecRequest:
    """The codec's row, its settings, the place of the run, and the state of the run to go on with.

    `config` has all settings, or some of them by name: the others follow from the sounds. Of several `ranks` only the
    first one has a place of the run.
    """

    training: CodecTraining
    config: CodecSettings | Mapping[str, Any]
    run_folder: RunFolder | None = None
    unfinished: Mapping[str, Any] | None = None
    ranks: Ranks = ALONE

    @property
    def model_path(self) -> Path:
        """The path that the codec is to be saved at, empty if unknown."""
        return Path() if self.run_folder is None else self.run_folder.model.resolve()
