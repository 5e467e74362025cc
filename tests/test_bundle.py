"""The recipes of the bundle, as far as they can be tried without building one: `run.py bundle --check` does that."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import stat
import subprocess
import sys
import tarfile
import tomllib
import xml.etree.ElementTree as xml
from importlib.metadata import version
from pathlib import Path
from types import ModuleType

import pytest

from app.desktop import screen
from app.desktop.desktop_entry import MIME_TYPE

ROOT = Path(__file__).parents[1]
RECIPES = ROOT / "resources/bundle"
METAINFO = ROOT / "resources/linux/distill.metainfo.xml"
NAMES = ("distill", "distill-app")


def needs(*tools: str) -> pytest.MarkDecorator:
    missing = [tool for tool in tools if shutil.which(tool) is None]
    return pytest.mark.skipif(bool(missing), reason=f"not installed: {', '.join(missing)}")


linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="install.sh is for Linux")


@pytest.fixture
def recipe(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The script that builds the bundle, beside which its other parts are found."""
    monkeypatch.syspath_prepend(str(RECIPES))
    return importlib.import_module("build")


@pytest.fixture
def contents(recipe: ModuleType) -> ModuleType:
    return importlib.import_module("contents")


@pytest.fixture
def licences(recipe: ModuleType) -> ModuleType:
    return importlib.import_module("licences")


