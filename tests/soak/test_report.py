"""The soak's verdict: green only where something was done, nothing went wrong and the control failed."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

from tests.soak.__main__ import HARNESSES, Harness, is_success, run_all
from tests.soak.report import summary, write_report
from tests.soak.result import Moments, Result, not_run, result_of

GOOD = Result("good", 2, 2, [], True, None, 1.0, ["A fact."])
SKIPPED = not_run("power", 600, "Only root may mount an image")


def _write(folder: Path, *results: Result) -> tuple[list[dict[str, Any]], str]:
    for result in results:
        write_report(folder, result, "A sample.", ["power", "good"])
    return json.loads((folder / "soak-report.json").read_text()), (folder / "soak-report.md").read_text()


def test_the_machines_report_has_seven_fields_and_more_and_the_readable_one_tells_why(tmp_path: Path) -> None:
    records, text = _write(tmp_path, SKIPPED, GOOD, Result("bad", 3, 1, ["It was lost"], True, None, 1.0))
    fields = ["name", "wanted", "done", "violations", "control_failed", "skipped", "seconds"]
    assert [list(record) for record in records] == 3 * [[*fields, "details", "date", "machine"]]
    assert [record["violations"] for record in records] == [0, 0, 1]
    assert records[0]["skipped"] == "Only root may mount an image"
    assert all(words in text for words in ("It was lost", "A fact.", "Only root may mount an image", "Not simulated"))


def test_a_harness_that_runs_again_replaces_its_own_row_alone(tmp_path: Path) -> None:
    bad = Result("bad", 3, 1, ["It was lost"], True, None, 1.0)
    _write(tmp_path, bad, GOOD)
    records, text = _write(tmp_path, Result("bad", 3, 3, [], True, None, 2.0, ["Another fact."]))
    assert [(record["name"], record["done"]) for record in records] == [("good", 2), ("bad", 3)]
    assert "A fact." in text
    assert "Another fact." in text
    assert "It was lost" not in text


def test_a_harness_that_cannot_run_here_keeps_what_ran_elsewhere(tmp_path: Path) -> None:
    _write(tmp_path, GOOD)
    records, _ = _write(tmp_path, not_run("good", 2, "Only root may mount an image"))
    assert [(record["done"], record["skipped"]) for record in records] == [(2, None)]


def test_a_skipped_harness_is_named_in_the_summary() -> None:
    assert "skipped: power (Only root may mount an image)" in summary([GOOD, SKIPPED])
    assert is_success([GOOD, SKIPPED], is_full=True)
    assert is_success([SKIPPED], is_full=False)
    assert not is_success([SKIPPED, SKIPPED], is_full=True)


@pytest.mark.parametrize(
    "bad",
    [
        Result("lost", 2, 2, ["It was lost"], True, None, 1.0),
        Result("control", 2, 2, [], False, None, 1.0),
        Result("nothing done", 2, 0, [], True, None, 1.0),
    ],
)
def test_what_is_not_green_is_named_and_no_success(bad: Result) -> None:
    assert not is_success([GOOD, bad], is_full=False)
    assert f"not as it must be: {bad.name};" in summary([GOOD, bad])


def test_a_full_run_has_to_reach_its_bars() -> None:
    short = Result("short", 3, 2, [], True, None, 1.0)
    assert is_success([short], is_full=False)
    assert not is_success([short], is_full=True)


def test_a_harness_that_breaks_is_a_violation(tmp_path: Path) -> None:
    (broken,) = run_all([Harness("gone", "tests.soak.no_such_module", "x", 5)], 0, math.inf, tmp_path, "A sample.")
    assert broken.violations
    assert not is_success([broken], is_full=False)
    assert json.loads((tmp_path / "soak-report.json").read_text())[0]["wanted"] == 5


def test_a_harness_may_answer_with_a_mapping() -> None:
    fields = {"name": "x", "wanted": 2, "done": 2, "violations": [], "skipped": None, "seconds": 1.0}
    assert result_of(fields | {"control_failed": True}).is_green
    assert not result_of(fields | {"control_failed": False}).is_green


def test_strikes_beside_the_save_are_told() -> None:
    moments = Moments(1.0, seed=0)
    for number in range(100):
        assert moments.next() >= 0
        moments.note(number % 3 == 0)
    assert moments.doubts() == ["Struck beside the save: 34 of 100 hit inside the save, the others after it."]


def test_where_nothing_can_be_forked_the_reason_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr("os.fork", raising=False)
    (skipped,) = run_all([HARNESSES[0]], 0, math.inf, tmp_path, "A sample.")
    assert (skipped.done, skipped.wanted, skipped.violations) == (0, 1000, [])
    assert "no fork" in str(skipped.skipped)
