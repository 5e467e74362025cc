from __future__ import annotations

import io
import os
import shutil
import subprocess
import sys
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner, Result

from distill_core import ModelFileError, load_model_v2, read_summary
from distill_core.audio.spectrogram import AudioSpectrogram, SpectrogramConfig
from distill_core.cli import app
from distill_core.files.archive import HASHED_WHOLE_BYTES, read_archive, read_facts
from distill_core.files.pickle_opcodes import MAX_DEPTH, read_contents
from distill_core.files.refusals import CodeInFileError, DamagedFileError
from distill_core.files.tensor_facts import TensorFacts
from distill_core.files.zip_container import check_sums, read_container
from tests.soak.specimen import Specimen, pack, read_specimen, text
from tests.warm_python import warm_python

ROOT = Path(__file__).parents[2]
REFERENCE = ROOT / "tests/data/ref_small_prior.distill"
REAL_FILES = [REFERENCE, ROOT / "resources/demo/demo.distill"]
EMBED = "quantizer.rvq.layers.0._codebook.embed"


def _change(path: Path, change: Callable[[dict[str, Any]], object]) -> Path:
    values, _ = read_archive(path)
    change(values)
    torch.save(values, path)
    return path


def _flip_a_weight(path: Path) -> Path:
    with path.open("r+b") as file:
        part = read_container(file, path.stat().st_size).records["data/0"]
        file.seek(part.start)
        first = file.read(1)[0]
        file.seek(part.start)
        file.write(bytes([first ^ 1]))
    return path


@pytest.mark.parametrize("path", REAL_FILES, ids=lambda path: path.stem)
def test_real_files_open_and_their_facts_are_those_of_the_tensors(path: Path) -> None:
    (facts, stamp), (values, same_stamp) = read_facts(path), read_archive(path)
    assert stamp == same_stamp
    state, described = values["model_state_dict"], facts["model_state_dict"]
    assert list(state) == list(described)
    assert all(isinstance(facts, TensorFacts) for facts in described.values())
    assert [(tensor.dtype, tuple(tensor.shape)) for tensor in state.values()] == [
        (facts.dtype, facts.shape) for facts in described.values()
    ]
    loaded = load_model_v2(path)
    assert read_summary(path).parameters == sum(
        tensor.numel() for tensor in loaded.model.state_dict().values() if tensor.is_floating_point()
    )


def test_tensors_that_share_a_storage_open(tiny_model: Path) -> None:
    def share(values: dict[str, Any]) -> None:
        state = values["model_state_dict"]
        state[f"{EMBED}_avg"] = state[EMBED]
        both = torch.cat([state["encoder.proj.bias"], torch.zeros(1000)])
        state["encoder.proj.bias"] = both[:16]

    loaded = load_model_v2(_change(tiny_model, share))
    state = loaded.model.state_dict()
    assert torch.equal(state[EMBED], state[f"{EMBED}_avg"])


def test_parameters_and_halves_and_whole_numbers_open(tiny_model: Path) -> None:
    more = {"parameter": torch.nn.Parameter(torch.ones(2)), "half": torch.ones(3, dtype=torch.bfloat16)}
    more |= {"steps": torch.arange(5), "flags": torch.zeros(0, dtype=torch.bool), "by_number": {0: 1, 7: torch.ones(1)}}
    path = _change(tiny_model, lambda values: values.update(more=more))
    facts, _ = read_facts(path)
    assert facts["more"]["half"].dtype == torch.bfloat16
    assert facts["more"]["flags"].numel() == 0
    assert load_model_v2(path).prior is None


def test_the_facts_need_no_weights_and_the_networks_do(tiny_model: Path) -> None:
    before = read_summary(tiny_model)
    _flip_a_weight(tiny_model)
    after = read_summary(tiny_model)
    assert after.parameters == before.parameters
    assert after.stamp.sha256 != before.stamp.sha256
    with pytest.raises(ModelFileError) as refused:
        load_model_v2(tiny_model)
    assert "checksum" in refused.value.hint


def _inspect(path: Path, *options: str) -> Result:
    return CliRunner().invoke(app, ["inspect", str(path), *options])


def test_verify_finds_a_flipped_bit(tiny_model: Path) -> None:
    assert _inspect(tiny_model, "--verify").exit_code == 0
    _flip_a_weight(tiny_model)
    assert _inspect(tiny_model).exit_code == 0
    refused = _inspect(tiny_model, "--verify")
    assert refused.exit_code == 2
    assert "damaged" in refused.stderr
    assert "checksum" in refused.stderr


