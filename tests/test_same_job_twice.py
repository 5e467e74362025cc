"""The terminal and the engine do the same job: same seed, same file."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import torch

from distill_core import save_prior_to_model, scan, train_prior
from distill_core.files.archive import read_archive
from tests.warm_python import warm_python


def test_terminal_and_engine_write_the_same_file(tiny_model: Path, sounds_folder: Path, tmp_path: Path) -> None:
    by_hand = Path(shutil.copy(tiny_model, tmp_path / "by hand.distill"))
    flags = ["--epochs", "2", "--hidden-size", "32", "--layers", "1", "--seed", "5"]
    command = [
        *warm_python(),
        "-m",
        "distill_core.cli",
        "train-prior",
        "--no-audit",
        str(tiny_model),
        str(sounds_folder),
        *flags,
    ]
    subprocess.run(command, check=True, capture_output=True)
    dataset = scan(sounds_folder)
    trained = train_prior(by_hand, dataset, {"max_epochs": 2, "hidden_size": 32, "num_layers": 1, "seed": 5})
    assert trained.prior is not None
    save_prior_to_model(by_hand, trained.prior, trained.config, trained.metadata)
    first, second = read_archive(tiny_model)[0], read_archive(by_hand)[0]
    assert list(first) == list(second)
    for values in (first, second):
        del values["prior_metadata"]["training_date"]
    states = [(values.pop("model_state_dict"), values.pop("prior_state_dict")) for values in (first, second)]
    for ours, theirs in zip(*states, strict=True):
        assert list(ours) == list(theirs)
        assert all(torch.equal(ours[key], theirs[key]) for key in ours)
    assert first == second
