"""The sole owner of `.distill` files: read the facts, load the models, save a model, save a prior into one."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, is_dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

import torch
from torch import Tensor

from distill_core.audio.spectrogram import AudioSpectrogram, SpectrogramConfig
from distill_core.errors import DistillError, ModelFileError
from distill_core.files.archive import FileStamp, Opened, open_archive, read_archive, read_facts
from distill_core.files.archive_writer import clean_up, saving_into, write_archive
from distill_core.files.backup import backup_of, swap_with_backup
from distill_core.files.replacing import real_path
from distill_core.files.save_errors import changed_error, other_codec_error, shown, swap_error
from distill_core.memory import memory_in_words
from distill_core.models import flat, schema
from distill_core.models.architectures import PRIOR_CLASSES, Prior
from distill_core.models.summary import ModelSummary, prior_facts, summarize
from distill_core.models.vqvae import ConvVQVAE, codec_digest, grid_of

_PRIOR_KEYS = ("has_prior", "prior_state_dict", "prior_config", "prior_metadata")
_WEIGHT_KEYS = ("model_state_dict", "prior_state_dict")


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
    def has_prior(self) -> bool:
        """Whether the file holds a prior, readable or not."""
        return self.prior_config is not None

    @property
    def grid(self) -> tuple[int, int]:
        """(bands, steps) of positions in one second."""
        return grid_of(self.spectrogram.config.n_mels, self.spectrogram.config.chunk_frames)

    @property
    def codes_a_step(self) -> int:
        """Codes in one of the codec's steps."""
        return self.grid[0] * self.model.num_quantizers

    @property
    def seq_len(self) -> int:
        """Codes in one second."""
        return self.grid[1] * self.codes_a_step


def _check_facts(values: Mapping[str, Any], name: str) -> None:
    schema.check_header(values, name)
    schema.check_shapes(values, name)


def read_summary(path: str | Path) -> ModelSummary:
    """Return the facts of a model file, in milliseconds: its tensors are not read, and their checksums not compared.

    Raises:
        ModelFileError: the file cannot be opened; says why.
        NotEnoughMemoryError: nothing is wrong with it that was seen.
    """
    path = Path(path)
    with memory_in_words(f"open “{path.name}”"):
        clean_up(path)
        with _naming_version_before(path):
            return _read_summary(path)


def _read_summary(path: Path) -> ModelSummary:
    values, stamp = read_facts(path)
    _check_facts(values, path.name)
    return summarize(values, path, stamp)


@contextmanager
def _naming_version_before(path: Path) -> Iterator[None]:
    """Add to a refusal's hint that there is a version before that opens, if `restore_previous_version` could use it."""
    try:
        yield
    except ModelFileError as error:
        with suppress(DistillError):
            if has_previous_version(path):
                backup = backup_of(real_path(path))
                _read_summary(backup)
                error.hint += f" {shown(backup)} holds the version before: distill restore {shown(path)}"
        raise


def _read_checked(path: Path) -> tuple[dict[str, Any], FileStamp]:
    """Read and check all of a file, and build the weights alone: nothing else is ever computed with."""
    values, stamp = read_archive(path, _check_facts, build=_WEIGHT_KEYS)
    schema.check_numbers(values, path.name)
    return values, stamp


def _read_mapped(path: Path, build: Collection[str] | None = None) -> tuple[dict[str, Any], FileStamp]:
    """Read as the loader does, but leave the tensors in the file, which has to be this save's own.

    A process that touches a mapped file after another program has cut it short is ended by the system. Where nothing
    can be mapped, tensors under the keys in `build` (None: all) are built.
    """
    values, stamp = read_archive(path, _check_facts, mapped=True, build=build)
    schema.check_numbers(values, path.name)
    return values, stamp


def read_codec_digest(path: str | Path) -> str:
    """Return the digest of a file's VQ-VAE, whose weights alone are read: what it is, whatever the file is called.

    Raises:
        ModelFileError: the file cannot be opened; says why.
    """
    values, _ = read_archive(Path(path), _check_facts, build=("model_state_dict",))
    return codec_digest(values["model_state_dict"])


def load_model_v2(path: str | Path, device: str | torch.device = "cpu") -> LoadedVQModel:
    """Build a file's VQ-VAE and its prior in eval mode on a device.

    Raises:
        ModelFileError: the file cannot be opened; says why.
        NotEnoughMemoryError: nothing is wrong with it that was seen.
    """
    path = Path(path)
    with memory_in_words(f"open “{path.name}”"):
        return _load(path, device)


def _load(path: Path, device: str | torch.device) -> LoadedVQModel:
    clean_up(path)
    with _naming_version_before(path):
        values, stamp = _read_checked(path)
    vqvae_config, facts = dict(values["vqvae_config"]), prior_facts(values)
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


