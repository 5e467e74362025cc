"""What a save only carries through: never built in load, verify and save, and the same to the last bit after it."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from distill_core import (
    ChangedOnDiskError,
    CodePrior,
    ModelFileError,
    SaveError,
    load_model_v2,
    read_summary,
    save_prior_to_model,
)
from distill_core.files.archive import open_archive, read_archive
from distill_core.files.archive_writer import saving_into, write_archive
from distill_core.files.contents_writer import write_contents
from distill_core.files.zip_writer import blocks_of, plan_archive
from tests.warm_python import warm_python

CONFIG = {"hidden_size": 32, "num_layers": 1, "num_heads": 2}
EMBED = "quantizer.rvq.layers.0._codebook.embed"
ROOT = Path(__file__).parents[2]
LARGE_BYTES, HUGE_BYTES = 600_000_000, 1_200_000_000


def _save(path: Path, **options: Any) -> Path:
    torch.manual_seed(0)
    return save_prior_to_model(path, CodePrior(16, 2, 96, 32, 1, 2), CONFIG, {}, **options)


def _change(path: Path, change: Callable[[dict[str, Any]], object]) -> Path:
    values = torch.load(path, weights_only=True)
    change(values)
    torch.save(values, path)
    return path


def _bytes_of(storage: torch.UntypedStorage) -> bytes:
    return torch.empty(0, dtype=torch.uint8).set_(storage).numpy().tobytes()


def _facts(value: Any, storages: dict[int, int]) -> Any:
    """Return all that can be told of a value: kinds, order, bits, strides, and which tensors share a storage."""
    if isinstance(value, torch.Tensor):
        place = storages.setdefault(value.untyped_storage()._cdata, len(storages))
        gradient = (type(value).__name__, value.requires_grad)
        layout = (value.dtype, tuple(value.shape), value.stride(), value.storage_offset(), place, gradient)
        return layout, _bytes_of(value.untyped_storage())
    if isinstance(value, dict):
        items = [(key, _facts(inner, storages)) for key, inner in value.items()]
        return type(value).__name__, items, getattr(value, "_metadata", None)
    if isinstance(value, list | tuple):
        return type(value).__name__, [_facts(inner, storages) for inner in value]
    return type(value).__name__, repr(value)


def _strangers_values() -> dict[str, Any]:
    numbers = torch.randn(6, 4, generator=torch.Generator().manual_seed(3))
    state = OrderedDict({"a": numbers[1:3, ::2], "b": numbers.t(), "empty": torch.zeros(0, 3)})
    state._metadata = OrderedDict({"": {"version": 1}})  # type: ignore[attr-defined]
    return {
        "state": state,
        "again": [numbers, numbers, (1, -(2**40), 1.5, None, True, "é\ud800"), ()],
        "parameter": torch.nn.Parameter(torch.tensor([1.0, float("nan"), float("-inf")])),
        "frozen": torch.nn.Parameter(torch.ones(2), requires_grad=False),
        "grad": torch.ones(3, requires_grad=True),
        "kinds": {
            number: torch.arange(5).to(kind) for number, kind in enumerate([torch.int8, torch.bool, torch.bfloat16])
        },
        "many": [{"step": number} for number in range(2500)],
    }


@pytest.mark.parametrize("size", [0, 20_000_000])
def test_what_is_carried_through_is_the_same_to_the_last_bit(tiny_model: Path, size: int) -> None:
    def extend(values: dict[str, Any]) -> None:
        values.update(future=_strangers_values(), size=torch.zeros(size // 4))
        values["tied"] = values["model_state_dict"][EMBED][0, 3:5]
        values["training_config"]["a tensor, of all things"] = torch.arange(3)

    before = torch.load(_change(tiny_model, extend), weights_only=True)
    _save(tiny_model)
    _save(tiny_model)
    after = torch.load(tiny_model, weights_only=True)
    keys = ("has_prior", "prior_state_dict", "prior_config", "prior_metadata")
    assert list(after)[: len(before)] == list(before)
    for values in (before, after):
        for key in keys:
            values.pop(key, None)
    assert _facts(after, {}) == _facts(before, {})
    assert load_model_v2(tiny_model).prior is not None


def test_a_torn_part_that_would_only_be_carried_is_found_and_not_carried(tiny_model: Path) -> None:
    numbers = torch.tensor([3.0, 1.0, 4.0])
    _change(tiny_model, lambda values: values.update(future=numbers))
    content = bytearray(tiny_model.read_bytes())
    content[content.index(numbers.numpy().tobytes())] ^= 1
    tiny_model.write_bytes(content)
    for open_it in (load_model_v2, _save):
        with pytest.raises(ModelFileError, match="damaged"):
            open_it(tiny_model)
    assert tiny_model.read_bytes() == content


def _flip(path: Path) -> None:
    with path.open("r+b") as file:
        file.seek(10_000_000)
        file.write(b"xxxx")


def _cut(path: Path) -> None:
    os.truncate(path, 5_000_000)


def _overwrite(path: Path) -> None:
    path.write_bytes(bytes(4096))


@pytest.mark.parametrize("change", [_flip, _cut, _overwrite])
@pytest.mark.parametrize("moment", ["files.archive_writer.check_room", "models.persistence.schema.check_numbers"])
@pytest.mark.parametrize("name", ["tiny.distill", "copy.distill"])
def test_a_source_that_changes_while_it_is_carried_is_told_as_such(
    tiny_model: Path, monkeypatch: pytest.MonkeyPatch, change: Callable[[Path], None], moment: str, name: str
) -> None:
    numbers = torch.arange(5_000_000).float()  # more than what is read at once
    _change(tiny_model, lambda values: values.update(future=numbers))
    monkeypatch.setattr(f"distill_core.{moment}", lambda *_: change(tiny_model))
    with pytest.raises(ChangedOnDiskError, match="changed by another program"):
        _save(tiny_model, output=tiny_model.with_name(name))
    assert [path.name for path in tiny_model.parent.iterdir() if path.is_file()] == ["tiny.distill"]


WATCHED_SAVE = """
import os, sys
from pathlib import Path
from tests.core.test_carried import _save

