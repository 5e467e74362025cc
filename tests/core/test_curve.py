"""The curve of a prior's training as a table: of its epochs, of a file, and in the terminal."""

from __future__ import annotations

import csv
import io
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from distill_core import read_summary, save_prior_to_model, train_prior
from distill_core.cli import app
from distill_core.training.prior.curve import COLUMNS, curve_csv, rows_of_file, rows_of_training, saved_curve, tells_all
from distill_core.training.prior.events import PriorEpochMetrics

SMALL = {"hidden_size": 32, "num_layers": 1, "num_heads": 2, "max_epochs": 3}
HISTORY = {"epochs": [1, 2, 4], "val_losses": [3.0, 2.0, 2.5], "train_losses": [2.5, "x"]}


def _epoch(number: int, loss: float, **facts: Any) -> PriorEpochMetrics:
    return PriorEpochMetrics(number, 9, loss - 0.5, loss, math.exp(loss), 1.0, False, "", 1.5, 1e-3, **facts)


def _table(text: str) -> list[dict[str, str]]:
    return [*csv.DictReader(io.StringIO(text))]


def test_a_training_tells_all_that_it_knows() -> None:
    history = [
        _epoch(1, 3.0, verdict="learning", best_epoch=1),
        _epoch(2, math.inf, verdict="memorizing", best_epoch=1),
    ]
    first, second = _table(curve_csv(rows_of_training(history, 2.0)))
    assert tuple(first) == COLUMNS
    assert first == {
        "epoch": "1",
        "seconds": "1.5",
        "train_loss": "2.5",
        "val_loss": "3",
        "train_ppl": f"{math.exp(2.5):.6g}",
        "val_ppl": f"{math.exp(3.0):.6g}",
        "best": "1",
        "memorizing": "0",
        "threshold": "2",
    }
    assert (second["seconds"], second["best"], second["memorizing"]) == ("3", "0", "1")
    assert second["val_loss"] == second["val_ppl"] == ""
    assert curve_csv(rows_of_training([], 2.0)) == ",".join(COLUMNS) + "\n"


def test_what_a_file_does_not_tell_is_empty() -> None:
    rows = _table(curve_csv(rows_of_file({"history": HISTORY, "best_epoch": 2, "dataset_file_count": 24})))
    assert [row["epoch"] for row in rows] == ["1", "2", "4"]
    assert [row["train_ppl"] for row in rows] == [f"{math.exp(2.5):.6g}", "", ""]
    assert [row["best"] for row in rows] == ["0", "1", "0"]
    assert {row["seconds"] + row["memorizing"] for row in rows} == {""}
    assert {row["threshold"] for row in rows} == {"3"}
    unknown = _table(curve_csv(rows_of_file({"history": HISTORY, "best_epoch": 3})))
    assert {row["best"] + row["threshold"] for row in unknown} == {""}


@pytest.mark.parametrize("odd", [None, 3, "x", [], {"val_losses": 7}, {"val_losses": [math.nan, "x"]}])
def test_what_is_no_history_has_no_curve(odd: object) -> None:
    assert saved_curve({"history": odd}) is None
    assert rows_of_file({"history": odd}) == []


def test_each_second_epoch_tells_no_times() -> None:
    assert tells_all([1, 2, 4, 5, 7])
    assert not tells_all([2, 4, 6])
    thinned = [_epoch(number, 3.0) for number in (2, 4, 6)]
    assert [row.seconds for row in rows_of_training(thinned, None)] == [None] * 3
    rolled_back = [replace(epoch, epoch=number) for epoch, number in zip(thinned, (1, 3, 4), strict=True)]
    assert [row.seconds for row in rows_of_training(rolled_back, None)] == [1.5, 3.0, 4.5]


def test_inspect_writes_the_curve(tiny_model: Path, sounds_folder: Path, tmp_path: Path) -> None:
    def inspect(*arguments: object) -> tuple[int, str]:
        run = CliRunner().invoke(app, ["inspect", str(tiny_model), *map(str, arguments)])
        return run.exit_code, run.output

    output = tmp_path / "curve.csv"
    code, said = inspect("--curve", output)
    assert code != 0
    assert "has no curve; nothing was written." in " ".join(said.split())
    assert not output.exists()
    trained = train_prior(tiny_model, sounds_folder, SMALL)
    assert trained.prior is not None
    save_prior_to_model(tiny_model, trained.prior, trained.config, trained.metadata)
    assert inspect("--curve", output)[0] == 0
    rows = _table(output.read_text())
    curve = saved_curve(read_summary(tiny_model).prior_metadata or {})
    assert curve is not None
    assert [row["epoch"] for row in rows] == ["1", "2", "3"]
    assert [float(row["val_loss"]) for row in rows] == pytest.approx(curve.val_losses, rel=1e-5)
    output.write_text("mine")
    assert inspect("--curve", output)[0] != 0
    assert output.read_text() == "mine"
    assert inspect("--curve", output, "--force")[0] == 0
    assert _table(output.read_text()) == rows
    before = tiny_model.read_bytes()
    output.unlink()
    output.symlink_to(tiny_model)
    code, said = inspect("--curve", output, "--force")
    assert (code, "is the model itself" in said) == (4, True)
    assert tiny_model.read_bytes() == before
