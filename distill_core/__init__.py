"""Distill's engine: sounds to codes, codes to a prior, a prior into a model file.

Names are imported on first use, so that `import distill_core` does not load torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

import distill_core.device  # noqa: F401 - sets OMP_WAIT_POLICY before anything imports torch

if TYPE_CHECKING:
    from distill_core.audio.dataset import AudioDataset, scan
    from distill_core.errors import (
        ChangedOnDiskError,
        ConfigError,
        DatasetError,
        DistillError,
        ModelFileError,
        NotEnoughMemoryError,
        ReadOnlyError,
        SaveError,
        TrainingError,
    )
    from distill_core.files.save_check import check_can_save
    from distill_core.generation.generate import generate, generate_takes
    from distill_core.generation.request import GenerateRequest, Sample
    from distill_core.generation.sampling import sample_codes
    from distill_core.generation.settings import SamplingSettings
    from distill_core.models.flat import CodePrior
    from distill_core.models.persistence import (
        LoadedVQModel,
        load_model_v2,
        read_summary,
        save_metadata,
        save_model_v2,
        save_prior_to_model,
    )
    from distill_core.models.previous_version import read_previous_version, restore_previous_version
    from distill_core.models.prior import flatten_codes, unflatten_codes
    from distill_core.models.summary import ModelSummary
    from distill_core.models.vqvae import ConvVQVAE
    from distill_core.training.data.codes import extract_code_sequences
    from distill_core.training.prior.config import PriorConfig, get_adaptive_prior_config, prior_config_for
    from distill_core.training.prior.epoch import train_prior_epoch
    from distill_core.training.prior.events import (
        PriorEpochMetrics,
        PriorStepMetrics,
        PriorTrainingCompleteEvent,
        PriorTrainingStartEvent,
    )
    from distill_core.training.prior.memorization import check_memorization
    from distill_core.training.prior.train import train_prior
    from distill_core.training.prior.trained import TrainedPrior
    from distill_core.training.prior.validation import validate_prior_epoch

_HOMES = {
    "audio.dataset": ("AudioDataset", "scan"),
    "errors": (
        "ChangedOnDiskError",
        "ConfigError",
        "DatasetError",
        "DistillError",
        "ModelFileError",
        "NotEnoughMemoryError",
        "ReadOnlyError",
        "SaveError",
        "TrainingError",
    ),
    "generation.generate": ("generate", "generate_takes"),
    "generation.request": ("GenerateRequest", "Sample"),
    "generation.sampling": ("sample_codes",),
    "generation.settings": ("SamplingSettings",),
    "models.persistence": (
        "LoadedVQModel",
        "load_model_v2",
        "read_summary",
        "save_metadata",
        "save_model_v2",
        "save_prior_to_model",
    ),
    "models.previous_version": ("read_previous_version", "restore_previous_version"),
    "files.save_check": ("check_can_save",),
    "models.flat": ("CodePrior",),
    "models.prior": ("flatten_codes", "unflatten_codes"),
    "models.summary": ("ModelSummary",),
    "models.vqvae": ("ConvVQVAE",),
    "training.data.codes": ("extract_code_sequences",),
    "training.prior.memorization": ("check_memorization",),
    "training.prior.events": (
        "PriorEpochMetrics",
        "PriorStepMetrics",
        "PriorTrainingCompleteEvent",
        "PriorTrainingStartEvent",
    ),
    "training.prior.config": ("PriorConfig", "get_adaptive_prior_config", "prior_config_for"),
    "training.prior.epoch": ("train_prior_epoch",),
    "training.prior.validation": ("validate_prior_epoch",),
    "training.prior.train": ("train_prior",),
    "training.prior.trained": ("TrainedPrior",),
}
_HOME_OF = {name: module for module, names in _HOMES.items() for name in names}

__all__ = [
    "AudioDataset",
    "ChangedOnDiskError",
    "CodePrior",
    "ConfigError",
    "ConvVQVAE",
    "DatasetError",
    "DistillError",
    "GenerateRequest",
    "LoadedVQModel",
    "ModelFileError",
    "ModelSummary",
    "NotEnoughMemoryError",
    "PriorConfig",
    "PriorEpochMetrics",
    "PriorStepMetrics",
    "PriorTrainingCompleteEvent",
    "PriorTrainingStartEvent",
    "ReadOnlyError",
    "Sample",
    "SamplingSettings",
    "SaveError",
    "TrainedPrior",
    "TrainingError",
    "check_can_save",
    "check_memorization",
    "extract_code_sequences",
    "flatten_codes",
    "generate",
    "generate_takes",
    "get_adaptive_prior_config",
    "load_model_v2",
    "prior_config_for",
    "read_previous_version",
    "read_summary",
    "restore_previous_version",
    "sample_codes",
    "save_metadata",
    "save_model_v2",
    "save_prior_to_model",
    "scan",
    "train_prior",
    "train_prior_epoch",
    "unflatten_codes",
    "validate_prior_epoch",
]


def __getattr__(name: str) -> object:
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOME_OF[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
