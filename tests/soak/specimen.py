"""A small valid model, taken apart so that crafted files can be put together from its pieces."""

from __future__ import annotations

import io
import struct
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any
from zlib import crc32

import torch

from distill_core.audio.spectrogram import SpectrogramConfig
from distill_core.files.backup import backup_of
from distill_core.models.flat import CodePrior
from distill_core.models.klt import KLTCodec
from distill_core.models.persistence import save_model_v2, save_prior_to_model
from distill_core.models.vqvae import ConvVQVAE

CODES, LEVELS, SEQ_LEN = 2, 1, 48
KLT_CONFIG: dict[str, Any] = {"codebook_size": 4, "num_quantizers": 2, "step_frames": 16, "band_mels": 32}
KLT_CONFIG |= {"components": 3, "rate_weight": 0.1, "refiner_width": 2, "refiner_depth": 1}
ROOT = "archive"
_LOCAL_BYTES = 30


@dataclass(frozen=True)
class Specimen:
    """A model file: its bytes, and its records by name without the root."""

    content: bytes
    records: dict[str, bytes]

    @property
    def pickle(self) -> bytes:
        return self.records["data.pkl"]

    @cached_property
    def before_pickle(self) -> bytes:
        """All of the file that stays as it is when its list of contents, the last part, is exchanged."""
        packed = pack(self.records)
        return packed[: packed.index(f"{ROOT}/data.pkl".encode()) - _LOCAL_BYTES]

    @cached_property
    def _directory(self) -> tuple[bytes, int]:
        packed = pack(self.records)
        start, last, end = packed.index(b"PK\x01\x02"), packed.rindex(b"PK\x01\x02"), packed.rindex(b"PK\x05\x06")
        if packed[last:end].count(b"data.pkl") != 1:
            raise ValueError("the list of contents is not the last part")
        return packed[start:last], packed[start:end].count(b"PK\x01\x02")

    def tail(self, pickle: bytes) -> bytes:
        """Return what follows `before_pickle` in the file with another list of contents and right checksums."""
        name, start = f"{ROOT}/data.pkl".encode(), len(self.before_pickle)
        entries, count = self._directory
        facts = struct.pack("<5H3L2H", 20, 0, 0, 0, 33, crc32(pickle), len(pickle), len(pickle), len(name), 0)
        local = b"PK\x03\x04" + facts + name + pickle
        entry = b"PK\x01\x02" + struct.pack("<H", 20) + facts + struct.pack("<3H2L", 0, 0, 0, 0, start) + name
        directory = entries + entry
        end = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, count, count, len(directory), start + len(local), 0)
        return local + directory + end

    def with_pickle(self, pickle: bytes) -> bytes:
        """Return the file with another list of contents, as its last part, and right checksums."""
        return self.before_pickle + self.tail(pickle)

    def with_value(self, key: str, opcodes: bytes) -> bytes:
        """Return the file with one more value in its dict, which the opcodes leave on the stack."""
        return self.with_pickle(self.pickle[:-2] + text(key) + opcodes + b"u.")


def text(value: str) -> bytes:
    """Return the opcode that puts a text on the stack."""
    encoded = value.encode("utf-8", "surrogatepass")
    return b"X" + struct.pack("<I", len(encoded)) + encoded


def pack(records: dict[str, bytes], root: str = ROOT) -> bytes:
    """Return a zip of the records, stored and with right checksums."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, content in records.items():
            archive.writestr(zipfile.ZipInfo(f"{root}/{name}"), content)
    return packed.getvalue()


def read_specimen(path: Path) -> Specimen:
    """Take a valid file apart; the list of contents is put last, so that a change of it moves nothing else."""
    with zipfile.ZipFile(path) as archive:
        records = {name.partition("/")[2]: archive.read(name) for name in archive.namelist()}
    records["data.pkl"] = records.pop("data.pkl")
    return Specimen(path.read_bytes(), records)


def write_small_model(folder: Path) -> Path:
    """Write about the smallest file that is a model with a prior (3 MB: the format fixes the convolutions)."""
    config = {"codebook_dim": 1, "codebook_size": CODES, "num_quantizers": LEVELS, "decay": 0.95}
    config |= {"commitment_weight": 0.25, "threshold_ema_dead_code": 0, "dropout": 0.0}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model, prior = ConvVQVAE(**config), CodePrior(CODES, LEVELS, SEQ_LEN, 16, 1, 1, 0.0)
    for name, buffer in model.named_buffers():
        if name.endswith("initted"):
            buffer.fill_(True)
    spectrogram = SpectrogramConfig()
    path = save_model_v2(
        folder / "small.distill",
        model.eval(),
        spectrogram_config=spectrogram,
        vqvae_config=config,
        training_config={"epochs": 1},
        metadata={"name": "Small"},
    )
    save_prior_to_model(path, prior, {"dropout": 0.0}, {"best_perplexity": 1.5})
    backup_of(path).unlink()  # a stranger's file comes without one; each refusal would read it, 5 ms
    return path


def random_klt_codec(config: Mapping[str, Any]) -> KLTCodec:
    """Return a codec whose weights are random, within what its file may hold."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        codec = KLTCodec(config)
        for weight in codec.refiner.parameters():
            torch.nn.init.normal_(weight, std=0.2)
        codec.basis_DC.uniform_().div_(codec.basis_DC.norm(dim=0))  # none below zero, so that patches are loud
        codec.books_QKC.uniform_(-10 / config["components"], 50 / config["components"])[:, 0] = 0
        codec.bits_QK.uniform_(0.0, 8.0)
    return codec.eval()


def write_small_klt_model(folder: Path, spectrogram: SpectrogramConfig | None = None, **config: Any) -> Path:
    """Write a small file of the KLT codec without a prior; `config` replaces single settings of `KLT_CONFIG`."""
    return save_model_v2(
        folder / "small-klt.distill",
        random_klt_codec(KLT_CONFIG | config),
        spectrogram_config=spectrogram or SpectrogramConfig(),
        vqvae_config=KLT_CONFIG | config,
        training_config={"epochs": 1},
        metadata={"name": "Small"},
    )