def test_a_file_with_code_is_named_as_such(tiny_model: Path, tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    call = b"cos\nsystem\n" + text(f"touch '{canary}'") + b"\x85R"
    tiny_model.write_bytes(read_specimen(tiny_model).with_value("extra", call))
    with pytest.raises(ModelFileError, match="contains code and was not opened") as refused:
        read_summary(tiny_model)
    assert "os.system" in refused.value.hint
    assert _inspect(tiny_model, "--verify").exit_code == 2
    assert not canary.exists()


def test_values_that_models_do_not_have_are_not_called_code(tiny_model: Path) -> None:
    before = tiny_model.read_bytes()
    for value in (b"bytes", {1, 2}, torch.Size([1, 2]), 1j):
        _change(tiny_model, lambda values, value=value: values.update(extra=value))
        with pytest.raises(ModelFileError, match="damaged or not a Distill model") as refused:
            read_summary(tiny_model)
        assert "something that models do not have" in refused.value.hint
        tiny_model.write_bytes(before)


def test_a_text_referred_to_often_is_counted_as_often(tiny_model: Path) -> None:
    long = "x" * 1024**2
    _change(tiny_model, lambda values: values.update(extra=[long] * 8))
    read_summary(tiny_model)
    _change(tiny_model, lambda values: values.update(extra=[long] * 3000))
    with pytest.raises(ModelFileError):
        read_summary(tiny_model)
    with pytest.raises(DamagedFileError):
        read_contents(_saved([{long[1:]: 1}] * 3000).pickle)


@pytest.mark.parametrize(("lowest", "highest"), [(0.0, 0.0), (24_000.0, None), (100.0, 100.5), (0.0, 100.0)])
def test_bands_without_room_between_their_ends_are_refused(
    tiny_model: Path, lowest: float, highest: float | None
) -> None:
    _change(tiny_model, lambda values: values["spectrogram_config"].update(f_min=lowest, f_max=highest))
    with pytest.raises(ModelFileError, match="f_max"):
        read_summary(tiny_model)


def test_the_narrowest_bands_that_open_give_numbers(tiny_model: Path) -> None:
    narrow = {"sample_rate": 192_000, "n_mels": 512, "f_min": 96_000.0 - 512, "f_max": None}
    spectrogram = AudioSpectrogram(SpectrogramConfig(**(asdict(SpectrogramConfig()) | narrow)), "cpu")
    _change(tiny_model, lambda values: values["spectrogram_config"].update(narrow))
    assert read_summary(tiny_model).spectrogram == spectrogram.config
    assert spectrogram.log_mel(torch.rand(1, 192_000) - 0.5).isfinite().all()


MEASURE = """
import re, sys
from pathlib import Path
from distill_core import load_model_v2

def peak_kilobytes():
    return int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1])

before = peak_kilobytes()
load_model_v2(Path(sys.argv[1]))
print(peak_kilobytes() - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a process's peak in /proc")
def test_a_large_file_takes_its_size_in_memory_once(tiny_model: Path) -> None:
    size = 400_000_000
    _change(tiny_model, lambda values: values.update(extra=torch.zeros(size // 4)))
    command = [*warm_python(), "-c", MEASURE, str(tiny_model)]
    told = subprocess.run(command, capture_output=True, text=True, check=True)
    assert int(told.stdout) * 1024 < 1.5 * size


def test_a_large_file_has_a_stamp_that_tells_changed_weights(tiny_model: Path) -> None:
    numbers = torch.zeros(HASHED_WHOLE_BYTES // 4)
    _change(tiny_model, lambda values: values.update(extra=numbers))
    os.utime(tiny_model, ns=(0, 0))
    before = read_summary(tiny_model).stamp
    assert load_model_v2(tiny_model).stamp == before
    _change(tiny_model, lambda values: values["extra"][5:6].fill_(1))
    os.utime(tiny_model, ns=(0, 0))
    after = read_summary(tiny_model).stamp
    assert (after.size, after.mtime_ns) == (before.size, before.mtime_ns)
    assert after.sha256 != before.sha256


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such files")
def test_a_link_to_a_model_opens_under_its_real_path(tiny_model: Path, tmp_path: Path) -> None:
    link = tmp_path / "link.distill"
    link.symlink_to(tiny_model)
    assert read_summary(link).stamp == read_summary(tiny_model).stamp


def test_a_name_that_no_file_can_have_is_refused(tmp_path: Path) -> None:
    for name in ("x\0.distill", "\ud800.distill", "x" * 300):
        with pytest.raises(ModelFileError):
            read_summary(tmp_path / name)


_keys = st.text(max_size=8) | st.integers(0, 2**31 - 1)
_plain = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=5)
        | st.dictionaries(_keys, inner, max_size=5)
        | st.tuples(inner)
        | st.tuples(inner, inner)
    ),
    max_leaves=40,
)


def _saved(value: object) -> Specimen:
    packed = io.BytesIO()
    torch.save(value, packed)
    with zipfile.ZipFile(packed) as archive:
        return Specimen(packed.getvalue(), {name.partition("/")[2]: archive.read(name) for name in archive.namelist()})


@settings(deadline=None)
@given(st.dictionaries(st.text(max_size=8), _plain, max_size=6))
def test_plain_values_come_out_as_torch_gives_them(values: dict[str, Any]) -> None:
    saved = _saved(values)
    contents = read_contents(saved.pickle)
    assert contents.value == values == torch.load(io.BytesIO(saved.content), weights_only=True)
    assert contents.tensors == ()


@settings(deadline=None)
@given(st.lists(st.integers(0, 4), min_size=1, max_size=4), st.sampled_from([torch.float32, torch.int64, torch.bool]))
def test_tensors_come_out_with_their_shapes(shape: list[int], dtype: torch.dtype) -> None:
    turned = torch.zeros(shape, dtype=dtype).transpose(0, -1)
    (facts,) = read_contents(_saved([turned]).pickle).value
    assert (facts.shape, facts.dtype, facts.numel()) == (tuple(turned.shape), dtype, turned.numel())


@given(st.binary(max_size=300))
def test_any_bytes_as_a_list_of_contents_are_answered(content: bytes) -> None:
    for start in (b"", b"\x80\x02"):
        try:
            read_contents(start + content)
        except (DamagedFileError, CodeInFileError):
            continue


KNOWN_OPCODES = [b"(", b"]", b"}", b")", b"N", b"K\x01", b"X\x01\x00\x00\x00a", b"q\x00", b"h\x00", b"t", b"\x85", b"a"]
KNOWN_OPCODES += [b"e", b"s", b"u", b"R", b"b", b"Q", b"ccollections\nOrderedDict\n", b"ctorch\nFloatStorage\n"]


@given(st.lists(st.sampled_from(KNOWN_OPCODES), max_size=60))
def test_known_opcodes_in_any_order_are_answered(opcodes: list[bytes]) -> None:
    try:
        read_contents(b"\x80\x02" + b"".join(opcodes) + b".")
    except DamagedFileError:
        return


@settings(deadline=None)
@given(st.binary(max_size=400), st.binary(max_size=200))
def test_any_bytes_as_a_zip_are_answered(start: bytes, end: bytes) -> None:
    whole = pack({"data.pkl": b"\x80\x02}.", "version": b"3\n"})
    for content in (
        b"PK\x03\x04" + start + end,
        start + whole,
        whole + end,
        whole[: len(end)] + end + whole[len(end) :],
    ):
        with pytest.raises(DamagedFileError):
            read_container(io.BytesIO(content + b"\0"), len(content) + 1)


def test_a_file_that_is_gone_when_its_checksums_are_compared_is_refused() -> None:
    for content in (b"", bytes(2000), pack({"data.pkl": b"\x80\x02}.", "version": b"3\n"})[:-1]):
        with pytest.raises(DamagedFileError, match="can't be read"):
            check_sums(io.BytesIO(content))


def test_values_as_deep_as_allowed_open(tmp_path: Path) -> None:
    nested: Any = 1
    for _ in range(MAX_DEPTH):
        nested = [nested]
    assert read_contents(_saved(nested).pickle).value == nested
    with pytest.raises(DamagedFileError, match="deep"):
        read_contents(_saved([nested]).pickle)


def test_a_list_that_is_referred_to_twice_is_one_list() -> None:
    shared = [1, 2]
    first, second = read_contents(_saved([shared, shared]).pickle).value
    assert first is second


def test_a_copy_of_a_real_file_under_another_root_opens(tmp_path: Path) -> None:
    path = Path(shutil.copy(REFERENCE, tmp_path / "m.distill"))
    path.write_bytes(pack(read_specimen(REFERENCE).records, "ein Modell, größer"))
    assert load_model_v2(path).prior is not None


def _with_metadata(metadata: object) -> OrderedDict[str, Any]:
    state: OrderedDict[str, Any] = OrderedDict(a=torch.ones(2))
    state._metadata = metadata  # type: ignore[attr-defined]
    return state


def test_what_stands_beside_the_items_of_a_dict_of_weights_is_plain_and_not_deep(tiny_model: Path) -> None:
    before = tiny_model.read_bytes()
    _change(tiny_model, lambda values: values.update(extra=_with_metadata(OrderedDict({"": {"version": 1}}))))
    assert load_model_v2(tiny_model).prior is None
    for odd in (OrderedDict(x=torch.ones(5)), [_with_metadata({})], _with_metadata({})):
        tiny_model.write_bytes(before)
        _change(tiny_model, lambda values, odd=odd: values.update(extra=_with_metadata(odd)))
        with pytest.raises(ModelFileError):
            read_summary(tiny_model)


def test_what_cannot_be_mapped_opens_all_the_same(tiny_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    load = torch.load

    def no_maps(source: Any, *, mmap: bool, **options: Any) -> Any:
        if mmap:
            raise RuntimeError("unable to mmap")
        return load(source, mmap=mmap, **options)

    whole, stamp = read_archive(tiny_model)
    monkeypatch.setattr(torch, "load", no_maps)
    mapped, same_stamp = read_archive(tiny_model, mapped=True)
    assert stamp == same_stamp
    assert torch.equal(whole["model_state_dict"][EMBED], mapped["model_state_dict"][EMBED])
