"""`bench sound`: who is held out, what is measured of round trips, codes and takes, and ratios to the rivals."""

from __future__ import annotations

import math
from argparse import Namespace
from itertools import pairwise
from pathlib import Path

import pytest
import torch

from benchmarks import sound_error, sound_worth
from benchmarks.rival_codec import Recipe, train_rival
from benchmarks.rival_opus import opus_round_trip, rate_for
from benchmarks.sound import measure_set, plain
from benchmarks.sound_contenders import Clock, Contender
from benchmarks.sound_distance import HeldOutFrames
from benchmarks.sound_error import (
    FLOOR_DB,
    RATE,
    decibels,
    errors_of,
    hum_db,
    in_db,
    log_mel_of,
    mean_frame_errors,
    stft_error,
)
from benchmarks.sound_inversion import OURS, RIVAL, compare, read_seconds
from benchmarks.sound_speed import DEMO_MODEL, DEMO_SOUNDS, codes_and_sound, with_prior
from benchmarks.sound_split import Part, families, family_of, folds, parts_of
from benchmarks.sound_worth import HeldOut, Row, examine, pooled, ratios
from distill_core import PriorConfig, load_model_v2, save_prior_to_model, train_prior
from distill_core.audio.dataset import AudioFile, scan
from distill_core.training.codec.vqvae.config import get_adaptive_vqvae_config
from distill_core.training.prior.events import Keep

RATIOS = {"error_vs_v2", "db_error_vs_v2", "stft_error_vs_v2", "error_vs_mean_frame", "prior_bits_vs_v2"}
RATIOS |= {"generated_distance_vs_v2", "min_codebook_use", "fit_cpu_s"}


def tone(hertz: float, seconds: float = 1.0, level: float = 1.0) -> torch.Tensor:
    return level * torch.sin(torch.arange(round(seconds * RATE)) * (2 * math.pi * hertz / RATE))


def file_of(name: str, digest: str = "") -> AudioFile:
    return AudioFile(f"/sounds/{name}", name, 1.0, RATE, 1, digest or name)


# Who is held out


@pytest.mark.parametrize(
    "names",
    [
        ("Kick_1.wav", "Kick_2.wav", "kick03.wav"),
        ("cymbal_hard.flac", "cymbal_soft.flac", "cymbal_closed.flac"),
        ("drum_tom_hi_hard.flac", "drum_tom_hi_soft.flac"),
        ("A/01.wav", "A/01.flac"),
    ],
)
def test_siblings_are_a_family(names: tuple[str, ...]) -> None:
    assert len({family_of(name) for name in names}) == 1


def test_other_sounds_and_other_folders_are_other_families() -> None:
    names = ("kick.wav", "snare.wav", "piano c4.wav", "piano d4.wav", "A/kick.wav", "A/01.wav", "A/02.wav")
    assert len({family_of(name) for name in names}) == len(names)


def test_folds_hold_each_file_once_and_part_no_family() -> None:
    names = [f"{kind}_{number}.wav" for kind in ("kick", "snare", "hat", "clap", "tom", "rim") for number in range(3)]
    files = [*map(file_of, names), file_of("other.wav", digest="kick_0.wav")]
    found = folds(files, 5, seed=1)
    assert sorted(file.name for fold in found for file in fold) == sorted(file.name for file in files)
    assert len(found) == 5
    for family in families(files):
        assert len({number for number, fold in enumerate(found) for file in family if file in fold}) == 1
    assert found == folds(files, 5, seed=1) != folds(files, 5, seed=2)


def test_a_single_family_is_held_out_file_by_file() -> None:
    assert [len(fold) for fold in folds([file_of(f"hit_{number}.wav") for number in range(4)], 5, 0)] == [1] * 4


def test_the_held_out_sounds_are_not_among_the_known_ones() -> None:
    dataset = scan(DEMO_SOUNDS)
    parts = [*parts_of(dataset, 0)]
    for part in parts:
        assert {*part.known.files} | {*part.held_out} == {*dataset.files}
        assert not {*part.known.files} & {*part.held_out}
    assert sorted(file.name for part in parts for file in part.held_out) == [file.name for file in dataset.files]


# Round trips


def test_decibels_of_a_mel_are_those_of_a_sine_and_end_at_the_floor() -> None:
    for level_db in (0, -20, -60):
        loudest = float(in_db(log_mel_of(tone(3000, level=10 ** (level_db / 20)))).max())
        assert level_db - 3 < loudest < level_db + 3
    for silence_T in (torch.zeros(RATE), tone(3000, level=1e-6)):
        assert set(in_db(log_mel_of(silence_T)).unique().tolist()) == {FLOOR_DB}


def test_a_sound_that_comes_back_as_it_was_has_no_error() -> None:
    sound_T = tone(440, 2.3) * torch.linspace(1, 0.1, round(2.3 * RATE))
    errors = [*errors_of(sound_T, sound_T)]
    assert [error.frames for error in errors] == [94, 94, 29]
    assert sound_error.pooled(errors) == {"log1p": 0, "db": 0, "stft": 0}


