"""Whole sounds in a row: the codec's codes are those of all of it at once, and one second is the format's chunk."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import numpy
import pytest
import soundfile
import torch
from torch import Tensor

from distill_core import DatasetError, PriorConfig, load_model_v2, scan, train_prior
from distill_core.audio import rows, variants
from distill_core.audio.geometry import Geometry
from distill_core.audio.io import read_mono
from distill_core.audio.rows import pieces_of_blocks, read_row
from distill_core.audio.spectrogram import SpectrogramConfig
from distill_core.events import never
from distill_core.models.persistence import LoadedVQModel
from distill_core.models.vqvae import ConvVQVAE
from distill_core.training.data.codes import encode_and_split
from distill_core.training.data.split_codes import SplitCodes

TINY = PriorConfig(hidden_size=32, num_layers=1, num_heads=2, max_epochs=2, batch_size=4, device="cpu")


@pytest.fixture
def loaded(tiny_model: Path) -> LoadedVQModel:
    return load_model_v2(tiny_model)


def _rows(loaded: LoadedVQModel, folder: Path) -> SplitCodes:
    return encode_and_split(loaded, scan(folder), 0.5, 0, layout="rows")


def _geometry(config: SpectrogramConfig) -> Geometry:
    return ConvVQVAE.geometry({"num_quantizers": 2}, config)


def _all_at_once(loaded: LoadedVQModel, path: Path) -> Tensor:
    """Return `[W, H, Q]` of a sound that went through the codec whole."""
    waveform_T = read_mono(path, 48_000)
    whole_T = torch.nn.functional.pad(waveform_T / waveform_T.abs().max(), (0, -len(waveform_T) % 48_000))
    return loaded.model.codes_of(whole_T[None])[0]


@pytest.mark.parametrize("piece_steps", [2, 7, 192])
def test_pieces_give_the_codes_of_the_whole(
    loaded: LoadedVQModel,
    write_sound: Callable[..., Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    piece_steps: int,
) -> None:
    monkeypatch.setattr(rows, "_PIECE_STEPS", piece_steps)
    long = write_sound(tmp_path / "sounds" / "a.wav", seconds=7.3)
    write_sound(tmp_path / "sounds" / "b.wav", seed=1, seconds=1.0)
    codes = _rows(loaded, tmp_path / "sounds")
    by_name = dict(zip([file.name for file in (*codes.train_files, *codes.val_files)], codes.all, strict=True))
    whole = _all_at_once(loaded, long)
    assert by_name["a.wav"].steps == math.ceil(7.3 * 48_000 / (16 * 512)) == 43 < len(whole)
    assert torch.equal(by_name["a.wav"].sound_WHQ, whole[:43])


def test_one_second_in_a_row_is_the_formats_chunk(
    loaded: LoadedVQModel, write_sound: Callable[..., Path], tmp_path: Path
) -> None:
    for seed in range(2):
        write_sound(tmp_path / "sounds" / f"{seed}.wav", seed=seed, seconds=1.0)
    in_rows = _rows(loaded, tmp_path / "sounds")
    chunks = encode_and_split(loaded, scan(tmp_path / "sounds"), 0.5, 0)
    assert torch.equal(in_rows.train[0].codes_WHQ, chunks.train[0].codes_WHQ)
    assert torch.equal(in_rows.val[0].codes_WHQ, chunks.val[0].codes_WHQ)


@pytest.mark.parametrize("hop", [16, 512, 700, 2048])
@pytest.mark.parametrize("seconds", [1, 2, 5, 40])
def test_every_step_is_in_one_piece_which_begins_and_ends_where_it_must(hop: int, seconds: int) -> None:
    geometry = _geometry(SpectrogramConfig(sample_rate=8000, hop_length=hop))
    waveform_T = torch.randn(seconds * 8000 - 77)
    pieces, done = list(pieces_of_blocks(waveform_T.split(999), geometry)), 0
    assert all(piece.steps == 192 for piece in pieces[:-1])
    assert pieces[-1].steps is None
    for piece in pieces:
        begin = done * geometry.step_samples - piece.skipped * geometry.step_samples
        assert piece.skipped == min(done, geometry.look_back_steps)
        heard_T = waveform_T[begin : begin + len(piece.waveform_T)]
        assert torch.equal(piece.waveform_T[: len(heard_T)], heard_T)
        assert not piece.waveform_T[len(heard_T) :].any()
        if piece.steps is not None:
            own_samples = (piece.skipped + piece.steps) * geometry.step_samples
            assert len(piece.waveform_T) == own_samples + geometry.look_ahead_samples
            done += piece.steps
        else:
            assert begin + len(piece.waveform_T) == seconds * 8000


def _peak_of_rows(folder: Path, name: str) -> float:
    (file,) = [file for file in scan(folder).files if file.name == name]
    return max(float(piece.waveform_T.abs().max()) for piece in read_row(file, _geometry(SpectrogramConfig()), never))


@pytest.mark.parametrize("held", [0, 2**20])
@pytest.mark.parametrize("rate", [48_000, 44_100, 22_050])
def test_a_sound_has_one_gain_from_the_very_samples_that_are_divided(
    write_sound: Callable[..., Path], tmp_path: Path, rate: int, held: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(variants, "_MOST_SAMPLES_HELD", held)
    write_sound(tmp_path / "plain.wav", seconds=2.5, rate=rate)
    samples, _ = soundfile.read(tmp_path / "plain.wav")
    soundfile.write(tmp_path / "opposed.wav", numpy.stack([samples, -samples], 1), rate)
    soundfile.write(tmp_path / "quiet.wav", 0.02 * samples, rate, subtype="FLOAT")
    for name in ("plain.wav", "opposed.wav", "quiet.wav"):
        assert _peak_of_rows(tmp_path, name) == pytest.approx(1.0, abs=1e-6)


def test_the_gain_of_a_sound_is_at_most_forty_decibels(write_sound: Callable[..., Path], tmp_path: Path) -> None:
    write_sound(tmp_path / "plain.wav", rate=48_000)
    samples, _ = soundfile.read(tmp_path / "plain.wav")
    soundfile.write(tmp_path / "faint.wav", samples / abs(samples).max() * 1e-3, 48_000, subtype="FLOAT")
    assert _peak_of_rows(tmp_path, "faint.wav") == pytest.approx(0.1, rel=1e-3)


def test_the_context_is_no_longer_than_the_longest_training_sound(tiny_model: Path, sounds_folder: Path) -> None:
    trained = train_prior(tiny_model, sounds_folder, TINY)
    held_out = trained.metadata["validation_files"]
    seconds = [file.duration_s for file in scan(sounds_folder).files if file.name not in held_out]
    assert trained.config["grid"] == [8, math.ceil(max(seconds) * 48_000 / (16 * 512))]
    shorter = train_prior(tiny_model, sounds_folder, {"context_s": 0.5, "max_epochs": 1})
    assert shorter.config["grid"] == [8, 3]


def test_a_single_sound_is_split_in_time_a_second_apart(
    loaded: LoadedVQModel, write_sound: Callable[..., Path], tmp_path: Path
) -> None:
    write_sound(tmp_path / "one" / "a.wav", seconds=6.0)
    codes = encode_and_split(loaded, scan(tmp_path / "one"), 0.3, 0, layout="rows")
    whole = _all_at_once(loaded, tmp_path / "one" / "a.wav")
    assert torch.equal(codes.val[0].sound_WHQ, whole[-11:])
    assert torch.equal(codes.train[0].sound_WHQ, whole[:19])
    assert codes.is_one_sound
    write_sound(tmp_path / "short" / "a.wav", seconds=1.0)
    with pytest.raises(DatasetError, match="too little"):
        encode_and_split(loaded, scan(tmp_path / "short"), 0.3, 0, layout="rows")
