from __future__ import annotations

import io
import os
import pickle
import stat
import zipfile
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import torch

from distill_core import (
    CodePrior,
    ModelFileError,
    PriorConfig,
    SaveError,
    load_model_v2,
    read_summary,
    save_model_v2,
    save_prior_to_model,
)
from distill_core.audio.spectrogram import SpectrogramConfig
from distill_core.files.archive import HASHED_WHOLE_BYTES, read_archive

REFERENCE = Path(__file__).parents[1] / "data" / "ref_small_prior.distill"
PRIOR_KEYS = {"has_prior", "prior_state_dict", "prior_config", "prior_metadata"}


def _prior(seed: int = 0, **sizes: int) -> CodePrior:
    torch.manual_seed(seed)
    return CodePrior(16, 2, 96, **{"hidden_size": 32, "num_layers": 1, "num_heads": 2} | sizes)


def _same(first: Any, second: Any) -> bool:
    if isinstance(first, torch.Tensor):
        return first.dtype == second.dtype and torch.equal(first, second)
    if isinstance(first, dict):
        return list(first) == list(second) and all(_same(value, second[key]) for key, value in first.items())
    return bool(first == second)


def _rewrite(path: Path, change: Callable[[dict[str, Any]], object]) -> Path:
    values, _ = read_archive(path)
    change(values)
    torch.save(values, path)
    return path


def test_summary_tells_the_facts_of_the_ancestors_file() -> None:
    summary = read_summary(REFERENCE)
    assert (summary.name, summary.version) == ("ref_small", 2)
    assert (summary.codebook_size, summary.num_quantizers) == (64, 3)
    geometry = summary.geometry
    assert (geometry.bands, geometry.chunk_steps, geometry.codes_per_second) == (8, 6, 144)
    assert summary.has_prior
    assert summary.prior_architecture == "flat"
    assert summary.best_perplexity == pytest.approx(8.234, abs=1e-3)
    assert summary.stamp.size == REFERENCE.stat().st_size


def test_a_model_without_a_prior(tiny_model: Path) -> None:
    summary, loaded = read_summary(tiny_model), load_model_v2(tiny_model)
    assert not summary.has_prior
    assert loaded.prior is None
    assert loaded.prior_config is None
    assert not loaded.model.training


def _flip_a_bit_of(path: Path, tensor: torch.Tensor) -> None:
    content = bytearray(path.read_bytes())
    content[content.index(tensor.numpy().tobytes())] ^= 1
    path.write_bytes(content)


def test_saving_a_prior_changes_nothing_else(tiny_model: Path) -> None:
    _rewrite(tiny_model, lambda values: values.update(from_the_future={"weights": torch.arange(3), "text": "kept"}))
    before, _ = read_archive(tiny_model)
    prior = _prior()
    metadata = {"best_perplexity": 3.5, "epochs_trained": 2}
    assert save_prior_to_model(tiny_model, prior, PriorConfig(hidden_size=32), metadata) == tiny_model.resolve()
    after, _ = read_archive(tiny_model)
    assert _same(
        {key: value for key, value in before.items() if key not in PRIOR_KEYS},
        {key: value for key, value in after.items() if key not in PRIOR_KEYS},
    )
    assert after["prior_metadata"] == metadata
    loaded = load_model_v2(tiny_model)
    assert loaded.prior is not None
    assert _same(prior.state_dict(), loaded.prior.state_dict())
    assert not list(tiny_model.parent.glob(".*"))


