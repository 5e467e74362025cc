"""The place of a training that is disturbed: disks for models and for what the program keeps, and sounds."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from distill_core import CodePrior, load_model_v2, save_prior_to_model
from tests.soak.subject import write_model


def _do(*command: object) -> None:
    subprocess.run([str(part) for part in command], check=True, capture_output=True, text=True)


@contextmanager
def disk(folder: Path, size: int) -> Iterator[None]:
    """Mount a small disk in memory on a folder."""
    folder.mkdir(parents=True)
    _do("mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder)
    try:
        yield
    finally:
        with suppress(subprocess.CalledProcessError):
            _do("umount", "--lazy", folder)


def _fill(folder: Path) -> None:
    """Take the last byte of the disk of a folder."""
    with suppress(OSError), (folder / "filling").open("wb", buffering=0) as file:
        while file.write(bytes(2**16)):
            pass
    with suppress(OSError), (folder / "rest").open("wb", buffering=0) as file:
        while file.write(b"\0"):
            pass


class Scene:
    """A folder with disks for models and for what the program keeps, and sounds beside them."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.models, self.data = folder, folder / "models", folder / "data"
        self.sounds, self.elsewhere = folder / "sounds", folder / "elsewhere"
        self.model = self.models / "inner" / "model.distill"

    def rename(self) -> None:
        """Give the model another name."""
        self.model.rename(self.model.with_name("renamed.distill"))

    def move_folder(self) -> None:
        """Move the model's folder to another disk."""
        shutil.move(self.model.parent, self.elsewhere)

    def remove_folder(self) -> None:
        """Remove the model's folder, of which there is a copy elsewhere."""
        shutil.copytree(self.model.parent, self.elsewhere)
        shutil.rmtree(self.model.parent)

    def replace(self) -> None:
        """Put another model in the place of the model, which is kept elsewhere."""
        self.elsewhere.mkdir()
        shutil.move(self.model, self.elsewhere / "model.distill")
        write_model(self.model)

    def put_another(self) -> None:
        """Put a model where there was none."""
        write_model(self.model)

    def change(self) -> None:
        """Save something else into the model, as another program does."""
        loaded = load_model_v2(self.model)
        positions = loaded.geometry.codes_per_second
        prior = CodePrior(loaded.model.codebook_size, loaded.model.num_quantizers, positions, 16, 1, 1, 0.0)
        save_prior_to_model(self.model, prior, {"dropout": 0.0}, {"epochs_trained": 1})

    def lock(self) -> None:
        """Let nothing be written on the models' disk."""
        _do("mount", "-o", "remount,ro", self.models)

    def fill_models(self) -> None:
        """Fill the models' disk."""
        _fill(self.models)

    def fill_data(self) -> None:
        """Fill the disk of what the program keeps."""
        _fill(self.data)

    def remove_sounds(self) -> None:
        """Remove the sounds."""
        shutil.rmtree(self.sounds)

    def mend(self) -> None:
        """Let the disks be written on again."""
        with suppress(subprocess.CalledProcessError):
            _do("mount", "-o", "remount,rw", self.models)
        for disk in (self.models, self.data):
            for name in ("filling", "rest"):
                (disk / name).unlink(missing_ok=True)

    def all_models(self) -> list[Path]:
        """Return all model files that there are."""
        return [path for place in (self.models, self.elsewhere) for path in place.rglob("*.distill")]
