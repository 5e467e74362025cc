"""What an installation from a wheel holds, and that the window finds its resources there."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCES = ["app", "distill_core", "resources"]
# pip's own call into the build backend. Called directly, it needs neither pip, which a virtual environment on
# Debian may lack, nor a network.
BUILD = "import sys; from setuptools import build_meta; build_meta.build_wheel(sys.argv[1])"
FIND = """
import app, distill_core, sys
from app.theme import resource_path
for module in (app, distill_core):
    assert module.__file__.startswith(sys.argv[1]), module.__file__
for name in ("demo", "linux/distill.svg", "linux/distill.desktop"):
    assert resource_path(*name.split("/")).exists(), resource_path(*name.split("/"))
    assert str(resource_path(*name.split("/"))).startswith(sys.argv[1])
"""

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("setuptools") is None, reason="setuptools is not installed, so no wheel can be built"
)


def _files(folder: str) -> set[str]:
    files = {path.relative_to(ROOT) for path in (ROOT / folder).rglob("*") if path.is_file()}
    left_out = {"__pycache__", "bundle"}
    return {path.as_posix() for path in files if left_out.isdisjoint(path.parts)}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel built from a copy, so that nothing is left in the sources and nothing old from there gets in."""
    copy, output = tmp_path_factory.mktemp("tree"), tmp_path_factory.mktemp("wheel")
    for name in SOURCES:
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "MANIFEST.in", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, copy)
    built = subprocess.run([sys.executable, "-c", BUILD, output], cwd=copy, capture_output=True, text=True)
    assert built.returncode == 0, built.stderr
    return next(output.glob("distill-*-py3-none-any.whl"))


def test_it_holds_every_file_of_the_packages_and_nothing_else(wheel: Path) -> None:
    names = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    assert names == set().union(*map(_files, SOURCES))
    assert not any(name.startswith("resources/bundle") for name in names)
    assert {"resources/linux/distill.desktop", "resources/demo/README.md", "app/theme/tokens.py"} <= names


def test_it_names_both_programs(wheel: Path) -> None:
    archive = zipfile.ZipFile(wheel)
    entry_points = next(name for name in archive.namelist() if name.endswith("entry_points.txt"))
    assert archive.read(entry_points).decode().split("\n\n") == [
        "[console_scripts]\ndistill = distill_core.cli:main",
        "[gui_scripts]\ndistill-app = app.__main__:main\n",
    ]


def test_installed_it_finds_its_resources_from_anywhere(wheel: Path, tmp_path: Path) -> None:
    target, elsewhere = tmp_path / "site", tmp_path / "elsewhere"
    elsewhere.mkdir()
    # A wheel of pure Python is installed by unpacking it.
    zipfile.ZipFile(wheel).extractall(target)
    first = f"import sys; sys.path.insert(0, {str(target)!r})\n"
    found = subprocess.run([sys.executable, "-c", first + FIND, target], cwd=elsewhere, capture_output=True, text=True)
    assert found.returncode == 0, found.stderr
