"""The sole owner of `.distill` files: read the facts, load the models, save a model, save a prior into one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, is_dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import torch
from torch import Tensor

from distill_core.audio.spectrogram import AudioSpectrogram, SpectrogramConfig
from distill_core.errors import ModelFileError, SaveError
from distill_core.models import prior as flat
from distill_core.models import schema
from distill_core.models.architectures import PRIOR_CLASSES, Prior
from distill_core.models.archive import FileStamp, read_archive, read_facts
from distill_core.models.archive_writer import keep_backup, write_archive
from distill_core.models.tensor_facts import TensorFacts
from distill_core.models.vqvae import ConvVQVAE, grid_of


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
    def seq_len(self) -> int:
        """Codes in one second."""
        bands, steps = self.grid
        return bands * steps * self.num_quantizers

    @property
    def best_perplexity(self) -> float | None:
        """The saved prior's best validation perplexity, if the file tells."""
        value = (self.prior_metadata or {}).get("best_perplexity")
        return float(value) if isinstance(value, int | float) else None


@dataclass(frozen=True, slots=True)
class LoadedVQModel:
    """A model file's networks in eval mode; `prior` is None without one or when a newer Distill made it."""

    path: Path
    stamp: FileStamp
    model: ConvVQVAE
    spectrogram: AudioSpectrogram
    metadata: dict[str, Any]
    vqvae_config: dict[str, Any]
    prior: Prior | None
    prior_config: dict[str, Any] | None
    prior_metadata: dict[str, Any] | None

    @property
    def grid(self) -> tuple[int, int]:
        """(bands, steps) of positions in one second."""
        return grid_of(self.spectrogram.config.n_mels, self.spectrogram.config.chunk_frames)

    @property
    def seq_len(self) -> int:
        """Codes in one second."""
        bands, steps = self.grid
        return bands * steps * self.model.num_quantizers


def _parameter_count(state: Mapping[str, Any]) -> int:
    tensors = (value for value in state.values() if isinstance(value, Tensor | TensorFacts))
    return sum(tensor.numel() for tensor in tensors if tensor.dtype.is_floating_point)


def _prior_facts(values: Mapping[str, Any]) -> dict[str, Any]:
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


def read_summary(path: str | Path) -> ModelSummary:
    """Return the facts of a model file, in milliseconds: its tensors are not read, and their checksums not compared.

    Raises:
        ModelFileError: the file cannot be opened; says why.
    """
    path = Path(path)
    values, stamp = read_facts(path)
    schema.check_header(values, path.name)
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
        **_prior_facts(values),
    )


def _check_facts(values: Mapping[str, Any], name: str) -> None:
    schema.check_header(values, name)
    schema.check_shapes(values, name)


def _read_checked(path: Path) -> tuple[dict[str, Any], FileStamp]:
    values, stamp = read_archive(path, _check_facts)
    schema.check_numbers(values, path.name)
    return values, stamp


def load_model_v2(path: str | Path, device: str | torch.device = "cpu") -> LoadedVQModel:
    """Build a file's VQ-VAE and its prior in eval mode on a device.

    Raises:
        ModelFileError: the file cannot be opened; says why.
    """
    path = Path(path)
    values, stamp = _read_checked(path)
    vqvae_config, facts = dict(values["vqvae_config"]), _prior_facts(values)
    model = ConvVQVAE.from_state(vqvae_config, dict(values["model_state_dict"]))
    prior = None
    if facts["prior_is_readable"]:
        state = dict(values["prior_state_dict"])  # a plain one, without the stranger's `_metadata`
        prior_class = PRIOR_CLASSES[facts["prior_architecture"]]
        prior = prior_class.from_state(facts["prior_config"], model.codebook_size, state).to(device)
    return LoadedVQModel(
        path=path,
        stamp=stamp,
        model=model.to(device),
        spectrogram=AudioSpectrogram(SpectrogramConfig(**values["spectrogram_config"]), device),
        metadata=dict(values["metadata"]),
        vqvae_config=vqvae_config,
        prior=prior,
        prior_config=facts["prior_config"],
        prior_metadata=facts["prior_metadata"],
    )


