"""A stop is answered within one matrix, wherever the work is, and a step that is stopped has not begun."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Mapping
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from distill_core import CodePrior, PriorConfig, PriorEpochMetrics, TrainedPrior, load_model_v2, scan, train_prior
from distill_core.audio.spectrogram import AudioSpectrogram, SpectrogramConfig
from distill_core.events import Stopped
from distill_core.folders import run_folders
from distill_core.models.frames import FramesPrior
from distill_core.models.prior import Prior
from distill_core.training.codec.descent import take_step
from distill_core.training.codec.events import CodecEpochMetrics
from distill_core.training.codec.train import train_codec
from distill_core.training.codec.vqvae.config import VQVAEConfig, get_adaptive_vqvae_config
from distill_core.training.codec.vqvae.learner import VQVAELearner
from distill_core.training.data.chunks import SplitSounds
from distill_core.training.data.codes import encode_and_split
from distill_core.training.data.sound_codes import SoundCodes
from distill_core.training.data.windows import as_windows
from distill_core.training.kinds import prior_runs
from distill_core.training.prior.events import PriorStepMetrics
from distill_core.training.prior.optimizers import build_optimizer, warm_up_and_cosine
from distill_core.training.prior.step import train_step

SIZES = {"hidden_size": 32, "num_layers": 3, "num_heads": 2}
ARCHITECTURES = ["frames", "flat"]
# So many products has a block of a network, one matrix that Muon orthogonalizes, and k-means for one codebook.
A_BLOCK, A_MATRIX, A_CODEBOOK = 6, 11, 13


def _config(architecture: str, **settings: Any) -> PriorConfig:
    chosen = {"max_epochs": 3, "batch_size": 4, "patience": 0, "dropout": 0.2, "token_dropout": 0.2, "variants": 2}
    chosen |= {"device": "cpu", "precision": "float32", "architecture": architecture}
    return PriorConfig(**{**SIZES, **chosen, **settings})


class _Products(TorchDispatchMode):
    """Counts products of matrices and convolutions between two looks, forward, backward and in optimizers alike.

    It sees each operator that torch runs, so it knows nothing of where the stop points are.
    """

    NAMES = ("mm", "addmm", "bmm", "baddbmm", "convolution", "convolution_backward", "scaled_dot_product")

    def __init__(self) -> None:
        super().__init__()
        self.between: list[int] = []
        self.validating: list[int] = []
        self._is_validating, self._since_the_last = False, 0

    def __torch_dispatch__(self, operator: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if operator.overloadpacket.__name__.lstrip("_").startswith(self.NAMES):
            self._since_the_last += 1
        return operator(*args, **(kwargs or {}))

    def look(self) -> bool:
        (self.validating if self._is_validating else self.between).append(self._since_the_last)
        self._since_the_last = 0
        return False

    def on_event(self, event: object) -> None:
        if isinstance(event, PriorStepMetrics | PriorEpochMetrics):
            self._is_validating = isinstance(event, PriorStepMetrics) and event.step == event.total_steps


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_between_two_looks_lies_at_most_a_block_or_a_matrix(
    tiny_model: Path, sounds_folder: Path, architecture: str
) -> None:
    with _Products() as products:
        config = _config(architecture)
        train_prior(
            tiny_model, sounds_folder, config, on_event=products.on_event, should_stop=products.look, use_cache=False
        )
    assert sum(products.between) > 300
    assert sum(products.validating) > 50
    assert max(products.between) <= (A_MATRIX if architecture == "frames" else A_BLOCK)
    assert max(products.validating) <= A_BLOCK


def test_what_lies_between_two_looks_does_not_grow_with_the_layers(tiny_model: Path, sounds_folder: Path) -> None:
    most = []
    for layers in (1, 5):
        with _Products() as products:
            config = _config("frames", num_layers=layers, max_epochs=1)
            train_prior(tiny_model, sounds_folder, config, should_stop=products.look)
        most.append(max(products.between))
    assert most[0] == most[1]


def test_a_codecs_training_is_looked_at_as_often(sounds_folder: Path) -> None:
    with _Products() as products:
        config = get_adaptive_vqvae_config(6, max_epochs=2, batch_size=4, device="cpu")
        train_codec(sounds_folder, config, should_stop=products.look)
    assert sum(products.between) > 200
    assert max(products.between) <= A_CODEBOOK


class _Sounds(TorchDispatchMode):
    """Counts the sounds that are transformed or varied between two looks."""

    def __init__(self) -> None:
        super().__init__()
        self.between: list[int] = []
        self._since_the_last = 0

    def __torch_dispatch__(self, operator: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = operator.overloadpacket.__name__
        if name == "_fft_r2c" or (name == "lerp" and args[0].shape[-1] == 48_000):  # optimizers use lerp, too
            self._since_the_last += len(args[0])
        return operator(*args, **(kwargs or {}))

    def look(self) -> bool:
        self.between.append(self._since_the_last)
        self._since_the_last = 0
        return False


def test_what_lies_between_two_looks_does_not_grow_with_a_codecs_batch(sounds_folder: Path) -> None:
    with _Sounds() as sounds:
        config = get_adaptive_vqvae_config(6, max_epochs=1, batch_size=64, augmentation=8, device="cpu")
        train_codec(sounds_folder, config, should_stop=sounds.look)
    assert sum(sounds.between) > 2 * 64
    assert max(sounds.between) <= 8


def test_a_long_sound_is_looked_at_block_by_block(
    tiny_model: Path, write_sound: Callable[..., Path], tmp_path: Path
) -> None:
    sounds = write_sound(tmp_path / "long" / "a.wav", seconds=50.0, rate=44_100).parent
    loaded, dataset = load_model_v2(tiny_model), scan(sounds)
    for layout in ("rows", "chunks"):
        with _Products() as products:
            encode_and_split(loaded, dataset, 0.2, 0, layout=layout, variants=0, should_stop=products.look)
        assert sum(products.between) > 30  # of which one resamples a block of a second and a half
        assert max(products.between) <= A_BLOCK


def _prior(architecture: str) -> Prior:
    if architecture == "frames":
        return FramesPrior(16, 2, 8, 12, **SIZES, dropout=0.2)
    return CodePrior(16, 2, 96, **SIZES, dropout=0.2)


class _Training:
    """A prior on random codes, step by step, each of them with a stop at every look before it goes through."""

    def __init__(self, architecture: str) -> None:
        torch.manual_seed(0)
        self.config = _config(architecture)
        self.prior = _prior(architecture).train()
        self.optimizer = build_optimizer(self.prior, self.config)
        self.scheduler = warm_up_and_cosine(self.optimizer, 4)
        sounds = [(SoundCodes.whole(torch.randint(16, (12, 8, 2))),) for _ in range(4)]
        batches = as_windows(self.prior, sounds, 200).random(torch.Generator().manual_seed(0))
        self.batches = [batch.windows for batch in batches]

    @property
    def state(self) -> dict[str, Any]:
        """All that a step may change."""
        return {
            "weights": dict(self.prior.state_dict()),
            "moments": self.optimizer.states(),
            "schedule": self.scheduler.state_dict(),
            "random": torch.get_rng_state(),
        }

    def step(self, index: int, should_stop: Callable[[], bool]) -> tuple[float, bool]:
        taken = train_step(self.prior, self.batches[index], self.optimizer, self.config, should_stop)
        self.scheduler.step()
        return taken


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, torch.Tensor):
        return torch.equal(one, other)
    if isinstance(one, Mapping):
        return one.keys() == other.keys() and all(_same(value, other[key]) for key, value in one.items())
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(_same, one, other))
    return bool(one == other)


def _stopped_at(look: int) -> Callable[[], bool]:
    """Return a `should_stop` that is true from that look on."""
    looks = count(1)
    return lambda: next(looks) >= look


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_a_step_that_is_stopped_anywhere_has_not_begun(architecture: str) -> None:
    whole = _Training(architecture)
    losses = [whole.step(index, lambda: False) for index in range(len(whole.batches))]
    reached = copy.deepcopy(whole.state)
    stopped = _Training(architecture)
    for index, loss in enumerate(losses):
        before, look = copy.deepcopy(stopped.state), 1
        while True:
            try:
                taken = stopped.step(index, _stopped_at(look))
                break
            except Stopped:
                assert _same(stopped.state, before), f"step {index}, look {look}"
                assert all(weight.grad is None for weight in stopped.prior.parameters())
                look += 1
        assert taken == loss
        assert look > 2 * sum(1 for _ in stopped.prior.parameters())  # forward and backward
    assert len(losses) > 2
    assert _same(stopped.state, reached)


def test_a_network_is_not_looked_at_any_more_once_its_step_is_over() -> None:
    training, looks = _Training("frames"), []
    with pytest.raises(Stopped):
        training.step(0, lambda: bool(looks.append(None)) or len(looks) > 20)
    training.step(0, lambda: bool(looks.append(None)))
    seen = len(looks)
    assert seen > 50
    train_step(training.prior, training.batches[0], training.optimizer, training.config)
    copy.deepcopy(training.prior)(training.prior.in_order(training.batches[0].codes_BWHQ)[:, :-1]).sum().backward()
    assert len(looks) == seen


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_a_run_that_is_stopped_anywhere_goes_on_as_if_it_had_not_been(
    tiny_model: Path, sounds_folder: Path, architecture: str
) -> None:
    config, looks = _config(architecture), count()
    train_prior(tiny_model, sounds_folder, config)  # the codes of all variants are known from here on
    whole = train_prior(tiny_model, sounds_folder, config, should_stop=lambda: next(looks) < 0)
    assert whole.prior is not None
    total, folder = next(looks), prior_runs(tiny_model)
    for share in (0.37, 0.6, 0.71, 0.93, 0.999):
        stop = _stopped_at(round(share * total))
        stopped = train_prior(tiny_model, sounds_folder, config, should_stop=stop, run_folder=folder)
        assert stopped.stopped_early
        assert len(stopped.history) < 3
        settings, is_there = (None, True) if stopped.history else (config, False)
        rest = train_prior(tiny_model, sounds_folder, settings, run_folder=folder, resume=is_there)
        assert rest.prior is not None
        assert _same(dict(rest.prior.state_dict()), dict(whole.prior.state_dict()))
        folder.discard()


class _Writing:
    """Counts the looks while a run is written, and stops at one of them."""

    def __init__(self, model: Path, stop_at: float = math.inf) -> None:
        self._model, self._stop_at, self.looks = model, stop_at, 0
        self.told: list[int] = []

    def should_stop(self) -> bool:
        self.looks += any(run_folders().glob("*/*.tmp"))
        return self.looks >= self._stop_at

    def on_event(self, event: object) -> None:
        if isinstance(event, PriorEpochMetrics):
            found = prior_runs(self._model).look()
            assert found is not None  # on disk before anybody hears of it
            assert found.epoch == event.epoch
            self.told.append(event.epoch)


def _train_writing(model: Path, sounds: Path, stop_at: float = math.inf) -> tuple[TrainedPrior, _Writing]:
    writing, config = _Writing(model, stop_at), _config("frames", max_epochs=2)
    call = {"on_event": writing.on_event, "should_stop": writing.should_stop, "run_folder": prior_runs(model)}
    return train_prior(model, sounds, config, **call), writing


def test_a_stop_during_a_write_keeps_that_epoch_and_tells_it(tiny_model: Path, sounds_folder: Path) -> None:
    whole, writing = _train_writing(tiny_model, sounds_folder)
    prior_runs(tiny_model).discard()
    assert whole.prior is not None
    tensors = 2 * len(whole.prior.state_dict())  # written once as the best weights, once as momenta
    assert writing.looks > 2 * 2 * tensors  # in two epochs, writing and comparing
    for stop_at in (1, 2, tensors, writing.looks // 2 - 1, writing.looks // 2 + 1, writing.looks):
        stopped, writing_it = _train_writing(tiny_model, sounds_folder, stop_at)
        assert stopped.stopped_early
        assert writing_it.told == [1, 2][: len(stopped.history)]
        assert stopped.is_kept
        assert not [*run_folders().glob("*/*.tmp")]
        found = prior_runs(tiny_model).unfinished()
        assert found is not None
        assert (found.epoch, found.can_go_on, found.run_id) == (len(stopped.history), True, stopped.run_id)
        rest = train_prior(tiny_model, sounds_folder, run_folder=prior_runs(tiny_model), resume=True)
        assert rest.prior is not None
        assert _same(dict(rest.prior.state_dict()), dict(whole.prior.state_dict()))
        prior_runs(tiny_model).discard()


def test_an_epoch_that_is_on_disk_is_not_written_again_for_a_stop(tiny_model: Path, sounds_folder: Path) -> None:
    stamps: list[int] = []

    def on_event(event: object) -> None:
        if isinstance(event, PriorEpochMetrics):
            stamps.append((prior_runs(tiny_model).folder / "run.distill-run").stat().st_ino)

    stopped = train_prior(
        tiny_model,
        sounds_folder,
        _config("frames"),
        on_event=on_event,
        should_stop=lambda: bool(stamps),
        run_folder=prior_runs(tiny_model),
    )
    assert stopped.is_kept
    assert [(prior_runs(tiny_model).folder / "run.distill-run").stat().st_ino] == stamps


def test_a_codecs_step_that_is_stopped_anywhere_has_not_begun() -> None:
    def state() -> dict[str, Any]:
        return {
            "model": dict(learner.codec.state_dict()),
            "moments": optimizer.state_dict(),
            "random": torch.get_rng_state(),
        }

    reached, cpu = [], torch.device("cpu")
    config = VQVAEConfig(codebook_dim=16, codebook_size=8, num_quantizers=2)
    sounds = SplitSounds(torch.empty(0), torch.empty(0), (), ())
    for is_stopped in (False, True):
        torch.manual_seed(0)
        learner = VQVAELearner(config, sounds, AudioSpectrogram(SpectrogramConfig(n_mels=32), cpu), cpu)
        learner.codec.train()(torch.rand(2, 1, 32, 32))  # k-means
        optimizer = torch.optim.AdamW(learner.codec.parameters(), lr=1e-3)
        for _ in range(3):
            waveforms_BT, look = torch.rand(2, 16_000) - 0.5, 1
            before = copy.deepcopy(state())
            while is_stopped:
                try:
                    take_step(learner, waveforms_BT, optimizer, _stopped_at(look))
                    break
                except Stopped:
                    assert _same(state(), before), f"look {look}"
                    look += 1
            if not is_stopped:
                take_step(learner, waveforms_BT, optimizer)
            assert look > 60 or not is_stopped
        reached.append(copy.deepcopy(state()))
    assert _same(*reached)


def test_a_stopped_codec_keeps_its_best_epoch(sounds_folder: Path) -> None:
    events: list[object] = []
    looks_since = count()

    def stop_within_a_step() -> bool:
        return any(isinstance(event, CodecEpochMetrics) for event in events) and next(looks_since) > 30

    config = get_adaptive_vqvae_config(6, max_epochs=3, batch_size=4, device="cpu")
    trained = train_codec(sounds_folder, config, on_event=events.append, should_stop=stop_within_a_step)
    assert trained.stopped_early
    assert trained.model is not None
    assert len(trained.history) == 1
