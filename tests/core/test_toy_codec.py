"""A second codec is one file and two rows: it does the whole job without a change anywhere else."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import typer
from torch import Tensor
from typer.testing import CliRunner

from distill_core import (
    ConfigError,
    LoadedVQModel,
    ModelFileError,
    PriorConfig,
    SaveError,
    extract_code_sequences,
    load_model_v2,
    read_summary,
    save_model_v2,
    save_prior_to_model,
    scan,
    train_prior,
)
from distill_core.audio import rows
from distill_core.audio.dataset import AudioDataset
from distill_core.audio.io import read_mono
from distill_core.audio.spectrogram import AudioSpectrogram, SpectrogramConfig
from distill_core.cli import app
from distill_core.cli.train import train, with_codec_flags
from distill_core.events import JobProgress, Phase, ignore, never
from distill_core.files.archive import read_archive
from distill_core.generation.sampling import sample_steps
from distill_core.models.persistence import read_codec_digest
from distill_core.training.codec.events import CodecEpochMetrics, CodecTrainingCompleteEvent, CodecTrainingStartEvent
from distill_core.training.codec.train import train_codec
from distill_core.training.codec.trained import TrainedCodec
from distill_core.training.codec.vqvae.config import VQVAEConfig
from distill_core.training.data.chunks import read_and_split
from distill_core.training.data.code_cache import open_code_cache
from distill_core.training.data.codes import encode_and_split
from distill_core.training.data.split_codes import SplitCodes
from distill_core.training.events import Ended
from distill_core.training.kinds import codec_runs, listed_runs, stored_run
from distill_core.training.run_folder.facts import RunState
from distill_core.training.run_folder.folder import RunFolder
from tests.toy_codec import CONFIG, NAME, ToyCodec, ToyConfig, toy_codec

__all__ = ["toy_codec"]
SPECTROGRAM = SpectrogramConfig()
GEOMETRY = ToyCodec.geometry(CONFIG, SPECTROGRAM)
TINY: dict[str, Any] = {"max_epochs": 2, "hidden_size": 32, "num_layers": 1, "num_heads": 2, "device": "cpu"}
TINY |= {"precision": "float32", "variants": 1}


@pytest.fixture
def dataset(shared_sounds_folder: Path) -> AudioDataset:
    return scan(shared_sounds_folder)


@pytest.fixture
def model(toy_codec: str, dataset: AudioDataset, tmp_path: Path) -> Path:
    """A model file of a toy codec that was fitted to the sounds."""
    split = read_and_split(dataset, GEOMETRY, 0.2, 0, ignore, never)
    return save_model_v2(
        tmp_path / "toy.distill",
        ToyCodec.without_books(CONFIG, AudioSpectrogram(SPECTROGRAM)).fit(split.train_NT[:]),
        spectrogram_config=SPECTROGRAM,
        vqvae_config=CONFIG,
        training_config={},
        metadata={"name": "Toy"},
    )


@pytest.fixture
def loaded(model: Path) -> LoadedVQModel:
    return load_model_v2(model)


def _change(path: Path, change: Callable[[dict[str, Any]], object]) -> Path:
    values, _ = read_archive(path)
    change(values)
    torch.save(values, path)
    return path


def _same(one: SplitCodes, other: SplitCodes) -> bool:
    pairs = zip((*one.train, *one.val), (*other.train, *other.val), strict=True)
    return all(torch.equal(codes.codes_WHQ, others.codes_WHQ) for codes, others in pairs)


def test_a_toy_codec_is_saved_by_its_name_and_opened(model: Path) -> None:
    summary, loaded = read_summary(model), load_model_v2(model)
    assert summary.vqvae_config == loaded.vqvae_config == CONFIG | {"architecture": NAME}
    assert (summary.codebook_size, summary.num_quantizers, summary.parameters) == (16, 2, 2 * 2 * 16)
    assert summary.geometry == loaded.geometry == GEOMETRY
    assert (summary.geometry.chunk_steps, summary.geometry.codes_per_second) == (20, 80)
    assert isinstance(loaded.model, ToyCodec)
    assert not loaded.model.training
    other = ToyCodec.without_books(CONFIG, loaded.spectrogram).fit(torch.rand(2, 48_000))
    other_file = save_model_v2(
        model.with_name("other.distill"),
        other,
        spectrogram_config=SPECTROGRAM,
        vqvae_config=loaded.vqvae_config,
        training_config={},
        metadata={},
    )
    assert read_codec_digest(other_file) != read_codec_digest(model) == read_codec_digest(model)


def test_a_toy_codec_is_inspected(model: Path) -> None:
    shown = CliRunner().invoke(app, ["inspect", str(model), "--verify"])
    assert shown.exit_code == 0, shown.output
    assert "2 levels × 16 codes" in shown.output
    assert "2 bands, steps of 50 ms: 80 codes a second" in shown.output
    as_json = CliRunner().invoke(app, ["inspect", str(model), "--json"])
    facts = json.loads(as_json.stdout)
    assert (facts["grid"], facts["seq_len"], facts["codes_per_second"]) == ([2, 20], 80, 80)


def test_of_a_toy_codec_its_own_rate_is_shown_and_no_mel(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own_rate = replace(GEOMETRY, sample_rate=24_000)  # of a file whose spectrogram has 48 kHz
    monkeypatch.setattr(ToyCodec, "geometry", classmethod(lambda cls, config, spectrogram: own_rate))
    shown = CliRunner().invoke(app, ["inspect", str(model)])
    assert shown.exit_code == 0, shown.output
    assert "  sound: 24 kHz\n" in shown.stdout
    assert not re.search("mel|hop|FFT", shown.stdout)


@pytest.mark.parametrize("layout", ["chunks", "rows"])
def test_a_toy_codec_encodes_a_folder_and_the_cache_holds_it(
    loaded: LoadedVQModel, dataset: AudioDataset, monkeypatch: pytest.MonkeyPatch, layout: Any
) -> None:
    cache = open_code_cache(loaded, layout)
    codes = encode_and_split(loaded, dataset, 0.3, 0, layout=layout, variants=2, cache=cache)
    assert {len(versions) for versions in codes.versions} == {3}
    for file, sound in zip((*codes.train_files, *codes.val_files), (*codes.train, *codes.val), strict=True):
        assert sound.codes_WHQ.shape[1:] == (2, 2)
        assert sound.steps == GEOMETRY.steps_of(round(file.duration_s * 48_000))
        assert len(sound.codes_WHQ) % (20 if layout == "chunks" else 1) == 0
    monkeypatch.setattr(ToyCodec, "codes_of", None)  # from here on there is only the cache
    assert _same(encode_and_split(loaded, dataset, 0.3, 0, layout=layout, variants=2, cache=cache), codes)


@pytest.mark.parametrize("piece_steps", [2, 7])
def test_a_toy_codecs_pieces_give_the_codes_of_the_whole(
    loaded: LoadedVQModel, dataset: AudioDataset, monkeypatch: pytest.MonkeyPatch, piece_steps: int
) -> None:
    whole = encode_and_split(loaded, dataset, 0.3, 0, layout="rows")
    monkeypatch.setattr(rows, "_PIECE_STEPS", piece_steps)
    assert _same(encode_and_split(loaded, dataset, 0.3, 0, layout="rows"), whole)


def test_a_toy_codecs_chunks_are_extracted_in_the_formats_order(loaded: LoadedVQModel) -> None:
    chunks_NT = torch.rand(3, 48_000, generator=torch.Generator().manual_seed(0))
    codes_NSQ = extract_code_sequences(loaded.model, chunks_NT, loaded.spectrogram, "cpu")
    assert torch.equal(codes_NSQ.unflatten(1, (2, 20)).transpose(1, 2), loaded.model.codes_of(chunks_NT))


def _toy_loudness(loaded: LoadedVQModel, waveform_T: Tensor) -> Tensor:
    assert isinstance(loaded.model, ToyCodec)
    return loaded.model.loudness(waveform_T[None])[0]


def test_a_toy_codecs_round_trip_is_nearer_to_the_sound_than_its_mean(
    loaded: LoadedVQModel, dataset: AudioDataset
) -> None:
    waveform_T = read_mono(dataset.files[0].path, 48_000)
    waveform_T = waveform_T / waveform_T.abs().max()
    codes_WHQ = loaded.model.codes_of(waveform_T[None])[0]
    blocks = list(loaded.model.audio_of([codes_WHQ]))
    assert len(blocks) > 1
    heard_T = torch.cat(blocks)
    assert len(heard_T) == len(codes_WHQ) * GEOMETRY.step_samples
    loudness_WH, heard_WH = _toy_loudness(loaded, waveform_T), _toy_loudness(loaded, heard_T)
    mean_H = loudness_WH.mean(0)
    assert (heard_WH - loudness_WH).abs().mean() < (mean_H - loudness_WH).abs().mean()


@pytest.mark.parametrize("architecture", ["frames", "flat"])
def test_a_prior_learns_a_toy_codecs_codes_and_is_heard(model: Path, dataset: AudioDataset, architecture: str) -> None:
    trained = train_prior(model, dataset, TINY | {"architecture": architecture})
    assert trained.prior is not None
    assert trained.history[-1].val_loss < trained.history[0].val_loss
    save_prior_to_model(model, trained.prior, trained.config, trained.metadata, expected=read_summary(model).stamp)
    shown = CliRunner().invoke(app, ["inspect", str(model), "--verify"])
    assert shown.exit_code == 0, shown.output
    assert f"Prior: {architecture}" in shown.output
    loaded = load_model_v2(model)
    assert loaded.prior is not None
    (codes_WHQ,) = sample_steps(loaded.prior, 1, 2 * GEOMETRY.chunk_steps, GEOMETRY.bands, seed=1)
    assert codes_WHQ.shape == (40, 2, 2)
    heard_T = torch.cat(list(loaded.model.audio_of([codes_WHQ])))
    assert len(heard_T) == 2 * 48_000
    assert bool(heard_T.isfinite().all())
    assert bool(heard_T.any())


def test_the_terminal_trains_a_prior_on_a_toy_codec(model: Path, shared_sounds_folder: Path) -> None:
    sizes = ["--hidden-size", "32", "--layers", "1", "--heads", "2", "--epochs", "1", "--device", "cpu"]
    run = CliRunner().invoke(app, ["train-prior", "--no-audit", str(model), str(shared_sounds_folder), *sizes])
    assert run.exit_code == 0, run.output
    assert "2 bands, steps of 50 ms: 80 codes a second" in run.output
    assert read_summary(model).has_prior


def test_a_prior_of_a_toy_codec_goes_into_no_other(model: Path, tiny_model: Path, dataset: AudioDataset) -> None:
    trained = train_prior(model, dataset, TINY | {"max_epochs": 1})
    assert trained.prior is not None
    with pytest.raises(SaveError, match="another"):
        save_prior_to_model(tiny_model, trained.prior, trained.config, trained.metadata)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda values: values["vqvae_config"].update(bands=0), "bands"),
        (lambda values: values["vqvae_config"].update(step_samples=2400.0), "step_samples"),
        (lambda values: values["vqvae_config"].update(bands=3), "another shape"),
        (lambda values: values["vqvae_config"].update(codebook_size=1), "codebook_size"),
        (lambda values: values["vqvae_config"].pop("num_quantizers"), "num_quantizers"),
        (lambda values: values["vqvae_config"].pop("architecture"), "codebook_dim"),
        (lambda values: values["model_state_dict"].pop("books_QHK"), "weights"),
    ],
)
def test_a_damaged_toy_codec_is_refused(model: Path, change: Callable[[dict[str, Any]], object], told: str) -> None:
    _change(model, change)
    with pytest.raises(ModelFileError, match=told):
        read_summary(model)


@pytest.mark.parametrize(
    ("damage", "told"), [(lambda books: books.flip(-1), "not in order"), (lambda books: books / 0, "not numbers")]
)
def test_wrong_numbers_in_a_toy_codec_are_refused(model: Path, damage: Callable[[Tensor], Tensor], told: str) -> None:
    def change(values: dict[str, Any]) -> None:
        values["model_state_dict"]["books_QHK"] = damage(values["model_state_dict"]["books_QHK"])

    _change(model, change)
    with pytest.raises(ModelFileError, match=told):
        load_model_v2(model)


def test_without_its_row_a_toy_codec_was_made_by_a_newer_distill(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    with pytest.raises(ModelFileError, match=r"newer Distill \(codec architecture “toy”\)"):
        read_summary(model)


def test_a_toy_codec_is_trained_in_one_epoch_and_saved(
    toy_codec: str, shared_sounds_folder: Path, tmp_path: Path
) -> None:
    events: list[object] = []
    trained = train_codec(shared_sounds_folder, architecture=toy_codec, on_event=events.append)
    assert trained.ended is Ended.LAST_EPOCH
    (epoch,) = trained.history
    assert (epoch.epoch, epoch.total_epochs, epoch.best_epoch) == (1, 1, 1)
    assert (epoch.commit_loss, epoch.learning_rate) == (0, 0)
    assert 0 < epoch.train_loss < 1
    assert 0 < epoch.val_l1 == trained.training_config["best_val_l1"] < trained.training_config["mean_frame_l1"] / 3
    assert [event for event in events if isinstance(event, JobProgress) and event.phase == "fit"] == [
        JobProgress(Phase.FIT, 1, 2),
        JobProgress(Phase.FIT, 2, 2),
    ]
    path = trained.save(tmp_path / "made.distill")
    assert isinstance(load_model_v2(path).model, ToyCodec)
    assert read_summary(path).vqvae_config["architecture"] == NAME
    stopped = train_codec(shared_sounds_folder, architecture=toy_codec, should_stop=lambda: True)
    assert stopped.model is None
    assert stopped.stopped_early


def test_the_terminal_makes_a_model_of_a_toy_codec(toy_codec: str, shared_sounds_folder: Path, tmp_path: Path) -> None:
    output = tmp_path / "made.distill"
    command = ["train", str(shared_sounds_folder), "-o", str(output), "--architecture", toy_codec]
    run = CliRunner().invoke(app, [*command, "--epochs", "3"])
    assert run.exit_code == 2, run.output
    assert "no setting" in run.output
    run = CliRunner().invoke(app, command)
    assert run.exit_code == 0, run.output
    assert read_summary(output).geometry == GEOMETRY


def test_the_terminal_takes_a_toy_codecs_own_settings(
    toy_codec: str, shared_sounds_folder: Path, tmp_path: Path
) -> None:
    program = typer.Typer()
    program.command()(with_codec_flags(inspect.unwrap(train)))  # as when the program starts with the toy's row
    made, own = tmp_path / "made.distill", ["--bands", "3", "--levels", "1", "--codebook-size", "8"]
    run = CliRunner().invoke(program, [str(shared_sounds_folder), "-o", str(made), "--architecture", toy_codec, *own])
    assert run.exit_code == 0, run.output
    config = read_summary(made).vqvae_config
    assert {"bands": 3, "num_quantizers": 1, "codebook_size": 8, "step_samples": 2400}.items() <= config.items()
    shown = CliRunner().invoke(program, ["--help"], env={"COLUMNS": "200"}).output
    assert "Bands of a step." in shown
    assert "Levels: each one codes what those before it left over." in shown  # the first class's line
    other = CliRunner().invoke(
        program, [str(shared_sounds_folder), "-o", str(tmp_path / "other.distill"), "--bands", "3"]
    )
    assert other.exit_code == 2
    assert "This codec has no setting bands (--bands)." in other.output


def test_without_its_rows_a_toy_codec_is_an_error_before_any_work(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="toy"):
        train_codec(tmp_path / "no such folder", architecture="toy")


def test_a_toy_codecs_training_touches_nothing_but_its_run(toy_codec: str, sounds_folder: Path, tmp_path: Path) -> None:
    events: list[object] = []
    torch.manual_seed(3)
    before = torch.get_rng_state()
    folder = codec_runs(tmp_path / "toy.distill")
    config = {"codebook_size": 16, "anonymous": True}
    trained = train_codec(sounds_folder, config, architecture="toy", on_event=events.append, run_folder=folder)
    assert torch.equal(before, torch.get_rng_state())
    assert isinstance(trained.model, ToyCodec)
    assert trained.ended is Ended.LAST_EPOCH
    assert (trained.vqvae_config["architecture"], trained.vqvae_config["codebook_size"]) == ("toy", 16)
    assert trained.metadata["dataset_file_count"] == 6
    assert trained.metadata["dataset_name"] == ""
    assert trained.codebook_health is not None
    assert trained.codebook_health["level_0"]["utilization"] > 0.5
    told = [type(event) for event in events if not isinstance(event, JobProgress)]
    assert told == [CodecTrainingStartEvent, CodecEpochMetrics, CodecTrainingCompleteEvent]
    assert {event.phase for event in events if isinstance(event, JobProgress)} == {"scan", "read", "fit"}
    assert [(run.id, run.state) for run in listed_runs()] == [(trained.run_id, RunState.NOT_SAVED)]


def test_a_toy_codec_names_the_rate_that_it_is_trained_at(
    toy_codec: str, shared_sounds_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = SpectrogramConfig(sample_rate=24_000, n_fft=512)
    monkeypatch.setattr(ToyCodec, "spectrogram_config", classmethod(lambda cls: settings))
    trained = train_codec(shared_sounds_folder, architecture=toy_codec)
    assert trained.spectrogram_config == settings
    summary = read_summary(trained.save(tmp_path / "made.distill"))
    assert summary.spectrogram == settings
    assert (summary.geometry.sample_rate, summary.geometry.chunk_steps) == (24_000, 10)


def test_a_toy_codec_that_is_stopped_leaves_nothing(toy_codec: str, sounds_folder: Path) -> None:
    seen: list[object] = []

    def stop() -> bool:
        return any(isinstance(event, JobProgress) and event.phase == "fit" for event in seen)

    trained = train_codec(sounds_folder, architecture="toy", on_event=seen.append, should_stop=stop)
    assert trained.model is None
    assert trained.ended is Ended.STOPPED


@pytest.mark.parametrize("name", ["max_epochs", "learning_rate", "dropout"])
def test_a_setting_that_a_toy_codec_has_not_is_refused_by_name(toy_codec: str, tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError) as caught:
        train_codec(tmp_path / "nowhere", {name: 1}, architecture="toy")
    assert caught.value.field == name


@pytest.mark.parametrize(
    ("architecture", "config", "wanted"),
    [
        ("toy", VQVAEConfig(codebook_size=32), "ToyConfig"),
        ("toy", PriorConfig(), "ToyConfig"),
        ("v2", ToyConfig(), "VQVAEConfig"),
        ("v2", [], "VQVAEConfig"),
        (None, PriorConfig(), "KLTConfig"),
    ],
)
def test_settings_of_another_codec_than_the_toy_or_of_the_toy_are_refused(
    toy_codec: str, tmp_path: Path, architecture: str | None, config: Any, wanted: str
) -> None:
    with pytest.raises(ConfigError, match=type(config).__name__) as caught:
        train_codec(tmp_path / "no such folder", config, architecture=architecture)
    assert caught.value.field == "config"
    assert wanted in caught.value.hint


def test_a_toy_codecs_own_settings_are_taken_whole_and_name_it(toy_codec: str, shared_sounds_folder: Path) -> None:
    trained = train_codec(shared_sounds_folder, ToyConfig(codebook_size=8, bands=3))
    assert isinstance(trained.model, ToyCodec)
    assert (trained.vqvae_config["codebook_size"], trained.vqvae_config["bands"]) == (8, 3)


def test_a_toy_codecs_settings_follow_from_the_seconds_of_sound(
    toy_codec: str, shared_sounds_folder: Path, write_sound: Callable[..., Path], tmp_path: Path
) -> None:
    for number in range(2):
        write_sound(tmp_path / f"{number}.wav", seed=number, seconds=31)
    lengths = [
        train_codec(sounds, architecture=toy_codec).vqvae_config["step_samples"]
        for sounds in (shared_sounds_folder, tmp_path)
    ]
    assert lengths == [2400, 4800]


def _toy_run_cut_off(folder: RunFolder, sounds: Path) -> TrainedCodec:
    """Leave the run of a toy as a crash after its epoch would, and return the training that nothing cut off."""

    def on_event(event: object) -> None:
        if isinstance(event, CodecEpochMetrics):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_codec(sounds, {"seed": 2}, architecture="toy", on_event=on_event, run_folder=folder)
    return train_codec(sounds, {"seed": 2}, architecture="toy")


def test_a_toy_codecs_training_is_gone_on_with_bit_for_bit(toy_codec: str, sounds_folder: Path, tmp_path: Path) -> None:
    folder = codec_runs(tmp_path / "toy.distill")
    whole = _toy_run_cut_off(folder, sounds_folder)
    found = folder.unfinished()
    assert found is not None
    assert (found.epoch, found.can_go_on) == (1, True)
    events: list[object] = []
    rest = train_codec(sounds_folder, run_folder=folder, resume=True, on_event=events.append)  # the run names its codec
    (start,) = [event for event in events if isinstance(event, CodecTrainingStartEvent)]
    assert len(start.history) == 1
    assert not [event for event in events if isinstance(event, CodecEpochMetrics)]
    assert rest.ended is Ended.LAST_EPOCH
    assert rest.model is not None
    assert whole.model is not None
    assert torch.equal(rest.model.state_dict()["books_QHK"], whole.model.state_dict()["books_QHK"])
    assert rest.training_config == whole.training_config
    assert rest.codebook_health == whole.codebook_health


def test_the_terminal_saves_the_best_of_a_toy_codecs_run_and_goes_on_with_it(
    toy_codec: str, sounds_folder: Path, tmp_path: Path
) -> None:
    for flag in ("--use-best", "--resume"):
        output = tmp_path / f"toy{flag}.distill"
        _toy_run_cut_off(codec_runs(output), sounds_folder)
        done = CliRunner().invoke(app, ["train", str(sounds_folder), "-o", str(output), flag])
        assert done.exit_code == 0, done.output
        assert isinstance(load_model_v2(output).model, ToyCodec)
        assert listed_runs() == []


@pytest.mark.parametrize(
    "edit",
    [
        lambda values: values["config"].update(bands=0),
        lambda values: values["config"].update(decay=0.9),
        lambda values: values.update(schedule={"base_lrs": [1e-3]}),
        lambda values: values["optimizer_states"].append({"state": {}, "param_groups": []}),
        lambda values: values["current_state_dict"].clear(),
    ],
)
def test_a_damaged_run_of_a_toy_codec_is_refused(
    toy_codec: str, sounds_folder: Path, tmp_path: Path, edit: Callable[[dict[str, Any]], object]
) -> None:
    folder = codec_runs(tmp_path / "toy.distill")
    _toy_run_cut_off(folder, sounds_folder)
    (run,) = listed_runs()
    _change(stored_run(run.id).file, edit)
    with pytest.raises(ModelFileError):
        train_codec(sounds_folder, run_folder=folder, resume=True)


@pytest.mark.parametrize("name", [3, ["toy"], {}, "", "nothing"])
def test_an_architecture_that_is_no_codecs_name_is_refused_before_any_work(tmp_path: Path, name: Any) -> None:
    with pytest.raises(ConfigError, match="architecture"):
        train_codec(tmp_path / "nowhere", architecture=name)
