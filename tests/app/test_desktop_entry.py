"""Applications menu and double-click, asked of the desktop's own tools if they are installed."""

from __future__ import annotations

import logging
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from app.desktop import desktop_entry, screen
from app.desktop.desktop_entry import DESKTOP_ENTRY, MIME_TYPE, register, register_command, unregister
from app.theme import resource_path
from distill_core.errors import DistillError, SaveError

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="desktop entries are a thing of Linux")

ROOT = Path(__file__).parents[2]
AWKWARD = ["plain", "two words", 'qu"ote', "apo'strophe", "100%f", "back\\slash", "$HOME`id`", "a;b&c|d", "Müsli 音"]


def needs(*tools: str) -> pytest.MarkDecorator:
    missing = [tool for tool in tools if shutil.which(tool) is None]
    return pytest.mark.skipif(bool(missing), reason=f"not installed: {', '.join(missing)}")


@pytest.fixture
def data_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's data folder, with a space in it. Its neighbours are the other folders that the tools touch."""
    home = tmp_path / "home of mine"
    for variable, folder in {"XDG_DATA_HOME": "share", "XDG_CONFIG_HOME": "config", "XDG_CACHE_HOME": "cache"}.items():
        monkeypatch.setenv(variable, str(home / folder))
    monkeypatch.setenv("HOME", str(home))
    for variable in ("XDG_CURRENT_DESKTOP", "KDE_SESSION_VERSION", "KDE_FULL_SESSION", "DESKTOP_SESSION"):
        monkeypatch.delenv(variable, raising=False)
    return home / "share"


@pytest.fixture
def no_tools(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)


def _program(folder: Path) -> Path:
    """Make a program that writes its arguments beside itself."""
    folder.mkdir(parents=True)
    program = folder / "distill app"
    program.write_text('#!/bin/sh\nprintf "%s\\n" "$@" > "$(dirname "$0")/arguments.part"\n'
                       'mv "$(dirname "$0")/arguments.part" "$(dirname "$0")/arguments"\n')  # fmt: skip
    program.chmod(0o755)
    return program


def _asked(*command: str | Path) -> str:
    return subprocess.run(list(map(str, command)), capture_output=True, text=True, check=True).stdout.strip()


def _files_below(folder: Path) -> set[Path]:
    return {path for path in folder.rglob("*") if path.is_file()}


@needs("desktop-file-validate")
def test_the_entry_in_the_sources_is_valid() -> None:
    assert _asked("desktop-file-validate", resource_path("linux", DESKTOP_ENTRY)) == ""


@needs("desktop-file-validate")
@pytest.mark.parametrize("folder", AWKWARD)
def test_the_installed_entry_is_valid_wherever_distill_lies(data_home: Path, folder: str) -> None:
    register(command=[f"/opt/{folder}/bin/python", "-m", "app"])
    assert _asked("desktop-file-validate", data_home / "applications" / DESKTOP_ENTRY) == ""


# GLib before 2.76 looks for the program of `Exec` before it turns %% into %, so it cannot be asked about that one.
@needs("gio")
@pytest.mark.parametrize("folder", [name for name in AWKWARD if "%" not in name])
def test_opening_starts_the_program_with_the_file(data_home: Path, tmp_path: Path, folder: str) -> None:
    program = _program(tmp_path / folder)
    model = tmp_path / "drums & bass.distill"
    model.touch()
    register(command=[str(program), "50% \\ of", '"it"', "$HOME"])
    _asked("gio", "launch", data_home / "applications" / DESKTOP_ENTRY, model)
    deadline = time.monotonic() + 10
    while not (arguments := program.with_name("arguments")).exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert arguments.read_text().splitlines() == ["50% \\ of", '"it"', "$HOME", str(model)]


@pytest.mark.parametrize(
    ("path", "exec_line", "try_exec"),
    [
        ("/opt/distill-app", "/opt/distill-app %F", "/opt/distill-app"),
        ("/my apps/x", '"/my apps/x" %F', "/my apps/x"),
        ("/100%/x", "/100%%/x %F", "/100%/x"),
        ("/a\\b", r'"/a\\\\b" %F', r"/a\\b"),
        ('/a"b', r'"/a\\"b" %F', '/a"b'),
        ("/a$b`c", r'"/a\\$b\\`c" %F', "/a$b`c"),
        ("/a\nb", r'"/a\nb" %F', r"/a\nb"),
    ],
)
@pytest.mark.usefixtures("no_tools")
def test_paths_are_written_as_the_specification_says(data_home: Path, path: str, exec_line: str, try_exec: str) -> None:
    register(command=[path])
    lines = (data_home / "applications" / DESKTOP_ENTRY).read_text().splitlines()
    assert f"Exec={exec_line}" in lines
    assert f"TryExec={try_exec}" in lines


