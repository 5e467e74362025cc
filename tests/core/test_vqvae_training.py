from __future__ import annotations

import itertools
import json
import math
import random
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from typer.testing import CliRunner, Result

from distill_core import ConfigError, ConvVQVAE, DatasetError, SaveError, TrainingError, load_model_v2
from distill_core.audio.spectrogram import AudioSpectrogram, SpectrogramConfig
from distill_core.cli import app
from distill_core.events import JobProgress, never
from distill_core.files.archive import read_archive
from distill_core.models import schema
from distill_core.training.codec import descent
from distill_core.training.codec.events import (
    CodecEpochMetrics,
    CodecTrainingCompleteEvent,
    CodecTrainingStartEvent,
)
from distill_core.training.codec.quality import codebook_health, mean_frame_l1, reconstruction_loss
from distill_core.training.codec.train import train_codec
from distill_core.training.codec.trained import TrainedCodec
from distill_core.training.codec.vqvae.config import VQVAEConfig, get_adaptive_vqvae_config
from distill_core.training.codec.vqvae.learner import VQVAELearner
from distill_core.training.data.augmentation import augment, resample_linearly, tilt
from distill_core.training.data.chunks import SplitSounds, VariantBatches
from distill_core.training.events import Ended, StepMetrics
from distill_core.training.settings import flag_of

SIZES: dict[str, Any] = {"codebook_dim": 16, "codebook_size": 16, "num_quantizers": 2}
TINY: dict[str, Any] = {**SIZES, "max_epochs": 2, "batch_size": 4, "augmentation": 2, "val_fraction": 0.4}
TINY |= {"device": "cpu"}


def _tiny(**changes: Any) -> VQVAEConfig:
    return VQVAEConfig(**{**TINY, **changes})


def _model(trained: TrainedCodec) -> ConvVQVAE:
    assert trained.model is not None
    return trained.model


def _same_weights(first: TrainedCodec, second: TrainedCodec) -> bool:
    other = _model(second).state_dict()
    return all(torch.equal(value, other[key]) for key, value in _model(first).state_dict().items())


@pytest.fixture(scope="module")
def events() -> list[object]:
    """What the training of `trained` told; filled by that fixture."""
    return []


@pytest.fixture(scope="module")
def trained(shared_sounds_folder: Path, events: list[object]) -> TrainedCodec:
    return train_codec(shared_sounds_folder, _tiny(), on_event=events.append)


def test_events_tell_every_phase(trained: TrainedCodec, events: list[object]) -> None:
    kinds = [type(event) for event in events]
    in_order = [kind for kind, _ in itertools.groupby(kinds)]
    epoch = [StepMetrics, CodecEpochMetrics]
    assert in_order == [JobProgress, CodecTrainingStartEvent, *epoch, *epoch, CodecTrainingCompleteEvent]
    assert {event.phase for event in events if isinstance(event, JobProgress)} == {"scan", "read"}
    start = next(event for event in events if isinstance(event, CodecTrainingStartEvent))
    assert (start.train_files, start.validation_files, start.augmentation) == (4, 2, 2)
    assert start.mean_frame_l1 > 0
    epochs = [event for event in events if isinstance(event, CodecEpochMetrics)]
    assert tuple(epochs) == trained.history
    assert [event.epoch for event in epochs] == [1, 2]
    assert epochs[0].learning_rate == pytest.approx(1e-3)
    assert epochs[1].learning_rate == pytest.approx(5e-4)
    done = events[-1]
    assert isinstance(done, CodecTrainingCompleteEvent)
    assert done.best_val_loss == min(event.val_loss for event in epochs) == epochs[1].best_val_loss
    assert done.val_l1 == epochs[done.best_epoch - 1].val_l1
    assert done.epochs_trained == 2


