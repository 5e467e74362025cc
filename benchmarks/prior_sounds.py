"""The sounds that `bench prior` trains on, and what the product would choose for them."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from distill_core.audio.dataset import AudioDataset, scan
from distill_core.audio.variants import total_steps
from distill_core.models.persistence import LoadedVQModel, load_model_v2
from distill_core.models.prior import Layout
from distill_core.training.data.codes import encode_and_split
from distill_core.training.data.sound_codes import SoundCodes
from distill_core.training.data.split_codes import SplitCodes
from distill_core.training.prior.config import PriorConfig, prior_config_for
from distill_core.training.prior.number_format import number_format
from distill_core.training.settings import val_fraction_for


@dataclass(frozen=True)
class Sounds:
    """The model, the folder that was scanned, and the number format that the product measured here."""

    loaded: LoadedVQModel
    dataset: AudioDataset
    number_format: str

    def settings(self, hidden: int, layers: int, seed: int) -> PriorConfig:
        """Return the product's settings of a `frames` prior for a network of this size and these sounds."""
        heads = next(heads for heads in range(max(4, hidden // 64), 0, -1) if hidden % (2 * heads) == 0)
        sizes = {"hidden_size": hidden, "num_layers": layers, "num_heads": heads}
        files, loaded = self.dataset.files, self.loaded
        code_count = total_steps(files, loaded.geometry) * loaded.geometry.codes_per_step
        chosen = {"seed": seed, "val_fraction": val_fraction_for(len(files)), "precision": self.number_format}
        return prior_config_for(code_count, **sizes, **chosen)

    def codes(self, layout: Layout, config: PriorConfig) -> SplitCodes:
        """Encode the sounds, split by file, the training sounds in variants too."""
        given = (self.loaded, self.dataset, config.val_fraction, config.seed)
        return encode_and_split(*given, layout=layout, variants=config.variants)

    def context_steps(self, split: SplitCodes, config: PriorConfig) -> int:
        """Return how many steps the product looks back over in rows: no more than the longest training sound has."""
        longest = max(self.loaded.geometry.chunk_steps, *(sound.steps for sound in split.train))
        return min(longest, self.loaded.geometry.steps_within(config.context_s))


def read_sounds(options: argparse.Namespace) -> Sounds:
    """Open the model, scan the sounds, and find the number format as the product does."""
    found = number_format("auto", torch.device("cpu"))
    return Sounds(load_model_v2(options.model, "cpu"), scan(options.sounds), found)


def padding_share(sounds: Sequence[SoundCodes]) -> float:
    """Return the share of codes that only fill a sound's last second."""
    return 1 - sum(sound.count for sound in sounds) / sum(sound.codes_WHQ.numel() for sound in sounds)
