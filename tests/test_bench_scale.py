"""The memory of a training hardly grows with the number of its sounds; each is measured in a process of its own."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

import pytest

from benchmarks.scale import in_own_process
from benchmarks.scale_sounds import link_sounds, write_short_sounds

FEW, MANY = 50, 1_000
# 50 MB from 100 to 20,000 are 2.5 MB here, and what two runs of one training differ in comes on top. Codes as tensors
# of their own, and a program for each length of sound that is resampled, took 24 MB.
MOST_GROWTH_MB = 12


@pytest.fixture(scope="module")
def sounds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_short_sounds(tmp_path_factory.mktemp("scale") / "all", MANY)


def test_many_sounds_take_hardly_more_memory_than_few(shared_klt_model: Path, sounds: Path, tmp_path: Path) -> None:
    options = Namespace(codec="klt", prior="frames", epochs=1, hidden=32, layers=1, heads=2)
    peaks = []
    for count in (FEW, MANY):
        folder = tmp_path / str(count)
        folder.mkdir()
        link_sounds(sounds, folder / "sounds", count)
        phases = in_own_process(options, shared_klt_model, folder)
        assert [*phases] == ["start", "scan", "encode", "compare", "epoch 1", "end"]
        peaks.append(phases["end"]["megabytes"])
    assert peaks[1] - peaks[0] < MOST_GROWTH_MB