def test_every_step_is_told(events: list[object], trained: TrainedCodec) -> None:
    start = next(event for event in events if isinstance(event, CodecTrainingStartEvent))
    steps = [event for event in events if isinstance(event, StepMetrics)]
    per_epoch = len(steps) // len(trained.history)
    assert [(step.epoch, step.step) for step in steps] == [
        (epoch, step) for epoch in (1, 2) for step in range(1, per_epoch + 1)
    ]
    assert {step.total_steps for step in steps} == {per_epoch}
    assert 1 < per_epoch <= math.ceil(start.chunks * 2 / 4)
    assert all(math.isfinite(step.train_loss) and step.step_time_s > 0 for step in steps)


def test_the_result_is_saved_and_opens_again(trained: TrainedCodec, tmp_path: Path) -> None:
    path = trained.save(tmp_path / "new.distill")
    loaded = load_model_v2(path)
    mels = torch.rand(2, 1, 128, 94, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        assert torch.equal(loaded.model(mels)[0], _model(trained)(mels)[0])
    assert loaded.prior is None
    assert loaded.metadata["dataset_file_count"] == 6
    assert loaded.metadata["training_epochs"] == 2
    assert set(loaded.metadata) == set(schema.METADATA_DEFAULTS)
    values, _ = read_archive(path)
    assert values["codebook_health_snapshot"] == trained.codebook_health
    assert {len(losses) for losses in values["loss_curve_history"].values()} == {2}


def test_the_files_dicts_have_the_ancestors_names(trained: TrainedCodec) -> None:
    wanted = {"codebook_dim", "codebook_size", "num_quantizers", "decay", "commitment_weight", "dropout"}
    wanted |= {"threshold_ema_dead_code", "augmentation_expansion", "kmeans_init", "kmeans_iters", "chunk_duration_s"}
    assert wanted < set(trained.vqvae_config)
    assert "architecture" not in trained.vqvae_config
    assert trained.spectrogram_config == SpectrogramConfig()
    assert set(trained.loss_curve_history) == {"train_losses", "val_losses", "recon_losses", "commit_losses"}
    assert len(trained.training_config["validation_files"]) == 2


def test_the_result_is_in_eval_mode_with_codebooks_set(trained: TrainedCodec) -> None:
    assert not _model(trained).training
    state = _model(trained).state_dict()
    assert all(bool(value) for key, value in state.items() if key.endswith("initted"))
    assert all(value.device.type == "cpu" for value in state.values())


def test_health_is_measured_on_every_level(trained: TrainedCodec) -> None:
    assert set(trained.codebook_health) == {"level_0", "level_1"}
    for level in trained.codebook_health.values():
        assert 0 < level["utilization"] <= 1
        assert 1 <= level["perplexity"] <= 16
        assert level["dead_codes"] == round(16 * (1 - level["utilization"]))


def test_health_of_known_codes() -> None:
    codes_NSQ = torch.tensor([[[0, 3], [1, 3]], [[0, 3], [1, 3]]])
    health = codebook_health(codes_NSQ, 4)
    assert health["level_0"] == pytest.approx({"utilization": 0.5, "perplexity": 2.0, "dead_codes": 2})
    assert health["level_1"] == pytest.approx({"utilization": 0.25, "perplexity": 1.0, "dead_codes": 3})


def test_anonymous_leaves_names_out(shared_sounds_folder: Path) -> None:
    trained = train_codec(shared_sounds_folder, _tiny(max_epochs=1, anonymous=True))
    assert trained.metadata["dataset_name"] == ""
    assert "sound 0" not in json.dumps([trained.training_config, trained.vqvae_config, trained.metadata])


def _stop_after(kind: type, count: int) -> tuple[Callable[[object], None], Callable[[], bool]]:
    """Return an `on_event` that counts and a `should_stop` that is true once `count` of the kind came."""
    seen: list[object] = []
    return lambda event: seen.append(event) if isinstance(event, kind) else None, lambda: len(seen) >= count


@pytest.mark.parametrize("kind", [JobProgress, CodecTrainingStartEvent, StepMetrics])
def test_stopped_before_the_first_validation_there_is_no_model(
    shared_sounds_folder: Path, tmp_path: Path, kind: type
) -> None:
    on_event, should_stop = _stop_after(kind, 1)
    trained = train_codec(shared_sounds_folder, _tiny(), on_event=on_event, should_stop=should_stop)
    assert trained.model is None
    assert trained.stopped_early
    assert trained.history == ()
    with pytest.raises(ValueError, match="model to save"):
        trained.save(tmp_path / "none.distill")
    assert list(tmp_path.iterdir()) == []


def test_stopped_later_the_best_epoch_is_kept(shared_sounds_folder: Path, tmp_path: Path) -> None:
    on_event, should_stop = _stop_after(CodecEpochMetrics, 1)
    config = _tiny(max_epochs=50)
    trained = train_codec(shared_sounds_folder, config, on_event=on_event, should_stop=should_stop)
    assert trained.stopped_early
    assert len(trained.history) == 1
    assert load_model_v2(trained.save(tmp_path / "stopped.distill")).metadata["training_epochs"] == 1


def test_the_same_seed_gives_the_same_model(trained: TrainedCodec, shared_sounds_folder: Path) -> None:
    torch.manual_seed(123)
    random.seed(5)
    torch_before, python_before = torch.get_rng_state(), random.getstate()
    again = train_codec(shared_sounds_folder, _tiny())  # and without a listener
    assert _same_weights(trained, again)
    assert torch.equal(torch_before, torch.get_rng_state())
    assert random.getstate() == python_before
    other = train_codec(shared_sounds_folder, _tiny(seed=1, max_epochs=1))
    assert not _same_weights(trained, other)


def test_k_means_sees_enough_vectors(
    write_sound: Callable[..., Path], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    for number in range(2):
        write_sound(tmp_path / f"{number}.wav", seed=number, seconds=0.5)
    config = _tiny(codebook_size=256, batch_size=1, augmentation=1, max_epochs=1)
    assert train_codec(tmp_path, config).model is not None
    assert "k-means" not in capfd.readouterr().err


def test_one_sound_is_split_in_time(write_sound: Callable[..., Path], tmp_path: Path) -> None:
    write_sound(tmp_path / "one.wav", seconds=4)
    trained = train_codec(tmp_path, _tiny(max_epochs=1))
    assert trained.model is not None
    assert trained.training_config["validation_files"] == ["one.wav"]


def test_one_second_is_too_little(write_sound: Callable[..., Path], tmp_path: Path) -> None:
    write_sound(tmp_path / "one.wav", seconds=1)
    with pytest.raises(DatasetError, match="too little"):
        train_codec(tmp_path, _tiny())


def test_a_step_that_is_not_finite_changes_nothing() -> None:
    torch.manual_seed(0)
    waveforms_BT = torch.rand(4, 48_000) - 0.5
    sounds, cpu = SplitSounds(waveforms_BT, waveforms_BT, (), ()), torch.device("cpu")
    learner = VQVAELearner(_tiny(), sounds, AudioSpectrogram(SpectrogramConfig(), cpu), cpu)
    model = learner.codec.train()
    with torch.no_grad():
        learner.loss(waveforms_BT, never)
    optimizer = torch.optim.AdamW(model.parameters())
    before = {key: value.clone() for key, value in model.state_dict().items()}
    bad_BT = waveforms_BT.clone()
    bad_BT[0, 3] = math.inf
    assert descent.take_step(learner, bad_BT, optimizer) is None
    model.decoder.proj.weight.register_hook(lambda gradient: gradient * math.inf)
    assert descent.take_step(learner, waveforms_BT, optimizer) is None
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())


def test_training_that_diverges_at_once_is_told(shared_sounds_folder: Path) -> None:
    with pytest.raises(TrainingError) as caught:
        train_codec(shared_sounds_folder, _tiny(learning_rate=1e30, max_epochs=3))
    assert "lower learning rate" in caught.value.hint


def test_training_that_diverges_later_goes_back_to_the_best(
    shared_sounds_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    take_step, epochs = descent.take_step, []

    def failing_from_the_second_epoch(*arguments: Any) -> tuple[float, float] | None:
        return take_step(*arguments) if not epochs else None

    def count(event: object) -> None:
        if isinstance(event, CodecEpochMetrics):
            epochs.append(event)

    monkeypatch.setattr(descent, "take_step", failing_from_the_second_epoch)
    trained = train_codec(shared_sounds_folder, _tiny(max_epochs=9), on_event=count)
    assert trained.ended is Ended.DIVERGED
    assert not trained.stopped_early
    assert len(trained.history) == 1
    assert trained.training_config["best_epoch"] == 1


def test_the_loss_looks_at_three_resolutions() -> None:
    mel = torch.zeros(1, 1, 8, 8)
    stripes = torch.ones(8)
    stripes[::2] = -1  # pooled, they vanish
    assert reconstruction_loss(mel + stripes, mel).item() == pytest.approx(1 / 3)
    assert reconstruction_loss(mel + 2, mel).item() == pytest.approx(4.0)
    assert mean_frame_l1([mel + stripes]) == pytest.approx(1.0)


class TestSettings:
    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("codebook_size", 1),
            ("codebook_size", 4097),
            ("num_quantizers", 0),
            ("num_quantizers", 33),
            ("codebook_dim", 0),
            ("max_epochs", 0),
            ("max_epochs", True),
            ("batch_size", 0),
            ("augmentation", -1),
            ("dropout", 1.0),
            ("decay", 1.0),
            ("learning_rate", 0.0),
            ("learning_rate", math.nan),
            ("learning_rate", 1e300),
            ("gradient_clip_norm", 0),
            ("gradient_clip_norm", 1e300),
            ("commitment_weight", -1.0),
            ("threshold_ema_dead_code", -1),
            ("weight_decay", math.inf),
            ("val_fraction", 0.0),
            ("val_fraction", 1.0),
            ("seed", -1),
            ("device", "tpu"),
            ("anonymous", 1),
        ],
    )
    def test_what_cannot_be_is_refused_by_name(self, name: str, value: object) -> None:
        with pytest.raises(ConfigError) as caught:
            get_adaptive_vqvae_config(5, **{name: value})
        assert caught.value.field == name
        assert name in caught.value.message

    @pytest.mark.parametrize(
        ("files", "codebook_size", "learning_rate", "dropout", "decay", "epochs", "augmentation", "batch_size"),
        [
            (1, 64, 5e-4, 0.4, 0.8, 100, 15, 1),
            (20, 64, 5e-4, 0.4, 0.8, 100, 15, 25),
            (21, 128, 1e-3, 0.2, 0.9, 200, 10, 26),
            (100, 128, 1e-3, 0.2, 0.9, 200, 10, 32),
            (101, 256, 1e-3, 0.1, 0.95, 300, 5, 32),
        ],
    )
    def test_tiers(
        self,
        files: int,
        codebook_size: int,
        learning_rate: float,
        dropout: float,
        decay: float,
        epochs: int,
        augmentation: int,
        batch_size: int,
    ) -> None:
        config = get_adaptive_vqvae_config(files)
        assert (config.codebook_size, config.learning_rate, config.dropout) == (codebook_size, learning_rate, dropout)
        assert (config.decay, config.max_epochs) == (decay, epochs)
        assert (config.augmentation, config.batch_size) == (augmentation, batch_size)
        assert (config.num_quantizers, config.codebook_dim) == (3, 128)
        assert (config.commitment_weight, config.threshold_ema_dead_code) == (0.25, 2)


