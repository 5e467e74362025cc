"""Builds the bundle of this system into dist/: `python3 run.py bundle [FOLDER] [--check]`."""

from __future__ import annotations

import argparse
import lzma
import os
import platform
import shutil
import subprocess
import sys
import tarfile
import time
from collections.abc import Sequence
from importlib.metadata import distributions, version
from pathlib import Path

import bare_system

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
SYSTEM = {"win32": "windows", "darwin": "macos"}.get(sys.platform, "linux")
NAME = f"distill-{version('distill')}-{SYSTEM}-{platform.machine().lower()}"
WITHOUT_CUDA = "remove .venv, then PIP_EXTRA_INDEX_URL=https://download.pytorch.org/whl/cpu python3 run.py setup"
ICO = 256  # px
ICNS = {b"ic07": 128, b"ic08": 256, b"ic09": 512, b"ic10": 1024}  # the format's names for pictures of these px


def say(sentence: str) -> None:
    print(sentence, flush=True)


def megabytes(path: Path) -> str:
    files = [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file() and not file.is_symlink()]
    return f"{sum(file.stat().st_size for file in files) / 1e6:.0f} MB"


def drawn(drawing: Path, size: int, kind: str) -> bytes:
    from PySide6.QtCore import QBuffer, QByteArray, QIODevice, Qt
    from PySide6.QtGui import QImage, QPainter
    from PySide6.QtSvg import QSvgRenderer

    image = QImage(size, size, QImage.Format.Format_ARGB32)
    image.fill(Qt.GlobalColor.transparent)
    painter = QPainter(image)
    QSvgRenderer(str(drawing)).render(painter)
    painter.end()
    data = QByteArray()
    device = QBuffer(data)
    device.open(QIODevice.OpenModeFlag.WriteOnly)
    image.save(device, kind)
    return data.data()


def icns(drawing: Path) -> bytes:
    """Return an icon of macOS: a row of pictures, each after its type and its length."""
    pictures = {kind: drawn(drawing, size, "png") for kind, size in ICNS.items()}
    entries = [kind + (8 + len(picture)).to_bytes(4, "big") + picture for kind, picture in pictures.items()]
    return b"icns" + (8 + sum(map(len, entries))).to_bytes(4, "big") + b"".join(entries)


def draw_icons(folder: Path) -> None:
    """Draw the icons in the formats of Windows and macOS; Linux takes the drawings themselves."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, drawing in (("distill", "distill"), ("model", "application-x-distill-model")):
        source = ROOT / f"resources/linux/{drawing}.svg"
        (folder / f"{name}.ico").write_bytes(drawn(source, ICO, "ico"))
        (folder / f"{name}.icns").write_bytes(icns(source))


def warn_of_cuda() -> None:
    if any(each.metadata["Name"].startswith("nvidia-") for each in distributions()):
        say(f"torch has brought CUDA along, so the bundle will take gigabytes. For a small one, first: {WITHOUT_CUDA}")


def freeze(dist: Path, work: Path) -> None:
    from PyInstaller.__main__ import run

    # What it warns of are parts of torch for other systems, and modules that are deprecated.
    os.environ["PYTHONWARNINGS"] = "ignore"
    options = ["--noconfirm", "--log-level", "ERROR", "--distpath", str(dist), "--workpath", str(work)]
    run([*options, str(HERE / "distill.spec")])


def as_root(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    """Return an archive's entry without the names and numbers of whoever built it."""
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = ""
    return entry


def pack(folder: Path) -> Path:
    """Pack a folder into an archive beside it, as .tar.xz: a system may lack what unpacks a .tar.zst."""
    path = folder.with_name(f"{NAME}.tar.xz")
    with lzma.open(path, "wb", preset=3) as file, tarfile.open(fileobj=file, mode="w|") as archive:
        archive.add(folder, NAME, filter=as_root)
    return path


def finish_linux(dist: Path, work: Path) -> list[Path]:
    folder = dist / "distill"
    shutil.copy(HERE / "install.sh", folder)
    shutil.copy(ROOT / "LICENSE", folder)
    return [folder, pack(folder)]


def finish_with(tool: str, command: Sequence[str | Path], made: Path, product: Path) -> list[Path]:
    """Make an installer or an image with the system's own tool, if it is installed."""
    if shutil.which(tool) is None:
        say(f"{tool} is not installed, so {product.name} was not made; the folder works without it.")
        return [made]
    if subprocess.run([tool, *map(str, command)]).returncode != 0:
        sys.exit(f"{tool} could not make {product.name}; the lines above say why.")
    return [made, product]


def finish_windows(dist: Path, work: Path) -> list[Path]:
    defined = {"Version": version("distill"), "Folder": dist / "distill", "Icons": work / "icons", "Root": ROOT}
    options = [*(f"/D{name}={value}" for name, value in defined.items()), f"/O{dist}", f"/F{NAME}"]
    return finish_with("iscc", [*options, HERE / "windows.iss"], dist / "distill", dist / f"{NAME}.exe")


def finish_macos(dist: Path, work: Path) -> list[Path]:
    app, image = dist / "Distill.app", dist / f"{NAME}.dmg"
    command = ["create", "-ov", "-volname", "Distill", "-srcfolder", app, image]
    return finish_with("hdiutil", command, app, image)


def refusal(dist: Path, is_checked: bool) -> str | None:
    """Return why no bundle can be built here, or None."""
    folder = dist / "distill"
    if folder.exists() and not (folder / "_internal").is_dir():
        return f"“{folder}” is no bundle, and one would take its place. Move it away, or name another folder."
    missing = bare_system.lacking() if is_checked else []
    return f"A bundle can't be checked here: that needs {', '.join(missing)}." if missing else None


def build(dist: Path) -> Path:
    """Build the bundle, and return what a person downloads."""
    warn_of_cuda()
    began, work = time.monotonic(), ROOT / "build" / "bundle"
    say("Building the bundle. It takes some minutes and about 2 GB of disk.")
    if SYSTEM != "linux":
        draw_icons(work / "icons")
    freeze(dist, work)
    finish = {"linux": finish_linux, "windows": finish_windows, "macos": finish_macos}[SYSTEM]
    made = finish(dist, work)
    for path in made:
        say(f"{path}: {megabytes(path)}")
    say(f"It took {time.monotonic() - began:.0f} s.")
    return made[-1]


def main() -> int:
    parser = argparse.ArgumentParser(prog="run.py bundle", description="Build the bundle of this system.")
    parser.add_argument(
        "folder", nargs="?", type=Path, default=ROOT / "dist", help="where to build it; by default dist"
    )
    parser.add_argument("--check", action="store_true", help="prove it on a bare Debian; Linux, as root")
    options = parser.parse_args()
    if why := refusal(options.folder.resolve(), options.check):
        say(f"{why} Nothing was built.")
        return 1
    made = build(options.folder.resolve())
    return bare_system.check(made, options.folder.resolve()) if options.check else 0


if __name__ == "__main__":
    sys.exit(main())
