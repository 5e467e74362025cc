"""A model as a file of Neutone Gen: the takes of `generate`, without Distill, and what a plugin asks of it."""

from __future__ import annotations

import json
import logging
import shutil
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest
import torch
from torch import Tensor
from typer.testing import CliRunner, Result

from benchmarks.plugin import measure
from distill_core import GenerateRequest, Sample, generate, load_model_v2, save_prior_to_model, train_prior
from distill_core.cli import app
from distill_core.device import use_one_thread
from distill_core.errors import ConfigError, ModelFileError, SaveError
from distill_core.events import Stopped
from distill_core.export.neutone import _quietly, export_neutone
from distill_core.export.take_script import take_script
from distill_core.generation.philox import uniform_numbers_of_units
from distill_core.generation.sampling import uniform_numbers
from distill_core.models.persistence import save_metadata
from tests.toy_codec import CONFIG as TOY_CONFIG
from tests.toy_codec import ToyCodec
from tests.toy_prior import ToyPrior

pytestmark = pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")
TINY = {"hidden_size": 32, "num_layers": 1, "num_heads": 2, "max_epochs": 2, "device": "cpu"}
REQUESTS = [
    GenerateRequest(seconds=1.0),
    GenerateRequest(seconds=2.37, seed=999, temperature=0.7, top_p=1.0),
    GenerateRequest(seconds=1.5, seed=41, temperature=1.35, top_p=0.6),
]
RANGES = {"seconds": (1.0, 30.0), "temperature": (0.5, 1.5), "top_p": (0.1, 1.0), "seed": (0.0, 999.0)}
# Runs in a Python that finds neither of them.
ALONE = """
import hashlib, sys
for name in ("distill_core", "neutone_sdk"):
    sys.modules[name] = None
import torch
torch.set_num_threads(1)
model = torch.jit.load(sys.argv[1])
take, = model.forward([], torch.tensor([[0.0], [0.5], [(0.95 - 0.1) / 0.9], [41 / 999]]).repeat(1, 64))
torch.save((take, model.nrb.model.codes_WHQ), sys.argv[2])
"""


def _knobs(request: GenerateRequest) -> Tensor:
    """Return the knobs as the plugin sends them: one column of values from 0 to 1 for each sample of a buffer."""
    values = [(getattr(request, name) - low) / (high - low) for name, (low, high) in RANGES.items()]
    return torch.tensor(values)[:, None].repeat(1, 512)


def _assert_same(take_1T: Tensor, codes_WHQ: Tensor, sample: Sample) -> None:
    assert torch.equal(codes_WHQ, sample.codes_WHQ)
    torch.testing.assert_close(take_1T[0], sample.waveform_T * sample.gain, rtol=0, atol=1e-4)


def _with_prior(codec: Path, sounds: Path, output: Path, **more: str) -> Path:
    trained = train_prior(codec, sounds, TINY | more)
    assert trained.prior is not None
    return save_prior_to_model(codec, trained.prior, trained.config, trained.metadata, output=output)


