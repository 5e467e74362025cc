"""What the dict in a `.distill` file must be: kind, version, ranges, names, shapes and numbers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from distill_core.audio.spectrogram import SpectrogramConfig
from distill_core.errors import ModelFileError
from distill_core.files.refusals import damaged
from distill_core.files.tensor_facts import DTYPES, Shape, TensorFacts
from distill_core.models import flat, frames
from distill_core.models.architectures import PRIOR_CLASSES, architecture_of
from distill_core.models.value_reader import MAX_NAME, ValueReader
from distill_core.models.vqvae import ConvVQVAE, grid_of

FORMAT, VERSION, MODEL_TYPE = "distill_model", 2, "vqvae"
OLDER_FORMAT = "sda_model"
READABLE_PRIORS = tuple(PRIOR_CLASSES)
METADATA_DEFAULTS: dict[str, Any] = {
    "model_id": "",
    "name": "",
    "description": "",
    "dataset_name": "",
    "dataset_file_count": 0,
    "dataset_total_duration_s": 0.0,
    "training_date": "",
    "save_date": "",
    "training_epochs": 0,
    "final_train_loss": 0.0,
    "final_val_loss": 0.0,
    "tags": [],
    "has_analysis": False,
    "n_active_components": 0,
}
_DTYPES = frozenset(DTYPES.values())
SPECTROGRAM_KEYS = tuple(SpectrogramConfig.__dataclass_fields__)
# Inclusive. A single absurd number would otherwise cost gigabytes or hang before any weight is looked at.
SPECTROGRAM_RANGES = {"sample_rate": (8_000, 192_000), "n_fft": (64, 16_384), "hop_length": (16, 16_384)}
SPECTROGRAM_RANGES |= {"n_mels": (16, 512)}
VQVAE_RANGES = {"codebook_dim": (1, 1024), "codebook_size": (2, 65_536), "num_quantizers": (1, 32)}
PRIOR_RANGES = {"hidden_size": (16, 4096), "num_layers": (1, 64), "num_heads": (1, 4096)}
MAX_BANDS = 32
_MASK_ROWS = 1024  # 16 MB of the longest
_NEVER_NEGATIVE = (".running_var", ".cluster_size")
LONGEST_SEQUENCE = 16_384
PRIOR_RANGES |= {"seq_len": (1, LONGEST_SEQUENCE), "num_quantizers": (1, 32)}


def _check_kind(values: Mapping[str, Any], name: str) -> None:
    kind, version = values.get("format"), values.get("version")
    if kind == OLDER_FORMAT or (kind == FORMAT and type(version) is int and version < VERSION):
        raise ModelFileError(
            f"“{name}” holds an older kind of model, without prior support, so no prior can be trained on it.",
            "Train a new model from its sounds: distill train SOUNDS -o MODEL.distill",
        )
    if kind != FORMAT or type(version) is not int:
        raise damaged(name, "its kind or its version is missing")
    if version > VERSION:
        raise _newer(name, f"format {version}; this one reads up to {VERSION}")
    if values.get("model_type") != MODEL_TYPE:
        raise ModelFileError(f"“{name}” holds no VQ-VAE, so no prior can be trained on it.", "Choose another model.")


def _newer(name: str, what: str) -> ModelFileError:
    return ModelFileError(f"“{name}” was made by a newer Distill ({what}).", "Please update Distill.")


def _check_spectrogram(config: Mapping[str, Any], reader: ValueReader) -> None:
    if set(config) != set(SPECTROGRAM_KEYS):
        raise reader.refuse("its spectrogram settings are not the seven of the format")
    reader.integers(config, SPECTROGRAM_RANGES)
    if config["hop_length"] > config["n_fft"]:
        raise reader.refuse("its hop_length is larger than its n_fft")
    if config["n_fft"] // 2 >= config["sample_rate"]:
        raise reader.refuse("its n_fft is too long for one second of sound")
    nyquist = config["sample_rate"] / 2
    reader.number(config, "f_min", 0.0, nyquist)
    if config["f_max"] is not None:
        reader.number(config, "f_max", 0.0, nyquist)
    highest = nyquist if config["f_max"] is None else config["f_max"]
    if highest - config["f_min"] < config["n_mels"]:  # bands of no width divide by it
        raise reader.refuse("there is less than one hertz for each mel band between its f_min and its f_max")
    reader.number(config, "power", 0.1, 4.0)


def _check_vqvae_config(config: Mapping[str, Any], reader: ValueReader) -> None:
    if config.get("architecture") is not None:
        raise _newer(reader.name, f"codec architecture “{reader.short_text(config, 'architecture')}”")
    reader.integers(config, VQVAE_RANGES)
    reader.number(config, "decay", 0.0, 1.0)
    reader.number(config, "commitment_weight", 0.0, 1e6)
    reader.number(config, "threshold_ema_dead_code", 0.0, 1e9)
    reader.number(config, "dropout", 0.0, 0.999)


def check_header(values: Mapping[str, Any], name: str) -> None:
    """Check everything but the tensors.

    Raises:
        ModelFileError: what is wrong, in one sentence; `name` is the file's.
    """
    _check_kind(values, name)
    reader = ValueReader(name)
    _check_spectrogram(reader.mapping(values, "spectrogram_config"), reader)
    _check_vqvae_config(reader.mapping(values, "vqvae_config"), reader)
    for key in ("metadata", "training_config", "model_state_dict"):
        reader.mapping(values, key)
    for key in ("codebook_health_snapshot", "loss_curve_history"):
        if values.get(key) is not None:
            reader.mapping(values, key)
    if not isinstance(values.get("has_prior", False), bool):
        raise reader.refuse("its has_prior is neither yes nor no")
    if values.get("has_prior"):
        _check_prior_header(values, reader)
        _check_bands(values, reader)


def _check_bands(values: Mapping[str, Any], reader: ValueReader) -> None:
    """Check that a prior that puts bands after one another knows as many as the spectrogram has."""
    if prior_architecture(values) == frames.ARCHITECTURE:
        spectrogram = SpectrogramConfig(**values["spectrogram_config"])
        bands, _ = grid_of(spectrogram.n_mels, spectrogram.chunk_frames)
        if values["prior_config"]["grid"][0] != bands:
            raise reader.refuse("its prior was made for another number of bands")


def _check_prior_header(values: Mapping[str, Any], reader: ValueReader) -> None:
    reader.mapping(values, "prior_state_dict")
    if "architecture" in reader.mapping(values, "prior_config"):
        reader.short_text(values["prior_config"], "architecture")
    if values.get("prior_metadata") is not None:
        reader.mapping(values, "prior_metadata")
    if prior_architecture(values) not in READABLE_PRIORS:
        return
    config = complete_prior_config(values)
    reader.integers(config, PRIOR_RANGES)
    if "dropout" in config:  # reading needs none, so the ancestor's readers do without
        reader.number(config, "dropout", 0.0, 0.999)
    if config["hidden_size"] % config["num_heads"] or config["seq_len"] % config["num_quantizers"]:
        raise reader.refuse("its prior's sizes do not divide")
    if config["num_quantizers"] != values["vqvae_config"]["num_quantizers"]:
        raise reader.refuse("its prior was made for another number of levels")
    if prior_architecture(values) == frames.ARCHITECTURE:
        _check_grid(config, reader)


def _check_grid(config: Mapping[str, Any], reader: ValueReader) -> None:
    grid = config.get("grid")
    if not isinstance(grid, list) or len(grid) != 2 or not all(type(side) is int and side > 0 for side in grid):
        raise reader.refuse("its prior's grid is not two whole numbers")
    if grid[0] * grid[1] * config["num_quantizers"] != config["seq_len"] or grid[0] > MAX_BANDS:
        raise reader.refuse("its prior's grid does not fit its length")
    if config["hidden_size"] // config["num_heads"] % 2:
        raise reader.refuse("its prior's heads have an odd width")


def prior_architecture(values: Mapping[str, Any]) -> str:
    """Return the name of the prior's architecture, "" where the file has no prior."""
    if not values.get("has_prior"):
        return ""
    return architecture_of(values["prior_config"])


