"""Files of the KLT codec that strangers made: odd ones work, wrong ones are refused, and priors go into them."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from distill_core import load_model_v2, read_summary, train_prior
from distill_core.audio.spectrogram import SpectrogramConfig
from distill_core.cli import app
from distill_core.errors import SaveError
from distill_core.files.archive import read_archive
from distill_core.files.backup import backup_of
from distill_core.models.klt import KLTCodec, search
from distill_core.models.klt.patches import loudness_of_patches, patches_of
from distill_core.models.persistence import read_codec_digest
from distill_core.training.codec.train import train_codec
from distill_core.training.codec.trained import TrainedCodec
from distill_core.training.events import Ended
from distill_core.training.kinds import prior_runs
from distill_core.training.prior.saving import save_and_finish
from tests.soak.specimen import KLT_CONFIG, random_klt_codec, write_small_klt_model

TINY: dict[str, Any] = {"max_epochs": 1, "hidden_size": 32, "num_layers": 1, "num_heads": 2, "device": "cpu"}


def test_silence_is_coded_as_silence_however_many_bits_that_has() -> None:
    codec = random_klt_codec(KLT_CONFIG | {"rate_weight": 1e6})
    codec.bits_QK.zero_()[:, 0] = 10
    loudness_1FM = torch.zeros(1, 40, 128)
    loudness_1FM[:, 20, 70] = 4
    codes_1WHQ = codec.encode(loudness_1FM)
    assert codes_1WHQ[0, 1, 2].all()
    codes_1WHQ[0, 1, 2] = 0
    assert not codes_1WHQ.any()


def test_the_shapes_that_are_told_are_those_of_the_network() -> None:
    for sizes in (
        {},
        {"refiner_depth": 0},
        {"step_frames": 4, "band_mels": 512, "components": 100, "refiner_width": 7},
    ):
        state = random_klt_codec(KLT_CONFIG | sizes).state_dict()
        told = {key: (tuple(tensor.shape), tensor.dtype) for key, tensor in state.items()}
        assert KLTCodec.shapes(KLT_CONFIG | sizes) == told


ODD = [
    (SpectrogramConfig(n_mels=100), {}),  # no multiple of the bands' 32
    (SpectrogramConfig(n_mels=16), {"band_mels": 512, "step_frames": 256}),  # nearly all of a patch is padding
    (SpectrogramConfig(sample_rate=44_100, n_fft=1024, hop_length=300, n_mels=80, f_min=40.0, f_max=9000.0), {}),
    (SpectrogramConfig(sample_rate=22_050, n_fft=2048, hop_length=2000, power=1.0), {"refiner_depth": 5}),
    (SpectrogramConfig(sample_rate=8_000, n_fft=15_998, hop_length=15_998, n_mels=17), {"step_frames": 4}),
    (SpectrogramConfig(sample_rate=8_000, n_fft=64, hop_length=16, n_mels=512, power=4.0), {"band_mels": 16}),
    (SpectrogramConfig(), {"step_frames": 256, "components": 1, "num_quantizers": 32, "codebook_size": 2}),
    (SpectrogramConfig(), {"step_frames": 4, "band_mels": 16, "components": 100, "refiner_depth": 0}),
]


@pytest.mark.parametrize(("spectrogram", "config"), ODD)
def test_odd_files_open_and_sound(tmp_path: Path, spectrogram: SpectrogramConfig, config: dict[str, Any]) -> None:
    path = write_small_klt_model(tmp_path, spectrogram, **config)
    loaded, geometry = load_model_v2(path), read_summary(path).geometry
    waveforms_BT = torch.rand(2, 2 * spectrogram.sample_rate, generator=torch.Generator().manual_seed(0)) - 0.5
    waveforms_BT[1] = 0
    codes_BWHQ = loaded.model.codes_of(waveforms_BT)
    assert codes_BWHQ.shape[2:] == (geometry.bands, geometry.levels)
    assert codes_BWHQ.shape[1] >= geometry.steps_of(waveforms_BT.shape[1])
    assert codes_BWHQ[0].any()
    assert not codes_BWHQ[1].any()
    some_WHQ, silent_WHQ = codes_BWHQ[:, : max(3, geometry.steps_of(spectrogram.sample_rate))]
    heard_T = torch.cat(list(loaded.model.audio_of(some_WHQ.split(2))))
    assert len(heard_T) == len(some_WHQ) * geometry.step_samples
    assert heard_T.isfinite().all()
    at_once_T = torch.cat(list(loaded.model.audio_of([some_WHQ])))
    assert torch.equal(heard_T, at_once_T)
    assert torch.cat(list(loaded.model.audio_of([silent_WHQ]))).abs().max() < 1e-4
    assert torch.cat(list(loaded.model.audio_of([some_WHQ[..., :1]]))).isfinite().all()


def test_the_search_in_parts_finds_the_codes_of_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    codec = random_klt_codec(KLT_CONFIG)
    vectors_NC = 5 * torch.randn(100, 3, generator=torch.Generator().manual_seed(0))
    whole_NQ = search.codes_of(vectors_NC, codec.books_QKC, codec.bits_QK)
    monkeypatch.setattr(search, "_ENTRIES_AT_ONCE", 1)  # fewer than one vector has
    assert torch.equal(search.codes_of(vectors_NC, codec.books_QKC, codec.bits_QK), whole_NQ)


def test_a_network_that_is_far_too_loud_gives_numbers(tmp_path: Path) -> None:
    model = load_model_v2(write_small_klt_model(tmp_path)).model
    model.get_parameter("refiner.leave.bias").data.fill_(1e4)
    codes_WHQ = torch.randint(0, 4, (9, 4, 2), generator=torch.Generator().manual_seed(0))
    assert torch.cat(list(model.audio_of([codes_WHQ]))).isfinite().all()


@settings(deadline=None)
@given(frames=st.integers(1, 70), mels=st.integers(1, 70), step=st.integers(1, 8), band=st.integers(1, 12))
def test_patches_lie_in_time_order_and_go_back(frames: int, mels: int, step: int, band: int) -> None:
    loudness_1FM = torch.arange(1.0, 1 + frames * mels).reshape(1, frames, mels)
    patches_1WHD = patches_of(loudness_1FM, 4 * step, 4 * band)
    assert patches_1WHD.shape == (1, -(-frames // (4 * step)), -(-mels // (4 * band)), 16 * step * band)
    back_1FM = loudness_of_patches(patches_1WHD, 4 * step)
    assert torch.equal(back_1FM[:, :frames, :mels], loudness_1FM)
    assert back_1FM.sum() == loudness_1FM.sum()  # padding is silent


@pytest.mark.parametrize("architecture", ["frames", "flat"])
def test_a_prior_is_saved_into_a_trained_codecs_file_inspected_and_taken_back(
    shared_klt_model: Path, sounds_folder: Path, tmp_path: Path, architecture: str
) -> None:
    path = Path(shutil.copy(shared_klt_model, tmp_path / "klt.distill"))
    before, digest = path.read_bytes(), read_codec_digest(path)
    trained = train_prior(path, sounds_folder, TINY | {"architecture": architecture})
    saved = save_and_finish(trained, path, run_folder=prior_runs(path), expected=read_summary(path).stamp)
    assert saved.note == ""  # the ancestor did not open it before
    assert read_codec_digest(path) == digest
    shown = CliRunner().invoke(app, ["inspect", str(path), "--verify"])
    assert shown.exit_code == 0, shown.output
    assert f"Prior: {architecture}" in shown.stdout
    prior, loaded = load_model_v2(path).prior, trained.prior
    assert prior is not None
    assert loaded is not None
    assert all(torch.equal(prior.state_dict()[key], weight) for key, weight in loaded.state_dict().items())
    assert backup_of(path).read_bytes() == before
    with_prior = path.read_bytes()
    assert CliRunner().invoke(app, ["restore", str(path)]).exit_code == 0
    assert (path.read_bytes(), backup_of(path).read_bytes()) == (before, with_prior)
    assert not read_summary(path).has_prior


def test_a_step_of_more_than_a_second_is_learned_by_a_prior(sounds_folder: Path, tmp_path: Path) -> None:
    sizes = {"codebook_size": 16, "num_quantizers": 2, "band_mels": 16, "components": 12, "refiner_depth": 0}
    trained = train_codec(sounds_folder, sizes | {"step_frames": 96, "max_epochs": 1, "device": "cpu"})
    path = trained.save(tmp_path / "long steps.distill")
    geometry = read_summary(path).geometry
    assert geometry.step_samples > geometry.sample_rate
    assert geometry.chunk_steps == 1
    for architecture in ("frames", "flat"):
        assert train_prior(path, sounds_folder, TINY | {"architecture": architecture}).prior is not None


def test_weights_that_are_views_or_parameters_open_as_what_they_are(shared_klt_model: Path, tmp_path: Path) -> None:
    values, _ = read_archive(shared_klt_model)
    state = values["model_state_dict"]
    both = torch.cat([state["refiner.enter.bias"], state["refiner.blocks.0.down.bias"]])
    state["refiner.enter.bias"], state["refiner.blocks.0.down.bias"] = both.tensor_split(2)
    state["basis_DC"] = torch.nn.Parameter(state["basis_DC"].T.contiguous().T)
    state["bits_QK"].requires_grad_()
    path = tmp_path / "views.distill"
    torch.save(values, path)
    loaded, plain = load_model_v2(path), load_model_v2(shared_klt_model)
    waveforms_1T = torch.rand(1, 48_000, generator=torch.Generator().manual_seed(0)) - 0.5
    codes_1WHQ = loaded.model.codes_of(waveforms_1T)
    assert torch.equal(codes_1WHQ, plain.model.codes_of(waveforms_1T))
    assert read_codec_digest(path) == read_codec_digest(shared_klt_model)
    both_sounds = [torch.cat(list(model.audio_of([codes_1WHQ[0]]))) for model in (loaded.model, plain.model)]
    assert torch.equal(*both_sounds)


def test_a_codec_takes_no_other_files_place_unless_it_may(shared_klt_model: Path, tmp_path: Path) -> None:
    loaded = load_model_v2(shared_klt_model)
    trained = replace(
        TrainedCodec.none(Ended.LAST_EPOCH),
        model=loaded.model,
        spectrogram_config=loaded.spectrogram.config,
        vqvae_config=loaded.vqvae_config,
    )
    path = tmp_path / "mine.distill"
    path.write_bytes(b"mine")
    with pytest.raises(SaveError, match="exists already"):
        trained.save(path, replace=False)
    assert path.read_bytes() == b"mine"
    assert trained.save(tmp_path / "new.distill", replace=False).exists()
    assert trained.save(path) == path.resolve()
    assert path.read_bytes() != b"mine"