@pytest.mark.parametrize("size", [1000, 2 * HASHED_WHOLE_BYTES])
def test_a_damaged_prior_can_be_replaced_and_a_damaged_vqvae_not(tiny_model: Path, size: int) -> None:
    shared = torch.arange(size // 4).float()
    save_prior_to_model(tiny_model, _prior(), PriorConfig(hidden_size=32), {})
    _rewrite(tiny_model, lambda values: values.update(extra=shared[:5], more=torch.tensor([3.0, 1.0, 4.0])))
    _rewrite(tiny_model, lambda values: values["prior_state_dict"].update({"pos_emb.weight": torch.ones(96, 32)}))
    _flip_a_bit_of(tiny_model, torch.ones(96, 32))
    with pytest.raises(ModelFileError, match="damaged"):
        load_model_v2(tiny_model)
    save_prior_to_model(tiny_model, _prior(), PriorConfig(hidden_size=32), {})
    assert load_model_v2(tiny_model).prior is not None
    assert torch.equal(read_archive(tiny_model)[0]["extra"], shared[:5])
    _flip_a_bit_of(tiny_model, torch.tensor([3.0, 1.0, 4.0]))
    with pytest.raises(ModelFileError, match="damaged"):
        save_prior_to_model(tiny_model, _prior(), PriorConfig(hidden_size=32), {})


def test_what_the_old_prior_shares_with_something_else_is_kept(tiny_model: Path) -> None:
    numbers = torch.arange(HASHED_WHOLE_BYTES // 4).float()

    def tie(values: dict[str, Any]) -> None:
        values.update(has_prior=True, prior_config={"architecture": "waves"}, prior_state_dict={"all": numbers})
        values["kept"] = [{"part": numbers[7:10]}]

    _rewrite(tiny_model, tie)
    save_prior_to_model(tiny_model, _prior(), PriorConfig(hidden_size=32), {})
    assert torch.equal(read_archive(tiny_model)[0]["kept"][0]["part"], numbers[7:10])


def test_seq_len_and_levels_are_always_saved(tiny_model: Path) -> None:
    config = {"hidden_size": 32, "num_layers": 1, "num_heads": 2}
    save_prior_to_model(tiny_model, _prior(), config, {})
    values, _ = read_archive(tiny_model)
    assert values["prior_config"] == config | {"seq_len": 96, "num_quantizers": 2}


def test_a_prior_whose_file_lacks_seq_len_opens(tmp_path: Path) -> None:
    path = tmp_path / "m.distill"
    path.write_bytes(REFERENCE.read_bytes())

    def forget(values: dict[str, Any]) -> None:
        del values["prior_config"]["seq_len"], values["prior_config"]["num_quantizers"]

    loaded = load_model_v2(_rewrite(path, forget))
    assert loaded.prior is not None
    assert (loaded.prior.seq_len, loaded.prior.num_quantizers) == (144, 3)


def test_saving_into_a_copy_leaves_the_model_alone(tiny_model: Path, tmp_path: Path) -> None:
    before = tiny_model.read_bytes()
    copy = save_prior_to_model(
        tiny_model, _prior(), {"hidden_size": 32, "num_layers": 1, "num_heads": 2}, {}, output=tmp_path / "copy.distill"
    )
    assert tiny_model.read_bytes() == before
    assert load_model_v2(copy).prior is not None


def test_a_file_that_changed_meanwhile_is_not_overwritten(tiny_model: Path) -> None:
    stamp = read_summary(tiny_model).stamp
    _rewrite(tiny_model, lambda values: values["metadata"].update(name="changed"))
    changed = tiny_model.read_bytes()
    config = {"hidden_size": 32, "num_layers": 1, "num_heads": 2}
    with pytest.raises(SaveError, match="changed by another program"):
        save_prior_to_model(tiny_model, _prior(), config, {}, expected=stamp)
    assert tiny_model.read_bytes() == changed
    save_prior_to_model(tiny_model, _prior(), config, {}, expected=read_summary(tiny_model).stamp)


def test_a_link_stays_a_link_and_the_mode_stays(tiny_model: Path, tmp_path: Path) -> None:
    link = tmp_path / "link.distill"
    link.symlink_to(tiny_model)
    os.chmod(tiny_model, 0o640)
    save_prior_to_model(link, _prior(), {"hidden_size": 32, "num_layers": 1, "num_heads": 2}, {})
    assert link.is_symlink()
    assert stat.S_IMODE(tiny_model.stat().st_mode) == 0o640
    assert load_model_v2(tiny_model).prior is not None


def test_what_would_not_open_again_is_not_saved(tiny_model: Path) -> None:
    before = tiny_model.read_bytes()
    config = {"hidden_size": 32, "num_layers": 1, "num_heads": 2}
    broken = _prior()
    with torch.no_grad():
        broken.head.weight[0, 0] = torch.nan
    with pytest.raises(SaveError, match="not numbers"):
        save_prior_to_model(tiny_model, broken, config, {})
    with pytest.raises(SaveError):
        save_prior_to_model(tiny_model, _prior(), config, {"object": Path("x")})
    with pytest.raises(SaveError):
        save_prior_to_model(tiny_model, CodePrior(8, 2, 96, 32, 1, 2), config, {})
    assert tiny_model.read_bytes() == before
    assert not list(tiny_model.parent.glob(".*"))


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such files")
def test_what_is_no_file_is_never_replaced(tiny_model: Path, tmp_path: Path) -> None:
    pipe, loop = tmp_path / "pipe", tmp_path / "loop"
    os.mkfifo(pipe)
    loop.symlink_to(loop)
    for output in (pipe, loop):
        with pytest.raises(SaveError):
            save_prior_to_model(tiny_model, _prior(), {}, {}, output=output)
    assert stat.S_ISFIFO(pipe.stat().st_mode)
    assert loop.is_symlink()


def test_a_name_as_long_as_names_can_be_is_saved(tiny_model: Path, tmp_path: Path) -> None:
    output = tmp_path / ("ü" * 120 + ".distill")
    assert save_prior_to_model(tiny_model, _prior(), {}, {}, output=output).name == output.name


def test_a_folder_that_refuses_writing_is_told(tiny_model: Path, tmp_path: Path) -> None:
    with pytest.raises(SaveError):
        save_prior_to_model(
            tiny_model,
            _prior(),
            {"hidden_size": 32, "num_layers": 1, "num_heads": 2},
            {},
            output=tmp_path / "missing" / "copy.distill",
        )


def test_an_unknown_prior_is_named_and_the_model_opens(tiny_model: Path) -> None:
    def future(values: dict[str, Any]) -> None:
        values.update(has_prior=True, prior_config={"architecture": "waves"}, prior_metadata={"best_perplexity": 2.0})
        values["prior_state_dict"] = {"anything": torch.ones(2)}

    _rewrite(tiny_model, future)
    summary, loaded = read_summary(tiny_model), load_model_v2(tiny_model)
    assert summary.has_prior
    assert (summary.prior_architecture, summary.prior_is_readable) == ("waves", False)
    assert loaded.prior is None
    assert loaded.model is not None


def test_new_files_have_every_key_of_the_format(tiny_model: Path) -> None:
    reference, _ = read_archive(REFERENCE)
    values, _ = read_archive(tiny_model)
    assert set(values) == set(reference) - {"prior_state_dict", "prior_config", "prior_metadata"}
    assert set(values["metadata"]) == set(reference["metadata"])
    assert list(values["spectrogram_config"]) == list(reference["spectrogram_config"])


def test_unknown_metadata_is_a_mistake_of_the_caller(tiny_model: Path, tmp_path: Path) -> None:
    loaded = load_model_v2(tiny_model)
    with pytest.raises(ValueError, match="colour"):
        save_model_v2(
            tmp_path / "n.distill",
            loaded.model,
            spectrogram_config=loaded.spectrogram.config,
            vqvae_config=loaded.vqvae_config,
            training_config={},
            metadata={"colour": "red"},
        )


def _set(*keys: str, to: Any) -> Callable[[dict[str, Any]], None]:
    def change(values: dict[str, Any]) -> None:
        for key in keys[:-1]:
            values = values[key]
        values[keys[-1]] = to

    return change


HALF_A_WINDOW_IS_A_SECOND = asdict(SpectrogramConfig(sample_rate=8_000, n_fft=16_000))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (_set("format", to="sda_model"), "older kind"),
        (_set("version", to=1), "older kind"),
        (_set("version", to=3), "newer Distill"),
        (_set("version", to=2.0), "not a Distill model"),
        (_set("version", to=True), "not a Distill model"),
        (_set("format", to="cake"), "not a Distill model"),
        (_set("model_type", to="gan"), "no codec"),
        (_set("vqvae_config", "architecture", to="wavelets"), "wavelets"),
        (_set("vqvae_config", "codebook_size", to=10**9), "codebook_size"),
        (_set("vqvae_config", "codebook_size", to=32), "shape"),
        (_set("vqvae_config", "dropout", to=1.0), "dropout"),
        (_set("vqvae_config", to=None), "vqvae_config"),
        (_set("spectrogram_config", "n_fft", to=2**40), "n_fft"),
        (_set("spectrogram_config", "extra", to=1), "seven"),
        (_set("spectrogram_config", to=HALF_A_WINDOW_IS_A_SECOND), "n_fft"),
        (_set("spectrogram_config", "power", to=float("nan")), "power"),
        (_set("metadata", to=[1]), "metadata"),
        (_set("model_state_dict", "encoder.proj.bias", to=torch.full((128,), torch.inf)), "not numbers"),
        (_set("model_state_dict", "encoder.proj.bias", to=torch.ones(128, dtype=torch.int32)), "shape or type"),
        (_set("model_state_dict", "encoder.proj.bias", to=torch.ones(128).to_sparse()), "plain tensor|damaged"),
        (_set("model_state_dict", "encoder.proj.bias", to="text"), "plain tensor"),
        (_set("model_state_dict", "more", to=torch.ones(1)), "settings describe"),
        (_set("model_state_dict", "quantizer.rvq.layers.0._codebook.initted", to=torch.tensor(False)), "never trained"),
        (_set("prior_config", "num_heads", to=5), "divide"),
        (_set("prior_config", "dropout", to=3), "dropout"),
        (_set("has_prior", to=torch.ones(2)), "has_prior"),
        (_set("prior_config", "num_layers", to=10**6), "num_layers"),
        (_set("prior_config", "num_quantizers", to=4), "levels"),
        (_set("prior_config", to=None), "prior_config"),
        (_set("prior_state_dict", to={}), "seq_len|describe"),
    ],
)
def test_wrong_files_are_refused_with_one_sentence(
    tmp_path: Path, change: Callable[[dict[str, Any]], None], words: str
) -> None:
    path = tmp_path / "wrong.distill"
    path.write_bytes(REFERENCE.read_bytes())
    _rewrite(path, change)
    before = path.read_bytes()
    with pytest.raises(ModelFileError, match=words):
        load_model_v2(path)
    with pytest.raises((ModelFileError, SaveError)):
        save_prior_to_model(path, CodePrior(64, 3, 144, 32, 1, 2), {}, {})
    assert path.read_bytes() == before


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"hello " * 1000, b"PK\x03\x04" + bytes(5000)])
def test_rubbish_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.distill"
    path.write_bytes(content)
    with pytest.raises(ModelFileError):
        read_summary(path)


