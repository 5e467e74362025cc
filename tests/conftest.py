"""Sounds and a small model, synthesized from seeds: what the tests work on are real files."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import distill_core.device  # noqa: F401  (it says how threads wait, which counts only before torch is imported)
from tests import warm_python

if TYPE_CHECKING:
    from distill_core.audio.spectrogram import SpectrogramConfig
    from distill_core.models.vqvae import ConvVQVAE

# torch is imported where it is used: the tests of run.py need none of it.

TESTS = Path(__file__).parent
WriteSound = Callable[..., Path]


def pytest_configure(config: pytest.Config) -> None:
    """Start the warm Python here where there will be workers: they share it."""
    if config.getoption("dist", "no") != "no" and not hasattr(config, "workerinput"):
        warm_python.share()


def pytest_unconfigure() -> None:
    """End the warm Python, so that its work counts as this process's."""
    warm_python.stop()


# What takes long comes last, so that most failures are told soon; of that the longest first, so that two workers end
# at about the same time.
_LAST = (
    "app/test_main_window.py",
    "core/test_checkpoint.py",
    "core/test_runs.py",
    "core/test_cli.py",
    "app/test_training_window.py",
    "core/test_wrong_files.py",
    "soak/test_long_runs.py",
    "soak/test_terminal.py",
    "soak/test_saving.py",
    "core/test_demo.py",
    "core/test_prior_loop.py",
    "core/test_joining.py",
    "core/test_frames.py",
    "core/test_judging.py",
    "app/test_unfinished.py",
    "core/test_terminal.py",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the tests of those files last; otherwise the order is pytest's."""
    places = {TESTS / name: place for place, name in enumerate(_LAST, start=1)}
    items.sort(key=lambda item: places.get(item.path, 0))


_frozen_modules = 0


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup() -> None:
    """Keep the garbage collector from looking through all that was imported: with torch that takes 0.3 s each time."""
    global _frozen_modules
    if len(sys.modules) > _frozen_modules + 50:
        gc.collect()
        gc.freeze()
        _frozen_modules = len(sys.modules)


def _seeded_tone(seed: int, seconds: float, rate: int, channels: int) -> np.ndarray[Any, np.dtype[np.float32]]:
    """Return `[frames, channels]`: a decaying tone with an octave above it and a little noise, peak about 0.5."""
    random = np.random.default_rng(seed)
    seconds_T = np.arange(round(seconds * rate))[:, None] / rate
    hertz = 110.0 * 2.0 ** (random.integers(0, 24) / 12)
    tone_T1 = np.sin(2 * np.pi * hertz * seconds_T) + 0.5 * np.sin(4 * np.pi * hertz * seconds_T + random.uniform(0, 6))
    noise_TC = random.uniform(-0.05, 0.05, (len(seconds_T), channels))
    return (0.33 * np.exp(-2 * seconds_T) * tone_T1 + noise_TC).astype(np.float32)


def _keep_caches_in(folder: Path, patch: pytest.MonkeyPatch) -> None:
    patch.setenv("XDG_CACHE_HOME", str(folder))  # for programs that a test starts
    patch.setattr("distill_core.folders.user_cache_path", lambda name, **options: folder / name)
    patch.setenv("XDG_DATA_HOME", str(folder / "data"))
    patch.setattr("distill_core.folders.user_data_path", lambda name, **options: folder / "data" / name)


@pytest.fixture(scope="session", autouse=True)
def _shared_caches(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Keep what shared fixtures do away from this user's caches."""
    folder = tmp_path_factory.mktemp("caches")
    with pytest.MonkeyPatch.context() as patch:
        _keep_caches_in(folder, patch)
        yield folder


@pytest.fixture(scope="session")
def _measured(_shared_caches: Path) -> Path | None:
    """The folder of what `distill_core` measured about this computer, which takes a second of the processor."""
    if "torch" not in sys.modules:
        return None
    import torch

    from distill_core.training.prior.number_format import number_format

    number_format("auto", torch.device("cpu"))
    return _shared_caches / "distill" / "number_format"


@pytest.fixture(autouse=True)
def caches(_measured: Path | None, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of all programs' caches. No test knows what another one encoded; what was measured, it may know."""
    import shutil

    folder = tmp_path_factory.mktemp("caches")
    _keep_caches_in(folder, monkeypatch)
    if _measured is not None:
        shutil.copytree(_measured, folder / "distill" / _measured.name)
    return folder


@pytest.fixture
def tone() -> Callable[..., np.ndarray[Any, np.dtype[np.float32]]]:
    """Return `tone(seed=0, seconds=0.25, rate=48_000, channels=1)`, which synthesizes `[frames, channels]`."""

    def make(
        seed: int = 0, seconds: float = 0.25, rate: int = 48_000, channels: int = 1
    ) -> np.ndarray[Any, np.dtype[np.float32]]:
        return _seeded_tone(seed, seconds, rate, channels)

    return make


def _write_sound(
    path: Path, *, seed: int = 0, seconds: float = 0.25, rate: int = 48_000, channels: int = 1, **options: Any
) -> Path:
    import soundfile

    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, _seeded_tone(seed, seconds, rate, channels), rate, **options)
    return path


@pytest.fixture
def write_sound() -> WriteSound:
    """Return `write_sound(path, seed=0, seconds=0.25, rate=48_000, channels=1, **soundfile_options)`."""
    return _write_sound


@pytest.fixture(scope="session")
def shared_sounds_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of six usable sounds, 8.75 s together, in WAV and FLAC at three rates. Leave it as it is."""
    folder = tmp_path_factory.mktemp("shared") / "sounds"
    for number, seconds in enumerate([1.0, 2.0, 1.25, 0.5, 2.5, 1.5]):
        name = f"sound {number}{('.wav', '.flac')[number % 2]}"
        rate, channels = (48_000, 44_100, 22_050)[number % 3], 1 + number // 3
        _write_sound(folder / name, seed=number, seconds=seconds, rate=rate, channels=channels)
    return folder


@pytest.fixture
def sounds_folder(shared_sounds_folder: Path, tmp_path: Path) -> Path:
    """A copy of `shared_sounds_folder` that the test may change."""
    import shutil

    return Path(shutil.copytree(shared_sounds_folder, tmp_path / "sounds"))


def _tiny_vqvae(config: dict[str, Any], spectrogram: SpectrogramConfig) -> ConvVQVAE:
    """Build a VQ-VAE whose codebooks fit the tones: one forward pass in training mode sets them by k-means."""
    import torch

    from distill_core.audio.spectrogram import AudioSpectrogram
    from distill_core.models.vqvae import ConvVQVAE

    rate = spectrogram.sample_rate
    tones_BT = torch.stack([torch.from_numpy(_seeded_tone(seed, 1.0, rate, 1)[:, 0]) for seed in range(100, 116)])
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(0)
        model = ConvVQVAE(**config).train()
        for module in model.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.momentum = None  # the running mean is then this one batch's
        model(AudioSpectrogram(spectrogram).log_mel(2 * tones_BT))
    return model.eval()


@pytest.fixture(scope="session")
def shared_tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model file without a prior: 2 levels of 16 codes, 96 codes a second. Leave it as it is."""
    from distill_core.audio.spectrogram import SpectrogramConfig
    from distill_core.models.persistence import save_model_v2

    config = {"codebook_dim": 16, "codebook_size": 16, "num_quantizers": 2, "decay": 0.95, "commitment_weight": 0.25}
    config |= {"threshold_ema_dead_code": 0, "dropout": 0.1}
    spectrogram = SpectrogramConfig()
    return save_model_v2(
        tmp_path_factory.mktemp("shared") / "tiny.distill",
        _tiny_vqvae(config, spectrogram),
        spectrogram_config=spectrogram,
        vqvae_config=config,
        training_config={},
        metadata={"name": "Tiny"},
    )


@pytest.fixture
def tiny_model(shared_tiny_model: Path, tmp_path: Path) -> Path:
    """A copy of `shared_tiny_model` that the test may change."""
    import shutil

    return Path(shutil.copy(shared_tiny_model, tmp_path / "tiny.distill"))


@pytest.fixture(scope="session")
def shared_klt_model(shared_sounds_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of the KLT codec, trained in three epochs: 2 levels of 16 codes, 4 bands. Leave it as it is."""
    from distill_core.training.codec.klt.config import KLTConfig
    from distill_core.training.codec.train import train_codec

    tiny = KLTConfig(
        codebook_size=16,
        num_quantizers=2,
        band_mels=32,
        components=12,
        refiner_width=8,
        refiner_depth=1,
        max_epochs=3,
        device="cpu",
    )
    return train_codec(shared_sounds_folder, tiny).save(tmp_path_factory.mktemp("shared") / "klt.distill")


@pytest.fixture(scope="session")
def _shared_codes(_shared_caches: Path, shared_tiny_model: Path, shared_sounds_folder: Path) -> Path:
    """The folder with the shared model's codes of the shared sounds, as a training of six epochs leaves it."""
    from distill_core import train_prior

    tiny = {"hidden_size": 32, "num_layers": 1, "num_heads": 2, "max_epochs": 6, "patience": 0, "device": "cpu"}
    train_prior(shared_tiny_model, shared_sounds_folder, tiny)
    return _shared_caches / "distill" / "codes"


@pytest.fixture
def known_codes(_shared_codes: Path, caches: Path) -> Path:
    """The folder of cached codes, with those of the shared sounds: whoever trains need not encode, a third of its time.

    It is for tests of what comes of a training, not of how it prepares.
    """
    import shutil

    return Path(shutil.copytree(_shared_codes, caches / "distill" / "codes"))
