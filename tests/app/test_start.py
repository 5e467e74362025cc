"""Starting while something is missing: a sentence, or going on without it."""

from __future__ import annotations

import logging
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from app.session.problems import start_logging
from tests.app.test_generating import shared_model  # noqa: F401 - fixture

# ruff: noqa: F811

ROOT = Path(__file__).parents[2]


def _home(folder: Path) -> dict[str, str]:
    names = ("HOME", "XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_DATA_HOME", "XDG_RUNTIME_DIR")
    return {name: str(folder / name) for name in names}


def _start(*before: str, **variables: str) -> subprocess.CompletedProcess[str]:
    hidden = ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM")
    environment = {name: value for name, value in os.environ.items() if name not in hidden} | variables
    command = [*before, sys.executable, "-m", "app"]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)


def test_without_a_display_it_says_so_instead_of_aborting() -> None:
    done = _start()
    assert done.returncode == 2
    assert done.stderr.startswith("There is no display here")
    assert "distill-app --demo" in done.stderr


# What is open is printed once the sounds are, which come last.
_TELLING = """
import sys, app.main_window
from app.__main__ import main

class Telling(app.main_window.MainWindow):
    def __init__(self, session):
        super().__init__(session)
        session.dataset_changed.connect(self._tell)

    def _tell(self, dataset):
        print(self._session.state.open.model.path, *dataset.sources, sep="\\n")
        self.close()

app.main_window.MainWindow = Telling
sys.exit(main(sys.argv[1:]))
"""


CLOSING = """
import sys, app.main_window
from app.__main__ import main

class Closing(app.main_window.MainWindow):
    def _after_first_paint(self):
        print("shown")
        self.close()

app.main_window.MainWindow = Closing
sys.exit(main(sys.argv[1:]))
"""


