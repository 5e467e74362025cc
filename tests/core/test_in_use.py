"""Two processes at one model: the one sees that the other trains it, and the look hinders nobody."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from distill_core.training.kinds import prior_runs
from tests.warm_python import warm_python

ROOT = Path(__file__).parents[2]
TRAINING = """
import sys
from distill_core.training.kinds import prior_runs

with prior_runs(sys.argv[1]).in_use() as obstacle:
    print(obstacle or "holds", flush=True)
    sys.stdin.read()
"""


@contextmanager
def another_training(model: Path) -> Iterator[subprocess.Popen[str]]:
    """Have another process hold a model as a training does."""
    command = [*warm_python(), "-c", TRAINING, str(model)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, cwd=ROOT, stdin=pipe, stdout=pipe, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline().strip() == "holds"
        try:
            yield process
        finally:
            process.kill()


def test_a_model_is_in_use_while_another_process_trains_it(tiny_model: Path) -> None:
    assert not prior_runs(tiny_model).is_busy()
    with another_training(tiny_model):
        assert prior_runs(tiny_model).is_busy()
    assert not prior_runs(tiny_model).is_busy()


def test_a_killed_training_leaves_the_model_free(tiny_model: Path) -> None:
    with another_training(tiny_model) as process:
        process.kill()
        process.wait()
        assert not prior_runs(tiny_model).is_busy()


def test_another_model_is_not_in_use(tiny_model: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.distill"
    other.write_bytes(tiny_model.read_bytes())
    with another_training(tiny_model):
        assert not prior_runs(other).is_busy()


def test_looks_hinder_no_training(tiny_model: Path) -> None:
    command = [*warm_python(), "-c", TRAINING, str(tiny_model)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, cwd=ROOT, stdin=pipe, stdout=pipe, text=True) as process:
        assert process.stdout is not None
        looks = 0
        while not prior_runs(tiny_model).is_busy():  # one after another, from before the training begins
            looks += 1
        assert looks
        assert process.stdout.readline().strip() == "holds"
        process.kill()
