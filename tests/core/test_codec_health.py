"""The verdict on a codec, in Inspect and before a prior is trained on it."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from distill_core import load_model_v2, read_summary, save_model_v2
from distill_core.cli import app
from distill_core.models.codec_health import ADVICE, POOR_CODEC, codec_health

Write = Callable[..., Path]
REFERENCE = Path(__file__).parents[1] / "data" / "ref_small_prior.distill"
DEMO = Path(__file__).parents[2] / "resources" / "demo" / "demo.distill"
NONSENSE = [None, math.nan, math.inf, -math.inf, -5, 0, 2**62, 1e200, True, "", "many", [], [None], {}]
SMALL = ["--hidden-size", "32", "--layers", "1", "--heads", "2", "--epochs", "1", "--no-audit"]
WORSE = "Its error is worse than that of answering with each sound's average spectrum: 0.612 against 0.352."
DEAD = "Level 2 is dead: it always says the same."


@pytest.fixture
def write(shared_tiny_model: Path, tmp_path: Path) -> Write:
    """Return `write(levels, **training_config)`: a real model file of 2 levels × 16 codes with such a health."""

    def make(levels: list[Any], **training: Any) -> Path:
        loaded = load_model_v2(shared_tiny_model)
        health = {
            f"level_{number}": dict(zip(("utilization", "perplexity"), facts, strict=True))
            if isinstance(facts, tuple)
            else facts
            for number, facts in enumerate(levels)
        }
        return save_model_v2(
            tmp_path / "model.distill",
            loaded.model,
            spectrogram_config=loaded.spectrogram.config,
            vqvae_config=loaded.vqvae_config,
            training_config=training,
            metadata={"name": "Tiny"},
            codebook_health=health,
        )

    return make


def _distill(*arguments: object) -> Result:
    return CliRunner().invoke(app, list(map(str, arguments)))


@pytest.mark.parametrize(
    ("levels", "training", "verdicts", "is_poor"),
    [
        ([(0.5, 6.0), (0.9, 11.0)], {}, ["All 2 levels use their codebooks well."], False),
        ([(0.5, 6.0), (0.125, 1.6)], {}, ["All 2 levels are in use."], False),
        ([(0.5, 6.0)], {}, [], False),
        ([(0.5, 6.0), (None, 11.0)], {}, [], False),
        ([], {}, [], False),
        ([(0.5, 6.0), (1 / 16, 1.0)], {}, [DEAD], True),
        ([(1 / 16, 1.0), (1 / 16, 1.0)], {}, ["Levels 1 and 2 are dead: each always says the same."], True),
        ([(0.5, 6.0), (None, 1.2)], {}, ["Level 2 is dead: it nearly always says the same."], True),
        # Short one-shots: most of each second is silence, and yet the level tells of the rest.
        ([(0.5, 6.0), (0.6, 1.3)], {}, ["All 2 levels use their codebooks well."], False),
        (
            [(0.5, 6.0), (0.9, 11.0)],
            {"best_val_l1": 0.25, "mean_frame_l1": 0.35},
            [
                "All 2 levels use their codebooks well.",
                "Its error on sounds kept aside is 0.250; each sound's average spectrum is off by 0.350.",
            ],
            False,
        ),
        ([], {"best_val_l1": 0.612, "mean_frame_l1": 0.352}, [WORSE], True),
        ([(0.5, 6.0), (1 / 16, 1.0)], {"best_val_l1": 0.612, "mean_frame_l1": 0.352}, [DEAD, WORSE], True),
        (
            [],
            {"best_val_l1": 0.35, "mean_frame_l1": 0.35},
            ["Its error is as large as that of answering with each sound's average spectrum: 0.350 against 0.350."],
            True,
        ),
        ([], {"best_val_l1": 0.35, "mean_frame_l1": math.nan}, ["Its error on sounds kept aside is 0.350."], False),
        ([], {"mean_frame_l1": 0.35}, [], False),
    ],
)
def test_the_verdicts(
    write: Write, levels: list[Any], training: dict[str, Any], verdicts: list[str], is_poor: bool
) -> None:
    health = codec_health(read_summary(write(levels, **training)))
    assert list(health.verdicts) == verdicts
    assert bool(health.warning) is is_poor
    assert health.warning == (" ".join([*health.faults, ADVICE]) if is_poor else "")


def test_ordinary_models_are_not_scolded() -> None:
    assert codec_health(read_summary(REFERENCE)).verdicts == ("All 3 levels are in use.",)
    demo = codec_health(read_summary(DEMO))
    assert demo.verdicts[0].startswith("All ")
    assert (demo.warning, demo.hardly_used_levels) == ("", ())


def test_a_hardly_used_level_is_named_and_warns_of_nothing() -> None:
    reference = read_summary(REFERENCE)

    def judged(*uses: float) -> Any:
        levels = {f"level_{number}": {"utilization": use, "perplexity": 2.0} for number, use in enumerate(uses)}
        config = reference.vqvae_config | {"num_quantizers": len(uses)}
        return codec_health(replace(reference, vqvae_config=config, codebook_health=levels))

    assert judged(0.5, 0.2, 4 / 64).verdicts == ("Level 3 is hardly used: 4 of its 64 entries.",)
    assert judged(0.5, 0.2, 4 / 64).warning == ""
    two = "Levels 2 and 3 are hardly used: at most 4 of their 64 entries."
    assert judged(0.5, 3 / 64, 4 / 64).verdicts == (two,)
    assert judged(*[3 / 64] * 32).verdicts == (
        "Levels 1, 2, 3, 4, 5 and 27 more are hardly used: at most 3 of their 64 entries.",
    )
    assert judged(0.5).verdicts == ("Its one level uses its codebook well.",)


@pytest.mark.parametrize("nonsense", NONSENSE, ids=lambda value: str(value)[:12])
def test_nonsense_of_a_stranger_is_unknown(write: Write, nonsense: Any) -> None:
    model = write([nonsense, (nonsense, nonsense)], best_val_l1=nonsense, mean_frame_l1=nonsense)
    health = codec_health(read_summary(model))
    assert (health.levels, health.error, health.average_error) == ((), None, None)
    assert (health.verdicts, health.warning) == ((), "")
    shown = _distill("inspect", model)
    assert shown.exit_code == 0, shown.output
    assert "level  1" not in shown.stdout


def test_inspect_shows_bars_and_verdicts(write: Write) -> None:
    model = write([(0.5, 6.0), (1 / 16, 1.0)], best_val_l1=0.612, mean_frame_l1=0.352)
    shown = _distill("inspect", model).stdout
    assert "  level  1 ██████████░░░░░░░░░░ 50% in use, perplexity 6.0\n" in shown
    assert "  level  2 ██░░░░░░░░░░░░░░░░░░ 6% in use, perplexity 1.0\n" in shown
    assert f"  {DEAD}\n  {WORSE}\n" in shown
    facts = json.loads(_distill("inspect", "--json", model).stdout)
    assert facts["codec_verdicts"] == [DEAD, WORSE]
    assert facts["codec_warning"] == f"{DEAD} {WORSE} {ADVICE}"
    assert (facts["dead_levels"], facts["hardly_used_levels"]) == ([2], [])


def test_a_terminal_without_blocks_shows_letters(write: Write) -> None:
    shown = CliRunner(charset="cp1252").invoke(app, ["inspect", str(write([(0.5, 6.0), (0.9, 11.0)]))]).stdout
    assert "  level  1 ##########---------- 50% in use" in shown


def test_training_a_prior_warns_of_a_poor_codec_and_goes_on(write: Write, sounds_folder: Path) -> None:
    model = write([(0.5, 6.0), (1 / 16, 1.0)], best_val_l1=0.612, mean_frame_l1=0.352)
    run = _distill("train-prior", "--json", model, sounds_folder, *SMALL)
    assert run.exit_code == 0, run.output
    events = [json.loads(line) for line in run.stdout.splitlines()]
    assert [event["event"] for event in events] == ["scan", "poor_codec", "start", "epoch", "done"]
    message = f"{POOR_CODEC} {DEAD} {WORSE} {ADVICE}"
    told = {"event": "poor_codec", "message": message, "dead_levels": [2], "error": 0.612, "average_error": 0.352}
    assert events[1] == told
    assert message in run.stderr
    assert load_model_v2(model).prior is not None


def test_a_codec_without_a_fault_is_not_warned_of(write: Write, sounds_folder: Path) -> None:
    model = write([(0.5, 6.0), (0.125, 1.9)], best_val_l1=0.25, mean_frame_l1=0.352)
    run = _distill("train-prior", model, sounds_folder, *SMALL)
    assert run.exit_code == 0, run.output
    assert POOR_CODEC not in run.output