class TestVariants:
    def test_they_follow_from_their_own_generator(self) -> None:
        waveforms_BT = torch.rand(3, 4800, generator=torch.Generator().manual_seed(1)) - 0.5
        global_before, waveforms_before = torch.get_rng_state(), waveforms_BT.clone()
        first, second = (augment(waveforms_BT, torch.Generator().manual_seed(7)) for _ in range(2))
        assert torch.equal(first, second)
        assert torch.equal(global_before, torch.get_rng_state())
        assert torch.equal(waveforms_BT, waveforms_before)
        assert first.shape == waveforms_BT.shape
        assert bool(first.isfinite().all())
        assert not torch.equal(first, augment(waveforms_BT, torch.Generator().manual_seed(8)))

    def test_speed_and_delay(self) -> None:
        ramp_1T = torch.arange(100.0)[None]
        same = resample_linearly(ramp_1T, torch.ones(1, 1), torch.zeros(1, 1))
        assert torch.equal(same, ramp_1T)
        later = resample_linearly(ramp_1T, torch.ones(1, 1), torch.full((1, 1), 10.0))
        assert torch.equal(later[0, :11], torch.zeros(11))
        assert torch.equal(later[0, 10:], ramp_1T[0, :90])
        slower = resample_linearly(ramp_1T, torch.full((1, 1), 0.5), torch.zeros(1, 1))
        assert torch.equal(slower, ramp_1T / 2)
        faster = resample_linearly(ramp_1T, torch.full((1, 1), 2.0), torch.zeros(1, 1))
        assert torch.equal(faster[0, 50:], torch.zeros(50))

    def test_tilt_darkens_or_brightens(self) -> None:
        fast_1T = torch.tensor([[1.0, -1.0, 1.0, -1.0]])
        assert tilt(fast_1T, torch.full((1, 1), 0.25)).abs()[0, 1:].tolist() == [0.75] * 3
        assert tilt(fast_1T, torch.full((1, 1), -0.25)).abs()[0, 1:].tolist() == [1.25] * 3

    @staticmethod
    def _plain(batches: list[Tensor], chunks_NT: Tensor) -> int:
        return sum(bool((row == chunks_NT).all(dim=1).any()) for batch in batches for row in batch)

    @pytest.mark.parametrize(("copies", "variants"), [(0, 0), (1, 0), (3, 14)])
    def test_each_chunk_comes_once_as_it_is(self, copies: int, variants: int) -> None:
        chunks_NT = torch.rand(7, 480, generator=torch.Generator().manual_seed(0)) - 0.5
        source = VariantBatches(chunks_NT, copies, 5, torch.Generator().manual_seed(0))
        batches = list(source.epoch())
        sizes = [len(batch) for batch in batches]
        assert sum(sizes) == 7 + variants
        assert len(sizes) == source.count
        assert max(sizes) <= 5
        assert max(sizes) - min(sizes) <= 1
        assert self._plain(batches, chunks_NT) == 7

    def test_a_sample_repeats_only_what_it_must(self) -> None:
        chunks_NT = torch.arange(4.0)[:, None].expand(4, 8).contiguous()
        source = VariantBatches(chunks_NT, 1, 2, torch.Generator().manual_seed(0))
        assert sorted(source.sample(3)[:, 0].tolist()) != []
        assert len(set(source.sample(4)[:, 0].tolist())) == 4
        assert len(source.sample(9)) == 9


