"""The training of the KLT codec: a fit, a refiner, stops and resumption anywhere, and sounds of every kind."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch
from torch import Tensor
from typer.testing import CliRunner

from distill_core import (
    ConfigError,
    DatasetError,
    GenerateRequest,
    PriorConfig,
    generate,
    load_model_v2,
    save_prior_to_model,
    train_prior,
)
from distill_core.audio.io import read_mono
from distill_core.audio.spectrogram import AudioSpectrogram
from distill_core.audio.true_peak import LOUDEST, true_peak
from distill_core.cli import app
from distill_core.events import JobProgress, Phase, Stopped, ignore, never
from distill_core.generation.round_trip import round_trip
from distill_core.models.klt import KLTCodec
from distill_core.training.codec.events import CodecEpochMetrics, CodecTrainingStartEvent
from distill_core.training.codec.klt import fit as fitting
from distill_core.training.codec.klt.config import KLTConfig, klt_config_for
from distill_core.training.codec.klt.layout import settled
from distill_core.training.codec.klt.learner import KLTLearner
from distill_core.training.codec.settings import SoundAmount
from distill_core.training.codec.train import train_codec
from distill_core.training.codec.trained import TrainedCodec
from distill_core.training.data.chunks import SplitSounds, VariantBatches
from distill_core.training.events import Ended, StepMetrics
from distill_core.training.kinds import codec_runs
from distill_core.training.run_folder.folder import RunFolder

RATE = 48_000
TINY: dict[str, Any] = {"codebook_size": 16, "num_quantizers": 2, "band_mels": 64, "components": 16, "device": "cpu"}
TINY |= {"refiner_width": 16, "refiner_depth": 1, "max_epochs": 4, "batch_size": 2, "seed": 3}
GOLDEN_LOSSES, GOLDEN_L1 = [1.350, 1.351], 0.565
FITTED = ("basis_DC", "books_QKC", "bits_QK")


def _state(trained: TrainedCodec) -> dict[str, Tensor]:
    assert trained.model is not None
    return trained.model.state_dict()


def _same(one: TrainedCodec, other: TrainedCodec) -> bool:
    return all(torch.equal(value, _state(other)[key]) for key, value in _state(one).items())


def _figures(trained: TrainedCodec) -> list[CodecEpochMetrics]:
    return [replace(metrics, epoch_time_s=0.0) for metrics in trained.history]


@pytest.fixture(scope="module")
def events() -> list[object]:
    """What the training of `whole` told; filled by that fixture."""
    return []


@pytest.fixture(scope="module")
def whole(shared_sounds_folder: Path, events: list[object]) -> TrainedCodec:
    return train_codec(shared_sounds_folder, TINY, on_event=events.append)


@pytest.fixture(autouse=True)
def _written_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("distill_core.training.codec.state.PAUSE_IN_WRITING_S", 0.0)


# The fit, and what refines it


def test_the_fit_is_the_first_epoch_and_usable(whole: TrainedCodec, events: list[object]) -> None:
    (start,) = [event for event in events if isinstance(event, CodecTrainingStartEvent)]
    steps = [event for event in events if isinstance(event, StepMetrics)]
    fits = [event.done for event in events if isinstance(event, JobProgress) and event.phase is Phase.FIT]
    assert fits == [1, 2, 3, 4, 5, 6]
    assert {step.epoch for step in steps} == {2, 3, 4}
    first = whole.history[0]
    assert (first.learning_rate, first.commit_loss) == (0, 0)
    assert first.val_l1 < start.mean_frame_l1


def test_the_refiner_lowers_the_error_of_held_out_sounds(shared_sounds_folder: Path) -> None:
    trained = train_codec(shared_sounds_folder, {**TINY, "max_epochs": 24})
    fit, *refined = trained.history
    best = min(refined, key=lambda metrics: metrics.val_loss)
    assert best.val_loss < 0.98 * fit.val_loss
    assert trained.training_config["best_epoch"] == best.epoch
    assert trained.history[-1].best_val_loss == best.val_loss


def test_the_best_epoch_is_kept_and_its_codes_are_those_of_the_fit(
    whole: TrainedCodec, shared_sounds_folder: Path
) -> None:
    fit = train_codec(shared_sounds_folder, {**TINY, "max_epochs": 1})
    assert all(torch.equal(_state(fit)[key], _state(whole)[key]) for key in FITTED)
    spoilt = train_codec(shared_sounds_folder, {**TINY, "learning_rate": 0.5})
    assert spoilt.training_config["best_epoch"] == 1
    assert _same(spoilt, fit)


def test_figures_are_those_of_every_other_machine(whole: TrainedCodec) -> None:
    assert [metrics.val_loss for metrics in whole.history[:2]] == pytest.approx(GOLDEN_LOSSES, rel=0.02)
    assert whole.history[0].val_l1 == pytest.approx(GOLDEN_L1, rel=0.02)


def test_the_same_seed_gives_the_same_model_and_leaves_the_generator(
    whole: TrainedCodec, shared_sounds_folder: Path
) -> None:
    before = torch.get_rng_state()
    assert _same(train_codec(shared_sounds_folder, TINY), whole)  # and without a listener
    assert torch.equal(torch.get_rng_state(), before)


# Settings


@pytest.mark.parametrize(
    ("files", "seconds", "epochs", "val_fraction"),
    [
        *((1, 1.2, 401, 0.5), (5, 5, 401, 0.5), (15, 30, 401, 0.3), (84, 400, 101, 0.2)),
        *((250, 800, 51, 0.1), (1, 600, 68, 0.5), (5000, 1e5, 11, 0.1)),
    ],
)
def test_settings_follow_from_the_amount_of_sound(files: int, seconds: float, epochs: int, val_fraction: float) -> None:
    config = klt_config_for(SoundAmount(files, seconds))
    assert (config.max_epochs, config.val_fraction) == (epochs, val_fraction)
    assert (config.band_mels, config.num_quantizers) == (0, 0)
    assert klt_config_for(SoundAmount(files, seconds), max_epochs=7, band_mels=32).band_mels == 32


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("band_mels", 12), ("band_mels", 30), ("band_mels", 256), ("step_frames", 6), ("rate_weight", -1.0)),
        *(("rate_weight", math.nan), ("num_quantizers", 33), ("codebook_size", 1), ("components", 0)),
        *(("learning_rate", 1e300), ("weight_decay", 1e300)),
    ],
)
def test_a_setting_that_cannot_be_is_refused(name: str, value: Any) -> None:
    with pytest.raises(ConfigError, match=name):
        KLTConfig(**{name: value})


@pytest.mark.parametrize(("step_frames", "most"), [(256, 32), (128, 64), (100, 80), (64, 128)])
def test_a_patch_too_large_to_fit_within_a_stop_is_refused(step_frames: int, most: int) -> None:
    assert KLTConfig(step_frames=step_frames, band_mels=most).band_mels == most
    if most < 128:
        with pytest.raises(ConfigError, match="band_mels") as refused:
            KLTConfig(step_frames=step_frames, band_mels=most + 4)
        assert f"at most {most} with step_frames {step_frames}" in str(refused.value.hint)


def test_long_steps_choose_among_the_layouts_that_they_can_have() -> None:
    known = torch.rand(120, 256, 128, generator=torch.Generator().manual_seed(0))
    config = KLTConfig(step_frames=256, codebook_size=2, components=4)
    assert settled(config, 120, known, known[:4], ignore, never).band_mels in (16, 32)


def _note(hertz: float, seconds: float) -> np.ndarray[Any, np.dtype[np.float64]]:
    seconds_T = np.arange(round(seconds * RATE)) / RATE
    return 0.5 * np.exp(-3 * seconds_T) * (np.sin(2 * np.pi * hertz * seconds_T) + 0.3 * np.sin(9 * hertz * seconds_T))


def _noise(seed: int, seconds: float) -> np.ndarray[Any, np.dtype[np.float64]]:
    return np.random.default_rng(seed).normal(0, 0.2, round(seconds * RATE))


def _write(folder: Path, sounds: Any, rate: int = RATE) -> Path:
    folder.mkdir(exist_ok=True)
    for number, sound in enumerate(sounds):
        soundfile.write(folder / f"{number}.wav", sound, rate)
    return folder


def test_few_sounds_are_described_band_by_band_and_many_alike_ones_together(tmp_path: Path) -> None:
    sizes = {"codebook_size": 4, "components": 16, "refiner_depth": 0, "max_epochs": 1, "device": "cpu"}
    few, many = (train_codec(_write(tmp_path / f"{n}", [_note(220.0, 1.0)] * n), sizes) for n in (2, 12))
    assert (few.vqvae_config["band_mels"], few.vqvae_config["num_quantizers"]) == (16, 2)
    assert many.vqvae_config["band_mels"] > 16


@pytest.mark.parametrize(
    ("chosen", "layout"),
    [({"band_mels": 32, "num_quantizers": 3}, (32, 3)), ({"band_mels": 32}, (32, 4)), ({"band_mels": 100}, (100, 8))],
)
def test_a_layout_that_is_chosen_stays(
    shared_sounds_folder: Path, chosen: dict[str, int], layout: tuple[int, int]
) -> None:
    sizes = {"max_epochs": 1, "codebook_size": 4, "components": 8, "device": "cpu"}
    config = train_codec(shared_sounds_folder, {**sizes, **chosen}).vqvae_config
    assert (config["band_mels"], config["num_quantizers"]) == layout


# Stopped and gone on with


@pytest.mark.parametrize("band_mels", [0, 64])
def test_stopped_at_any_look_there_is_a_model_that_works_or_none(tmp_path: Path, band_mels: int) -> None:
    sounds = _write(tmp_path / "sounds", [_note(200.0, 1.3), _note(300.0, 0.5)])
    config = {**TINY, "band_mels": band_mels, "codebook_size": 4, "components": 8, "max_epochs": 2}
    looks = count()
    train_codec(sounds, config, should_stop=lambda: next(looks) < 0)
    total = next(looks)
    for number in np.random.default_rng(0).integers(0, total, 8):
        looks = count()
        stopped = train_codec(sounds, config, should_stop=lambda looks=looks, last=number: next(looks) >= last)
        assert stopped.ended is Ended.STOPPED
        assert (stopped.model is None) == (not stopped.history)
        if stopped.model is not None:
            loaded = load_model_v2(stopped.save(tmp_path / "stopped.distill"))
            assert bool(round_trip(loaded, torch.sin(torch.arange(RATE // 4) / 20)).isfinite().all())


def _cut_off(folder: RunFolder, sounds: Path, epoch: int) -> None:
    """Leave a run as a crash after an epoch would."""

    def on_event(event: object) -> None:
        if isinstance(event, CodecEpochMetrics) and event.epoch == epoch:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_codec(sounds, TINY, on_event=on_event, run_folder=folder)


@pytest.mark.parametrize("epoch", [1, 2, 3])
def test_it_is_gone_on_with_bit_for_bit(
    whole: TrainedCodec, shared_sounds_folder: Path, tmp_path: Path, epoch: int
) -> None:
    folder = codec_runs(tmp_path / "new.distill")
    _cut_off(folder, shared_sounds_folder, epoch)
    told: list[object] = []
    rest = train_codec(shared_sounds_folder, on_event=told.append, run_folder=folder, resume=True)
    assert not [event for event in told if isinstance(event, JobProgress) and event.phase is Phase.FIT]
    assert _same(rest, whole)
    assert _figures(rest) == _figures(whole)
    assert rest.training_config == whole.training_config


def test_a_layout_that_followed_from_the_sounds_is_that_of_the_run(tmp_path: Path) -> None:
    sounds = _write(tmp_path / "sounds", [_note(200.0, 0.5), _note(300.0, 0.5)])
    config = {**TINY, "band_mels": 0, "num_quantizers": 0, "codebook_size": 4, "components": 8, "max_epochs": 3}
    folder, seen = codec_runs(tmp_path / "new.distill"), list[object]()

    def in_epoch_2() -> bool:
        return bool(seen) and isinstance(seen[-1], StepMetrics)

    stopped = train_codec(sounds, config, on_event=seen.append, should_stop=in_epoch_2, run_folder=folder)
    assert len(stopped.history) == 1
    rest = train_codec(sounds, run_folder=folder, resume=True)
    assert rest.vqvae_config == stopped.vqvae_config
    assert rest.vqvae_config["band_mels"] >= 16
    assert _same(rest, train_codec(sounds, config))


def test_the_terminal_saves_the_best_of_a_run_and_goes_on_with_it(
    whole: TrainedCodec, sounds_folder: Path, tmp_path: Path
) -> None:
    for flag in ("--use-best", "--resume"):
        output = tmp_path / f"klt{flag}.distill"
        _cut_off(codec_runs(output), sounds_folder, 2)
        done = CliRunner().invoke(app, ["train", str(sounds_folder), "-o", str(output), flag])
        assert done.exit_code == 0, done.output
        model = load_model_v2(output).model
        assert isinstance(model, KLTCodec)
        assert torch.equal(model.books_QKC, _state(whole)["books_QKC"])


def test_a_fit_of_whole_spectra_is_nearly_that_of_all_directions_and_can_be_stopped() -> None:
    generator = torch.Generator().manual_seed(0)
    patches_ND = torch.rand(300, 30, generator=generator) @ torch.rand(30, 2048, generator=generator)
    patches_ND += 0.1 * torch.rand(300, 2048, generator=generator)
    found_DC = fitting._principal_components(patches_ND, 16, generator, never)
    exact_DC = torch.linalg.svd(patches_ND, full_matrices=False).Vh[:16].T
    torch.testing.assert_close(found_DC.T @ found_DC, torch.eye(16), atol=1e-4, rtol=0)
    left, least = ((patches_ND - patches_ND @ each @ each.T).square().sum() for each in (found_DC, exact_DC))
    assert float(left) < 1.01 * float(least)
    looks = count()
    with pytest.raises(Stopped):
        fitting._principal_components(patches_ND, 16, generator, lambda: next(looks) == 5)


def test_the_loss_after_a_fit_can_be_stopped_within_the_refiner() -> None:
    chunks_NT = torch.rand(20, RATE, generator=torch.Generator().manual_seed(0)) - 0.5
    sounds, config = SplitSounds(chunks_NT, chunks_NT[:1], (), ()), KLTConfig(**TINY)
    learner = KLTLearner(config, sounds, AudioSpectrogram(KLTCodec.spectrogram_config()), torch.device("cpu"))
    batches = VariantBatches(chunks_NT, 0, config.batch_size, torch.Generator())
    events, looks = list[object](), count()

    def should_stop() -> bool:
        return len(events) == 6 and next(looks) == 8  # 6 rounds; without a look inside, there would be two at most

    with pytest.raises(Stopped):
        learner.fit(batches, events.append, should_stop)


# Sounds of every kind


def _click() -> np.ndarray[Any, np.dtype[np.float64]]:
    return np.bincount([RATE], [0.9], 2 * RATE)


def _between() -> np.ndarray[Any, np.dtype[np.float64]]:
    fade_T = np.clip((0.4 - np.arange(19_200) / RATE) / 0.02, 0, 1)
    return np.concatenate([np.append(_note(hertz, 0.4) * fade_T, np.zeros(RATE)) for hertz in (200.0, 300.0)])


def _drone() -> np.ndarray[Any, np.dtype[np.float64]]:
    return sum(np.sin(2 * np.pi * hertz * np.arange(20 * RATE) / RATE) for hertz in (55.0, 110.3)) / 3


SOUNDS: dict[str, Callable[[], tuple[list[Any], int]]] = {
    "one file": lambda: ([np.concatenate([_note(200.0 * 2 ** (n / 4), 0.6) for n in range(5)])], RATE),
    "one file of 1.2 s": lambda: ([_note(330.0, 1.2)], RATE),
    "5 files": lambda: ([_note(200.0 + 50 * number, 1.0) for number in range(5)], RATE),
    "20 files": lambda: ([_note(110.0 * 2 ** (number / 5), 0.3) for number in range(20)], RATE),
    "250 files": lambda: ([_note(110.0 * 2 ** (number % 40 / 12), 0.06) for number in range(250)], RATE),
    "50 ms one-shots": lambda: ([_noise(n, 0.05) * np.exp(-np.arange(2400) / 500) for n in range(12)], RATE),
    "a drone": lambda: ([_drone()], RATE),
    "silence between notes": lambda: ([_between()] * 3, RATE),
    "clicks": lambda: ([(np.arange(RATE) % (4000 + 500 * number) == 0) * 0.8 for number in range(4)], RATE),
    "silence with one click": lambda: ([_click()] * 3, RATE),
    "white noise": lambda: ([_noise(number, 1.0) for number in range(4)], RATE),
    "8 kHz": lambda: ([_note(200.0 + 40 * number, 6.0)[:8000] for number in range(3)], 8_000),
    "192 kHz": lambda: ([_note(50.0 + 10 * number, 4.0) for number in range(3)], 192_000),
    "one side is silent": lambda: ([np.outer(_note(200.0 + 40 * n, 1.0), [1, 0]) for n in range(3)], RATE),
    "all the same": lambda: ([_note(300.0, 1.0)] * 6, RATE),
}


@pytest.mark.parametrize("kind", SOUNDS)
def test_nothing_collapses(tmp_path: Path, kind: str) -> None:
    folder = _write(tmp_path / "sounds", *SOUNDS[kind]())
    sizes = {"refiner_width": 8, "refiner_depth": 1, "codebook_size": 32, "components": 32}
    trained = train_codec(folder, {**sizes, "max_epochs": 2, "device": "cpu"})
    figures = [value for m in trained.history for value in (m.train_loss, m.val_loss, m.val_l1)]
    assert all(math.isfinite(value) for value in figures)
    assert all(bool(value.isfinite().all()) for value in _state(trained).values())
    model = trained.save(tmp_path / "new.distill")
    loaded = load_model_v2(model)
    waveform_T = read_mono(folder / "0.wav", RATE)[: 2 * RATE]
    heard_T = round_trip(loaded, waveform_T)
    decibels = 10 * float(torch.log10(heard_T.square().mean() / waveform_T.square().mean()))
    assert abs(decibels) < 10, decibels
    _assert_quiet_where_it_is_silent(waveform_T, heard_T)
    _assert_a_prior_learns(model, folder)


def _assert_quiet_where_it_is_silent(waveform_T: Tensor, heard_T: Tensor) -> None:
    reach = 8192 + 4096  # a step, and two windows
    is_near_1T = torch.nn.functional.max_pool1d((waveform_T.abs() > 1e-5).float()[None], 2 * reach + 1, 1, reach)
    quiet_T = heard_T[is_near_1T[0] == 0]
    assert not len(quiet_T) or float(quiet_T.abs().max()) < 1e-4 * float(waveform_T.abs().max())


def _assert_a_prior_learns(model: Path, folder: Path) -> None:
    sizes: dict[str, Any] = {"hidden_size": 16, "num_layers": 1, "num_heads": 1, "batch_size": 8, "variants": 1}
    config = PriorConfig(**sizes, max_epochs=1, device="cpu", precision="float32", architecture="frames")
    trained = train_prior(model, folder, config)
    assert trained.prior is not None
    assert all(math.isfinite(metrics.val_loss) for metrics in trained.history)
    save_prior_to_model(model, trained.prior, trained.config, trained.metadata)
    take = generate(load_model_v2(model), GenerateRequest(seconds=0.5, seed=1))
    assert bool(take.waveform_T.isfinite().all())
    assert true_peak(take.waveform_T) * take.gain <= LOUDEST * 1.0001


def test_five_notes_teach_more_than_their_mean_frames(tmp_path: Path) -> None:
    folder = _write(tmp_path / "sounds", [_note(200.0 + 50 * number, 1.0) for number in range(5)])
    trained = train_codec(folder, {"max_epochs": 1, "device": "cpu"})
    assert trained.training_config["best_val_l1"] < trained.training_config["mean_frame_l1"]


def test_a_constant_is_no_sound(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="silent"):
        train_codec(_write(tmp_path / "sounds", [np.full(RATE, 0.3)] * 3), TINY)