@needs("update-mime-database", "xdg-mime", "gio")
@pytest.mark.usefixtures("data_home")
def test_the_type_of_a_file_is_known_by_its_name(
    tmp_path: Path, shared_tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    register(command=[sys.executable])
    monkeypatch.setenv("XDG_CURRENT_DESKTOP", "GNOME")  # with no desktop, xdg-mime looks into the file only
    model = tmp_path / "x.distill"
    shutil.copyfile(shared_tiny_model, model)
    assert _asked("xdg-mime", "query", "filetype", model) == MIME_TYPE
    assert MIME_TYPE in _asked("gio", "info", "--attributes=standard::content-type", model)
    ask_qt = (
        "import sys; from PySide6.QtCore import QMimeDatabase;"
        "kind = QMimeDatabase().mimeTypeForFile(sys.argv[1]); print(kind.name(), kind.iconName(), kind.comment())"
    )
    assert _asked(sys.executable, "-c", ask_qt, model) == f"{MIME_TYPE} application-x-distill-model Distill model"


@needs("update-mime-database", "update-desktop-database", "xdg-mime", "gio")
def test_distill_is_what_opens_its_files_until_it_is_removed(data_home: Path) -> None:
    register(command=[sys.executable])
    assert _asked("xdg-mime", "query", "default", MIME_TYPE) == DESKTOP_ENTRY
    assert f"Default application for “{MIME_TYPE}”: {DESKTOP_ENTRY}" in _asked("gio", "mime", MIME_TYPE)
    unregister()
    assert _asked("xdg-mime", "query", "default", MIME_TYPE) == ""
    assert DESKTOP_ENTRY not in _asked("gio", "mime", MIME_TYPE)
    assert DESKTOP_ENTRY not in (data_home / "applications/mimeinfo.cache").read_text()
    assert MIME_TYPE not in (data_home / "mime/globs2").read_text()


@pytest.mark.usefixtures("no_tools")
def test_without_the_tools_the_files_are_written_and_removed_all_the_same(data_home: Path) -> None:
    written = register(command=["/bin/true"])
    assert _files_below(data_home) == set(written)
    assert {path.relative_to(data_home).as_posix() for path in written} == {
        "applications/distill.desktop",
        "icons/hicolor/scalable/apps/distill.svg",
        "icons/hicolor/scalable/mimetypes/application-x-distill-model.svg",
        "metainfo/distill.metainfo.xml",
        "mime/packages/distill.xml",
    }
    assert {path.stat().st_mode & 0o777 for path in written} == {0o644}
    assert set(unregister()) == set(written)
    assert _files_below(data_home) == set()


def test_registering_twice_is_registering_once(data_home: Path) -> None:
    register(command=["/bin/old"])
    again = register(command=["/bin/new"])
    before = {path: path.read_bytes() for path in again}
    assert register(command=["/bin/new"]) == again
    assert {path: path.read_bytes() for path in again} == before
    assert "Exec=/bin/new %F" in (data_home / "applications" / DESKTOP_ENTRY).read_text()
    unregister()
    assert unregister() == []


def test_what_others_put_there_stays(data_home: Path) -> None:
    others = {
        data_home / "applications/other.desktop": "[Desktop Entry]\nType=Application\nName=Other\nExec=true\n",
        data_home / "icons/hicolor/scalable/apps/other.svg": "<svg/>",
        data_home.parent / "config/mimeapps.list": "[Default Applications]\ntext/plain=other.desktop\n",
    }
    for path, text in others.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    register(command=["/bin/true"])
    unregister()
    assert {path: path.read_text() for path in others} == others


@pytest.mark.usefixtures("no_tools")
def test_a_file_of_the_same_name_that_is_not_ours_is_left_alone(data_home: Path) -> None:
    foreign = data_home / "icons/hicolor/scalable/apps/distill.svg"
    foreign.parent.mkdir(parents=True)
    foreign.write_text("<svg>another program's</svg>")
    with pytest.raises(SaveError, match="belongs to another program"):
        register(command=["/bin/true"])
    assert _files_below(data_home) == {foreign}
    assert unregister() == []
    assert foreign.read_text() == "<svg>another program's</svg>"


@needs("gtk-update-icon-cache")
def test_an_icon_cache_is_renewed_but_never_begun(data_home: Path) -> None:
    cache = data_home / "icons/hicolor/icon-theme.cache"
    register(command=["/bin/true"])
    assert not cache.exists()
    shutil.copy(resource_path("linux", "distill.svg"), data_home / "icons/hicolor/scalable/apps/other.svg")
    _asked("gtk-update-icon-cache", "-q", "-t", "-f", cache.parent)
    unregister()
    assert b"application-x-distill-model" not in cache.read_bytes()
    register(command=["/bin/true"])
    assert b"application-x-distill-model" in cache.read_bytes()


def test_a_tool_that_fails_is_logged(
    data_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    tool = tmp_path / "bin/update-mime-database"
    tool.parent.mkdir()
    tool.write_text("#!/bin/sh\necho no room >&2\nexit 3\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tool.parent}:/bin")
    with caplog.at_level(logging.WARNING):
        assert len(register(command=["/bin/true"])) == len(desktop_entry.FOLDERS)
    assert "update-mime-database ended with 3: no room" in caplog.text


@pytest.mark.usefixtures("no_tools")
def test_a_folder_that_cannot_be_written_gets_a_sentence(data_home: Path) -> None:
    data_home.parent.mkdir(parents=True)
    data_home.write_text("a file where the folder should be")
    with pytest.raises(SaveError, match="could not be added to the applications menu") as caught:
        register(command=["/bin/true"])
    assert "Errno" not in caught.value.message
    assert str(data_home) in caught.value.hint


@pytest.mark.usefixtures("no_tools")
def test_a_failed_write_leaves_the_old_file(data_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written = register(command=["/bin/old"])

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(SaveError, match="No space left on device"):
        register(command=["/bin/new"])
    assert _files_below(data_home) == set(written)
    assert "Exec=/bin/old %F" in (data_home / "applications" / DESKTOP_ENTRY).read_text()


@pytest.mark.usefixtures("no_tools")
def test_a_data_folder_that_is_not_absolute_is_ignored(data_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", "share")
    assert all(data_home.parent / ".local/share" in path.parents for path in register(command=["/bin/true"]))


@pytest.mark.usefixtures("no_tools")
def test_the_installed_script_is_preferred_to_the_module(
    data_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    python = tmp_path / "bin/python"
    python.parent.mkdir()
    monkeypatch.setattr(sys, "executable", str(python))
    entry = data_home / "applications" / DESKTOP_ENTRY
    register()
    assert f"Exec={python} -m app %F\nTryExec={python}\n" in entry.read_text()
    script = python.with_name("distill-app")
    script.touch(0o755)
    register()
    assert f"Exec={script} %F\nTryExec={script}\n" in entry.read_text()
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    monkeypatch.setattr(desktop_entry, "resource_path", ROOT.joinpath("resources").joinpath)
    register()
    assert f"Exec={python} %F\n" in entry.read_text()


@pytest.mark.parametrize("platform", ["darwin", "win32"])
@pytest.mark.parametrize("action", [register, unregister])
def test_other_systems_are_told_that_it_comes_later(
    monkeypatch: pytest.MonkeyPatch, platform: str, action: Callable[[], object]
) -> None:
    monkeypatch.setattr(sys, "platform", platform)
    with pytest.raises(DistillError, match="macOS and Windows"):
        action()


def test_the_command_says_what_it_did(data_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "nothing was removed" in register_command(remove=True)
    assert "--register --remove" in register_command(remove=False)
    assert "no longer in the applications menu" in register_command(remove=True)
    monkeypatch.setattr(shutil, "which", lambda name: None)
    assert "install the package shared-mime-info" in register_command(remove=False)


@needs("xdg-mime", "update-desktop-database")
def test_another_prefix_leaves_the_persons_default_alone(
    data_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    register_command(remove=False)
    default = data_home.parent / "config/mimeapps.list"
    chosen, place = default.read_bytes(), tmp_path / "place"
    assert "here it does not" in register_command(remove=False, prefix=place)
    monkeypatch.setenv("XDG_DATA_DIRS", f"/usr/share:{place}/share")
    assert "Distill is in the applications menu." in register_command(remove=False, prefix=place)
    assert "no longer" in register_command(remove=True, prefix=place)
    assert default.read_bytes() == chosen
    assert (
        _files_below(place) & {place / "share" / folder / name for name, folder in desktop_entry.FOLDERS.items()}
        == set()
    )


@pytest.mark.usefixtures("data_home")
def test_what_the_window_lacks_is_told_where_somebody_reads_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(screen.LIBRARIES, "libnobodys.so.1", "libnobodys1")
    assert register_command(remove=False).endswith("--no-install-recommends libnobodys1")


@pytest.mark.parametrize("name", ["distill.svg", "application-x-distill-model.svg"])
def test_icons_can_be_drawn(name: str) -> None:
    from PySide6.QtSvg import QSvgRenderer

    renderer = QSvgRenderer(str(resource_path("linux", name)))
    assert renderer.isValid()
    assert renderer.defaultSize().width() == renderer.defaultSize().height() == 256
