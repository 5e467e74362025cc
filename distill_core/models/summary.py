"""The facts of a model file, for a card, a panel or a line in the terminal: no network is built for them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from torch import Tensor

from distill_core.audio.spectrogram import SpectrogramConfig
from distill_core.files.archive import FileStamp
from distill_core.files.tensor_facts import TensorFacts
from distill_core.models import schema
from distill_core.models.vqvae import grid_of

# Which codes a prior's perplexity is over: 2 leaves padding out. Files of before have no such mark.
MEASURE = 2
_LARGEST_FACT = 1e300


@dataclass(frozen=True, slots=True)
class ModelSummary:
    """The facts of a model file, read without building a network.

    `prior_architecture` is "" without a prior; `prior_is_readable` is False where a newer Distill made it.
    """

    path: Path
    stamp: FileStamp
    version: int
    name: str
    vqvae_config: dict[str, Any]
    spectrogram: SpectrogramConfig
    parameters: int
    metadata: dict[str, Any]
    training_config: dict[str, Any]
    codebook_health: dict[str, Any] | None
    loss_curve_history: dict[str, Any] | None
    prior_architecture: str
    prior_is_readable: bool
    prior_parameters: int
    prior_config: dict[str, Any] | None
    prior_metadata: dict[str, Any] | None

    @property
    def has_prior(self) -> bool:
        """Whether the file holds a prior, readable or not."""
        return bool(self.prior_architecture)

    @property
    def codebook_size(self) -> int:
        """Codes a level."""
        return int(self.vqvae_config["codebook_size"])

    @property
    def num_quantizers(self) -> int:
        """Levels of residual quantization."""
        return int(self.vqvae_config["num_quantizers"])

    @property
    def grid(self) -> tuple[int, int]:
        """(bands, steps) of positions in one second."""
        return grid_of(self.spectrogram.n_mels, self.spectrogram.chunk_frames)

    @property
    def codes_a_step(self) -> int:
        """Codes in one of the codec's steps."""
        return self.grid[0] * self.num_quantizers

    @property
    def seq_len(self) -> int:
        """Codes in one second."""
        return self.grid[1] * self.codes_a_step

    @property
    def best_perplexity(self) -> float | None:
        """The best validation perplexity of the saved prior's training, if the file tells."""
        return _number((self.prior_metadata or {}).get("best_perplexity"))

    @property
    def perplexity(self) -> float | None:
        """The validation perplexity of the weights that the file holds, if it tells."""
        found = _number((self.prior_metadata or {}).get("final_perplexity"))
        return self.best_perplexity if found is None else found

    @property
    def unigram_perplexity(self) -> float | None:
        """The perplexity of guessing by frequency, level by level, if the file tells."""
        return unigram_of(self.prior_metadata or {})

    @property
    def counts_padding(self) -> bool:
        """Whether the file's perplexities are over padding too, as an older Distill measured: not comparable."""
        return self.has_prior and (self.prior_metadata or {}).get("measure") != MEASURE


def _number(value: object) -> float | None:
    """Return a finite number, or None for whatever else a file's author may have put there."""
    if not isinstance(value, int | float) or isinstance(value, bool) or not abs(value) < _LARGEST_FACT:
        return None
    return float(value)


def unigram_of(prior_metadata: Mapping[str, Any]) -> float | None:
    """Return the perplexity of guessing by frequency, level by level, if a prior's facts tell.

    Those of an older Distill hold one that pools the levels, which compares with nothing: it follows from each level's.
    """
    levels = prior_metadata.get("unigram_by_level")
    values = [_number(value) for value in levels] if isinstance(levels, list) else []
    known = [value for value in values if value is not None and value > 0]
    if known and len(known) == len(values):
        return math.exp(fmean(map(math.log, known)))
    return _number(prior_metadata.get("unigram_perplexity"))


def _parameter_count(state: Mapping[str, Any]) -> int:
    tensors = (value for value in state.values() if isinstance(value, Tensor | TensorFacts))
    return sum(tensor.numel() for tensor in tensors if tensor.dtype.is_floating_point)


def prior_facts(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of `ModelSummary` that tell of the prior, for a dict that passed `check_header`."""
    architecture = schema.prior_architecture(values)
    facts: dict[str, Any] = {
        "prior_architecture": architecture,
        "prior_is_readable": architecture in schema.READABLE_PRIORS,
        "prior_parameters": 0,
        "prior_config": None,
        "prior_metadata": None,
    }
    if architecture:
        facts["prior_parameters"] = _parameter_count(values["prior_state_dict"])
        facts["prior_config"] = schema.complete_prior_config(values)
        facts["prior_metadata"] = dict(values.get("prior_metadata") or {})
    return facts


def summarize(values: Mapping[str, Any], path: Path, stamp: FileStamp) -> ModelSummary:
    """Return the facts of a dict that passed `check_header`; its tensors may be described only."""
    metadata = dict(values["metadata"])
    name = metadata.get("name")
    return ModelSummary(
        path=path,
        stamp=stamp,
        version=values["version"],
        name=name if isinstance(name, str) and name else path.stem,
        vqvae_config=dict(values["vqvae_config"]),
        spectrogram=SpectrogramConfig(**values["spectrogram_config"]),
        parameters=_parameter_count(values["model_state_dict"]),
        metadata=metadata,
        training_config=dict(values["training_config"]),
        codebook_health=values.get("codebook_health_snapshot"),
        loss_curve_history=values.get("loss_curve_history"),
        **prior_facts(values),
    )