def test_errors_do_not_depend_on_loudness_and_grow_with_noise() -> None:
    sound_T = tone(440, 0.5)
    noise_T = torch.randn(len(sound_T), generator=torch.Generator().manual_seed(0))
    rows = [sound_error.pooled([*errors_of(sound_T, sound_T + level * noise_T)]) for level in (0.001, 0.01, 0.1)]
    for less, more in pairwise(rows):
        assert all(0 < (less[name] or 0) < (more[name] or 0) for name in less)
    quiet = sound_error.pooled([*errors_of(0.1 * sound_T, 0.1 * (sound_T + 0.1 * noise_T))])
    assert quiet == pytest.approx(rows[-1], rel=1e-4)


def test_half_as_loud_is_six_decibels_off() -> None:
    assert stft_error(tone(440), 0.5 * tone(440)) > stft_error(tone(440), 0.9 * tone(440)) > 0
    noise_T = torch.randn(RATE, generator=torch.Generator().manual_seed(0))
    (error,) = errors_of(noise_T, 0.5 * noise_T)
    assert error.db == pytest.approx(6.02, abs=0.05)


def test_quiet_seconds_are_left_out() -> None:
    sound_T = torch.cat([tone(440), 1e-4 * tone(440), tone(440)])
    assert len([*errors_of(sound_T, sound_T)]) == 2


def test_the_mean_frame_is_right_for_a_steady_tone_and_wrong_for_a_stroke() -> None:
    noise_T = torch.randn(RATE, generator=torch.Generator().manual_seed(0))
    (level,), (fall,) = mean_frame_errors(tone(440)), mean_frame_errors(noise_T * torch.logspace(0, -4, RATE))
    assert 5 * level.log1p < fall.log1p
    assert 5 * level.db < fall.db
    assert sound_error.pooled([fall])["stft"] is None


