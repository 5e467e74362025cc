"""Saving a prior ends its training: one function for window and terminal."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from distill_core import PriorConfig, PriorEpochMetrics, TrainedPrior, load_model_v2, read_summary, train_prior
from distill_core.cli.progress import TrainingProgress
from distill_core.cli.terminal import Terminal
from distill_core.errors import ChangedOnDiskError
from distill_core.training.events import Ended
from distill_core.training.kinds import listed_runs, prior_runs
from distill_core.training.prior.saving import save_and_finish

TINY = PriorConfig(hidden_size=32, num_layers=1, num_heads=2, max_epochs=1, batch_size=4, patience=0, device="cpu")


@pytest.fixture
def trained(tiny_model: Path, sounds_folder: Path) -> TrainedPrior:
    return train_prior(tiny_model, sounds_folder, TINY, run_folder=prior_runs(tiny_model))


def test_what_is_saved_leaves_no_run_and_says_where_the_former_file_is(trained: TrainedPrior, tiny_model: Path) -> None:
    runs, stamp = prior_runs(tiny_model), read_summary(tiny_model).stamp
    assert len(listed_runs()) == 1
    saved = save_and_finish(trained, tiny_model, run_folder=runs, expected=stamp)
    assert listed_runs() == []
    assert saved.path == tiny_model.resolve()
    assert saved.backup is not None
    assert not load_model_v2(saved.backup).has_prior
    assert saved.note == (
        "The older Distill no longer opens “tiny.distill”; “tiny.distill.bak” keeps it as it was until the next save."
    )
    again = save_and_finish(trained, tiny_model, run_folder=runs)  # it was no longer opened there before, either
    assert (again.backup, again.note) == (None, "")


def test_a_new_copy_never_opened_in_the_ancestor(trained: TrainedPrior, tiny_model: Path, tmp_path: Path) -> None:
    saved = save_and_finish(trained, tiny_model, run_folder=prior_runs(tiny_model), output=tmp_path / "copy.distill")
    assert saved.backup is None
    assert not load_model_v2(tiny_model).has_prior


def test_what_is_not_saved_keeps_its_run(trained: TrainedPrior, tiny_model: Path, sounds_folder: Path) -> None:
    stamp = read_summary(tiny_model).stamp
    save_and_finish(trained, tiny_model, run_folder=prior_runs(tiny_model))
    other = train_prior(tiny_model, sounds_folder, TINY, run_folder=prior_runs(tiny_model))
    with pytest.raises(ChangedOnDiskError):
        save_and_finish(other, tiny_model, run_folder=prior_runs(tiny_model), expected=stamp)
    assert [run.id for run in listed_runs()] == [other.run_id]
    with pytest.raises(ValueError, match="no prior"):
        save_and_finish(TrainedPrior.none(Ended.STOPPED), tiny_model, run_folder=prior_runs(tiny_model))


def test_the_terminal_calls_best_what_the_training_keeps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two losses beyond what a perplexity shows are one perplexity, and yet the second is no new best."""
    out = io.StringIO()
    monkeypatch.setattr("sys.stdout", out)
    monkeypatch.setattr("sys.stderr", io.StringIO())
    with TrainingProgress(Terminal(as_json=False)) as progress:
        for epoch, loss, best in ((1, 30.0, 1), (2, 31.0, 1), (3, 29.0, 3)):
            most = 485165195.4
            numbers = (epoch, 3, loss, loss, most, most, False, "", 1.0, 1e-3)
            progress.on_event(PriorEpochMetrics(*numbers, best_epoch=best))
    lines = [line.partition(" |")[0].strip() for line in out.getvalue().splitlines() if "verdict" not in line]
    assert lines == ["Epoch 1/3", "a new best; by level:", "Epoch 2/3", "Epoch 3/3", "a new best; by level:"]
