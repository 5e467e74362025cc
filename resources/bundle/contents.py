"""What belongs in a bundle, of what PyInstaller finds."""

from __future__ import annotations

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# imageio_ffmpeg holds an ffmpeg under the GPL, readline and _gdbm need libraries under the GPL: a bundle must not carry
# these, and Distill does without. The others are tools of the developers.
LEFT_OUT = (
    *("imageio_ffmpeg", "readline", "_gdbm"),
    *("tkinter", "setuptools", "pytest", "_pytest", "py", "hypothesis", "mypy", "x_transformers"),
)
Entry = tuple[str, str, str]  # PyInstaller's: its place in the bundle, where it comes from, what it is

UNUSED = (
    # Headers, tests and programs; torch starts only where it finds one of these.
    *("torch/include/", "torch/test/", "torch/bin/", "torch/share/"),
    # The extension, which Distill does without, and the CUDA library that it needs.
    *("torchaudio/lib/", "libcudart"),
    # Every system has these, and the drivers of graphics cards there may need newer ones than those from here.
    *("libstdc++", "libgcc_s", "libmvec"),
    "hypothesis-",
)
NEEDED_ALL_THE_SAME = ("torch/bin/torch_shm_manager",)
# GTK's theme would bring all of GTK along; the virtual keyboard is under the GPL; the others need no window system.
UNUSED_PLUGINS = (
    "qgtk3",
    "qtvirtualkeyboardplugin",
    "qpdf",
    "qeglfs",
    "qlinuxfb",
    "qvnc",
    "qvkkhrdisplay",
    "qminimalegl",
)


def resources() -> list[tuple[str, str]]:
    """Return all of `resources` but the recipes themselves, as pairs of a file and its folder in the bundle."""
    pairs = []
    for folder, folders, names in os.walk(ROOT / "resources"):
        folders[:] = [name for name in folders if name not in ("bundle", "__pycache__")]
        pairs += [(os.path.join(folder, name), os.path.relpath(folder, ROOT)) for name in names]
    return pairs


def is_used(entry: Entry) -> bool:
    """Tell whether Distill ever uses this."""
    name = entry[0].replace(os.sep, "/")
    is_plugin = "/plugins/" in name and any(unused in name for unused in UNUSED_PLUGINS)
    return name in NEEDED_ALL_THE_SAME or not (name.startswith(UNUSED) or is_plugin)


def is_shared(entry: Entry) -> bool:
    """Tell whether this is a library that others are linked to, and not a module or plugin that is loaded by name."""
    folder, name = os.path.split(entry[0])
    return folder in ("", "PySide6/Qt/lib") and name.startswith("lib") and not name.startswith("libpython")


def without_orphans(entries: list[Entry]) -> list[Entry]:
    """Return the entries without shared libraries that nothing needs any more; ldd tells also needs of needs."""
    from PyInstaller.depend.bindepend import get_imports

    loaded = [entry for entry in entries if entry[2] in ("BINARY", "EXTENSION") and not is_shared(entry)]
    needed = {name for entry in loaded for name, _ in get_imports(entry[1])}
    return [entry for entry in entries if not is_shared(entry) or os.path.basename(entry[0]) in needed]
