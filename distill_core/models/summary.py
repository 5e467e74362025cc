"""The facts of a model file, for a card, a panel or a line in the terminal; they need no network."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from torch import Tensor

from distill_core.audio.geometry import Geometry
from distill_core.audio.spectrogram import SpectrogramConfig
from distill_core.files.archive import FileStamp
from distill_core.files.tensor_facts import TensorFacts
from distill_core.models import schema
from distill_core.models.architectures import NAMELESS, NAMELESS_CODEC, codec_name, codec_of, codec_words
from distill_core.models.metadata import LICENCE, MOST_LICENCE, NOTES
from distill_core.models.sounds_list import is_anonymous
from distill_core.models.value_reader import known_number
from distill_core.text import printable

# The codes under a prior's perplexity: 2 leaves padding out. Older files have no such mark.
MEASURE = 2
# A key of `training_config` that each Distill of ours has written into a codec's file, and the ancestor never.
OUR_MARK = "mean_frame_l1"


@dataclass(frozen=True, slots=True)
class ModelSummary:
    """The facts of a model file, read without building a network.

    `prior_architecture` is "" without a prior; `prior_is_readable` is False for a prior of a newer Distill;
    `prior_has_ends` tells whether it learned where sounds end, None if it cannot.
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
    prior_network: dict[str, int]
    prior_has_ends: bool | None
    prior_metadata: dict[str, Any] | None

    @property
    def has_prior(self) -> bool:
        """Whether the file holds a prior, readable or not."""
        return bool(self.prior_architecture)

    @property
    def opens_in_the_ancestor(self) -> bool:
        """Whether the program that the format comes from opens the file: its own codec, and its own prior or none."""
        return codec_name(self.vqvae_config) == NAMELESS_CODEC and self.prior_architecture in ("", NAMELESS)

    @property
    def comes_from_the_ancestor(self) -> bool:
        """Whether the program that the format comes from made the codec, and opens the file still."""
        return self.opens_in_the_ancestor and OUR_MARK not in self.training_config

    @property
    def notes(self) -> str:
        """The notes on the model, "" if the file has none."""
        notes = self.metadata.get(NOTES)
        return notes if isinstance(notes, str) else ""

    @property
    def licence(self) -> str:
        """The licence line of the model's owner, printable, "" if the file has none."""
        licence = self.training_config.get(LICENCE)
        return printable(licence.strip(), MOST_LICENCE) if isinstance(licence, str) else ""

    @property
    def is_anonymous(self) -> bool:
        """Whether the training of its prior, or that of its codec, left the names of its sounds out."""
        of_codec = is_anonymous(self.training_config, self.training_config)
        return of_codec or is_anonymous(self.prior_metadata, self.prior_config)

    @property
    def codebook_size(self) -> int:
        """Number of codes that a level can take."""
        return int(self.vqvae_config["codebook_size"])

    @property
    def num_quantizers(self) -> int:
        """Number of levels of residual quantization."""
        return int(self.vqvae_config["num_quantizers"])

    @property
    def geometry(self) -> Geometry:
        """The codec's division of sound."""
        return codec_of(self.vqvae_config).geometry(self.vqvae_config, self.spectrogram)

    @property
    def codec_words(self) -> str:
        """The name of the codec, and what it is."""
        return codec_words(self.vqvae_config)

    @property
    def positions_words(self) -> str:
        """The bands and the length of a step, and the codes that they make of a second of sound."""
        geometry, bands = self.geometry, "band" if self.geometry.bands == 1 else "bands"
        codes = geometry.codes_per_step / geometry.step_s
        step = f"{geometry.bands} {bands}, steps of {1000 * geometry.step_s:.0f} ms"
        return f"{step}: {codes:,.0f} codes a second"

    @property
    def has_mel(self) -> bool:
        """Whether the codec makes log-mels by the settings of `spectrogram`; another one has its sample rate alone."""
        return codec_of(self.vqvae_config).has_mel

    @property
    def best_perplexity(self) -> float | None:
        """The best validation perplexity in the saved prior's training, None if the file has none."""
        return known_number((self.prior_metadata or {}).get("best_perplexity"))

    @property
    def perplexity(self) -> float | None:
        """The validation perplexity of the file's weights, None if the file has none."""
        found = known_number((self.prior_metadata or {}).get("final_perplexity"))
        return self.best_perplexity if found is None else found

    @property
    def unigram_perplexity(self) -> float | None:
        """The perplexity of guessing by frequency, level by level, None if the file has none."""
        return unigram_of(self.prior_metadata or {})

    @property
    def counts_padding(self) -> bool:
        """Whether the perplexities include padding, as those of an older Distill: they compare with no others."""
        return self.has_prior and (self.prior_metadata or {}).get("measure") != MEASURE


def unigram_of(prior_metadata: Mapping[str, Any]) -> float | None:
    """Return the perplexity of guessing by frequency, level by level, None if a prior's facts have none.

    It follows from those of single levels: an older Distill also wrote one over pooled levels, which compares with
    none.
    """
    levels = prior_metadata.get("unigram_by_level")
    values = [known_number(value) for value in levels] if isinstance(levels, list) else []
    known = [value for value in values if value is not None and value > 0]
    if known and len(known) == len(values):
        return math.exp(fmean(map(math.log, known)))
    return known_number(prior_metadata.get("unigram_perplexity"))


def _parameter_count(state: Mapping[str, Any]) -> int:
    tensors = (value for value in state.values() if isinstance(value, Tensor | TensorFacts))
    return sum(tensor.numel() for tensor in tensors if tensor.dtype.is_floating_point)


def prior_facts(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the prior's fields of `ModelSummary`, for a dict that passed `check_header`."""
    architecture, prior_class = schema.prior_architecture(values), schema.readable_prior(values)
    facts: dict[str, Any] = {
        "prior_architecture": architecture,
        "prior_is_readable": prior_class is not None,
        "prior_parameters": 0,
        "prior_config": None,
        "prior_network": {},
        "prior_has_ends": None,
        "prior_metadata": None,
    }
    if architecture:
        config, state = values["prior_config"], values["prior_state_dict"]
        facts["prior_parameters"] = _parameter_count(state)
        facts["prior_config"] = dict(config) if prior_class is None else prior_class.complete_config(config, state)
        facts["prior_network"] = {} if prior_class is None else prior_class.network_facts(facts["prior_config"])
        facts["prior_has_ends"] = None if prior_class is None else prior_class.has_ends(facts["prior_config"])
        facts["prior_metadata"] = dict(values.get("prior_metadata") or {})
    return facts


def summarize(values: Mapping[str, Any], path: Path, stamp: FileStamp) -> ModelSummary:
    """Return the facts of a dict that passed `check_header`; its tensors need not be built."""
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