def _to_dict(settings: Any) -> dict[str, Any]:
    return asdict(settings) if is_dataclass(settings) and not isinstance(settings, type) else dict(settings)


def _plain_state(module: torch.nn.Module) -> dict[str, Tensor]:
    """Return weights that own their storage: a view would drag all of it into the file."""
    return {key: value.detach().cpu().contiguous().clone() for key, value in module.state_dict().items()}


def _write_checked(path: Path, values: dict[str, Any]) -> Path:
    """Write nothing that the loader would refuse."""
    try:
        schema.check_header(values, path.name)
        schema.check_tensors(values, path.name)
    except ModelFileError as error:
        raise SaveError(f"Nothing was saved: {error.message}", error.hint) from error
    return write_archive(path, values)


def now_utc() -> str:
    """Return this moment as ISO 8601 in UTC, the format's way of telling dates."""
    return datetime.now(UTC).isoformat()


def save_model_v2(
    path: str | Path,
    model: ConvVQVAE,
    *,
    spectrogram_config: SpectrogramConfig | Mapping[str, Any],
    vqvae_config: Any,
    training_config: Any,
    metadata: Mapping[str, Any],
    codebook_health: Mapping[str, Any] | None = None,
    loss_curve_history: Mapping[str, Any] | None = None,
) -> Path:
    """Write a new model file and return its real path.

    `metadata` may leave names out, which get defaults; an unknown one is a `ValueError`, for the ancestor fails on it.

    Raises:
        SaveError: it could not be written, or would not open again; what was at `path` is unchanged.
    """
    path = Path(path)
    if unknown := set(metadata) - set(schema.METADATA_DEFAULTS):
        raise ValueError(f"the format has no metadata called {', '.join(sorted(unknown))}")
    defaults = schema.METADATA_DEFAULTS | {"model_id": str(uuid4()), "name": path.stem, "save_date": now_utc()}
    values: dict[str, Any] = {
        "format": schema.FORMAT,
        "version": schema.VERSION,
        "model_type": schema.MODEL_TYPE,
        "model_state_dict": _plain_state(model),
        "vqvae_config": _to_dict(vqvae_config),
        "spectrogram_config": _to_dict(spectrogram_config),
        "training_config": _to_dict(training_config),
        "codebook_health_snapshot": None if codebook_health is None else dict(codebook_health),
        "loss_curve_history": None if loss_curve_history is None else dict(loss_curve_history),
        "metadata": defaults | dict(metadata),
        "has_prior": False,
    }
    return _write_checked(path, values)


def save_prior_to_model(
    model_path: str | Path,
    prior_model: Prior,
    prior_config: Any,
    prior_metadata: Mapping[str, Any],
    *,
    output: str | Path | None = None,
    expected: FileStamp | None = None,
) -> Path:
    """Put a prior into a model file, or into a copy of it at `output`, and return the real path written.

    The first prior that the ancestor cannot open keeps the file as it was as `MODEL.bak`.
    Every other key and tensor stays as it is. The sizes in the saved settings are the prior's own.

    Raises:
        ModelFileError: the model file cannot be opened.
        SaveError: it changed since `expected`, or could not be written; it is unchanged then.
    """
    model_path = Path(model_path)
    values, stamp = _read_checked(model_path)
    if expected is not None and expected.sha256 != stamp.sha256:
        raise SaveError(
            f"“{model_path.name}” was changed by another program since it was opened; nothing was overwritten.",
            "Save a copy, or open it again.",
        )
    previous = schema.prior_architecture(values)
    values |= {
        "has_prior": True,
        "prior_state_dict": _plain_state(prior_model),
        "prior_config": _to_dict(prior_config) | prior_model.sizes(),
        "prior_metadata": dict(prior_metadata),
    }
    if output is None and ends_opening_in_the_ancestor(previous, prior_model.architecture):
        keep_backup(model_path)
    return _write_checked(Path(output) if output is not None else model_path, values)


def ends_opening_in_the_ancestor(previous: str, new: str) -> bool:
    """Tell whether a file with the previous prior's architecture ("" for none) opens there, but not with the new."""
    return previous in ("", flat.ARCHITECTURE) and new != flat.ARCHITECTURE