def test_a_model_and_sounds_that_are_named_at_the_start_are_opened(
    tmp_path: Path, shared_tiny_model: Path, shared_sounds_folder: Path
) -> None:
    folder, file = shared_sounds_folder, min(shared_sounds_folder.iterdir())
    home = _home(tmp_path)
    named = [os.path.relpath(shared_tiny_model, tmp_path), str(folder), file.as_uri()]
    done = subprocess.run(
        [sys.executable, "-c", _TELLING, *named],
        env={**os.environ, **home, "PYTHONPATH": str(ROOT)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    model, *sources = map(Path, done.stdout.splitlines())
    assert model.resolve() == shared_tiny_model.resolve()
    assert sources == [folder, file]


def _refusal_of(*names: str, folder: Path) -> tuple[int, str]:
    command = [
        "bash",
        "-c",
        'mkdir "$0" && cd "$0" && rmdir "$0" && exec "$@"',
        str(folder),
        sys.executable,
        "-m",
        "app",
    ]
    environment = {**os.environ, **_home(folder.parent), "PYTHONPATH": str(ROOT)}
    done = subprocess.run([*command, *names], env=environment, capture_output=True, text=True, timeout=60)
    return done.returncode, done.stderr


def test_names_that_name_no_file_are_refused_in_a_sentence(tmp_path: Path) -> None:
    code, said = _refusal_of("drums.distill", folder=tmp_path / "gone")
    assert code == 2
    assert said.startswith("The folder that “drums.distill” was looked for in is not there any more; nothing was")
    assert said.count("\n") == 1
    assert _refusal_of("", folder=tmp_path / "gone") == (
        2,
        "A name is empty; nothing was opened. Name a file, or nothing.\n",
    )
    code, said = _refusal_of("file://elsewhere/drums.distill", folder=tmp_path / "gone")
    assert (code, said.partition(";")[0]) == (2, "“file://elsewhere/drums.distill” is not on this computer")


_FIRST_TAKE = """
import os, sys
os.environ["QT_QPA_PLATFORM"] = "offscreen"
from pathlib import Path
from app.desktop.application import DistillApplication
from app.session import Session
from app.session.takes import TakeOptions

application = DistillApplication(sys.argv[:1])
session = Session()

def wait():
    application.processEvents()
    while session.is_busy:
        application.processEvents()

session.load_engine()
wait()
before = set(sys.modules)
session.open_model(Path(sys.argv[2]))
wait()
print(*sorted(set(sys.modules) - before))
session.open_model(Path(sys.argv[1]))
wait()
print(len(session.state.takes.takes))
before = set(sys.modules)
session.set_take_options(TakeOptions(seconds=0.2))
session.generate()
wait()
print(len(session.state.takes.takes))
print(*sorted(set(sys.modules) - before))
session.close(10_000)
"""


def test_the_first_take_waits_for_no_library(tmp_path: Path, shared_model: Path) -> None:
    """The opening of a model has loaded what its codec is built from, and nothing for another codec."""
    model = shutil.copy(shared_model, tmp_path / "drums.distill")
    home = _home(tmp_path)
    done = subprocess.run(
        [sys.executable, "-c", _FIRST_TAKE, str(model), str(ROOT / "resources" / "demo" / "demo.distill")],
        env={**os.environ, **home, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    for_klt, takes_before, takes, for_the_take = done.stdout.splitlines()
    assert (takes_before, takes) == ("1", "2")
    slow = {"torch._dynamo", "vector_quantize_pytorch", "distill_core.generation.generate", "distill_core.models.vqvae"}
    assert not {*for_klt.split(), *for_the_take.split()} & slow


_DEMO = """
import os, sys
os.environ["QT_QPA_PLATFORM"] = "offscreen"
from pathlib import Path
from PySide6.QtCore import QTimer
from app.demo import DemoRun
from app.desktop.application import DistillApplication
from app.main_window import MainWindow
from app.session import Session

application = DistillApplication(sys.argv[:1])
session = Session()
window = MainWindow(session)
run = DemoRun(session, window, Path("demo"), print)
window.show()
session.open_model(Path(sys.argv[1]))
QTimer.singleShot(60_000, lambda: application.exit(3))
status = application.exec()
session.close(10_000)
os._exit(status)
"""


def test_a_demo_whose_take_cannot_be_kept_says_so_and_ends(tmp_path: Path, shared_model: Path) -> None:
    home = _home(tmp_path)
    (tmp_path / "XDG_DATA_HOME").touch()
    done = subprocess.run(
        [sys.executable, "-c", _DEMO, str(shutil.copy(shared_model, tmp_path / "drums.distill"))],
        env={**os.environ, **home, "PYTHONPATH": str(ROOT)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 1, done.stderr
    assert "it is not on the shelf" in done.stderr


def test_what_decoders_say_of_a_damaged_sound_reaches_no_terminal(
    tmp_path: Path, shared_tiny_model: Path, sounds_folder: Path
) -> None:
    silent = b"\xff\xfb\x90\x64"
    (sounds_folder / "y.mp3").write_bytes((silent + bytes(413)) * 9 + silent + b"\xaa" * 900)
    home = _home(tmp_path)
    done = subprocess.run(
        [sys.executable, "-X", "faulthandler", "-c", _TELLING, str(shared_tiny_model), str(sounds_folder)],
        env={**os.environ, **home, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert str(sounds_folder) in done.stdout
    assert "mpg123" not in done.stdout + done.stderr
    assert "Note:" not in done.stdout + done.stderr


@pytest.mark.skipif(sys.platform != "linux", reason="other systems always have a screen")
@pytest.mark.parametrize(
    "variables",
    [{"DISPLAY": ":4567"}, {"QT_QPA_PLATFORM": "wayland", "WAYLAND_DISPLAY": "gone"}, {"QT_QPA_PLATFORM": "nonsense"}],
    ids=str,
)
def test_a_display_that_does_not_answer_is_named_instead_of_aborting(variables: dict[str, str]) -> None:
    done = _start(**variables)
    assert done.returncode == 2
    assert done.stderr.startswith("The window ")
    assert done.stderr.count("\n") <= 4
    assert "missing" in done.stderr or all(value in done.stderr for value in variables.values())


@pytest.mark.skipif(sys.platform != "linux", reason="other systems always have a screen")
@pytest.mark.parametrize(
    ("platform", "words"),
    [("xcb", "DISPLAY names, and it names none"), ("bogus", "can't start that way"), ("eglfs", "can't start that way")],
)
def test_a_platform_that_cannot_be_is_no_display_that_does_not_answer(platform: str, words: str) -> None:
    done = _start(QT_QPA_PLATFORM=platform)
    assert done.returncode == 2
    assert "missing" in done.stderr or (words in done.stderr and f"QT_QPA_PLATFORM={platform}" in done.stderr)
    assert "nothing answers" not in done.stderr


def _hides_files() -> bool:
    hide = ["unshare", "--mount", "true"]
    return bool(shutil.which("unshare")) and subprocess.run(hide, capture_output=True).returncode == 0


@pytest.mark.skipif(not _hides_files(), reason="only root can hide a library, on Linux")
def test_a_missing_library_is_named_by_its_package() -> None:
    hidden = next(Path("/usr/lib").glob("*/libxcb-cursor.so.0"), None)
    if hidden is None:
        pytest.skip("the library is not installed here")
    hide = f'mount --bind /dev/null "{hidden.resolve()}" && exec "$@"'
    done = _start("unshare", "--mount", "sh", "-c", hide, "sh", DISPLAY=":4567")
    assert done.returncode == 2
    (line,) = [line for line in done.stderr.splitlines() if "sudo apt-get install" in line]
    assert "libxcb-cursor0" in line.split()


@pytest.mark.skipif(not _hides_files(), reason="only root can hide a library, on Linux")
def test_without_the_libraries_of_qts_network_each_start_has_a_window(tmp_path: Path) -> None:
    hidden = next(Path("/usr/lib").glob("*/libgssapi_krb5.so.2"), None)
    if hidden is None:
        pytest.skip("the library is not installed here")
    hide = f'mount --bind /dev/null "{hidden.resolve()}" && exec "$@"'
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", hide, "sh", sys.executable, "-c", CLOSING],
        env={**os.environ, **_home(tmp_path), "PYTHONPATH": str(ROOT), "QT_QPA_PLATFORM": "offscreen"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stdout) == (0, "shown\n"), done.stderr


def test_without_a_place_for_the_log_the_window_starts_all_the_same(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("app.session.problems.log_folder", lambda: (_ for _ in ()).throw(PermissionError("read-only")))
    before = list(logging.getLogger("distill").handlers)
    start_logging()
    assert "going on without a log: PermissionError: read-only" in caplog.text
    assert logging.getLogger("distill").handlers == before
