"""The licences of all that a bundle carries, found from the files that PyInstaller collects."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.metadata import Distribution, distributions
from pathlib import Path

TEXTS = Path(__file__).parent / "texts"
IS_LICENCE = re.compile(r"licen[cs]|copying|notice", re.IGNORECASE)
GPL, LESSER = re.compile("GPL|General Public"), re.compile("LGPL|Lesser|Library")
LONGEST_NAME = 80  # of a licence; some packages have the whole text in its place
# What lies in packages and what their metadata does not say.
WITHIN = {
    "PySide6_Addons": "Qt, and FFmpeg under LGPL-2.1-or-later",
    "PySide6_Essentials": "Qt",
    "soundfile": "libsndfile under LGPL-2.1-or-later, with FLAC, Ogg, Vorbis, Opus, LAME and mpg123",
}
GPL_LIBRARIES = ("libreadline.", "libhistory.", "libgdbm.", "libgdbm_compat.")
# Its licence has an exception for what it builds.
GPL_WITH_EXCEPTION = ("pyinstaller",)
HEAD = """Distill is under the MIT licence (LICENSE). This bundle carries what is listed here, each under a licence
of its own. The texts are in the folders of the same names, and those of the LGPL and the GPL in the folder texts.
Libraries under the LGPL lie beside the programs as files of their own, and can be replaced by other builds of them.

"""


@dataclass(frozen=True, slots=True)
class Part:
    """Something that the bundle carries: its name and version, its licence in a few words, and the texts."""

    name: str
    licence: str
    texts: tuple[Path, ...]


def files_of(distribution: Distribution) -> list[str]:
    # No links are followed and no Path is made, because there are 60,000 files.
    root = os.path.realpath(distribution.locate_file(""))
    return [os.path.normpath(os.path.join(root, file)) for file in distribution.files or ()]


def licence_of(distribution: Distribution) -> str:
    """Return the licence by the metadata's expression, its own short words, or its classifiers."""
    metadata = distribution.metadata
    classifiers = metadata.get_all("Classifier") or []
    classified = [line.rpartition(" :: ")[2] for line in classifiers if line.startswith("License ::")]
    written = metadata.get("License", "").strip()
    short = written if len(written) <= LONGEST_NAME else ""
    expression = metadata.get("License-Expression", "")
    return expression or short or ", ".join(classified) or "as its text says"


def is_gpl_only(licence: str) -> bool:
    """Tell whether each licence among which there is a choice is the GPL or the AGPL."""
    is_gpl = [bool(GPL.search(choice)) and not LESSER.search(choice) for choice in re.split(r" OR |, ", licence)]
    return all(is_gpl)


def is_licence(path: str) -> bool:
    named = IS_LICENCE.search(os.path.basename(path)) is not None and not path.endswith((".py", ".pyc", ".pyi"))
    return (named or ".dist-info/licenses/" in path.replace(os.sep, "/")) and os.path.isfile(path)


def part_of(distribution: Distribution, files: Iterable[str]) -> Part:
    name = distribution.metadata["Name"]
    within = f" (it holds {WITHIN[name]})" if name in WITHIN else ""
    texts = tuple(Path(path) for path in files if is_licence(path))
    return Part(f"{name} {distribution.version}", licence_of(distribution) + within, texts)


def python_part() -> Part:
    folders = (Path(os.__file__).parent, Path(sys.base_prefix))
    texts = [folder / name for folder in folders for name in ("LICENSE.txt", "LICENSE") if (folder / name).is_file()]
    return Part(f"Python {sys.version.split()[0]}", "PSF-2.0", tuple(texts[:1]))


def is_library(path: str) -> bool:
    return ".so" in os.path.basename(path) or path.endswith((".dylib", ".dll"))


def debian_package(path: Path) -> str | None:
    """Return the Debian package that a library of the system is from, if any."""
    # /lib is a link to /usr/lib, and dpkg knows some files by the one name, some by the other.
    names = [str(path), str(path).removeprefix("/usr")]
    found = subprocess.run(["dpkg-query", "--search", *names], capture_output=True, text=True)
    return found.stdout.partition(": ")[0].partition(":")[0] or None


def system_parts(libraries: Iterable[Path]) -> list[Part]:
    """Return a part for each of the system's packages from which libraries come along."""
    libraries = sorted(libraries)
    packages = {path: debian_package(path) if shutil.which("dpkg-query") else None for path in libraries}
    texts = {name: Path("/usr/share/doc", name, "copyright") for name in packages.values() if name is not None}
    parts = [Part(name, "as its text says", (text,) if text.is_file() else ()) for name, text in sorted(texts.items())]
    unknown = [Part(path.name, "a library of the system", ()) for path in libraries if packages[path] is None]
    return [*parts, *unknown]


def parts_of(sources: Iterable[Path], own: Path) -> list[Part]:
    """Return the parts that these files belong to; `own` is Distill's own folder."""
    left = {os.path.realpath(source) for source in sources}
    parts = []
    for distribution in sorted(distributions(), key=lambda each: each.metadata["Name"].lower()):
        files = files_of(distribution)
        if distribution.metadata["Name"] != "distill" and not left.isdisjoint(files):
            parts.append(part_of(distribution, files))
        left.difference_update(files)
    folders = [own, sys.prefix, os.path.dirname(os.__file__), *([] if sys.base_prefix == "/usr" else [sys.base_prefix])]
    of_python = tuple(os.path.join(os.path.realpath(folder), "") for folder in folders)
    of_system = [Path(path) for path in left if is_library(path) and not path.startswith(of_python)]
    return [python_part(), *parts, *system_parts(of_system)]


def refuse_gpl(sources: Iterable[Path], parts: Iterable[Part]) -> None:
    """End with a sentence if something is under the GPL alone: the whole bundle would have to be, too."""
    found = [part.name for part in parts if is_gpl_only(part.licence) and not part.name.startswith(GPL_WITH_EXCEPTION)]
    found += [path.name for path in sources if path.name.startswith(GPL_LIBRARIES)]
    if found:
        sys.exit(f"No bundle was made: {', '.join(found)} is under the GPL alone. contents.py says what is left out.")


def licences(sources: Iterable[Path], own: Path, folder: Path) -> list[tuple[str, str, str]]:
    """Write the list of licences into `folder`, and return PyInstaller's entries for it and for the texts."""
    sources = list(sources)
    parts = parts_of(sources, own)
    refuse_gpl(sources, parts)
    folder.mkdir(parents=True, exist_ok=True)
    listed = folder / "licences.txt"
    listed.write_text(HEAD + "".join(f"{part.name}: {part.licence}\n" for part in parts), encoding="utf-8")
    entries = [("LICENSE", own / "LICENSE"), (f"licences/{listed.name}", listed)]
    entries += [(f"licences/texts/{path.name}", path) for path in TEXTS.iterdir()]
    for part in parts:
        common = os.path.commonpath([path.parent for path in part.texts]) if part.texts else ""
        entries += [(f"licences/{part.name}/{os.path.relpath(path, common)}", path) for path in part.texts]
    return [(name, str(path), "DATA") for name, path in entries]
