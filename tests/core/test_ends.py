"""Where a sound ends: learned beside the codes, in no number that is shown; an older Distill knows the file as new."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from distill_core import (
    ModelFileError,
    PriorConfig,
    load_model_v2,
    read_summary,
    save_prior_to_model,
    scan,
    train_prior,
)
from distill_core.files.archive import read_archive
from distill_core.models.architectures import PRIORS
from distill_core.models.frames import FramesPrior
from distill_core.models.prior import Windows
from distill_core.training.data.codes import SoundEncoder
from distill_core.training.data.sound_codes import SoundCodes
from distill_core.training.data.windows import Batch, CodeWindows, as_windows
from distill_core.training.kinds import prior_runs
from distill_core.training.prior.optimizers import build_optimizer
from distill_core.training.prior.step import train_step
from tests.conftest import WriteSound

SMALL = PriorConfig(hidden_size=32, num_layers=1, num_heads=2, max_epochs=2, precision="float32", device="cpu")
LEARNING = replace(SMALL, token_dropout=0.0, learning_rate=0.02)
CONTEXT = 6


def _prior(*, learns_end: bool = True) -> FramesPrior:
    torch.manual_seed(0)
    return FramesPrior(8, 2, 2, CONTEXT, 32, 1, 2, dropout=0.0, learns_end=learns_end)


def _where_every_weight_matters() -> FramesPrior:
    prior = _prior().eval()
    for weight in prior.parameters():
        torch.nn.init.normal_(weight, std=0.3)
    return prior


def _sounds(lengths: list[int], seed: int = 0) -> list[SoundCodes]:
    generator = torch.Generator().manual_seed(seed)
    return [SoundCodes.whole(torch.randint(0, 7, (length, 2, 2), generator=generator)) for length in lengths]


def _windows(prior: FramesPrior, sounds: list[SoundCodes]) -> CodeWindows:
    return as_windows(prior, ([sound] for sound in sounds), 96)


def _end_logits(prior: FramesPrior, windows: Windows) -> Tensor:
    with torch.no_grad():
        return prior.code_and_end_logits(windows, windows.codes_BWHQ)[1]


# Which steps are ends


def test_the_end_of_a_sound_is_told_and_no_cut_is_one() -> None:
    sounds = [*_sounds([4, 6, 15, 20]), SoundCodes.whole(torch.zeros(9, 2, 2, dtype=torch.long), has_end=False)]
    lengths, generator = [4, 6, 15, 20, 0], torch.Generator().manual_seed(0)
    windows = _windows(_prior(), sounds)

    def check(batches: list[Batch]) -> None:
        for batch in batches:
            ends_BW = batch.windows.end_targets()
            for row_W, (sound, part) in zip(ends_BW, batch.places, strict=True):
                steps = range(part.start, part.start + len(row_W))
                assert row_W.tolist() == [step + 1 == lengths[sound] for step in steps]

    check([*windows.fixed()])
    for _ in range(5):
        check([*windows.random(generator)])


def test_a_sound_that_is_cut_short_has_no_end() -> None:
    (sound,) = _sounds([8])
    assert sound.until(8, 1).has_end
    assert not sound.until(7, 1).has_end
    assert not sound.until(7, 1).until(8, 1).has_end


@pytest.mark.parametrize("layout", ["rows", "chunks"])
def test_a_lone_sound_ends_in_its_held_out_part_alone(
    tiny_model: Path, write_sound: WriteSound, tmp_path: Path, layout: Any
) -> None:
    write_sound(tmp_path / "alone" / "tone.wav", seconds=4.5)
    split = SoundEncoder(load_model_v2(tiny_model), layout).split(scan(tmp_path / "alone"), 0.3, 0)
    assert [sound.has_end for sound in split.train] == [False]
    assert [sound.has_end for sound in split.val] == [True]


# The network


def test_an_end_is_told_from_its_step_and_those_before_alone() -> None:
    prior, steps = _where_every_weight_matters(), CONTEXT
    codes = torch.randint(0, 8, (1, steps, 2, 2), generator=torch.Generator().manual_seed(0))
    changed = codes.repeat(4 * steps, 1, 1, 1)
    changed.view(4 * steps, -1)[range(4 * steps), range(4 * steps)] += 1
    changed %= 8
    every = torch.ones(4 * steps, steps, dtype=torch.bool)
    before_BW = _end_logits(prior, Windows(codes, every[:1], every[:1, 0], every[:1, 0]))
    after_BW = _end_logits(prior, Windows(changed, every, every[:, 0], every[:, 0]))
    for place, moved_W in enumerate((after_BW - before_BW).abs()):
        step = place // 4
        assert float(moved_W[:step].sum()) < 1e-4
        assert moved_W[step] > 1e-6


def test_the_step_by_step_door_gives_the_same_logits() -> None:
    """As a decoder does it: the trunk's output of a step's last band, then its codes level by level."""
    prior = _where_every_weight_matters()
    (batch,) = _windows(prior, _sounds([CONTEXT] * 3)).fixed()
    codes_BWHQ = batch.windows.codes_BWHQ
    with torch.no_grad():
        hidden_BC = prior.positions(codes_BWHQ.flatten(1, 2), batch.windows.begins_B)[:, 2 * 3 + 1]
        for level in range(2):
            hidden_BC = prior.add_code(hidden_BC, codes_BWHQ[:, 3, 1, level], level)
        torch.testing.assert_close(prior.end_logits(hidden_BC), _end_logits(prior, batch.windows)[:, 3])


def test_a_prior_with_ends_begins_like_one_without() -> None:
    with_ends = _prior()
    drawn = torch.get_rng_state()
    without = _prior(learns_end=False)
    assert torch.equal(drawn, torch.get_rng_state())
    assert set(with_ends.state_dict()) - set(without.state_dict()) == {"end_head.weight", "end_head.bias"}
    for key, value in without.state_dict().items():
        assert torch.equal(value, with_ends.state_dict()[key])


def test_the_loss_that_is_shown_knows_no_ends_and_the_learned_one_adds_theirs() -> None:
    prior, without = _where_every_weight_matters(), _prior(learns_end=False).eval()
    state = prior.state_dict()
    without.load_state_dict({key: state[key] for key in without.state_dict()})
    batches = [*_windows(prior, _sounds([3, 6, 5, 11, 2, 17])).fixed()]
    assert any(bool((~batch.windows.counted_BW).any()) for batch in batches)
    for windows in (batch.windows for batch in batches):
        loss, codes_alone = prior.loss(windows, windows.codes_BWHQ), without.loss(windows, windows.codes_BWHQ)
        assert torch.equal(loss.shown, codes_alone.shown)
        assert codes_alone.learned is codes_alone.shown
        logits_N = _end_logits(prior, windows)[windows.counted_BW]
        targets_N = windows.end_targets()[windows.counted_BW].float()
        ends = functional.binary_cross_entropy_with_logits(logits_N, targets_N)
        torch.testing.assert_close(loss.learned, loss.shown + ends / 5)


@pytest.mark.parametrize(("band", "level"), [(0, 0), (1, 1)])
def test_ends_are_learned_from_what_announces_them(band: int, level: int) -> None:
    """Each sound's last step has code 7 in one place, and no other step has; half of the sounds are longer than it."""
    lengths = [2, 3, 4, 5, 6, 8, 9, 11, 13, 14]
    learned, new = _sounds(lengths * 4), _sounds(lengths, seed=1)
    for sound in (*learned, *new):
        sound.codes_WHQ[-1, band, level] = 7
    prior = _prior()
    optimizer, generator = build_optimizer(prior, LEARNING), torch.Generator().manual_seed(0)
    prior.train()
    for _ in range(12):
        for batch in _windows(prior, learned).random(generator):
            train_step(prior, batch.windows, optimizer, LEARNING)
    prior.eval()
    for batch in _windows(prior, new).fixed():
        logits_BW, is_end_BW = _end_logits(prior, batch.windows), batch.windows.end_targets()
        assert bool((logits_BW[is_end_BW] > 0).all())
        assert bool((logits_BW[batch.windows.counted_BW & ~is_end_BW] < 0).all())


