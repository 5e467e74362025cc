"""The cache of sounds' codes on disk: a second training on the same folder does not encode again.

Each sound has one small file, raw numbers behind a checksum; its name is a digest of everything that the codes depend
on. A damaged entry is encoded again, and a folder that cannot be written gives no cache.
"""

from __future__ import annotations

import json
import os
import struct
import tempfile
from array import array
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict
from hashlib import blake2b
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from distill_core.audio.dataset import AudioFile
from distill_core.audio.variants import ORIGINAL, Variant
from distill_core.device import training_threads
from distill_core.folders import cache_folder, convenience
from distill_core.models.codec import codec_digest
from distill_core.models.persistence import LoadedVQModel

# Raise it whenever the computation of codes from a sound changes.
_VERSION = 6
_MAX_BYTES = 256 * 10**6
_BLOCK_BYTES, _CHECKSUM_BYTES = 4096, 16
_SHAPE = struct.Struct("<3I")
_NUMBERS = np.dtype("<i4")


class CodeCache:
    """A folder of codes, one file for each sound; `settings` names all else that the codes depend on."""

    def __init__(self, folder: Path, settings: str, max_bytes: int = _MAX_BYTES) -> None:
        self._folder, self._settings, self._max_bytes = folder, settings, max_bytes
        self._is_writable, self._has_grown = True, True

    def load(self, file: AudioFile, variant: Variant = ORIGINAL) -> Tensor | None:
        """Return a sound's codes `[W, H, Q]` (int64), None without an undamaged entry."""
        name = self._name(file, variant)
        with convenience("codes of an earlier training"), suppress(OSError):
            codes_WHQ = _unpack((self._folder / name).read_bytes(), name)
            with suppress(OSError):
                os.utime(self._folder / name)  # the entry used last is removed last
            return codes_WHQ
        return None

    def save(self, file: AudioFile, codes_WHQ: Tensor, variant: Variant = ORIGINAL) -> None:
        """Write a sound's codes; a failure is logged once, and nothing is written from then on."""
        if not self._is_writable:
            return
        name, self._is_writable = self._name(file, variant), False
        with convenience("a cache of codes"):
            self._folder.mkdir(parents=True, exist_ok=True)
            _replace(self._folder / name, _pack(codes_WHQ, name))
            self._is_writable = self._has_grown = True

    def trim(self) -> None:
        """Remove the entries that were used longest ago, until the cache is small enough."""
        if not self._has_grown:
            return
        self._has_grown = False
        used, sizes = array("q"), array("q")
        for last_use, size, _ in _entries(self._folder):
            used.append(last_use)
            sizes.append(size)
        if sum(sizes) <= self._max_bytes:
            return
        newest_first = np.lexsort((sizes, used))[::-1]
        is_too_much = np.cumsum(np.array(sizes)[newest_first]) > self._max_bytes
        newest_removed = np.array(used)[newest_first][is_too_much].max()
        for last_use, _, path in _entries(self._folder):
            if last_use <= newest_removed:
                with suppress(OSError):
                    os.unlink(path)

    def _name(self, file: AudioFile, variant: Variant) -> str:
        # The rate and the channels too: the digest is of the bare samples.
        sound = [file.digest, file.sample_rate, file.channels, file.channel, str(variant.speed), variant.delay]
        return blake2b(json.dumps([self._settings, sound]).encode(), digest_size=_CHECKSUM_BYTES).hexdigest()


def _pack(codes_WHQ: Tensor, name: str) -> bytes:
    body = _SHAPE.pack(*codes_WHQ.shape) + codes_WHQ.numpy().astype(_NUMBERS).tobytes()
    return _checksum(body, name) + body


def _checksum(body: bytes, name: str) -> bytes:
    """Return the checksum by which a torn, damaged or renamed entry is known."""
    return blake2b(body, digest_size=_CHECKSUM_BYTES, key=name.encode()).digest()


def _unpack(content: bytes, name: str) -> Tensor | None:
    body = content[_CHECKSUM_BYTES:]
    if len(body) < _SHAPE.size or _checksum(body, name) != content[:_CHECKSUM_BYTES]:
        return None
    codes = np.frombuffer(body, _NUMBERS, offset=_SHAPE.size).reshape(_SHAPE.unpack_from(body))
    return torch.from_numpy(codes.astype(np.int64))


def _replace(path: Path, content: bytes) -> None:
    descriptor, temporary = tempfile.mkstemp(suffix=".tmp", dir=path.parent)
    try:
        with open(descriptor, "wb") as file:
            file.write(content)
        os.replace(temporary, path)
    except BaseException:
        with suppress(OSError):
            os.unlink(temporary)
        raise


def _entries(folder: Path) -> Iterator[tuple[int, int, str]]:
    """Yield (last use, bytes on disk, path) of the cache's files, left-over temporary ones too."""
    with suppress(OSError), os.scandir(folder) as found:
        for entry in found:
            with suppress(OSError):  # another process removed it
                status = entry.stat()
                blocks = -(-status.st_size // _BLOCK_BYTES)
                yield status.st_mtime_ns, blocks * _BLOCK_BYTES, entry.path


def _fingerprint(loaded: LoadedVQModel) -> str:
    """Return the identity of a codec and its geometry, which the prior in the file has no part in."""
    configs = [loaded.vqvae_config, asdict(loaded.spectrogram.config)]
    return codec_digest(loaded.model.state_dict()) + json.dumps(configs, sort_keys=True, default=str)


def open_code_cache(loaded: LoadedVQModel, layout: str = "chunks") -> CodeCache:
    """Return this user's cache for a model, a layout, and the device and torch, which may round differently."""
    settings = [
        _VERSION,
        layout,
        _fingerprint(loaded),
        loaded.model.device.type,
        str(torch.__version__),
        training_threads(),
    ]
    return CodeCache(cache_folder() / "codes", json.dumps(settings))


def clear_code_cache() -> int:
    """Remove every entry and return the bytes freed."""
    freed = 0
    for _, size, path in _entries(cache_folder() / "codes"):
        with suppress(OSError):
            os.unlink(path)
            freed += size
    return freed