@pytest.fixture(scope="module")
def model(shared_klt_model: Path, shared_sounds_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of the usual kinds, klt and frames; leave it as it is."""
    path = tmp_path_factory.mktemp("neutone") / "Six Bells.distill"
    return _with_prior(shared_klt_model, shared_sounds_folder, path)


@pytest.fixture(scope="module")
def exported(model: Path) -> Path:
    """The plugin's file of `model`."""
    return export_neutone(model, model.with_suffix(".nm"))


@pytest.fixture
def plugin(exported: Path) -> Any:
    """The file as the SDK loads it, ready for a take."""
    from neutone_sdk.utils import load_neutone_model

    use_one_thread()
    loaded, _ = load_neutone_model(str(exported))
    loaded.set_daw_sample_rate_and_buffer_size(48_000, 512)
    loaded.reset()
    loaded.is_resampling()
    return loaded


def test_random_numbers_are_those_of_numpy() -> None:
    for seed in (0, 999, 2**62 + 12_345):
        for count in (1, 4, 25):
            expected_UT = torch.stack([uniform_numbers(seed, unit, count) for unit in range(5)])
            assert torch.equal(torch.jit.script(uniform_numbers_of_units)(seed, 5, count), expected_UT)


@pytest.mark.parametrize("request_", REQUESTS, ids=lambda request: f"seed {request.seed}")
def test_the_plugin_makes_the_takes_of_generate(model: Path, plugin: Any, request_: GenerateRequest) -> None:
    (take_1T,) = plugin.forward([], _knobs(request_))
    _assert_same(take_1T, plugin.nrb.model.codes_WHQ, generate(load_model_v2(model), request_))
    assert plugin.get_progress_percentage() == 100


def test_the_oldest_kinds_make_their_takes_too(
    shared_tiny_model: Path, shared_sounds_folder: Path, tmp_path: Path
) -> None:
    path = _with_prior(shared_tiny_model, shared_sounds_folder, tmp_path / "v2.distill", architecture="flat")
    loaded = load_model_v2(path)
    script = torch.jit.script(take_script(loaded))
    for request in REQUESTS:
        take_T = script(request.seconds, request.temperature, request.top_p, request.seed)
        _assert_same(take_T[None], script.codes_WHQ, generate(loaded, request))
    made = list[Tensor]()
    making = threading.Thread(target=lambda: made.append(script(30.0, 1.0, 0.95, 0)))
    making.start()
    while script.progress and making.is_alive():  # until it begins: it stood at 100
        pass
    script.is_cancelled = True  # in the middle of its first second
    making.join()
    made.append(script(1.0, 1.0, 0.95, 0))  # before it begins
    assert [len(take_T) for take_T in made] == [0, 0]


def test_the_sdk_finds_all_that_the_plugin_calls(exported: Path, plugin: Any) -> None:
    from neutone_sdk.utils import check_for_preserved_attributes, load_neutone_model

    loaded, metadata = load_neutone_model(str(exported))
    check_for_preserved_attributes(loaded, loaded.get_preserved_attributes())
    knobs = metadata.pop("neutone_parameters")
    assert [knobs[f"p{number}"]["name"] for number in range(1, 5)] == ["length", "variety", "focus", "seed"]
    assert metadata["model_name"] == "klt"
    assert metadata["native_sample_rates"] == [48_000]
    assert metadata["technical_links"] == {}
    assert metadata["is_experimental"]
    assert "Not run in the real plugin yet." in metadata["model_long_description"]
    assert loaded.is_one_shot_model()
    assert (loaded.get_audio_in_channels(), loaded.get_audio_out_channels()) == ([], [1])
    default_1T, asked_1T = plugin.forward([])[0], plugin.forward([], _knobs(GenerateRequest(seconds=5.0)))[0]
    assert torch.equal(default_1T, asked_1T)


def test_a_daw_of_another_rate_gets_the_same_take(plugin: Any) -> None:
    request = GenerateRequest(seconds=1.0, seed=7)
    (expected_1T,) = plugin.forward([], _knobs(request))
    plugin.set_daw_sample_rate_and_buffer_size(44_100, 480)
    (take_1T,) = plugin.forward([], _knobs(request))
    assert plugin.get_current_model_sample_rate() == 48_000
    assert torch.equal(take_1T, expected_1T)


def test_a_take_that_is_cancelled_ends_early_and_the_next_one_is_whole(plugin: Any) -> None:
    made = list[Any]()
    making = threading.Thread(target=lambda: made.append(plugin.forward([], _knobs(GenerateRequest(seconds=30.0)))))
    making.start()
    while plugin.get_progress_percentage() < 1 and making.is_alive():
        pass
    plugin.request_cancel_forward_pass()
    making.join()
    assert made == [[]]
    assert plugin.get_progress_percentage() < 100
    plugin.reset()
    assert plugin.forward([], _knobs(GenerateRequest(seconds=1.0)))[0].shape == (1, 48_000)


def test_the_file_needs_neither_distill_nor_the_sdk(model: Path, exported: Path, tmp_path: Path) -> None:
    result = tmp_path / "result.pt"
    subprocess.run([sys.executable, "-I", "-W", "ignore", "-c", ALONE, exported, result], check=True)
    take_1T, codes_WHQ = torch.load(result, weights_only=True)
    _assert_same(take_1T, codes_WHQ, generate(load_model_v2(model), GenerateRequest(seconds=1.0, seed=41)))


def test_neither_sounds_nor_this_computers_folders_are_named(exported: Path, shared_sounds_folder: Path) -> None:
    with ZipFile(exported) as file:
        told = b"".join(map(file.read, file.namelist()))
    assert b"griffin_lim" in told
    names = [sound.stem for sound in shared_sounds_folder.rglob("*.wav")]
    for name in [*names, str(Path(__file__).parents[2]), str(Path.home()), "site-packages"]:
        assert name.encode() not in told


def test_long_names_and_the_owners_words_keep_the_plugins_limits(model: Path, tmp_path: Path) -> None:
    from neutone_sdk.utils import load_neutone_model

    wordy = Path(shutil.copy(model, tmp_path / "wordy.distill"))
    save_metadata(wordy, {"name": "ü" * 100, "description": "long " * 300, "licence": "cc-by-4.0"})
    _, metadata = load_neutone_model(str(export_neutone(wordy, tmp_path / "wordy.nm")))
    assert len(metadata["model_name"]) == 30
    assert metadata["model_long_description"].startswith("Licence: cc-by-4.0\n")
    assert len(metadata["model_long_description"]) <= 500


def test_the_benchmark_times_the_same_takes(model: Path) -> None:
    found = measure(model, 1)
    assert found["ratio of plugin to Distill"] > 0
    assert 1 < found["file, MB"] / found["model, MB"] < 20


def _export(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["export", *map(str, arguments), "--as", "neutone"])


def _no_network(*arguments: object) -> None:
    raise AssertionError("the SDK looks links up, and there are none")


def test_the_terminal_writes_the_file_once(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("socket.socket.connect", _no_network)
    output = tmp_path / "bells.nm"
    run = _export(model, "-o", output, "--json")
    assert run.exit_code == 0, run.output
    told = json.loads(run.stdout)
    assert (told["bytes"], told["run_in_plugin"]) == (output.stat().st_size, False)
    assert "Not run in the real plugin yet." in run.stderr
    assert _export(model, "-o", output).exit_code == SaveError.exit_code
    assert [path.name for path in tmp_path.iterdir()] == ["bells.nm"]


def test_what_cannot_be_exported_says_so_and_writes_nothing(
    model: Path, shared_klt_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ModelFileError, match="has no prior yet"):
        export_neutone(shared_klt_model, tmp_path / "x.nm")
    with pytest.raises(SaveError, match="no name of a plugin's model"):
        export_neutone(model, tmp_path / "x.wav")
    (tmp_path / "link.nm").symlink_to(model)
    with pytest.raises(SaveError, match="is the model itself"):
        export_neutone(model, tmp_path / "link.nm", replace=True)
    (tmp_path / "link.nm").unlink()
    with pytest.raises(Stopped):
        export_neutone(model, tmp_path / "x.nm", should_stop=lambda: True)
    loaded = load_model_v2(model)
    with pytest.raises(ModelFileError, match="prior architecture toy can't leave Distill yet"):
        take_script(replace(loaded, prior=ToyPrior(16, 2, 4, 8)))
    books_QHK = torch.zeros(TOY_CONFIG["num_quantizers"], TOY_CONFIG["bands"], TOY_CONFIG["codebook_size"])
    with pytest.raises(ModelFileError, match="codec toy can't leave Distill yet"):
        take_script(replace(loaded, model=ToyCodec(TOY_CONFIG, loaded.spectrogram, books_QHK)))
    monkeypatch.setitem(sys.modules, "neutone_sdk", None)
    with pytest.raises(ConfigError, match="Neutone SDK"):
        export_neutone(model, tmp_path / "x.nm")
    run = _export(model, "-o", tmp_path / "x.nm")
    assert run.exit_code == 2
    assert "-m pip install neutone_sdk" in " ".join(run.stderr.split())
    assert not [*tmp_path.iterdir()]


def test_the_sdk_sets_up_no_log_and_takes_away_no_others_handler(monkeypatch: pytest.MonkeyPatch) -> None:
    root, own = logging.getLogger(), logging.getLogger("neutone_sdk")
    monkeypatch.setattr(root, "handlers", [])  # as where no log was set up; pytest has its own
    another = logging.NullHandler()
    for _ in range(2):
        with _quietly():
            logging.basicConfig()  # as each module of the SDK does
            root.addHandler(another)  # of another thread
    assert root.handlers == [another]
    assert sum(type(handler) is logging.NullHandler for handler in own.handlers) == 1
