"""The measure of the prior in a model file on the held-out codes of the run that may replace it."""

from __future__ import annotations

import math

from torch import Tensor

from distill_core.audio.dataset import AudioDataset
from distill_core.events import ShouldStop
from distill_core.models.persistence import LoadedVQModel
from distill_core.training.data.split_codes import SplitCodes
from distill_core.training.prior.config import PriorConfig
from distill_core.training.prior.events import FilePrior, perplexity
from distill_core.training.prior.validation import heard_losses


def measure_file_prior(
    loaded: LoadedVQModel,
    dataset: AudioDataset,
    codes: SplitCodes,
    silence_WHQ: Tensor,
    config: PriorConfig,
    codec_digest: str,
    should_stop: ShouldStop,
) -> FilePrior | None:
    """Return the perplexity of the file's prior on the held-out codes, and whether it decides; None without a prior.

    It decides only if the prior cannot have learned from them: the file names the same codec, the same folder, and all
    of the held-out sounds as held out.

    Raises:
        Stopped: `should_stop()` turned true.
    """
    if not loaded.has_prior:
        return None
    sha256 = loaded.stamp.sha256
    if loaded.prior is None:
        return FilePrior(None, decides=False, sha256=sha256)
    loss = heard_losses(loaded.prior, codes.val, silence_WHQ, loaded.geometry.codes_per_second, should_stop).mean
    if not math.isfinite(loss):
        return FilePrior(None, decides=False, sha256=sha256)
    return FilePrior(perplexity(loss), _held_them_out(loaded, dataset, codes, config, codec_digest), sha256)


def _held_them_out(
    loaded: LoadedVQModel, dataset: AudioDataset, codes: SplitCodes, config: PriorConfig, codec_digest: str
) -> bool:
    facts, settings = loaded.prior_metadata or {}, loaded.prior_config or {}
    held_out = facts.get("validation_files")
    if not isinstance(held_out, list) or facts.get("dataset_name") != dataset.name:
        return False
    if codes.is_one_sound and settings.get("val_fraction") != config.val_fraction:
        return False  # another part of it was held out
    return facts.get("codec_digest") == codec_digest and {file.name for file in codes.val_files} <= {
        name for name in held_out if isinstance(name, str)
    }
