"""A model as a file of Neutone Gen (.nm), a plugin for DAWs: the prior, the codec and the inversion as TorchScript.

The file needs neither Distill nor Python.
"""

from __future__ import annotations

import io
import json
import logging
import shlex
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from distill_core.errors import ConfigError, SaveError
from distill_core.events import ShouldStop, never, stop_point
from distill_core.files.new_file import check_new_file, write_new_file
from distill_core.text import file_name

if TYPE_CHECKING:
    from distill_core.models.persistence import LoadedVQModel

SUFFIX = ".nm"
_SDK = "neutone_sdk"
_SILENT = logging.NullHandler()
_VERSION = ".data/version"
_WRITERS_OWN = (_VERSION, "byteorder", ".data/serialization_id")


def _pip() -> str:
    """Return the call of pip that installs into this Distill's own Python."""
    return f"{shlex.quote(sys.executable)} -m pip"


def require_sdk() -> None:
    """Check that the Neutone SDK is there.

    Raises:
        ConfigError: it is not; says how to get it.
    """
    if find_spec(_SDK) is None:
        raise ConfigError(
            "as",
            "The Neutone SDK, which makes a plugin's models, is not installed; nothing was written.",
            f"Install it beside Distill, with Python 3.11 to 3.13: {_pip()} install {_SDK}",
        )


def _require_suffix(output: Path) -> None:
    if output.suffix.lower() != SUFFIX:
        name = file_name(output)
        raise SaveError(f"“{name}” is no name of a plugin's model; nothing was written.", f"Let it end in {SUFFIX}.")


@contextmanager
def _quietly() -> Iterator[None]:
    """Keep the SDK from setting up this program's log, and torch from advising against TorchScript, which Gen runs."""
    root, own = logging.getLogger(), logging.getLogger(_SDK)
    own.propagate = False
    own.addHandler(_SILENT)
    root.addHandler(_SILENT)  # to a root that has a handler, the SDK's basicConfig() adds none
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", r"`torch\.jit\.", DeprecationWarning)
            yield
    finally:
        root.removeHandler(_SILENT)


def _without_sources(file: bytes) -> bytes:
    """Return a file of TorchScript without what it has for error messages: where the sources lie on this computer."""
    from torch._C import PyTorchFileReader, PyTorchFileWriter

    reader, kept = PyTorchFileReader(io.BytesIO(file)), io.BytesIO()
    writer = PyTorchFileWriter(kept)
    writer.set_min_version(int(reader.get_record(_VERSION)))
    for name in reader.get_all_records():
        if not name.endswith(".debug_pkl") and name not in _WRITERS_OWN:
            record = reader.get_record(name)
            writer.write_record(name, record, len(record))
    writer.write_end_of_file()
    return kept.getvalue()


def _script(loaded: LoadedVQModel) -> bytes:
    """Return the file's bytes."""
    import torch
    from neutone_sdk.metadata import validate_metadata
    from neutone_sdk.non_realtime_sqw import NonRealtimeSampleQueueWrapper
    from neutone_sdk.utils import model_to_torchscript

    from distill_core.export.neutone_model import NeutoneTakes
    from distill_core.export.plugin_words import plugin_words
    from distill_core.export.take_script import take_script
    from distill_core.models.persistence import read_summary

    takes = NeutoneTakes(take_script(loaded), plugin_words(read_summary(loaded.path)))
    with torch.no_grad():
        script = model_to_torchscript(NonRealtimeSampleQueueWrapper(takes))
    metadata = {**script.to_metadata(), "sample_sound_files": []}
    validate_metadata(metadata, realtime=False)  # asks the network for links, of which there are none
    file = io.BytesIO()
    torch.jit.save(script, file, _extra_files={"metadata.json": json.dumps(metadata, indent=4).encode()})
    return _without_sources(file.getvalue())


def export_neutone(model: Path, output: Path, *, replace: bool = False, should_stop: ShouldStop = never) -> Path:
    """Write a model's file for Neutone Gen in one step and return its real path.

    Raises:
        ConfigError: the Neutone SDK is not installed; says how to get it.
        ModelFileError: the model cannot be opened, has no prior, or is of a kind that cannot be exported.
        SaveError: the file cannot be written, does not end in .nm, or exists and not `replace`.
        Stopped: `should_stop()` turned true before it was written.
    """
    require_sdk()
    _require_suffix(output)
    check_new_file(output, replace=replace, source=model)
    from distill_core.models.persistence import load_model_v2

    loaded = load_model_v2(model)
    stop_point(should_stop)
    with _quietly():
        data = _script(loaded)
    stop_point(should_stop)
    return write_new_file(output, data, replace=replace, source=model)
