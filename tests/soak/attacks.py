"""The attack corpus: every crafted file by name, and a maker that puts it into a folder."""

from __future__ import annotations

import os
import pickle
import tarfile
from collections.abc import Callable, Iterator
from itertools import chain
from pathlib import Path

from tests.soak.klt_attacks import klt_attacks
from tests.soak.pickle_attacks import pickle_attacks
from tests.soak.specimen import read_specimen, write_small_klt_model
from tests.soak.tensor_attacks import tensor_attacks
from tests.soak.value_attacks import value_attacks
from tests.soak.zip_attacks import zip_attacks


class _Bomb:
    def __init__(self, canary: Path) -> None:
        self.canary = canary

    def __reduce__(self) -> tuple[object, ...]:
        return (open, (str(self.canary), "w"))


def _fifo(path: Path, canary: Path) -> None:
    os.mkfifo(path)


def _folder(path: Path, canary: Path) -> None:
    path.mkdir()


def _nothing(path: Path, canary: Path) -> None:
    pass


def _loop(path: Path, canary: Path) -> None:
    path.symlink_to(path)


def _device(path: Path, canary: Path) -> None:
    path.symlink_to("/dev/zero")


def _sparse(size: int, start: bytes) -> Callable[[Path, Path], None]:
    def make(path: Path, canary: Path) -> None:
        with path.open("wb") as file:
            file.write(start)
            file.truncate(size)

    return make


def _legacy_tar(path: Path, canary: Path) -> None:
    """Torch's first format: a tar of three pickles."""
    bomb = path.with_name("storages")
    bomb.write_bytes(pickle.dumps(_Bomb(canary), protocol=2))
    with tarfile.open(path, "w") as archive:
        for name in ("storages", "tensors", "pickle"):
            archive.add(bomb, name)


def _legacy_pickle(path: Path, canary: Path) -> None:
    """Torch's second format: pickles one behind the other, no zip."""
    magic = pickle.dumps(0x1950A86A20F9469CFC6C, protocol=2)
    path.write_bytes(magic + pickle.dumps(1001, protocol=2) + pickle.dumps(_Bomb(canary), protocol=2) + bytes(2000))


PATHS: dict[str, Callable[[Path, Path], None]] = {
    "path: FIFO": _fifo,
    "path: folder": _folder,
    "path: nothing there": _nothing,
    "path: link to itself": _loop,
    "path: link to a device": _device,
    "path: empty file": _sparse(0, b""),
    "path: file of four bytes": _sparse(4, b"PK\x03\x04"),
    "path: zeros behind the right start": _sparse(5000, b"PK\x03\x04"),
    "path: zeros": _sparse(5000, b""),
    "path: file of more than 4 GB": _sparse(4 * 1024**3 + 1, b"PK\x03\x04"),
    "path: file of nearly 4 GB": _sparse(4 * 1024**3 - 1, b"PK\x03\x04"),
    "path: text": lambda path, canary: path.write_bytes(b"hello " * 1000) and None,
    "path: legacy tar": _legacy_tar,
    "path: legacy pickle": _legacy_pickle,
}


def _crafted(model: Path, canary: Path) -> Iterator[tuple[str, Callable[[], bytes]]]:
    specimen = read_specimen(model)
    for kind, makers in {
        "contents": pickle_attacks(specimen, canary),
        "zip": zip_attacks(specimen),
        "tensor": tensor_attacks(specimen),
        "value": value_attacks(model),
        "klt": klt_attacks(write_small_klt_model(model.parent)),
    }.items():
        yield from ((f"{kind}: {name}", make) for name, make in makers.items())


def _remove(path: Path) -> None:
    if path.is_dir():
        path.rmdir()
    else:
        path.unlink(missing_ok=True)


def attacks(model: Path, folder: Path, canary: Path, kind: str = "") -> Iterator[tuple[str, Path]]:
    """Put one crafted file of a kind ("": of all) after the other into the folder; it is gone before the next."""
    path = folder / "attack.distill"
    crafted = ((name, lambda make=make: path.write_bytes(make())) for name, make in _crafted(model, canary))
    others = ((name, lambda make=make: make(path, canary)) for name, make in PATHS.items())
    for name, put in chain(others, crafted):
        if name.startswith(kind):
            put()
            try:
                yield name, path
            finally:
                _remove(path)
