"""Too little memory is told from a damaged file, by what libraries really raise; `tests/soak/memory.py` runs short."""

from __future__ import annotations

import errno
import io
import mmap
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from distill_core import DistillError, ModelFileError, NotEnoughMemoryError, TrainingError
from distill_core.memory import is_short_of_memory, memory_in_words

TOO_MUCH = 2**46  # more bytes than an address space has


def _raised_by(work: Callable[[], object]) -> BaseException:
    with pytest.raises(Exception) as caught:  # noqa: PT011 - which one it is, is the question
        work()
    return caught.value


@pytest.mark.parametrize(
    "work",
    [
        lambda: bytearray(TOO_MUCH),
        lambda: torch.empty(TOO_MUCH, dtype=torch.uint8),
        lambda: torch.UntypedStorage(TOO_MUCH),
        lambda: np.empty(TOO_MUCH, dtype=np.uint8),
        lambda: mmap.mmap(-1, TOO_MUCH),
    ],
)
def test_what_libraries_raise_for_want_of_memory_is_known(work: Callable[[], object]) -> None:
    assert is_short_of_memory(_raised_by(work))


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOMEM, "Cannot allocate memory"),
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB."),
        RuntimeError("unable to mmap 1024 bytes from file </a/model.distill>: Cannot allocate memory (12)"),
        RuntimeError("Error opening 'a.wav': Internal malloc () failed."),
        RuntimeError("std::bad_alloc"),
        ImportError("libgomp.so: failed to map segment from shared object"),
    ],
)
def test_what_was_seen_elsewhere_is_known(error: Exception) -> None:
    assert is_short_of_memory(error)


def test_other_failures_are_not_called_so(tmp_path: Path) -> None:
    damaged = tmp_path / "out of memory.wav"
    damaged.write_bytes(b"RIFF is not enough")
    for work in (
        lambda: soundfile.SoundFile(damaged),
        lambda: torch.load(damaged, weights_only=True),
        lambda: (tmp_path / "not enough memory").read_bytes(),
        lambda: torch.ones(2) @ torch.ones(3),
        lambda: torch.zeros(2, 3, 4).contiguous(memory_format=torch.channels_last),
        lambda: zipfile.ZipFile(io.BytesIO(b"out of memory")),
    ):
        assert not is_short_of_memory(_raised_by(work))
    assert not is_short_of_memory(ModelFileError("“out of memory.distill” can't be opened: it is damaged."))


def test_the_sentence_is_that_of_who_knows_best() -> None:
    with pytest.raises(NotEnoughMemoryError) as caught, memory_in_words("train"), memory_in_words("open “x”", "Wait."):
        bytearray(TOO_MUCH)
    assert (caught.value.message, caught.value.hint, caught.value.exit_code) == (
        "There is not enough memory to open “x”. Your files are unchanged.",
        "Wait.",
        3,
    )
    assert isinstance(caught.value, TrainingError)  # what training has always raised
    for error in (DistillError("told already"), KeyError("a bug"), RuntimeError("of another kind")):
        with pytest.raises(type(error)), memory_in_words("train"):
            raise error