def test_missing_files_and_folders_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match="no file"):
        read_summary(tmp_path / "missing.distill")
    with pytest.raises(ModelFileError, match="not a file"):
        read_summary(tmp_path)


class _Bomb:
    def __init__(self, canary: str) -> None:
        self.canary = canary

    def __reduce__(self) -> tuple[Any, ...]:
        return (open, (self.canary, "w"))


def test_a_file_that_would_run_code_is_refused_and_does_not(tmp_path: Path) -> None:
    canary, path = tmp_path / "canary", tmp_path / "x.distill"
    packed = io.BytesIO()
    torch.save({"format": "distill_model", "payload": _Bomb(str(canary)), "padding": torch.ones(1000)}, packed)
    path.write_bytes(packed.getvalue())
    with pytest.raises(ModelFileError):
        read_summary(path)
    legacy = tmp_path / "legacy.distill"
    legacy.write_bytes(pickle.dumps(_Bomb(str(canary))) + bytes(2000))
    with pytest.raises(ModelFileError):
        read_summary(legacy)
    assert not canary.exists()


def test_the_ancestors_reader_could_read_what_we_write(tiny_model: Path) -> None:
    """Its loader is torch.load plus the constructors of two dataclasses; this does the same by hand."""
    save_prior_to_model(tiny_model, _prior(), PriorConfig(hidden_size=32, num_layers=1, num_heads=2), {})
    values = torch.load(tiny_model, weights_only=True, map_location="cpu")
    with zipfile.ZipFile(tiny_model) as archive:
        assert all(info.compress_type == zipfile.ZIP_STORED for info in archive.infolist())
    assert {"hidden_size", "num_layers", "num_heads", "seq_len", "num_quantizers"} <= set(values["prior_config"])
    assert values["prior_state_dict"]["causal_mask"].dtype == torch.bool