def test_hum_is_the_level_in_silence_alone() -> None:
    sound_T = torch.cat([tone(440, 0.3), torch.zeros(RATE // 2)])
    heard_T = sound_T + tone(50, 0.8, level=0.01)
    assert hum_db(sound_T, heard_T) == pytest.approx(-43, abs=0.5)
    assert hum_db(sound_T, sound_T) == decibels(0) == -200
    assert hum_db(tone(440, 0.8), heard_T) is None


@pytest.mark.parametrize("kbits", [64, 24])
def test_opus_takes_the_rate_that_is_asked_for(kbits: int) -> None:
    sound_T = torch.cat([tone(hertz, 0.5) for hertz in (220, 440, 880, 1760)])
    rate = rate_for([sound_T], kbits)
    assert rate.kbits == pytest.approx(kbits, rel=0.15)
    assert stft_error(sound_T, opus_round_trip(sound_T, rate.level)) < stft_error(sound_T, torch.zeros_like(sound_T))


# Takes


def test_sounds_are_nearer_to_themselves_than_to_others_and_silence_is_told_apart() -> None:
    sounds = [tone(hertz) * torch.logspace(0, -2, RATE) for hertz in (200, 400, 800, 1600)]
    held_out = HeldOutFrames(sounds, sounds)
    same = held_out.distance(sounds)
    assert held_out.floor == same
    assert same.frechet_percent == pytest.approx(0, abs=1e-3)
    assert same.nearest_db == pytest.approx(0, abs=1e-3)
    assert same.coverage_db == pytest.approx(0, abs=1e-3)
    one_tone = held_out.distance(sounds[:1])
    assert one_tone.nearest_db < 1e-3 < one_tone.coverage_db
    other = held_out.distance([torch.randn(RATE, generator=torch.Generator().manual_seed(0))])
    assert other.frechet_percent > 100
    assert other.nearest_db > 10
    with_rest = held_out.distance([torch.cat([sound_T, torch.zeros(RATE)]) for sound_T in sounds])
    assert with_rest.silent_share == pytest.approx(0.5, abs=0.02)
    assert with_rest.frechet_percent < 5 < 100 < held_out.distance([torch.zeros(RATE)]).frechet_percent


# Contenders


def test_the_recipe_has_the_ancestors_sizes() -> None:
    for files in (5, 15, 84, 251):
        recipe, config = Recipe.of(files), get_adaptive_vqvae_config(files)
        assert recipe.vqvae_config.items() <= config.to_file().items()
        assert (recipe.learning_rate, recipe.epochs) == (config.learning_rate, config.max_epochs)
        assert (recipe.copies, recipe.batch_size) == (config.augmentation, config.batch_size)
        assert recipe.val_fraction == config.val_fraction


def test_the_rival_learns_and_its_file_opens(sounds_folder: Path, tmp_path: Path) -> None:
    before = torch.random.get_rng_state()
    brief, longer = (train_rival(scan(sounds_folder), 0, cpu_s) for cpu_s in (0.1, 2.0))
    assert longer.best_loss < brief.best_loss
    assert longer.usable_cpu_s <= longer.spent_s
    loaded = load_model_v2(longer.save(tmp_path / "v2.distill"))
    assert loaded.vqvae_config == longer.recipe.vqvae_config
    assert torch.equal(torch.random.get_rng_state(), before)


class FirstResult:
    val_loss = 1.0


def test_a_clock_stops_once_the_time_is_up_and_something_is_usable() -> None:
    clock = Clock(0.0)
    begun = Clock(0.0, begins_with=FirstResult)
    assert clock.should_stop()
    assert begun.spent_s == 0
    begun.on_event(FirstResult())
    assert begun.usable_cpu_s is not None
    patient = Clock(1000.0)
    patient.on_event(FirstResult())
    assert not patient.should_stop()


def test_figures_of_a_contender_and_their_ratios(
    tiny_model: Path, sounds_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sound_worth, "TAKES", 2)
    monkeypatch.setattr(sound_worth, "TAKE_S", 0.5)
    dataset = scan(sounds_folder)
    part = Part(dataset, dataset.files[:2])
    config = PriorConfig(hidden_size=32, num_layers=1, num_heads=2, max_epochs=2, device="cpu", variants=0)
    trained = train_prior(tiny_model, dataset, config).keeping(Keep.BEST)
    held_out = HeldOut(part, tmp_path / "listen")
    untaught = examine("v2", Contender(load_model_v2(tiny_model), 1.0, 0.5, 0.0, 0), held_out, 0)
    assert trained.prior is not None
    save_prior_to_model(tiny_model, trained.prior, trained.config, trained.metadata)
    found = examine("ours", Contender(load_model_v2(tiny_model), 1.0, 0.5, 1.0, 2), held_out, 0)
    assert untaught.errors == found.errors
    once, twice = pooled([found]), pooled([found, found])
    assert once["codes_per_s"] == pytest.approx(48_000 / 8192 * 16)
    assert (once["prior_bits_per_s"] or 0) > 0
    assert max(once["exported_peak_db"] or 0, once["take_peak_db"] or 0) <= -1 + 1e-3
    assert twice == pytest.approx(once)
    own = ratios(once, once, once)
    assert set(own) == RATIOS
    assert all(own[name] == 1 for name in RATIOS - {"min_codebook_use", "fit_cpu_s"})
    assert own["fit_cpu_s"] == 0.5
    row: Row = pooled([untaught])
    assert ratios(once, row, once)["prior_bits_vs_v2"] is None
    assert len([*(tmp_path / "listen").rglob("*.wav")]) == 2 + 2 + 2


@pytest.mark.slow
def test_a_set_is_measured_and_each_contender_shown_as_soon_as_it_is_there(
    sounds_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sound_worth, "TAKES", 1)
    monkeypatch.setattr(sound_worth, "TAKE_S", 0.5)
    options = Namespace(cpu_seconds=2.0, architecture=None, seed=0, folds=1, listen=tmp_path / "listen", most=2)
    results = measure_set(sounds_folder, options)
    inversion = {"inversion_error_vs_griffinlim", "inversion_cpu_vs_griffinlim"}
    assert set(results) == RATIOS | inversion | {"details"}
    assert all(results[name] > 0 for name in set(results) - {"details"})
    rows = results["details"]["rows"]
    shown = capsys.readouterr().out
    assert [*rows] == sorted(rows, key=lambda name: shown.index(f"\n{name:20}"))
    assert rows["Opus 64"]["kbits_per_s"] > rows["Opus 24"]["kbits_per_s"]
    kinds = {path.parent.name for path in (tmp_path / "listen").rglob("*.wav")}
    assert kinds == {"original", "Opus 64", "Opus 24", "ours", "v2", "ours, takes", "v2, takes"}


def test_json_has_no_infinity() -> None:
    assert plain({"a": math.inf, "b": (1.0, math.nan), 3: "x"}) == {"a": None, "b": [1.0, None], "3": "x"}


# Inversion, and a model against the clock


def test_seconds_are_whole_and_as_loud_as_they_can_be() -> None:
    seconds_NT = read_seconds(DEMO_SOUNDS, 5)
    assert seconds_NT.shape == (5, 48_000)
    assert torch.equal(seconds_NT.abs().amax(1), torch.ones(5))


def test_ratios_are_to_the_rivals_figures() -> None:
    rows = compare(read_seconds(DEMO_SOUNDS, 1))
    assert rows[RIVAL]["error_ratio"] == rows[RIVAL]["cpu_s_ratio"] == 1
    assert rows[OURS]["error_ratio"] == rows[OURS]["error"] / rows[RIVAL]["error"] < 0.35


def test_a_model_without_a_prior_gets_one_that_makes_takes() -> None:
    loaded = load_model_v2(DEMO_MODEL)
    assert loaded.prior is None
    figures = codes_and_sound(with_prior(loaded, 1000), 1.0)
    assert all(value > 0 for value in figures.values())