def _settings_of(prior: Prior, settings: Any) -> dict[str, Any]:
    """Return the settings with the prior's own sizes and architecture; what names none stays so, which means `flat`."""
    values = _to_dict(settings) | prior.sizes()
    return values | {"architecture": prior.architecture} if "architecture" in values else values


def _plain_state(module: torch.nn.Module) -> dict[str, Tensor]:
    """Return weights that own their storage: a view would drag all of it into the file."""
    return {key: _owned(value.detach().cpu().contiguous()) for key, value in module.state_dict().items()}


def _owned(tensor: Tensor) -> Tensor:
    return tensor if tensor.untyped_storage().nbytes() == tensor.nbytes else tensor.clone()


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
    with saving_into(path) as target:
        return write_archive(target, values, _read_mapped)


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

    Where `prior_metadata` has the `codec_digest` of the VQ-VAE that it was trained for, the file must hold that one.
    Every other key and tensor stays as it is. The sizes in the saved settings are the prior's own. What is replaced is
    kept under its name with .bak added.

    Raises:
        ModelFileError: the model file cannot be opened.
        ChangedOnDiskError: it changed since `expected`, or meanwhile; it is as the other program left it.
        SaveError: it could not be written, or would not open again; whatever was there is unchanged.
    """
    model_path = Path(model_path)
    with (
        saving_into(Path(output) if output is not None else model_path) as target,
        open_archive(model_path, _check_facts, without=_PRIOR_KEYS) as opened,
        _telling_changes(opened),
    ):
        _check_goes_with(opened, prior_metadata.get("codec_digest"), expected)
        # What stays is carried from file to file as bytes, unless they are another machine's.
        values = opened.values if opened.is_native else opened.build(opened.values)
        values |= {
            "has_prior": True,
            "prior_state_dict": _plain_state(prior_model),
            "prior_config": _settings_of(prior_model, prior_config),
            "prior_metadata": dict(prior_metadata),
        }
        return write_archive(target, values, partial(_read_mapped, build=_WEIGHT_KEYS), opened)


@contextmanager
def _telling_changes(opened: Opened) -> Iterator[None]:
    """Answer whatever comes of a program that writes into the file while it is carried: damage, or an end too early.

    Raises:
        ChangedOnDiskError: that was the cause.
    """
    try:
        yield
    except (DistillError, OSError) as error:
        if opened.has_changed():
            raise changed_error(opened.path) from error
        raise


def _check_goes_with(opened: Opened, digest: object, expected: FileStamp | None) -> None:
    """Check that a file can take a prior that was trained for the VQ-VAE of that digest, None for any.

    Raises:
        ModelFileError: its weights are damaged.
        SaveError: the file is not the one that was opened, or holds another VQ-VAE.
    """
    if expected is not None and expected.sha256 != opened.stamp.sha256:
        raise changed_error(opened.path)
    values = opened.values | opened.build(("model_state_dict",))
    schema.check_numbers(values, opened.path.name)
    if digest not in (None, codec_digest(values["model_state_dict"])):
        raise other_codec_error(opened.path)


def has_previous_version(model_path: str | Path) -> bool:
    """Tell whether there is a backup that the model file could change places with."""
    with suppress(OSError, RuntimeError, ValueError):  # no file can have such a name, or the link leads to itself
        return backup_of(Path(model_path).resolve()).is_file()
    return False


def read_previous_version(model_path: str | Path) -> ModelSummary:
    """Return the facts of the version before the last save.

    Raises:
        ModelFileError: there is none, or it cannot be opened; says why.
    """
    path = Path(model_path)
    if not has_previous_version(path):
        raise _no_previous_version(path)
    return _read_summary(backup_of(path.resolve()))


def _no_previous_version(path: Path) -> ModelFileError:
    return ModelFileError(
        f"There is no version before this one of {shown(path)}.",
        f"The first save over it will keep one, as {shown(backup_of(path))}.",
    )


def restore_previous_version(model_path: str | Path) -> Path:
    """Let a model file and the version before it change places, and return the real path; once more undoes it.

    Raises:
        ModelFileError: there is no version before it, or it would not open; nothing was changed.
        SaveError: it could not be done; both versions are still there.
    """
    with saving_into(Path(model_path)) as target:
        if not has_previous_version(target.path):
            raise _no_previous_version(target.path)
        _read_checked(backup_of(target.path))
        target.check_unchanged()
        try:
            swap_with_backup(target.path)
        except OSError as error:
            raise swap_error(error, target.path, backup_of(target.path)) from error
        return target.path


def ends_opening_in_the_ancestor(previous: str, new: str) -> bool:
    """Tell whether a file with the previous prior's architecture ("" for none) opens there, but not with the new."""
    return previous in ("", flat.ARCHITECTURE) and new != flat.ARCHITECTURE
