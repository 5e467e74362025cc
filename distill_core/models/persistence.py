"""The door to model files: read the facts, load the networks, save a model, save a prior into one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, is_dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

import torch
from torch import Tensor

from distill_core.audio.geometry import Geometry
from distill_core.audio.spectrogram import AudioSpectrogram, SpectrogramConfig
from distill_core.errors import DistillError, ModelFileError
from distill_core.files.archive import FileStamp, OpenArchive, open_archive, read_archive
from distill_core.files.archive_writer import saving_into, write_archive
from distill_core.files.new_file import exists_error
from distill_core.files.save_errors import changed_error, other_codec_error
from distill_core.memory import memory_in_words
from distill_core.models import schema
from distill_core.models.architectures import NAMELESS, codec_of, naming_codec
from distill_core.models.codec import Codec, codec_digest
from distill_core.models.metadata import check_changes, with_changes
from distill_core.models.model_file import WEIGHT_KEYS, check_facts, read_checked, read_mapped, summary_of_file
from distill_core.models.previous_version import naming_previous_version
from distill_core.models.prior import Prior
from distill_core.models.summary import ModelSummary, prior_facts

_PRIOR_KEYS = ("has_prior", "prior_state_dict", "prior_config", "prior_metadata")


@dataclass(frozen=True, slots=True)
class LoadedVQModel:
    """A model file's networks in eval mode; `prior` is None without one, or with one of a newer Distill."""

    path: Path
    stamp: FileStamp
    model: Codec
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
    def geometry(self) -> Geometry:
        """The codec's division of sound."""
        return self.model.geometry(self.vqvae_config, self.spectrogram.config)


def read_summary(path: str | Path) -> ModelSummary:
    """Return the facts of a model file within milliseconds: tensors are not read, and their checksums not compared.

    Raises:
        ModelFileError: the file cannot be opened; says why.
        NotEnoughMemoryError: memory is short; the file may be good.
    """
    path = Path(path)
    with memory_in_words(f"open “{path.name}”"), naming_previous_version(path):
        return summary_of_file(path)


def read_codec_digest(path: str | Path) -> str:
    """Return the digest of a file's codec, whose weights alone are read: it outlasts a new name of the file.

    Raises:
        ModelFileError: the file cannot be opened; says why.
    """
    values, _ = read_archive(Path(path), check_facts, build=("model_state_dict",))
    return codec_digest(values["model_state_dict"])


def load_model_v2(path: str | Path, device: str | torch.device = "cpu") -> LoadedVQModel:
    """Build a file's codec and its prior in eval mode on a device.

    Raises:
        ModelFileError: the file cannot be opened; says why.
        NotEnoughMemoryError: memory is short; the file may be good.
    """
    path = Path(path)
    with memory_in_words(f"open “{path.name}”"):
        return _load(path, device)


def _load(path: Path, device: str | torch.device) -> LoadedVQModel:
    with naming_previous_version(path):
        values, stamp = read_checked(path)
    vqvae_config, facts = dict(values["vqvae_config"]), prior_facts(values)
    spectrogram = AudioSpectrogram(SpectrogramConfig(**values["spectrogram_config"]), device)
    model = codec_of(vqvae_config).from_state(vqvae_config, spectrogram, dict(values["model_state_dict"]))
    prior = None
    if (prior_class := schema.readable_prior(values)) is not None:
        state = dict(values["prior_state_dict"])  # a plain dict, without the stranger's `_metadata`
        prior = prior_class.from_state(facts["prior_config"], model.codebook_size, state).to(device)
    return LoadedVQModel(
        path=path,
        stamp=stamp,
        model=model.to(device),
        spectrogram=spectrogram,
        metadata=dict(values["metadata"]),
        vqvae_config=vqvae_config,
        prior=prior,
        prior_config=facts["prior_config"],
        prior_metadata=facts["prior_metadata"],
    )


def _to_dict(settings: Any) -> dict[str, Any]:
    return asdict(settings) if is_dataclass(settings) and not isinstance(settings, type) else dict(settings)


def _settings_of(prior: Prior, settings: Any) -> dict[str, Any]:
    """Return the settings with the prior's sizes and its architecture; `flat` stays nameless if they name none."""
    values = _to_dict(settings) | prior.sizes()
    has_name = "architecture" in values or prior.architecture != NAMELESS
    return values | {"architecture": prior.name_in_files} if has_name else values


def _plain_state(module: torch.nn.Module) -> dict[str, Tensor]:
    """Return weights that own their storage: a view would bring all of it into the file."""
    return {key: _owned(value.detach().cpu().contiguous()) for key, value in module.state_dict().items()}


def _owned(tensor: Tensor) -> Tensor:
    return tensor if tensor.untyped_storage().nbytes() == tensor.nbytes else tensor.clone()


def now_utc() -> str:
    """Return the present time as ISO 8601 in UTC, the format's way to write dates."""
    return datetime.now(UTC).isoformat()


