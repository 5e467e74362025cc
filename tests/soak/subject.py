"""What the harnesses save into: a model file, and priors that can be told from each other to the last bit."""

from __future__ import annotations

import copy
import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from distill_core import (
    CodePrior,
    ConvVQVAE,
    DistillError,
    PriorConfig,
    load_model_v2,
    read_summary,
    restore_previous_version,
    save_model_v2,
    save_prior_to_model,
)
from distill_core.audio.spectrogram import AudioSpectrogram, SpectrogramConfig
from distill_core.files.archive import FileStamp
from distill_core.files.archive_writer import clean_up
from distill_core.models.frames import FramesPrior
from distill_core.models.prior import Prior

OLD, NEW, OTHER, EARLIER = 0, 1, 2, 3  # the last is in the backup before a save
_CODEBOOK_SIZE, _LEVELS, _GRID = 16, 2, (8, 6)
_VQVAE: dict[str, Any] = {"codebook_dim": 16, "codebook_size": _CODEBOOK_SIZE, "num_quantizers": _LEVELS}
_VQVAE |= {"decay": 0.95, "commitment_weight": 0.25, "threshold_ema_dead_code": 0, "dropout": 0.1}


def write_model(path: Path) -> None:
    """Write a model with two levels of sixteen codes, without a prior."""
    torch.manual_seed(0)
    spectrogram = SpectrogramConfig()
    model = ConvVQVAE(**_VQVAE).train()
    with torch.no_grad():  # one pass in training mode sets the codebooks
        model(AudioSpectrogram(spectrogram).log_mel(torch.rand(2, spectrogram.sample_rate) - 0.5))
    save_model_v2(
        path,
        model.eval(),
        spectrogram_config=spectrogram,
        vqvae_config=_VQVAE,
        training_config={},
        metadata={"name": "Tiny"},
    )


def _prior(number: int, hidden_size: int) -> Prior:
    torch.manual_seed(number)
    sizes = {"hidden_size": hidden_size, "num_layers": 1, "num_heads": 2}
    # Both architectures in turn: the first that the ancestor cannot open makes the save keep a backup.
    if number % 2:
        return FramesPrior(_CODEBOOK_SIZE, _LEVELS, *_GRID, **sizes)
    return CodePrior(_CODEBOOK_SIZE, _LEVELS, _GRID[0] * _GRID[1] * _LEVELS, **sizes)


def _equal(first: dict[str, Tensor], second: dict[str, Tensor]) -> bool:
    return first.keys() == second.keys() and all(torch.equal(value, second[key]) for key, value in first.items())