class TestTerminal:
    @staticmethod
    def _train(folder: Path, output: Path, *more: object) -> Result:
        sizes = ["--codebook-size", 16, "--levels", 2, "--batch-size", 4, "--no-augment", "--device", "cpu"]
        arguments = ["train", folder, "-o", output, "--architecture", "v2", "--epochs", 1, *sizes, *more]
        return CliRunner().invoke(app, list(map(str, arguments)))

    def test_it_writes_a_model(self, sounds_folder: Path, tmp_path: Path) -> None:
        output = tmp_path / "new.distill"
        result = self._train(sounds_folder, output, "--seed", 3)
        assert result.exit_code == 0, result.output
        assert "Epoch 1/1 | train_loss: " in result.stdout
        assert "augmentation: 0 (override)" in result.stdout
        assert "dropout: 0.4 (auto)" in result.stdout
        assert load_model_v2(output).vqvae_config["seed"] == 3

    def test_every_setting_has_a_flag(self, sounds_folder: Path, tmp_path: Path) -> None:
        shown = CliRunner().invoke(app, ["train", "--help"], env={"COLUMNS": "200"}).output
        missing = [each for each in fields(VQVAEConfig) if f"{flag_of(each.name)} " not in shown]
        assert missing == []
        output, own = tmp_path / "new.distill", ["--decay", 0.5, "--codebook-dim", 16, "--val-fraction", 0.4]
        result = self._train(sounds_folder, output, *own)
        assert result.exit_code == 0, result.output
        config = load_model_v2(output).vqvae_config
        assert (config["decay"], config["codebook_dim"], config["val_fraction"]) == (0.5, 16, 0.4)

    def test_the_formats_codec_has_a_name_for_people_and_none_in_its_file(
        self, sounds_folder: Path, tmp_path: Path
    ) -> None:
        named, output = tmp_path / "named.distill", tmp_path / "new.distill"
        assert self._train(sounds_folder, named).exit_code == 0
        train_codec(sounds_folder, _tiny(max_epochs=1), architecture="v2").save(output)
        for path in (named, output):
            values, _ = read_archive(path)
            assert "architecture" not in values["vqvae_config"]
            assert "architecture" not in values["training_config"]
            assert isinstance(load_model_v2(path).model, ConvVQVAE)

    def test_augmentation_and_none_contradict_each_other(self, sounds_folder: Path, tmp_path: Path) -> None:
        refused = self._train(sounds_folder, tmp_path / "new.distill", "--augmentation", 3)  # and --no-augment
        assert refused.exit_code == ConfigError.exit_code
        assert "contradict each other" in refused.stderr
        assert "Sounds:" not in refused.stdout

    def test_json_lines(self, sounds_folder: Path, tmp_path: Path) -> None:
        result = self._train(sounds_folder, tmp_path / "new.distill", "--json")
        events = [json.loads(line) for line in result.stdout.splitlines()]
        assert [event["event"] for event in events] == ["scan", "start", "epoch", "done"]
        assert events[-1]["saved_to"] == str((tmp_path / "new.distill").resolve())
        assert events[-1]["stopped_early"] is False

    def test_an_existing_file_is_kept_without_force(self, sounds_folder: Path, tmp_path: Path) -> None:
        output = tmp_path / "mine.distill"
        output.write_text("precious")
        refused = self._train(sounds_folder, output)
        assert refused.exit_code == SaveError.exit_code
        assert "--force" in refused.stderr
        assert "Sounds:" not in refused.stdout  # told before any work
        assert output.read_text() == "precious"
        assert self._train(sounds_folder, output, "--force").exit_code == 0
        assert load_model_v2(output).model.codebook_size == 16

    @pytest.mark.parametrize(
        ("more", "exit_code"), [(["--epochs", "0"], 2), (["--lr", "-1"], 2), (["--device", "tpu"], 2)]
    )
    def test_a_setting_that_cannot_be(
        self, sounds_folder: Path, tmp_path: Path, more: list[str], exit_code: int
    ) -> None:
        result = self._train(sounds_folder, tmp_path / "new.distill", *more)
        assert result.exit_code == exit_code
        assert not (tmp_path / "new.distill").exists()

    def test_a_folder_without_sounds(self, tmp_path: Path) -> None:
        (tmp_path / "empty").mkdir()
        result = self._train(tmp_path / "empty", tmp_path / "new.distill")
        assert result.exit_code == DatasetError.exit_code
        assert not (tmp_path / "new.distill").exists()