# The file


@pytest.fixture(scope="module")
def saved(shared_tiny_model: Path, shared_sounds_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model with a prior that has just been trained."""
    trained = train_prior(shared_tiny_model, shared_sounds_folder, SMALL, use_cache=False)
    assert trained.prior is not None
    output = tmp_path_factory.mktemp("saved") / "ends.distill"
    return save_prior_to_model(shared_tiny_model, trained.prior, trained.config, trained.metadata, output=output)


def _changed(model: Path, target: Path, config: dict[str, Any], without: tuple[str, ...] = ()) -> Path:
    """Write a model with other settings of its prior, and without some of its weights; None takes a setting out."""
    values, _ = read_archive(model)
    kept = {key: value for key, value in (values["prior_config"] | config).items() if value is not None}
    state = {key: value for key, value in values["prior_state_dict"].items() if key not in without}
    torch.save(values | {"prior_config": kept, "prior_state_dict": state}, target)
    return target


END_HEAD = ("end_head.weight", "end_head.bias")


def test_a_new_prior_learns_ends_and_its_file_says_so(saved: Path) -> None:
    values, _ = read_archive(saved)
    config, state = values["prior_config"], values["prior_state_dict"]
    assert config["learns_end"] is True
    assert config["architecture"] == "frames-end"
    assert config["architecture"] not in PRIORS, "what an older Distill judges by"
    assert (tuple(state["end_head.weight"].shape), tuple(state["end_head.bias"].shape)) == ((1, 32), (1,))
    summary, loaded = read_summary(saved), load_model_v2(saved)
    assert (summary.prior_architecture, summary.prior_is_readable, summary.prior_has_ends) == ("frames", True, True)
    assert loaded.prior is not None
    assert loaded.prior.learns_end
    assert torch.equal(loaded.prior.state_dict()["end_head.weight"], state["end_head.weight"])


def test_the_name_frames_opens_too(saved: Path, tmp_path: Path) -> None:
    model = _changed(saved, tmp_path / "plain.distill", {"architecture": "frames"})
    assert read_summary(model).prior_has_ends is True
    prior = load_model_v2(model).prior
    assert prior is not None
    assert prior.learns_end


def test_a_file_without_ends_stays_one(saved: Path, tmp_path: Path) -> None:
    settings = {"architecture": "frames", "learns_end": None}
    model = _changed(saved, tmp_path / "older.distill", settings, without=END_HEAD)
    summary, loaded = read_summary(model), load_model_v2(model)
    assert (summary.prior_architecture, summary.prior_has_ends) == ("frames", False)
    assert loaded.prior is not None
    assert not loaded.prior.learns_end
    save_prior_to_model(model, loaded.prior, summary.prior_config, summary.prior_metadata or {})
    assert read_archive(model)[0]["prior_config"] == summary.prior_config


@pytest.mark.parametrize(
    ("config", "without"),
    [
        ({"learns_end": None}, ()),
        ({"learns_end": None}, END_HEAD),
        ({"learns_end": False}, END_HEAD),
        ({"learns_end": 1}, ()),
        ({}, END_HEAD),
        ({}, END_HEAD[1:]),
        ({"architecture": "frames", "learns_end": False}, ()),
        ({"architecture": "frames", "learns_end": None}, ()),
    ],
    ids=str,
)
def test_ends_that_are_not_all_there_are_refused(
    saved: Path, tmp_path: Path, config: dict[str, Any], without: tuple[str, ...]
) -> None:
    model = _changed(saved, tmp_path / "odd.distill", config, without)
    with pytest.raises(ModelFileError, match="can't be opened"):
        read_summary(model)


def test_a_run_says_by_its_name_that_it_learns_ends(tiny_model: Path, sounds_folder: Path) -> None:
    train_prior(tiny_model, sounds_folder, SMALL, run_folder=prior_runs(tiny_model))
    values = torch.load(prior_runs(tiny_model).folder / "run.distill-run", weights_only=True)
    assert values["config"]["architecture"] == "frames"
    assert (values["prior_config"]["architecture"], values["prior_config"]["learns_end"]) == ("frames-end", True)
