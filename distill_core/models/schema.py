"""The rules for the dict in a model file: kind, version, ranges, names, shapes and numbers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from distill_core.audio.geometry import Geometry
from distill_core.audio.spectrogram import SpectrogramConfig
from distill_core.errors import ModelFileError
from distill_core.files.refusals import damaged
from distill_core.files.tensor_facts import DTYPES, Shape, TensorFacts
from distill_core.models.architectures import CODECS, PRIORS, architecture_of, codec_name, codec_of
from distill_core.models.prior import Prior
from distill_core.models.value_reader import MAX_NAME, ValueReader

FORMAT, VERSION, MODEL_TYPE = "distill_model", 2, "vqvae"
OLDER_FORMAT = "sda_model"
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
# Both ends included. Without ranges, one absurd number would cost gigabytes or hang before a look at any weight.
SPECTROGRAM_RANGES = {"sample_rate": (8_000, 192_000), "n_fft": (64, 16_384), "hop_length": (16, 16_384)}
SPECTROGRAM_RANGES |= {"n_mels": (16, 512)}
CODEC_RANGES = {"codebook_size": (2, 65_536), "num_quantizers": (1, 32)}


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
        raise ModelFileError(f"“{name}” holds no codec, so no prior can be trained on it.", "Choose another model.")


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
    if highest - config["f_min"] < config["n_mels"]:  # bands without width would divide by zero
        raise reader.refuse("there is less than one hertz for each mel band between its f_min and its f_max")
    reader.number(config, "power", 0.1, 4.0)


def _check_codec_config(config: Mapping[str, Any], reader: ValueReader) -> None:
    if config.get("architecture") is not None:
        reader.short_text(config, "architecture")
    if (name := codec_name(config)) not in CODECS:
        raise _newer(reader.name, f"codec architecture “{name}”")
    reader.integers(config, CODEC_RANGES)
    codec_of(config).check_config(config, reader)


def _geometry(values: Mapping[str, Any]) -> Geometry:
    """Return the codec's division of sound, for a dict that passed `check_header`."""
    config = values["vqvae_config"]
    return codec_of(config).geometry(config, SpectrogramConfig(**values["spectrogram_config"]))


def check_header(values: Mapping[str, Any], name: str) -> None:
    """Check all but the tensors; `name` is the file's.

    Raises:
        ModelFileError: the first fault, in one sentence.
    """
    _check_kind(values, name)
    reader = ValueReader(name)
    _check_spectrogram(reader.mapping(values, "spectrogram_config"), reader)
    _check_codec_config(reader.mapping(values, "vqvae_config"), reader)
    for key in ("metadata", "training_config", "model_state_dict"):
        reader.mapping(values, key)
    for key in ("codebook_health_snapshot", "loss_curve_history"):
        if values.get(key) is not None:
            reader.mapping(values, key)
    if not isinstance(values.get("has_prior", False), bool):
        raise reader.refuse("its has_prior is neither yes nor no")
    if values.get("has_prior"):
        _check_prior_header(values, reader, _geometry(values))


def _check_prior_header(values: Mapping[str, Any], reader: ValueReader, geometry: Geometry | None) -> None:
    reader.mapping(values, "prior_state_dict")
    if "architecture" in reader.mapping(values, "prior_config"):
        reader.short_text(values["prior_config"], "architecture")
    if values.get("prior_metadata") is not None:
        reader.mapping(values, "prior_metadata")
    prior_class = readable_prior(values)
    if prior_class is None:
        return
    config = prior_class.complete_config(values["prior_config"], values["prior_state_dict"])
    levels = config.get("num_quantizers")
    if type(levels) is int and levels != values["vqvae_config"]["num_quantizers"]:
        raise reader.refuse("its prior was made for another number of levels")
    prior_class.check_config(config, reader, geometry)


def prior_architecture(values: Mapping[str, Any]) -> str:
    """Return the name of the prior's architecture, "" without a prior."""
    if not values.get("has_prior"):
        return ""
    return architecture_of(values["prior_config"])


def readable_prior(values: Mapping[str, Any]) -> type[Prior] | None:
    """Return the class of a file's prior, None without one, or with one of a newer Distill."""
    architecture = prior_architecture(values)
    return PRIORS[architecture].load() if architecture in PRIORS else None


def _check_plain_tensors(state: Mapping[str, Any], reader: ValueReader) -> None:
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
    """Tell whether least and greatest number are finite; NaN becomes both. Many times faster than a mask of all."""
    return not tensor.numel() or bool(torch.isfinite(torch.stack(torch.aminmax(tensor))).all())


def _check_finite(state: Mapping[str, Any], name: str) -> None:
    """Check that all numbers of all tensors are finite.

    Raises:
        ModelFileError: names the first tensor with another.
    """
    for key, tensor in state.items():
        if isinstance(tensor, Tensor) and tensor.is_floating_point() and not _is_finite(tensor):
            raise ValueReader(name).refuse(f"“{key[:MAX_NAME]}” holds values that are not numbers")


def _check_prior_numbers(values: Mapping[str, Any], name: str) -> None:
    state, prior_class = values["prior_state_dict"], readable_prior(values)
    _check_finite(state, name)
    if prior_class is not None:
        prior_class.check_numbers(state, ValueReader(name))


def check_prior_header(values: Mapping[str, Any], name: str) -> None:
    """Check the settings of the prior in a dict that need not be a whole model, but has its `vqvae_config`.

    Raises:
        ModelFileError: the first fault, in one sentence.
    """
    reader = ValueReader(name)
    _check_codec_config(reader.mapping(values, "vqvae_config"), reader)
    _check_prior_header(values, reader, None)


def check_prior_tensors(values: Mapping[str, Any], name: str) -> None:
    """Check the prior's weights in a dict that passed `check_prior_header`: names, shapes, types and numbers.

    Raises:
        ModelFileError: the first fault, in one sentence.
    """
    _check_prior_shapes(values, ValueReader(name))
    _check_prior_numbers(values, name)


def _check_prior_shapes(values: Mapping[str, Any], reader: ValueReader) -> None:
    _check_plain_tensors(values["prior_state_dict"], reader)
    if (prior_class := readable_prior(values)) is not None:
        config = prior_class.complete_config(values["prior_config"], values["prior_state_dict"])
        wanted = prior_class.shapes(config, values["vqvae_config"]["codebook_size"])
        _check_state(values["prior_state_dict"], wanted, reader)


def check_shapes(values: Mapping[str, Any], name: str) -> None:
    """Check all weights in a dict that passed `check_header`, built or not: names, shapes and types.

    Raises:
        ModelFileError: the first fault, in one sentence.
    """
    reader = ValueReader(name)
    _check_plain_tensors(values["model_state_dict"], reader)
    _check_state(values["model_state_dict"], codec_of(values["vqvae_config"]).shapes(values["vqvae_config"]), reader)
    if values.get("has_prior"):
        _check_prior_shapes(values, reader)


def check_numbers(values: Mapping[str, Any], name: str) -> None:
    """Check that all weights of a dict that passed `check_shapes` are finite and accepted by their codec and prior.

    Tensors under unknown keys may hold any number: they are kept as they are, and nothing is computed from them.

    Raises:
        ModelFileError: the first fault, in one sentence.
    """
    state = values["model_state_dict"]
    _check_finite(state, name)
    codec_of(values["vqvae_config"]).check_numbers(state, ValueReader(name))
    if values.get("has_prior"):
        _check_prior_numbers(values, name)