def save_model_v2(
    path: str | Path,
    model: Codec,
    *,
    spectrogram_config: SpectrogramConfig | Mapping[str, Any],
    vqvae_config: Any,
    training_config: Any,
    metadata: Mapping[str, Any],
    codebook_health: Mapping[str, Any] | None = None,
    loss_curve_history: Mapping[str, Any] | None = None,
    replace: bool = True,
) -> Path:
    """Write a new model file with any codec and return its real path.

    Names that `metadata` leaves out get defaults. Without `replace` it takes no other file's place.

    Raises:
        SaveError: it could not be written, or would not open again, or there is a file and not `replace`; a file at
            `path` is unchanged.
        ValueError: an unknown name in `metadata`, on which the ancestor would fail.
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
        "vqvae_config": naming_codec(_to_dict(vqvae_config), model.architecture),
        "spectrogram_config": _to_dict(spectrogram_config),
        "training_config": _to_dict(training_config),
        "codebook_health_snapshot": None if codebook_health is None else dict(codebook_health),
        "loss_curve_history": None if loss_curve_history is None else dict(loss_curve_history),
        "metadata": defaults | dict(metadata),
        "has_prior": False,
    }
    with saving_into(path) as target:
        if target.status is not None and not replace:
            raise exists_error(path)
        return write_archive(target, values, read_mapped)


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

    If `prior_metadata` has the `codec_digest` of the codec that the prior was trained for, the file must hold that
    codec. All other keys and tensors stay as they are. The sizes in the saved settings are the prior's own. A file that
    is replaced is kept under its name with .bak added.

    Raises:
        ModelFileError: the model file cannot be opened.
        ChangedOnDiskError: it changed since `expected`, or meanwhile; it is as the other program left it.
        SaveError: it could not be written, or would not open again; a file that was there is unchanged.
    """
    model_path = Path(model_path)
    with (
        saving_into(Path(output) if output is not None else model_path) as target,
        open_archive(model_path, check_facts, without=_PRIOR_KEYS) as opened,
        _changes_in_words(opened),
    ):
        _check_goes_with(opened, prior_metadata.get("codec_digest"), expected)
        # All other tensors are carried over as bytes, unless those are in another machine's order.
        values = opened.values if opened.is_native else opened.build(opened.values)
        values |= {
            "has_prior": True,
            "prior_state_dict": _plain_state(prior_model),
            "prior_config": _settings_of(prior_model, prior_config),
            "prior_metadata": dict(prior_metadata),
        }
        return write_archive(target, values, partial(read_mapped, build=WEIGHT_KEYS), opened)


def save_metadata(model_path: str | Path, changes: Mapping[str, str], *, expected: FileStamp | None = None) -> Path:
    """Give a model file another `name`, `description` (its notes) or `licence` (a line), and return the real path.

    All other keys and all tensors stay as they are. A version before, the file's name with .bak added, stays as it is:
    after a restore it may hold the only copy of a prior. Only if there is none, the file before is kept so.

    Raises:
        ConfigError: a text that cannot be; nothing was changed.
        ModelFileError: the model file cannot be opened.
        ChangedOnDiskError: it changed since `expected`, or meanwhile; it is as the other program left it.
        SaveError: it could not be written, or would not open again; it is unchanged.
        ValueError: another key.
    """
    check_changes(changes)
    return _save_facts(Path(model_path), lambda values: with_changes(values, changes), expected)


def _save_facts(path: Path, changed: Callable[[dict[str, Any]], dict[str, Any]], expected: FileStamp | None) -> Path:
    """Write a model file with other facts; all other keys and all tensors stay, and a version before stays, too."""
    with saving_into(path) as target, open_archive(path, check_facts) as opened, _changes_in_words(opened):
        _check_goes_with(opened, None, expected)
        values = opened.values if opened.is_native else opened.build(opened.values)
        values |= changed(values)
        return write_archive(target, values, partial(read_mapped, build=WEIGHT_KEYS), opened, keeps_backup=True)


def save_prior_facts(model_path: str | Path, facts: Mapping[str, Any], *, expected: FileStamp | None = None) -> Path:
    """Add facts to those of the prior in a model file, or replace them by name, and return the real path.

    All else stays as it is, also a version before, as with `save_metadata`. `facts` are plain values.

    Raises:
        ModelFileError: the model file cannot be opened, or has no prior.
        ChangedOnDiskError: it changed since `expected`, or meanwhile; it is as the other program left it.
        SaveError: it could not be written, or would not open again; it is unchanged.
    """

    def changed(values: dict[str, Any]) -> dict[str, Any]:
        if not values.get("has_prior"):
            raise ModelFileError(f"“{Path(model_path).name}” has no prior to note this of.", "Nothing was changed.")
        return {"prior_metadata": {**(values.get("prior_metadata") or {}), **facts}}

    return _save_facts(Path(model_path), changed, expected)


@contextmanager
def _changes_in_words(opened: OpenArchive) -> Iterator[None]:
    """Name the cause of an error that a program causes by writing into the file while it is carried over.

    Raises:
        ChangedOnDiskError: in place of damage, or of a file that ends too early.
    """
    try:
        yield
    except (DistillError, OSError) as error:
        if opened.has_changed():
            raise changed_error(opened.path) from error
        raise


def _check_goes_with(opened: OpenArchive, digest: object, expected: FileStamp | None) -> None:
    """Check that a file can take a prior that was trained for the codec of this digest, None for any.

    Raises:
        ModelFileError: its weights are damaged.
        SaveError: the file is not the one that was opened, or holds another codec.
    """
    if expected is not None and expected.sha256 != opened.stamp.sha256:
        raise changed_error(opened.path)
    values = opened.values | opened.build(("model_state_dict",))
    schema.check_numbers(values, opened.path.name)
    if digest not in (None, codec_digest(values["model_state_dict"])):
        raise other_codec_error(opened.path)
