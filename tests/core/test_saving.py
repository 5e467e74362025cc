"""Saving into a person's file: nothing is lost, whoever else writes, whatever fails, whenever a process dies."""

from __future__ import annotations

import errno
import io
import os
import shutil
import signal
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from distill_core import (
    ChangedOnDiskError,
    CodePrior,
    ModelFileError,
    ReadOnlyError,
    SaveError,
    check_can_save,
    load_model_v2,
    read_previous_version,
    read_summary,
    restore_previous_version,
    save_prior_to_model,
)
from distill_core.files import temporaries
from distill_core.files.archive import read_archive
from distill_core.files.archive_writer import clean_up, saving_into, write_archive
from distill_core.files.temporaries import leftovers, older_name, second_name, swap_name
from tests.warm_python import warm_python

CONFIG = {"hidden_size": 32, "num_layers": 1, "num_heads": 2}
IS_ROOT = hasattr(os, "geteuid") and os.geteuid() == 0
needs_root = pytest.mark.skipif(not IS_ROOT, reason="needs root: gives files away, or mounts")
needs_unix = pytest.mark.skipif(os.name == "nt", reason="Windows has no such modes, signals or files")


def _prior(seed: int = 0) -> CodePrior:
    torch.manual_seed(seed)
    return CodePrior(16, 2, 96, 32, 1, 2)


def _save(path: Path, seed: int = 0, **options: object) -> Path:
    metadata = {"best_perplexity": float(seed), "training_date": "2026-10-03T00:00:00+00:00"}
    return save_prior_to_model(path, _prior(seed), CONFIG, metadata, **options)


def _seed_in(path: Path) -> float | None:
    loaded = load_model_v2(path)
    return None if loaded.prior is None else (loaded.prior_metadata or {})["best_perplexity"]


def _backup(path: Path) -> Path:
    return path.with_name(f"{path.name}.bak")


PROGRAM = """
import torch
torch.set_num_threads(1)
from tests.core.test_saving import *
from tests.core.test_saving import _save
"""


def _run(program: str, *arguments: object, python: list[str] | None = None, **options: object) -> subprocess.Popen[str]:
    command = [*(python or warm_python()), "-c", PROGRAM + program, *map(str, arguments)]
    root = Path(__file__).parents[2]  # a process of its own: real locks, real deaths
    return subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **options)


# The version before


def test_each_save_that_replaces_keeps_what_was_there(tiny_model: Path) -> None:
    for seed in (1, 2):
        before = tiny_model.read_bytes()
        _save(tiny_model, seed)
        assert _backup(tiny_model).read_bytes() == before
        assert _seed_in(tiny_model) == seed


@pytest.mark.parametrize("had_backup", [True, False])
def test_a_save_that_fails_at_the_last_step_leaves_the_version_before(
    tiny_model: Path, monkeypatch: pytest.MonkeyPatch, had_backup: bool
) -> None:
    if had_backup:
        _save(tiny_model, 1)
    folder = {path.name: path.read_bytes() for path in tiny_model.parent.iterdir() if path.is_file()}
    rename = os.replace

    def fail_onto_the_model(source: Path, target: Path) -> None:
        if Path(target) == tiny_model.resolve():
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        rename(source, target)

    monkeypatch.setattr(os, "replace", fail_onto_the_model)
    with pytest.raises(SaveError, match="unchanged"):
        _save(tiny_model, 2)
    assert {path.name: path.read_bytes() for path in tiny_model.parent.iterdir() if path.is_file()} == folder


@pytest.mark.skipif(os.name == "nt", reason="nothing there ends so suddenly")
@pytest.mark.parametrize("dies_before", [True, False])
def test_a_save_that_dies_at_the_last_step_leaves_the_version_before(tiny_model: Path, dies_before: bool) -> None:
    _save(tiny_model, 1)
    _save(tiny_model, 2)
    program = """
import os, signal
rename, path = os.replace, Path(sys.argv[1])
def die(source, target):
    is_last = Path(target) == path.resolve()
    if is_last and sys.argv[2] == "True":
        os.kill(os.getpid(), signal.SIGKILL)
    rename(source, target)
    if is_last:
        os.kill(os.getpid(), signal.SIGKILL)
os.replace = die
_save(path, 3)
"""
    with _run(program, tiny_model, dies_before) as process:
        assert process.wait() == -signal.SIGKILL
    clean_up(tiny_model)
    expected = (2, 1) if dies_before else (3, 2)
    assert (_seed_in(tiny_model), _seed_in(_backup(tiny_model))) == expected
    assert not list(tiny_model.parent.glob(".*"))


