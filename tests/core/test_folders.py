"""Logs, caches and run folders are conveniences: where there is no place for them, the job is done all the same."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

import pytest
from typer.testing import CliRunner

from distill_core import read_summary
from distill_core.cli import app
from distill_core.files.archive_writer import saving_into
from distill_core.folders import NOWHERE, convenience
from tests.warm_python import warm_python

ROOT = Path(__file__).parents[2]
NOBODY = 61_183
_PLACES = ("XDG_CACHE_HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_RUNTIME_DIR")
SMALL = ["--epochs", "1", "--hidden-size", "32", "--layers", "1", "--heads", "2", "--no-audit"]


def _is_unknown(uid: int) -> bool:
    import pwd

    try:
        pwd.getpwuid(uid)
    except KeyError:
        return True
    return False


@pytest.fixture
def as_nobody() -> list[str]:
    """What a command begins with that runs without HOME, as a user whom the system does not know."""
    if sys.platform != "linux" or os.geteuid() != 0 or not shutil.which("setpriv"):
        pytest.skip("only root can become somebody else, by setpriv")
    if not _is_unknown(NOBODY):
        pytest.skip(f"there is a user {NOBODY}")
    # Python itself may lie in root's home.
    reads_all = ["--inh-caps", "+dac_read_search", "--ambient-caps", "+dac_read_search"]
    clean = ["env", "-i", f"PATH={os.environ['PATH']}", f"PYTHONPATH={ROOT}", "QT_QPA_PLATFORM=offscreen"]
    return ["setpriv", "--reuid", str(NOBODY), "--clear-groups", *reads_all, *clean, sys.executable]


@pytest.fixture
def open_folder(as_nobody: list[str]) -> Iterator[Path]:
    """A folder that everybody may write into; pytest's own is its user's alone."""
    with tempfile.TemporaryDirectory(prefix="distill-nobody-") as name:
        os.chmod(name, 0o777)
        yield Path(name)


def test_training_needs_neither_home_nor_an_entry_for_its_user(
    as_nobody: list[str], open_folder: Path, tiny_model: Path, sounds_folder: Path
) -> None:
    model, sounds = open_folder / "tiny.distill", open_folder / "sounds"
    shutil.copytree(sounds_folder, sounds)
    shutil.copy(tiny_model, model)
    model.chmod(0o666)
    command = [*as_nobody, "-m", "distill_core.cli", "train-prior", str(model), str(sounds), *SMALL]
    run = subprocess.run(command, capture_output=True, text=True, cwd=open_folder, timeout=120, check=False)
    assert run.returncode == 0, run.stderr
    assert "Not kept on disk until it is saved" in run.stdout
    assert read_summary(model).has_prior
    assert sorted(path.name for path in open_folder.iterdir()) == ["sounds", "tiny.distill", "tiny.distill.bak"]


def test_the_window_needs_neither_home_nor_an_entry_for_its_user(as_nobody: list[str], open_folder: Path) -> None:
    program = (
        "import sys\n"
        "from PySide6.QtCore import QTimer\n"
        "from PySide6.QtWidgets import QApplication\n"
        "from app.__main__ import main\n"
        "from app.desktop.application import DistillApplication\n"
        "from app.session.settings import Settings\n"
        "print(Settings().last_folder('model'))\n"
        "deliver = DistillApplication.deliver_waiting\n"
        "leave = lambda self: (deliver(self), QTimer.singleShot(0, lambda: QApplication.exit(5)))\n"
        "DistillApplication.deliver_waiting = leave\n"
        "sys.exit(main([]))\n"
    )
    command = [*as_nobody, "-c", program]
    run = subprocess.run(command, capture_output=True, text=True, cwd=open_folder, timeout=120, check=False)
    assert run.returncode == 5, run.stderr
    assert "Traceback" not in run.stderr
    assert not list(open_folder.iterdir())


def _break(*_arguments: object, **_options: object) -> NoReturn:
    raise ZeroDivisionError("a bug")


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no /dev/full and other folders")
@pytest.mark.parametrize("place", ["none", "read-only", "full"])
def test_a_bug_is_told_where_no_log_can_be(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    logs = tmp_path / "state" / "distill" / "log"
    logs.parent.mkdir(parents=True)
    if place == "read-only":
        logs.write_text("a file in its place")  # root may write into any folder
    elif place == "full":
        logs.mkdir()
        (logs / "distill.log").symlink_to("/dev/full")
    monkeypatch.setenv("XDG_STATE_HOME", str(NOWHERE if place == "none" else tmp_path / "state"))
    monkeypatch.setattr("distill_core.models.persistence.read_summary", _break)
    run = CliRunner().invoke(app, ["inspect", str(tiny_model)])
    assert run.exit_code == 70
    assert "your files are unchanged" in run.stderr
    assert "ZeroDivisionError: a bug" in run.stderr
    assert "Traceback" not in run.stderr


def test_a_bug_is_logged(tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("distill_core.folders.user_log_path", lambda name, **options: tmp_path / name)
    monkeypatch.setattr("distill_core.models.persistence.read_summary", _break)
    assert "distill.log" in CliRunner().invoke(app, ["inspect", str(tiny_model)]).stderr
    assert "ZeroDivisionError: a bug" in (tmp_path / "distill" / "distill.log").read_text()


@pytest.mark.parametrize("error", [OSError("full"), RuntimeError("no home"), KeyError(61183), MemoryError()])
def test_a_convenience_may_fail_in_any_way(error: Exception) -> None:
    with convenience("a cache"):
        raise error
    with pytest.raises(KeyboardInterrupt), convenience("a cache"):
        raise KeyboardInterrupt


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no /proc")
def test_training_needs_no_place_for_locks(tiny_model: Path, sounds_folder: Path, tmp_path: Path) -> None:
    nowhere = dict.fromkeys(_PLACES, "/proc/x")
    for temporary in (tmp_path / "tmp", tmp_path / "somebody's"):
        temporary.mkdir()
        if temporary.name == "somebody's":  # what leads elsewhere could be anybody's
            (temporary / f"distill-{os.getuid()}").symlink_to(tmp_path)
        environment = os.environ | nowhere | {"HOME": "/proc", "TMPDIR": str(temporary)}
        command = [*warm_python(), "-m", "distill_core.cli", "train-prior", str(tiny_model), str(sounds_folder)]
        command += [*SMALL, "--save-worse"]
        run = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
        assert run.returncode == 0, run.stderr
        assert "Saved into" in run.stdout
    assert (tmp_path / "tmp" / f"distill-{os.getuid()}").stat().st_mode & 0o077 == 0
    assert not (tmp_path / "locks").exists()


def test_a_file_system_without_locks_keeps_nobody_from_saving(
    tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(lock: object) -> NoReturn:
        raise NotImplementedError("FileSystem does not appear to support flock")

    monkeypatch.setattr("filelock.FileLock._acquire", refuse)
    with saving_into(tiny_model) as target:
        assert target.path == tiny_model.resolve()