def test_every_resource_but_the_recipes_goes_where_the_programs_look_for_it(contents: ModuleType) -> None:
    carried = {Path(folder, Path(file).name).as_posix() for file, folder in contents.resources()}
    files = [path for path in (ROOT / "resources").rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    assert carried == {path.relative_to(ROOT).as_posix() for path in files if RECIPES not in path.parents}
    assert "resources/demo/demo.distill" in carried


@pytest.mark.parametrize(
    ("name", "is_used"),
    [
        ("torch/test/test_tensorexpr", False),
        ("torch/bin/protoc", False),
        ("torch/bin/torch_shm_manager", True),
        ("torch/testing/__init__.py", True),
        ("torchaudio/lib/libtorchaudio.so", False),
        ("PySide6/Qt/plugins/platformthemes/libqgtk3.so", False),
        ("PySide6/Qt/plugins/platformthemes/libqxdgdesktopportal.so", True),
        ("PySide6/Qt/plugins/platforms/libqxcb.so", True),
    ],
)
def test_what_distill_never_uses_stays_out(contents: ModuleType, name: str, is_used: bool) -> None:
    assert contents.is_used((name, f"/somewhere/{name}", "BINARY")) is is_used


def test_licences_are_listed_for_what_is_carried_and_for_nothing_else(licences: ModuleType, tmp_path: Path) -> None:
    specs = [importlib.util.find_spec(name) for name in ("torch", "soundfile", "PySide6.QtMultimedia", "licences")]
    sources = [Path(spec.origin) for spec in specs if spec and spec.origin]
    entries = {name: Path(source) for name, source, _ in licences.licences(sources, ROOT, tmp_path)}
    lines = (tmp_path / "licences.txt").read_text("utf-8").splitlines()
    listed = {line.partition(" ")[0] for line in lines[4:]}
    assert listed == {"Python", "torch", "soundfile", "PySide6_Addons"}
    assert any("LGPL-3.0-only" in line and "FFmpeg" in line for line in lines)
    assert any(name.startswith(f"licences/torch {version('torch')}/") for name in entries)
    assert {"LICENSE", "licences/licences.txt", "licences/texts/LGPL-3.0.txt"} <= entries.keys()
    assert all(source.stat().st_size > 0 for source in entries.values())


@pytest.mark.parametrize(
    ("licence", "is_gpl_only"),
    [
        ("GPL-3.0-or-later", True),
        ("GNU General Public License v2 (GPLv2)", True),
        ("AGPL-3.0-only OR GPL-2.0-only", True),
        ("LGPL-3.0-only OR GPL-2.0-only OR GPL-3.0-only", False),
        ("GNU Lesser General Public License v3 (LGPLv3)", False),
        ("GPL-2.0-or-later OR MIT", False),
        ("MIT License", False),
    ],
)
def test_what_is_under_the_gpl_alone_is_known(licences: ModuleType, licence: str, is_gpl_only: bool) -> None:
    assert licences.is_gpl_only(licence) is is_gpl_only


def test_nothing_under_the_gpl_alone_gets_into_a_bundle(
    contents: ModuleType, licences: ModuleType, tmp_path: Path
) -> None:
    assert {"readline", "imageio_ffmpeg"} <= set(contents.LEFT_OUT)
    with pytest.raises(SystemExit, match=r"libreadline.so.8 is under the GPL alone"):
        licences.licences([Path("/usr/lib/libreadline.so.8")], ROOT, tmp_path)
    parts = [licences.Part("gnu 1.0", "GPL-3.0-or-later", ()), licences.Part("pyinstaller 6.22.3", "GPLv2", ())]
    with pytest.raises(SystemExit, match=r": gnu 1.0 is under the GPL"):
        licences.refuse_gpl([], parts)


def test_the_terminals_program_does_without_what_is_left_out(contents: ModuleType) -> None:
    without = "import sys; sys.modules.update(dict.fromkeys(sys.argv.pop().split()))"
    code = f"{without}; from distill_core.cli import main; main()"
    command = [sys.executable, "-c", code, "inspect", "resources/demo/demo.distill", " ".join(contents.LEFT_OUT)]
    subprocess.run(command, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, check=True, capture_output=True)


@pytest.mark.parametrize("options", [[], ["--check"]])
def test_a_folder_that_is_no_bundle_is_not_built_over(
    recipe: ModuleType,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    options: list[str],
) -> None:
    work = tmp_path / "distill/my work"
    work.mkdir(parents=True)
    monkeypatch.setattr(sys, "argv", ["build.py", str(tmp_path), *options])
    assert recipe.main() == 1
    assert "is no bundle" in capsys.readouterr().out
    assert [path.name for path in tmp_path.rglob("*")] == ["distill", "my work"]


def test_what_the_check_lacks_is_told_before_anything_is_built(
    recipe: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["build.py", str(tmp_path), "--check"])
    monkeypatch.setenv("PATH", "")
    assert recipe.main() == 1
    assert "that needs" in capsys.readouterr().out
    assert list(tmp_path.iterdir()) == []


@needs("dpkg-query")
def test_a_library_of_the_system_brings_its_packages_licence(licences: ModuleType) -> None:
    libraries = [Path(name) for name in ("/lib/x86_64-linux-gnu/libz.so.1", "/usr/lib/libnobodys.so")]
    if not libraries[0].exists():
        pytest.skip("another processor's Debian")
    parts = {part.name: part.texts for part in licences.system_parts([libraries[0].resolve(), libraries[1]])}
    assert parts == {"zlib1g": (Path("/usr/share/doc/zlib1g/copyright"),), "libnobodys.so": ()}


def test_an_archive_is_nobodys_and_keeps_what_can_be_run(recipe: ModuleType, tmp_path: Path) -> None:
    folder = tmp_path / "distill"
    folder.mkdir()
    shutil.copy(RECIPES / "install.sh", folder)
    archive = recipe.pack(folder)
    assert archive.name.endswith(".tar.xz")
    with tarfile.open(archive) as opened:
        entries = opened.getmembers()
    assert [entry.name.partition("/")[2] for entry in entries] == ["", "install.sh"]
    assert all((entry.uid, entry.uname) == (0, "") for entry in entries)
    assert entries[1].mode & stat.S_IXUSR


def test_windows_and_macos_get_the_same_icons(recipe: ModuleType, tmp_path: Path) -> None:
    from PySide6.QtGui import QImageReader

    recipe.draw_icons(tmp_path)
    for path in tmp_path.iterdir():
        picture = QImageReader(str(path)).read()
        assert picture.width() == picture.height() >= 128
        middle, corner = (picture.pixelColor(at, at) for at in (picture.width() // 2, 0))
        assert middle.alpha() == 255
        assert corner.alpha() == 0
    assert {path.name for path in tmp_path.iterdir()} == {"distill.ico", "distill.icns", "model.ico", "model.icns"}


@needs("appstreamcli")
def test_what_software_shops_read_is_valid() -> None:
    told = subprocess.run(["appstreamcli", "validate", "--no-net", METAINFO], capture_output=True, text=True)
    assert told.returncode == 0, told.stdout


def test_what_software_shops_read_is_of_this_version_and_names_the_type() -> None:
    tree = xml.parse(METAINFO)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    newest = tree.find("releases/release")
    assert newest is not None
    assert newest.get("version") == project["version"]
    assert tree.findtext("provides/mediatype") == MIME_TYPE
    assert {node.text for node in tree.iterfind("provides/binary")} == {*project["scripts"], *project["gui-scripts"]}


def test_the_workflows_install_what_the_window_and_the_tests_need() -> None:
    named = re.search(r"Tests on a real screen need `([^`]+)`", (ROOT / "CONTRIBUTING.md").read_text("utf-8"))
    assert named is not None
    window = {*screen.LIBRARIES.values(), *screen.SCREEN_LIBRARIES["DISPLAY"].values()}
    for name, needed in {"bundle": window, "gate": window | set(named[1].split())}.items():
        text = (ROOT / f".github/workflows/{name}.yml").read_text("utf-8")
        installed = re.search(r"apt-get install --yes --no-install-recommends (.*)", text)
        assert installed is not None
        assert needed <= set(installed[1].split()), name


@needs("shellcheck")
def test_the_installation_is_plain_posix_shell() -> None:
    told = subprocess.run(["shellcheck", "--shell=sh", RECIPES / "install.sh"], capture_output=True, text=True)
    assert told.returncode == 0, told.stdout


@pytest.fixture
def home(tmp_path: Path) -> Path:
    folder = tmp_path / "home of mine"
    folder.mkdir()
    return folder


def _bundle(folder: Path, entry: str = "from distill_core.cli import main; main()") -> Path:
    """Make a folder like a bundle's, whose programs are these sources', started by this Python."""
    (folder / "_internal").mkdir(parents=True)
    (folder / "_internal/resources").symlink_to(ROOT / "resources")
    window = "import sys; from app.__main__ import main; sys.exit(main())"
    for name, code in zip(NAMES, (entry, window), strict=True):
        program = folder / name
        program.write_text(f'#!/bin/sh\nexec env PYTHONPATH="{ROOT}" "{sys.executable}" -c "{code}" "$@"\n')
        program.chmod(0o755)
    shutil.copy(RECIPES / "install.sh", folder)
    return folder


def _install(
    bundle: Path, home: Path, *options: str, first: Path | str = "/usr/bin"
) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("XDG_")}
    environment |= {"HOME": str(home), "PATH": f"{first}:/usr/bin:/bin"}
    return subprocess.run([bundle / "install.sh", *options], env=environment, capture_output=True, text=True)


def _below(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file() or path.is_symlink()}


@linux
def test_it_installs_replaces_an_older_one_and_goes_away_again(tmp_path: Path, home: Path) -> None:
    takes = home / ".local/share/distill/takes"
    takes.mkdir(parents=True)
    (takes / "mine.flac").touch()
    older, newer = _bundle(tmp_path / "older"), _bundle(tmp_path / "newer one")
    (older / "_internal/only_the_older_one_has_this").touch()
    for bundle in (older, newer):
        done = _install(bundle, home)
        assert done.returncode == 0, done.stderr
    installed = home / ".local/lib/distill"
    assert _below(installed) == _below(newer)
    assert [os.readlink(home / ".local/bin" / name) for name in NAMES] == [str(installed / name) for name in NAMES]
    assert (home / ".local/share/applications/distill.desktop").is_file()
    assert _install(installed, home).returncode == 1  # it lies there already
    gone = _install(installed, home, "--uninstall")
    assert gone.returncode == 0, gone.stderr
    assert "Your models, takes and settings stay" in gone.stdout
    # What the desktop's own tools derived from the files is theirs.
    left = {name for name in _below(home) if not name.startswith((".local/share/mime/", ".config/", ".local/state/"))}
    assert left - {".local/share/applications/mimeinfo.cache"} == {".local/share/distill/takes/mine.flac"}
    assert "none was removed" in _install(newer, home, "--uninstall").stdout


@linux
def test_one_that_does_not_start_here_leaves_the_older_one(tmp_path: Path, home: Path) -> None:
    assert _install(_bundle(tmp_path / "older"), home).returncode == 0
    before = _below(home / ".local/lib/distill")
    broken = _bundle(tmp_path / "broken", "raise SystemExit('no such processor')")
    (broken / "_internal/new").touch()
    done = _install(broken, home)
    assert done.returncode == 1
    assert "does not start on this computer, so nothing was changed. It said:\nno such processor" in done.stderr
    assert _below(home / ".local/lib/distill") == before
    assert not [path for path in (home / ".local/lib").iterdir() if path.name != "distill"]


@linux
def test_an_installation_that_was_killed_is_mended_by_the_next_word(tmp_path: Path, home: Path) -> None:
    lib = home / ".local/lib"
    _bundle(lib / ".distill-before")
    (lib / ".distill-new").mkdir()
    assert _install(_bundle(tmp_path / "newer"), home, "--uninstall").returncode == 0
    assert list(lib.iterdir()) == []


def _only_entry(home: Path) -> None:
    assert [path.name for path in (home / ".local/lib").iterdir()] == ["distill"]


@linux
def test_killed_while_the_older_one_is_deleted_it_leaves_the_newer_one(tmp_path: Path, home: Path) -> None:
    older, newer = _bundle(home / ".local/lib/distill"), _bundle(tmp_path / "newer")
    (older / "_internal/old").touch()
    (newer / "_internal/new").touch()
    # An `rm` that deletes half of what has the old file, then has the installation interrupted.
    (tmp_path / "bin").mkdir()
    stab = tmp_path / "bin/rm"
    stab.write_text('#!/bin/sh\nfor last; do :; done\n[ -e "$last/_internal/old" ] || exec /bin/rm "$@"\n'
                    '/bin/rm "$last/distill"\nkill -INT $PPID\n')  # fmt: skip
    stab.chmod(0o755)
    assert _install(newer, home, first=stab.parent).returncode == 130
    assert _below(home / ".local/lib/distill") == _below(newer)
    assert _install(newer, home).returncode == 0
    _only_entry(home)


@linux
@needs("flock")
@pytest.mark.parametrize("option", ["--prefix={home}/.local", "--uninstall"])
def test_two_at_once_do_not_meet(tmp_path: Path, home: Path, option: str) -> None:
    import fcntl

    lib = _bundle(home / ".local/lib/distill").parent
    (lib / ".distill-new").mkdir()
    bundle, before = _bundle(tmp_path / "bundle"), _below(home)
    other = os.open(lib, os.O_RDONLY)
    fcntl.flock(other, fcntl.LOCK_EX)  # as the script does it
    done = _install(bundle, home, option.format(home=home))
    os.close(other)
    assert done.returncode == 1
    assert "just now. Nothing was changed" in done.stderr
    assert _below(home) == before
    assert (lib / ".distill-new").is_dir()


@linux
def test_what_belongs_to_others_is_left_alone(tmp_path: Path, home: Path) -> None:
    bundle, program = _bundle(tmp_path / "bundle"), home / ".local/bin/distill"
    program.parent.mkdir(parents=True)
    program.write_text("another installation's")
    done = _install(bundle, home)
    assert done.returncode == 1
    assert "belongs to another installation; nothing was changed" in done.stderr
    assert _below(home) == {".local/bin/distill"}
    assert "does not know “--fly”" in _install(bundle, home, "--fly").stderr


@linux
def test_while_it_runs_it_is_not_replaced(tmp_path: Path, home: Path) -> None:
    bundle, installed = _bundle(tmp_path / "bundle"), _bundle(tmp_path / "elsewhere/distill")
    (home / ".local").mkdir()
    (home / ".local/lib").symlink_to(installed.parent)
    unsettled = installed.with_name(".distill-new")
    unsettled.mkdir()
    shutil.copy("/bin/sleep", installed / "_internal/program")
    with subprocess.Popen([installed / "_internal/program", "60"]) as running:
        # The kernel tells where a program lies without links, and so does the script.
        by_link = tmp_path / "link"
        by_link.symlink_to(home)
        refused = [_install(bundle, by_link), _install(bundle, by_link, "--uninstall")]
        refused.append(_install(installed, home, "--uninstall"))
        running.kill()
    assert [done.returncode for done in refused] == [1, 1, 1]
    assert all("Distill is running. Nothing was changed" in done.stderr for done in refused)
    assert unsettled.is_dir()


@linux
def test_another_place_has_its_own_programs_and_menu(tmp_path: Path, home: Path) -> None:
    place, default = tmp_path / "-some where", home / ".config/mimeapps.list"
    default.parent.mkdir()
    default.write_text("[Default Applications]\n" + (chosen := f"{MIME_TYPE}=distill.desktop\n"))
    bundle = _bundle(tmp_path / "bundle")
    (bundle / "_internal/private").touch(0o600)
    done = _install(bundle, home, "--prefix", str(place))
    assert done.returncode == 0, done.stderr
    assert "here it does not" in done.stdout
    assert {path.name for path in place.iterdir()} == {"bin", "lib", "share"}
    assert (place / "share/applications/distill.desktop").is_file()
    assert (place / "share/metainfo/distill.metainfo.xml").is_file()
    assert (place / "lib/distill/_internal/private").stat().st_mode & 0o777 == 0o644
    assert not (home / ".local/bin").exists()
    # The line that it prints takes this one away, and nothing of the person's own.
    line = f'"{place}/lib/distill/install.sh" --uninstall'
    assert line in done.stdout
    assert _install(place / "lib/distill", home, "--uninstall").returncode == 0
    assert not [path for path in place.rglob("distill*") if path.is_file() or path.is_symlink()]
    assert chosen in default.read_text()


@linux
@pytest.mark.parametrize("options", [["--prefix", ""], ["--prefix="], ["--prefix"], ["--prefix", "{bundle}/a/b"]])
def test_a_place_that_is_none_is_refused_before_anything_is_made(
    tmp_path: Path, home: Path, options: list[str]
) -> None:
    bundle = _bundle(tmp_path / "bundle")
    before = set(tmp_path.rglob("*"))
    done = _install(bundle, home, *(option.format(bundle=bundle) for option in options))
    assert done.returncode == 1
    assert "othing was changed" in done.stderr
    assert set(tmp_path.rglob("*")) == before


@linux
@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can give files away")
def test_what_root_installs_is_roots(tmp_path: Path, home: Path) -> None:
    bundle = _bundle(tmp_path / "bundle")
    for path in [bundle, *bundle.rglob("*")]:
        os.lchown(path, 1000, 1000)
    assert _install(bundle, home, "--prefix", str(tmp_path / "place")).returncode == 0
    paths = [tmp_path / "place", *(tmp_path / "place").rglob("*")]
    assert {path.lstat().st_uid for path in paths} == {0}