def test_a_copy_leaves_the_model_alone_and_keeps_what_it_replaces(tiny_model: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy.distill"
    _save(tiny_model, 1, output=copy)
    assert not _backup(copy).exists()
    _save(tiny_model, 2, output=copy)
    assert (_seed_in(_backup(copy)), _seed_in(copy), _seed_in(tiny_model)) == (1, 2, None)
    assert not _backup(tiny_model).exists()


@pytest.mark.parametrize("links", [True, False])
def test_restoring_swaps_and_swaps_back(tiny_model: Path, monkeypatch: pytest.MonkeyPatch, links: bool) -> None:
    if not links:
        monkeypatch.setattr(os, "link", _refuse)
    os.chmod(tiny_model, 0o640)
    _save(tiny_model, 1)
    _save(tiny_model, 2)
    first, second = _backup(tiny_model).read_bytes(), tiny_model.read_bytes()
    assert read_previous_version(tiny_model).best_perplexity == 1
    for now, kept in ((first, second), (second, first)):
        assert restore_previous_version(tiny_model) == tiny_model.resolve()
        assert (tiny_model.read_bytes(), _backup(tiny_model).read_bytes()) == (now, kept)
    assert {stat.S_IMODE(path.stat().st_mode) for path in (tiny_model, _backup(tiny_model))} == {0o640}
    assert not list(tiny_model.parent.glob(".*"))


def _refuse(*_arguments: object, **_options: object) -> None:
    raise OSError(errno.EPERM, os.strerror(errno.EPERM))


def test_a_version_before_that_would_not_open_is_not_restored(tiny_model: Path) -> None:
    with pytest.raises(ModelFileError, match="no version before"):
        restore_previous_version(tiny_model)
    _save(tiny_model, 1)
    damaged = bytearray(_backup(tiny_model).read_bytes())
    damaged[len(damaged) // 2] ^= 1
    _backup(tiny_model).write_bytes(damaged)
    before = tiny_model.read_bytes()
    with pytest.raises(ModelFileError):
        restore_previous_version(tiny_model)
    assert (tiny_model.read_bytes(), _backup(tiny_model).read_bytes()) == (before, damaged)


def test_a_damaged_or_missing_model_is_brought_back_by_restoring(tiny_model: Path) -> None:
    _save(tiny_model, 1)
    _save(tiny_model, 2)
    tiny_model.write_bytes(b"rubbish")
    restore_previous_version(tiny_model)
    assert _seed_in(tiny_model) == 1
    assert _backup(tiny_model).read_bytes() == b"rubbish"
    _save(tiny_model, 3)
    tiny_model.unlink()
    restore_previous_version(tiny_model)
    assert _seed_in(tiny_model) == 1


@pytest.mark.parametrize("step", [1, 2, 3])
def test_a_crash_between_the_steps_of_restoring_loses_neither_version(
    tiny_model: Path, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    """Each rename of the swap fails in turn, as if the process ended there; cleaning up ends what was begun."""
    _save(tiny_model, 1)
    _save(tiny_model, 2)
    count, rename = 0, os.replace

    def fail_at_step(source: Path, target: Path) -> None:
        nonlocal count
        count += 1
        if count >= step:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        rename(source, target)

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", fail_at_step)
        with pytest.raises(SaveError, match="both versions"):
            restore_previous_version(tiny_model)
    clean_up(tiny_model)
    assert sorted([_seed_in(tiny_model), _seed_in(_backup(tiny_model))]) == [1, 2]
    assert not list(tiny_model.parent.glob(".*"))


# Others who write


def test_a_change_that_keeps_size_and_time_is_found(tiny_model: Path) -> None:
    stamp, status = read_summary(tiny_model).stamp, tiny_model.stat()
    values, _ = read_archive(tiny_model)
    values["metadata"]["name"] = "Tinx"
    packed = io.BytesIO()
    torch.save(values, packed)
    tiny_model.write_bytes(packed.getvalue())
    os.utime(tiny_model, ns=(status.st_atime_ns, stamp.mtime_ns))
    changed = tiny_model.read_bytes()
    assert (tiny_model.stat().st_size, tiny_model.stat().st_mtime_ns) == (stamp.size, stamp.mtime_ns)
    with pytest.raises(ChangedOnDiskError, match="nothing was overwritten"):
        _save(tiny_model, 1, expected=stamp)
    assert tiny_model.read_bytes() == changed
    assert not _backup(tiny_model).exists()
    _save(tiny_model, 1, expected=None)
    assert _backup(tiny_model).read_bytes() == changed
    assert read_archive(tiny_model)[0]["metadata"]["name"] == "Tinx"


def test_a_program_that_writes_during_the_save_is_noticed(tiny_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other, flush = b"what another program wrote", os.fsync

    def write_meanwhile(descriptor: int) -> None:
        flush(descriptor)
        tiny_model.write_bytes(other)

    monkeypatch.setattr(os, "fsync", write_meanwhile)
    with pytest.raises(ChangedOnDiskError):
        _save(tiny_model, 1)
    assert tiny_model.read_bytes() == other
    assert not list(tiny_model.parent.glob(".*"))


SAVE_OFTEN = """
path, seed = Path(sys.argv[1]), int(sys.argv[2])
told = []
for _ in range(6):
    stamp = read_summary(path).stamp
    try:
        _save(path, seed, expected=stamp)
        told.append("saved")
    except ChangedOnDiskError:
        told.append("changed")
print(*told)
"""


def test_two_savers_never_overwrite_what_the_other_saved(tiny_model: Path) -> None:
    """Each save that is told as saved is the file, or its backup, or was opened by the one that replaced it."""
    savers = [_run(SAVE_OFTEN, tiny_model, seed) for seed in (1, 2)]
    told = [saver.communicate(timeout=120)[0] for saver in savers]
    assert all(saver.returncode == 0 for saver in savers), told
    assert set(" ".join(told).split()) <= {"saved", "changed"}
    assert _seed_in(tiny_model) in (1, 2)
    assert load_model_v2(_backup(tiny_model)).model is not None
    assert not list(tiny_model.parent.glob(".*"))


HOLD = """
from distill_core.files.temporaries import saving_lock
with saving_lock(Path(sys.argv[1]).resolve()):
    print("held", flush=True)
    sys.stdin.readline()
"""


def test_a_saver_waits_for_another_then_says_so_and_a_dead_one_holds_nothing(
    tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = tiny_model.read_bytes()
    other = _run(HOLD, tiny_model, python=[sys.executable], stdin=subprocess.PIPE)
    assert other.stdout is not None
    assert other.stdin is not None
    assert other.stdout.readline() == "held\n"
    monkeypatch.setattr(temporaries, "WAIT_S", 0.2)
    temporary = second_name(tiny_model)
    temporary.write_bytes(b"of the other saver")
    with pytest.raises(SaveError, match="Another Distill is saving"):
        _save(tiny_model, 1)
    clean_up(tiny_model)
    assert tiny_model.read_bytes() == before
    assert temporary.exists()  # it lives, so what it writes is left alone
    other.kill()
    other.wait()
    other.stdin.close()
    other.stdout.close()
    _save(tiny_model, 1)
    assert _seed_in(tiny_model) == 1
    assert not temporary.exists()


DIE_IN_THE_SAVE = """
import distill_core.files.archive_writer as writer
writer.flush_file = lambda descriptor: os.kill(os.getpid(), signal.SIGKILL)
_save(Path(sys.argv[1]), 1)
"""


@needs_unix
@pytest.mark.parametrize("door", [clean_up, _save])
def test_what_a_dead_saver_left_goes_when_it_is_cleaned_up_or_at_the_next_save(
    tiny_model: Path, door: Callable[[Path], object]
) -> None:
    own = tiny_model.with_name("tiny.tmp"), tiny_model.with_name(f".{tiny_model.name}.mine.tmp")
    for path in own:
        path.write_bytes(b"the person's own")
    before = tiny_model.read_bytes()
    saver = _run(DIE_IN_THE_SAVE, tiny_model)
    assert saver.wait(60) == -signal.SIGKILL
    assert saver.stdout is not None
    saver.stdout.close()
    assert len(leftovers(tiny_model.resolve())) == 1
    assert tiny_model.read_bytes() == before
    door(tiny_model)
    assert not leftovers(tiny_model.resolve())
    assert not swap_name(tiny_model).exists()
    assert all(path.read_bytes() == b"the person's own" for path in own)


@pytest.mark.parametrize("door", [read_summary, load_model_v2])
def test_reading_neither_deletes_nor_renames(tiny_model: Path, door: Callable[[Path], object]) -> None:
    _save(tiny_model, 1)
    for path in (second_name(tiny_model), swap_name(tiny_model), older_name(tiny_model)):
        path.write_bytes(b"what a dead saver left")
    before = {path.name: path.read_bytes() for path in tiny_model.parent.iterdir()}
    door(tiny_model)
    assert {path.name: path.read_bytes() for path in tiny_model.parent.iterdir()} == before


# What the file was, it stays


@needs_unix
def test_links_modes_and_attributes_stay(tiny_model: Path, tmp_path: Path) -> None:
    link = tmp_path / "elsewhere" / "link.distill"
    link.parent.mkdir()
    link.symlink_to(tiny_model)
    os.chmod(tiny_model, 0o604)
    has_attributes = hasattr(os, "setxattr")
    if has_attributes:
        try:
            os.setxattr(tiny_model, "user.colour", b"red")
        except OSError:
            has_attributes = False
    _save(link, 1)
    assert link.is_symlink()
    assert [path.name for path in link.parent.iterdir()] == ["link.distill"]
    assert stat.S_IMODE(tiny_model.stat().st_mode) == 0o604
    if not has_attributes:
        pytest.skip("the disk of the temporary files keeps no extended attributes; the rest passed")
    assert os.getxattr(tiny_model, "user.colour") == b"red"


@needs_root
def test_the_owner_stays(tiny_model: Path) -> None:
    os.chown(tiny_model, 12345, 23456)
    _save(tiny_model, 1)
    assert (tiny_model.stat().st_uid, tiny_model.stat().st_gid) == (12345, 23456)


# What the disk refuses

AS_NOBODY = """
_save(Path(sys.argv[1]), 1)  # what a save imports late may be out of that user's reach
os.setgroups([])
os.setgid(65534)
os.setuid(65534)
for path in map(Path, sys.argv[2:]):
    for door in (check_can_save, lambda path: _save(path, 1)):
        try:
            door(path)
            print("saved")
        except SaveError as error:
            print(type(error).__name__, error.message)
"""


@needs_root
def test_what_may_not_be_written_is_told_before_and_not_replaced(tiny_model: Path, tmp_path: Path) -> None:
    """As a user without rights: a folder that takes no files, a file that is read-only, and one of the user's own."""
    if not _reachable(tmp_path):
        pytest.skip("other users cannot reach the folder of the temporary files")
    locked, own = tmp_path / "locked", tmp_path / "own"
    for folder in (locked, own):
        folder.mkdir()
        for name in ("a.distill", "read-only.distill"):
            shutil.copy(tiny_model, folder / name)
            os.chown(folder / name, 65534, 65534)
    os.chmod(locked, 0o755)
    os.chmod(own / "read-only.distill", 0o444)
    os.chmod(own, 0o700)
    os.chown(own, 65534, 65534)
    before = tiny_model.read_bytes()
    environment = os.environ | {"XDG_CACHE_HOME": str(tmp_path / "roots"), "XDG_RUNTIME_DIR": str(own)}
    # The lock that root made is out of that user's reach, so it takes another.
    saver = _run(
        AS_NOBODY, tiny_model, locked / "a.distill", own / "read-only.distill", own / "a.distill", env=environment
    )
    told = saver.communicate(timeout=120)[0].splitlines()
    assert saver.returncode == 0, told
    assert [line.split()[0] for line in told] == ["ReadOnlyError"] * 4 + ["saved"] * 2, told
    assert all("what was there is unchanged" in line for line in told[:4])
    assert (locked / "a.distill").read_bytes() == (own / "read-only.distill").read_bytes() == before
    assert _seed_in(own / "a.distill") == 1


def _reachable(folder: Path) -> bool:
    """Open the way to a folder of pytest, which is root's alone, and tell whether that was enough."""
    for parent in (folder, *list(folder.parents)[:3]):  # with workers one more than without
        os.chmod(parent, 0o755)
    return all(parent.stat().st_mode & stat.S_IXOTH for parent in folder.parents)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 12 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=12m", "tmpfs", str(folder)]
    if not IS_ROOT or not shutil.which("mount") or subprocess.run(mount, stderr=subprocess.DEVNULL).returncode:
        pytest.skip("needs root that may mount a small disk")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_disk_without_room_is_told_before_and_during_the_save(
    tiny_model: Path, small_disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = Path(shutil.copy(tiny_model, small_disk))
    with pytest.raises(SaveError, match=r"Not enough space .* MB free"):
        check_can_save(model)
    before = model.read_bytes()
    (small_disk / "full").write_bytes(bytes(small_disk_free(small_disk) - 100_000))
    with pytest.raises(SaveError, match=r"Not enough space .* MB free"):
        _save(model, 1)
    monkeypatch.setattr("distill_core.files.archive_writer.check_room", lambda *_: None)  # as if others fill it now
    with pytest.raises(SaveError, match=r"Not enough space .* unchanged"):
        _save(model, 1)
    assert model.read_bytes() == before
    assert sorted(path.name for path in small_disk.iterdir()) == ["full", model.name]
    (small_disk / "full").unlink()
    _save(model, 1)
    assert _seed_in(model) == 1


def small_disk_free(folder: Path) -> int:
    return shutil.disk_usage(folder).free


@pytest.mark.parametrize("error", [errno.EIO, errno.ENOSPC, errno.EDQUOT])
def test_a_failed_flush_is_not_tried_again(tiny_model: Path, monkeypatch: pytest.MonkeyPatch, error: int) -> None:
    calls, before = [], tiny_model.read_bytes()

    def fail(descriptor: int) -> None:
        calls.append(descriptor)
        raise OSError(error, os.strerror(error))

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(SaveError, match="unchanged"):
        _save(tiny_model, 1)
    assert len(calls) == 1
    assert tiny_model.read_bytes() == before
    assert not list(tiny_model.parent.glob(".*"))


@needs_unix
def test_what_the_disk_did_not_confirm_is_not_told_as_unchanged(
    tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flush = os.fsync

    def fail_for_folders(descriptor: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        flush(descriptor)

    monkeypatch.setattr(os, "fsync", fail_for_folders)
    with pytest.raises(SaveError, match=r"did not confirm it .* is as it was before"):
        _save(tiny_model, 1)
    assert _seed_in(tiny_model) == 1
    assert _seed_in(_backup(tiny_model)) is None


def test_what_does_not_read_back_as_written_is_not_saved(tiny_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before, write = tiny_model.read_bytes(), os.write

    def flip_a_bit(descriptor: int, data: memoryview) -> int:
        turned = bytearray(data)
        if len(turned) > 4000:
            turned[2000] ^= 1
        return write(descriptor, turned)

    monkeypatch.setattr(os, "write", flip_a_bit)
    with pytest.raises(SaveError):
        _save(tiny_model, 1)
    assert tiny_model.read_bytes() == before
    assert not _backup(tiny_model).exists()


def test_a_place_where_nothing_can_be_saved_is_told_at_once(tiny_model: Path, tmp_path: Path) -> None:
    check_can_save(tiny_model)
    check_can_save(tmp_path / "new.distill")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["tiny.distill"]
    with pytest.raises(SaveError, match="no folder"):
        check_can_save(tmp_path / "missing" / "new.distill")
    with pytest.raises(SaveError, match="not a file"):
        check_can_save(tmp_path)
    assert issubclass(ReadOnlyError, SaveError)


@needs_unix
def test_a_version_before_that_could_not_be_kept_is_told_at_once(tiny_model: Path, tmp_path: Path) -> None:
    with pytest.raises(SaveError, match="too long"):
        check_can_save(tmp_path / f"{'x' * 244}.distill")
    with pytest.raises(SaveError):
        check_can_save(tmp_path / "a\0b.distill")
    _backup(tiny_model).mkdir()
    with pytest.raises(SaveError, match=r"“tiny\.distill\.bak” is a folder"):
        check_can_save(tiny_model)
    _backup(tiny_model).rmdir()
    _backup(tiny_model).write_text("Dear diary,")
    with pytest.raises(SaveError, match=r"“tiny\.distill\.bak” holds no model"):
        check_can_save(tiny_model)


def test_whether_a_save_is_possible_can_be_asked_without_making_a_file(
    tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.mkstemp", _refuse)
    check_can_save(tiny_model, probe=False)
    with pytest.raises(ReadOnlyError):
        check_can_save(tiny_model)


@needs_unix
def test_a_new_file_has_the_mode_of_new_files_and_the_process_keeps_its_own(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = os.umask(0o027)
    try:
        monkeypatch.setattr(os, "umask", _refuse)  # it is every thread's
        copy = _save(tiny_model, 1, output=tmp_path / "copy.distill")
    finally:
        monkeypatch.undo()
        os.umask(before)
    assert stat.S_IMODE(copy.stat().st_mode) == 0o640
    assert not list(tmp_path.glob(".*"))


def test_room_is_asked_for_what_is_in_lists(tiny_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    monkeypatch.setattr("distill_core.files.archive_writer.check_room", lambda path, size: asked.append(size))
    values = {"states": [{"step": torch.zeros(1000)}, (torch.zeros(500),)]}
    with saving_into(tiny_model) as target:
        write_archive(target, values, read_archive)
    assert 6000 < asked[0] == tiny_model.stat().st_size


def test_room_is_asked_once_for_what_shares_its_storage(tiny_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    monkeypatch.setattr("distill_core.files.archive_writer.check_room", lambda path, size: asked.append(size))
    numbers = torch.zeros(10_000)
    with saving_into(tiny_model) as target:
        write_archive(target, {"best": numbers, "last": numbers, "half": numbers[5_000:]}, read_archive)
    assert asked == [tiny_model.stat().st_size]


def test_what_would_be_larger_than_any_model_is_told_as_such(tiny_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = tiny_model.read_bytes()
    check_can_save(tiny_model)
    monkeypatch.setattr("distill_core.files.save_errors.MAX_FILE_BYTES", len(before) + 20_000)
    for door in (check_can_save, _save):
        with pytest.raises(SaveError, match="larger than 4 GB"):
            door(tiny_model)
    assert tiny_model.read_bytes() == before


def test_a_prior_is_kept_from_a_vqvae_that_it_was_not_trained_for(tiny_model: Path, sounds_folder: Path) -> None:
    from distill_core import train_prior

    config = {"max_epochs": 1, "hidden_size": 32, "num_layers": 1, "num_heads": 2, "variants": 0}
    trained = train_prior(tiny_model, sounds_folder, config)
    assert trained.prior is not None
    values, _ = read_archive(tiny_model)
    values["model_state_dict"]["encoder.proj.bias"] += 1
    torch.save(values, tiny_model)
    before = tiny_model.read_bytes()
    with pytest.raises(SaveError, match="another codec"):
        save_prior_to_model(tiny_model, trained.prior, trained.config, trained.metadata)
    assert tiny_model.read_bytes() == before