class Subject:
    """A model file whose prior is number 0, number 3 in its backup, in a folder of its own; all four go into it."""

    def __init__(self, folder: Path, hidden_size: int = 32) -> None:
        self._enter(folder)
        write_model(self.path)
        self._vqvae_state = load_model_v2(self.path).model.state_dict()
        self.priors = [_prior(number, hidden_size) for number in (OLD, NEW, OTHER, EARLIER)]
        self._contents: dict[int, bytes] = {}
        self._numbers: dict[str, int] = {}
        for number in (EARLIER, NEW, OLD):  # also warms the save up: what it imports late is imported
            self.save(number)
            self._contents[number] = self.path.read_bytes()
        self.put()

    def _enter(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.path, self.backup = folder / "model.distill", folder / "model.distill.bak"

    def copy_in(self, folder: Path) -> Subject:
        """Return the same model in another folder."""
        other = copy.copy(self)
        other._enter(folder)
        other.put()
        return other

    def put(self, number: int = OLD) -> None:
        """Set the folder back: the model with that prior, `EARLIER` in its backup, nothing else."""
        for path in self.leftovers():
            path.unlink()
        for path, content in ((self.path, number), (self.backup, EARLIER)):
            path.unlink(missing_ok=True)
            path.write_bytes(self._contents[content])

    def save(self, number: int, expected: FileStamp | None = None) -> None:
        """Save that prior through the public door.

        Raises:
            SaveError: as `save_prior_to_model`.
        """
        prior = self.priors[number]
        config = PriorConfig(prior.hidden_size, 1, 2, architecture=prior.architecture)
        save_prior_to_model(self.path, prior, config, {"epochs_trained": number}, expected=expected)

    def restore(self) -> None:
        """Let the model and its backup change places through the public door."""
        restore_previous_version(self.path)

    def unsafe_restore(self) -> None:
        """Let them change places as a careless program does: one straight onto the other, which is written anew."""
        content = self.path.read_bytes()
        os.replace(self.backup, self.path)
        descriptor = os.open(self.backup, os.O_WRONLY | os.O_CREAT)
        os.write(descriptor, content)
        os.close(descriptor)

    def unsafe_save(self, number: int) -> Callable[[], object]:
        """Return the save of a careless program: straight onto the file."""
        self.put(number)
        values = torch.load(self.path, weights_only=True)
        self.put()
        return lambda: torch.save(values, self.path)

    def number_in(self, path: Path) -> int:
        """Open a file and return which prior it holds; -1 unless it and the rest are right to the last bit.

        Bytes that were loaded and compared before are opened for their facts only, which takes a tenth of the time.

        Raises:
            ModelFileError: it does not open.
        """
        clean_up(path)  # as the window does when it opens a model
        read_summary(path)
        sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
        if sha256 not in self._numbers:
            self._numbers[sha256] = self._compared(path)
        return self._numbers[sha256]

    def _compared(self, path: Path) -> int:
        loaded = load_model_v2(path)
        number = (loaded.prior_metadata or {}).get("epochs_trained", -1)
        if number not in range(len(self.priors)) or loaded.prior is None:
            return -1
        same = _equal(loaded.prior.state_dict(), self.priors[number].state_dict())
        return number if same and _equal(loaded.model.state_dict(), self._vqvae_state) else -1

    def leftovers(self) -> list[Path]:
        """Return what lies beside the model and is not its backup."""
        mine = (self.path, self.backup)
        return [path for path in self.path.parent.iterdir() if path not in mine and path.is_file()]


def judge_model(subject: Subject, told: str, old: int, new: int) -> list[str]:
    """Return what is wrong with the model after a save of `new` over `old` was struck.

    It has to open and to be old or new to the last bit, and new where the saver's last word, `told`, is "saved".
    """
    wrong = [f"A saver ended with {told}"] if told.startswith(("traceback", "hung")) else []
    try:
        number = subject.number_in(subject.path)
    except DistillError as error:
        return [*wrong, f"Unloadable after “{told}”: {error}"]
    if number not in (old, new):
        wrong.append(f"Neither old nor new after “{told}”: prior {number}")
    if told == "saved" and number != new:
        wrong.append("Told “saved”, and the prior is not there")
    return wrong


def judge_backup(subject: Subject, told: str, old: int, kept: int = EARLIER) -> list[str]:
    """Return what is wrong with the backup, which held `kept` before a save over `old`.

    It has to hold `old` once the model is another one, and `kept` as long as it is not.
    """
    try:
        number, now = subject.number_in(subject.backup), subject.number_in(subject.path)
    except DistillError as error:
        return [f"The backup is lost after “{told}”: {error}"]
    expected = kept if now == old else old
    return [] if number == expected else [f"The backup is not the version before after “{told}”: prior {number}"]


def judge_swap(subject: Subject, told: str) -> list[str]:
    """Return what is wrong after a restore of `EARLIER` in place of `OLD` was struck, once the model is opened again.

    Both have to be there and to open, in the other's place where the last word, `told`, is "saved".
    """
    wrong = [f"A restore ended with {told}"] if told.startswith(("traceback", "hung")) else []
    try:
        numbers = subject.number_in(subject.path), subject.number_in(subject.backup)
    except DistillError as error:
        return [*wrong, f"A version is lost after “{told}”: {error}"]
    if numbers not in ((OLD, EARLIER), (EARLIER, OLD)):
        wrong.append(f"A version is lost after “{told}”: the model has prior {numbers[0]}, its backup {numbers[1]}")
    if told == "saved" and numbers != (EARLIER, OLD):
        wrong.append("Told as restored, and they did not change places")
    return wrong


def judge_leftovers(subject: Subject) -> list[str]:
    """Return what a dead saver left that is still there after the next open and save."""
    if not subject.leftovers():
        return []
    try:
        clean_up(subject.path)
        if subject.leftovers():
            subject.save(OLD)
    except DistillError as error:
        return [f"The next save is refused: {error}"]
    return [f"Left behind after the next open and save: {path.name}" for path in subject.leftovers()]


def judge(subject: Subject, told: str, old: int, new: int, kept: int = EARLIER) -> list[str]:
    """Return all that is wrong: with the model, its backup and the folder. May save `OLD` to see what that clears."""
    return judge_model(subject, told, old, new) + judge_backup(subject, told, old, kept) + judge_leftovers(subject)