def complete_prior_config(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the prior's settings; two that the ancestor left out follow from the tensors' shapes."""
    config = dict(values["prior_config"])
    for key, tensor_name in (("seq_len", "pos_emb.weight"), ("num_quantizers", "level_emb.weight")):
        tensor = values["prior_state_dict"].get(tensor_name)
        if key not in config and isinstance(tensor, Tensor | TensorFacts) and len(tensor.shape) == 2:
            config[key] = tensor.shape[0]
    return config


def check_seq_len(seq_len: int, name: str) -> None:
    """Check that a prior of that length could be saved and opened again.

    Raises:
        ModelFileError: it is too long.
    """
    if seq_len > LONGEST_SEQUENCE:
        raise ModelFileError(
            f"“{name}” has {seq_len} codes a second; a flat prior can learn at most {LONGEST_SEQUENCE}.",
            "Choose the architecture frames, or a model with fewer levels.",
        )


def _check_plain(state: Mapping[str, Any], reader: ValueReader) -> None:
    for key, tensor in state.items():
        is_plain = isinstance(tensor, TensorFacts) or (isinstance(tensor, Tensor) and tensor.layout == torch.strided)
        if not is_plain or tensor.dtype not in _DTYPES:
            raise reader.refuse(f"“{key[:MAX_NAME]}” is not a plain tensor")


def _check_state(state: Mapping[str, Any], wanted: Mapping[str, Shape], reader: ValueReader) -> None:
    if set(state) != set(wanted):
        raise reader.refuse("its weights are not those that its settings describe")
    for key, tensor in state.items():
        if (tuple(tensor.shape), tensor.dtype) != wanted[key]:
            raise reader.refuse(f"“{key[:MAX_NAME]}” has another shape or type than its settings describe")


def _is_finite(tensor: Tensor) -> bool:
    """Look at the least and the greatest number, which NaN takes over: many times faster than a mask of all."""
    return not tensor.numel() or bool(torch.isfinite(torch.stack(torch.aminmax(tensor))).all())


def _check_finite(state: Mapping[str, Any], name: str) -> None:
    """Check that every number of every tensor is finite.

    Raises:
        ModelFileError: names the first tensor that is not.
    """
    for key, tensor in state.items():
        if isinstance(tensor, Tensor) and tensor.is_floating_point() and not _is_finite(tensor):
            raise ValueReader(name).refuse(f"“{key[:MAX_NAME]}” holds values that are not numbers")


def check_mask(mask: Tensor, name: str) -> None:
    """Check that a `causal_mask` hides what comes later from each place, and nothing else; a block of rows at a time.

    Raises:
        ModelFileError: it does not.
    """
    columns = torch.arange(len(mask))
    for rows in columns.split(_MASK_ROWS):
        if not torch.equal(mask[rows[0] : rows[-1] + 1], columns > rows[:, None]):
            raise ValueReader(name).refuse("“causal_mask” is not causal")


def _check_prior_numbers(values: Mapping[str, Any], name: str) -> None:
    state = values["prior_state_dict"]
    _check_finite(state, name)
    if prior_architecture(values) == flat.ARCHITECTURE and isinstance(state["causal_mask"], Tensor):
        check_mask(state["causal_mask"], name)


def check_prior_header(values: Mapping[str, Any], name: str) -> None:
    """Check the settings of the prior in a dict that need not be a whole model, but has its `vqvae_config`.

    Raises:
        ModelFileError: what is wrong, in one sentence.
    """
    reader = ValueReader(name)
    _check_vqvae_config(reader.mapping(values, "vqvae_config"), reader)
    _check_prior_header(values, reader)


def check_prior_tensors(values: Mapping[str, Any], name: str) -> None:
    """Check names, shapes, types and finiteness of the prior's weights, after `check_prior_header`.

    Raises:
        ModelFileError: what is wrong, in one sentence.
    """
    _check_prior_shapes(values, ValueReader(name))
    _check_prior_numbers(values, name)


def _check_prior_shapes(values: Mapping[str, Any], reader: ValueReader) -> None:
    _check_plain(values["prior_state_dict"], reader)
    architecture = prior_architecture(values)
    if architecture in PRIOR_CLASSES:
        config, size = complete_prior_config(values), values["vqvae_config"]["codebook_size"]
        _check_state(values["prior_state_dict"], PRIOR_CLASSES[architecture].shapes(config, size), reader)


def check_shapes(values: Mapping[str, Any], name: str) -> None:
    """Check names, shapes and types of all weights, built or only described, of a dict that passed `check_header`.

    Raises:
        ModelFileError: what is wrong, in one sentence.
    """
    reader = ValueReader(name)
    _check_plain(values["model_state_dict"], reader)
    _check_state(values["model_state_dict"], ConvVQVAE.shapes(values["vqvae_config"]), reader)
    if values.get("has_prior"):
        _check_prior_shapes(values, reader)


def check_numbers(values: Mapping[str, Any], name: str) -> None:
    """Check that all weights of a dict that passed `check_shapes` are ones that a training can leave behind.

    They are finite, the codebooks were trained, no variance is negative, and a mask is causal.

    Tensors under unknown keys may hold anything: they are kept as they are, and nothing is computed from them.

    Raises:
        ModelFileError: what is wrong, in one sentence.
    """
    state = values["model_state_dict"]
    _check_finite(state, name)
    if not all(bool(tensor) for key, tensor in state.items() if key.endswith("._codebook.initted")):
        raise ValueReader(name).refuse("its codebooks were never trained")
    for key, tensor in state.items():
        if key.endswith(_NEVER_NEGATIVE) and tensor.numel() and bool(tensor.min() < 0):
            raise ValueReader(name).refuse(f"“{key[:MAX_NAME]}” holds values below zero")
    if values.get("has_prior"):
        _check_prior_numbers(values, name)