path, told = Path(sys.argv[1]).resolve(), []

def open_files():
    links = [f"/proc/self/fd/{number}" for number in os.listdir("/proc/self/fd")]
    files = [os.readlink(link) for link in links if os.path.exists(link)]
    mapped = [line.split()[-1] for line in Path("/proc/self/maps").read_text().splitlines()]
    return [Path(name).name for name in files + mapped if Path(name).parent == path.parent]

def watch(event, arguments):
    if event in ("os.rename", "os.link") and path.parent in [Path(os.fsdecode(name)).parent for name in arguments[:2]]:
        told.append((event, Path(os.fsdecode(arguments[1])).name, open_files()))

assert open_files() == []
with path.open("rb"):
    assert open_files() == [path.name]
sys.addaudithook(watch)
_save(path)
assert "tiny.distill" in [name for event, name, _ in told if event == "os.rename"], told
assert not any(files for *_, files in told), told
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells what is open in /proc")
@pytest.mark.parametrize("size", [0, 20_000_000])
def test_nothing_is_open_when_files_change_places(tiny_model: Path, size: int) -> None:
    """Windows neither replaces a file that is open, nor renames one."""
    _change(tiny_model, lambda values: values.update(future=torch.zeros(size // 4)))
    command = [*warm_python(), "-c", WATCHED_SAVE, str(tiny_model)]
    told = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert told.returncode == 0, told.stderr


@pytest.mark.parametrize("can_map", [True, False])
def test_numbers_of_another_machine_are_turned_round(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, can_map: bool
) -> None:
    """Write a file as a machine would whose numbers have their greatest byte first."""
    values = torch.load(tiny_model, weights_only=True) | {"future": torch.arange(7, dtype=torch.int32)}
    if not can_map:
        monkeypatch.setattr("distill_core.files.archive._is_unicode", lambda path: False)
    contents, _ = write_contents(values)
    found: dict[int, torch.Tensor] = {}
    for tensor in [*values["model_state_dict"].values(), values["future"]]:
        found.setdefault(tensor.untyped_storage()._cdata, tensor)
    data = [(f"data/{number}", tensor.numpy().byteswap().tobytes()) for number, tensor in enumerate(found.values())]
    plan = plan_archive(contents, data, "little" if sys.byteorder == "big" else "big")
    other = tmp_path / "other.distill"
    other.write_bytes(b"".join(bytes(block) for part in plan for block in blocks_of(part, None)))
    assert torch.equal(load_model_v2(other).model.state_dict()[EMBED], values["model_state_dict"][EMBED])
    _save(other)
    assert torch.equal(torch.load(other, weights_only=True)["future"], values["future"])
    assert torch.equal(load_model_v2(other).model.state_dict()[EMBED], values["model_state_dict"][EMBED])


def _records(content: bytes) -> list[tuple[str, int, bytes]]:
    """Return each record's name, place and bytes, but for those of torch's own name for the contents."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        entries = archive.infolist()
        own = [entry.filename for entry in entries if entry.filename.endswith("serialization_id")]
        assert len(own) == 1
        return [
            (entry.filename, entry.header_offset, b"" if entry.filename in own else archive.read(entry))
            for entry in entries
        ]


def _as_torch_writes(value: Any) -> tuple[bytes, bytes]:
    packed, ours = io.BytesIO(), io.BytesIO()
    torch.save(value, packed)
    contents, storages = write_contents(value)
    data = [(f"data/{key}", _bytes_of(storage)) for key, storage in enumerate(storages)]
    for part in plan_archive(contents, data):
        ours.write(part)
    return packed.getvalue(), ours.getvalue()


def test_a_file_is_laid_out_as_torch_does() -> None:
    values = torch.load(ROOT / "tests/data/ref_small_prior.distill", weights_only=True)
    for value in (values, _strangers_values(), {}):
        theirs, ours = _as_torch_writes(value)
        assert len(theirs) == len(ours)
        assert _records(theirs) == _records(ours)


_keys = st.text(max_size=8) | st.integers(0, 2**31 - 1)
_plain = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=5)
        | st.dictionaries(_keys, inner, max_size=5)
        | st.tuples(inner)
        | st.tuples(inner, inner, inner, inner)
    ),
    max_leaves=40,
)


@settings(deadline=None)
@given(st.dictionaries(st.text(max_size=8), _plain, max_size=6))
def test_plain_values_are_written_as_torch_writes_them(values: dict[str, Any]) -> None:
    theirs, ours = _as_torch_writes(values)
    assert _records(theirs) == _records(ours)


@pytest.mark.parametrize(
    "value",
    [
        {1, 2},
        b"bytes",
        1j,
        torch.zeros(2, dtype=torch.complex64),
        torch.zeros(2).to_sparse(),
        torch.zeros(2, device="meta"),
        torch.Size([1]),
    ],
)
def test_what_no_model_holds_is_not_written(tiny_model: Path, value: Any) -> None:
    before = tiny_model.read_bytes()
    values, _ = read_archive(tiny_model)
    with saving_into(tiny_model) as target, pytest.raises(SaveError, match="can't be written"):
        write_archive(target, values | {"future": [value]}, read_archive)
    assert tiny_model.read_bytes() == before


# A file with holes: a few megabytes on the disk, gigabytes of zeros for who reads it


class _FileWithHoles(io.FileIO):
    """Leaves zeros out."""

    def write(self, data: Any) -> int:
        view = memoryview(data).cast("B")
        for start in range(0, len(view), 2**20):
            block = view[start : start + 2**20]
            if block == bytes(len(block)):
                self.seek(len(block), os.SEEK_CUR)
            else:
                super().write(block)
        return len(view)


def _with_holes(source: Path, target: Path, size: int) -> Path:
    values = torch.load(source, weights_only=True)
    with _FileWithHoles(target, "w") as file:
        torch.save(values | {"future": {"numbers": torch.zeros(size // 4)}}, file)
    return target


MEASURE = """
import json, re, sys
from pathlib import Path
import torch
from distill_core import CodePrior, load_model_v2, read_summary, save_prior_to_model

path = Path(sys.argv[1])
jobs = {
    "load": lambda: load_model_v2(path),
    "facts": lambda: read_summary(path),
    "save": lambda: save_prior_to_model(
        path, CodePrior(16, 2, 96, 32, 1, 2), {"hidden_size": 32, "num_layers": 1, "num_heads": 2}, {}
    ),
}
torch.set_num_threads(1)
jobs[sys.argv[2]]()
print(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1])
"""


def _peak_bytes(path: Path, job: str) -> int:
    command = [*warm_python(), "-c", MEASURE, str(path), job]
    return 1024 * int(subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a process's peak in /proc")
def test_a_file_with_holes_costs_no_more_memory_than_one_without(tiny_model: Path, tmp_path: Path) -> None:
    huge = _with_holes(tiny_model, tmp_path / "huge.distill", LARGE_BYTES)
    if 512 * huge.stat().st_blocks > LARGE_BYTES // 10:
        pytest.skip("this disk knows no holes")
    for job in ("load", "facts", "save"):
        assert _peak_bytes(huge, job) - _peak_bytes(tiny_model, job) < 50e6, job
    assert huge.stat().st_size > LARGE_BYTES
    assert 512 * huge.stat().st_blocks < LARGE_BYTES // 10, "the holes are gone"
    assert read_summary(huge).has_prior
    with open_archive(huge) as opened:
        assert opened.values["future"]["numbers"].numel() == LARGE_BYTES // 4


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a process's peak in /proc")
def test_the_terminal_inspects_a_file_with_holes_in_little_memory(tiny_model: Path, tmp_path: Path) -> None:
    huge = _with_holes(tiny_model, tmp_path / "huge.distill", HUGE_BYTES)
    if 512 * huge.stat().st_blocks > HUGE_BYTES // 10:
        pytest.skip("this disk knows no holes")
    limited = "import resource, runpy, sys; resource.setrlimit(resource.RLIMIT_AS, ({0}, {0})); "
    limited += "runpy.run_module('distill_core.cli', run_name='__main__')"
    size = int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    command = [*warm_python(), "-c", limited.format(size + 10**9), "inspect", str(huge), "--verify"]
    told = subprocess.run([*command, "--json"], cwd=ROOT, capture_output=True, text=True)
    assert told.returncode == 0, told.stderr
    assert json.loads(told.stdout)["verified"]
