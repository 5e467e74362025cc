"""The applications menu and double-click on Linux: desktop entry, file type and icons in the user's own folders."""

from __future__ import annotations

import logging
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from app.desktop.screen import missing_packages, why_not
from app.theme import resource_path
from distill_core.errors import DistillError, SaveError

log = logging.getLogger(__name__)

MIME_TYPE = "application/x-distill-model"
DESKTOP_ENTRY = "distill.desktop"
# The folder of each file, below the data folder; the entry is last, so that the menu never shows half of it.
FOLDERS = {
    "application-x-distill-model.svg": "icons/hicolor/scalable/mimetypes",
    "distill.svg": "icons/hicolor/scalable/apps",
    "distill.xml": "mime/packages",
    "distill.metainfo.xml": "metainfo",
    DESKTOP_ENTRY: "applications",
}
# Spaces, and the characters that the Desktop Entry specification calls reserved.
NEEDS_QUOTES = re.compile(r"""[\s"'\\><~|&;$*?#()`]""")
TOOL_SECONDS = 60
DATA_DIRS = "/usr/local/share:/usr/share"  # the specification's default of XDG_DATA_DIRS


def _user_folder(variable: str, default: str) -> Path:
    """Return an XDG base folder; the specification says to ignore one that is not absolute."""
    value = os.environ.get(variable, "")
    if os.path.isabs(value):
        return Path(value)
    try:
        return Path.home() / default
    except RuntimeError as error:
        raise SaveError("There is no home folder to add Distill to; nothing was changed.", "Set HOME.") from error


def _own_command() -> list[str]:
    """Return the command that starts this Distill: the bundle, the installed script, or this Python."""
    program = os.path.abspath(sys.executable)
    if getattr(sys, "frozen", False):
        return [program]
    # Not resolved: a virtual environment's Python is a link, and the Python behind it has no Distill.
    script = os.path.join(os.path.dirname(program), "distill-app")
    return [script] if os.access(script, os.X_OK) else [program, "-m", "app"]


def _string_value(text: str) -> str:
    r"""Escape a value as a string of a desktop entry: `\` is `\\`, a line break is `\n`."""
    for character, escape in {"\\": r"\\", "\n": r"\n", "\r": r"\r", "\t": r"\t"}.items():
        text = text.replace(character, escape)
    return text


def _exec_argument(text: str) -> str:
    """Quote one argument of `Exec`: `%` doubled, and in double quotes if a shell would need them."""
    text = text.replace("%", "%%")
    return '"' + re.sub(r'(["`$\\])', r"\\\1", text) + '"' if NEEDS_QUOTES.search(text) else text


def _entry_for(template: str, command: Sequence[str]) -> str:
    """Return the desktop entry that starts `command` with the files that were opened."""
    values = {
        "Exec": _string_value(" ".join([*map(_exec_argument, command), "%F"])),
        "TryExec": _string_value(command[0]),
    }
    keyed = [(line.partition("=")[0], line) for line in template.splitlines()]
    return "".join(f"{key}={values[key]}\n" if key in values else f"{line}\n" for key, line in keyed)


def _contents(command: Sequence[str], data_home: Path) -> dict[Path, bytes]:
    """Return the contents of each file."""
    sources = {name: resource_path("linux", name).read_bytes() for name in FOLDERS}
    sources[DESKTOP_ENTRY] = _entry_for(sources[DESKTOP_ENTRY].decode(), command).encode()
    return {data_home / folder / name: sources[name] for name, folder in FOLDERS.items()}


def _is_ours(path: Path) -> bool:
    """Tell whether Distill wrote this file: each of them names our type."""
    return MIME_TYPE.encode() in path.read_bytes()


def _write(path: Path, data: bytes) -> None:
    """Write in one step: the old file or the new, never half of one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


def _write_all(contents: dict[Path, bytes]) -> None:
    foreign = next((path for path in contents if path.exists() and not _is_ours(path)), None)
    if foreign:
        raise SaveError(f"“{foreign}” belongs to another program and was left alone.", "Move it away, then try again.")
    for path, data in contents.items():
        _write(path, data)


def _run_tool(command: Sequence[str], data_home: Path) -> None:
    """Run one of the desktop's tools, if it is installed; a failure is only logged, because the files are in place."""
    program = shutil.which(command[0])
    if program is None:
        log.info("%s is not installed; going on without it", command[0])
        return
    environment = {**os.environ, "XDG_DATA_HOME": str(data_home)}
    try:
        done = subprocess.run(
            [program, *command[1:]],
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=TOOL_SECONDS,
        )
    except (OSError, subprocess.SubprocessError) as error:
        log.warning("%s: %s", command[0], error)
        return
    if done.returncode != 0:
        log.warning("%s ended with %d: %s", command[0], done.returncode, done.stderr.decode(errors="replace").strip())


def _update_icon_cache(data_home: Path) -> None:
    icons = data_home / "icons/hicolor"
    if icons.exists():
        os.utime(icons)
    # A cache is kept up to date, but not begun: it would hide the icons that others put there without renewing it.
    if (icons / "icon-theme.cache").exists():
        _run_tool(["gtk-update-icon-cache", "-q", "-t", "-f", str(icons)], data_home)


def _update_databases(data_home: Path) -> None:
    _run_tool(["update-mime-database", str(data_home / "mime")], data_home)
    _run_tool(["update-desktop-database", "-q", str(data_home / "applications")], data_home)
    _update_icon_cache(data_home)


def _forget_default() -> None:
    """Remove the line that `xdg-mime default` wrote; xdg-mime has no command for that."""
    path = _user_folder("XDG_CONFIG_HOME", ".config") / "mimeapps.list"
    if not path.exists():
        return
    ours = re.compile(rf"{re.escape(MIME_TYPE)}={re.escape(DESKTOP_ENTRY)};?\s*".encode())
    lines = path.read_bytes().splitlines(keepends=True)
    kept = [line for line in lines if not ours.fullmatch(line)]
    if kept != lines:
        _write(path.resolve(), b"".join(kept))


def _reason(error: Exception) -> str:
    """Return an error as the rest of a sentence."""
    if isinstance(error, OSError) and error.filename is not None:
        return f"“{os.fsdecode(error.filename)}”: {error.strerror}"
    return "its path holds characters that are not text" if isinstance(error, UnicodeError) else str(error)


def _refuse_other_systems() -> None:
    if sys.platform in ("darwin", "win32"):
        raise DistillError(
            "On macOS and Windows, Distill's app or installer for that system sets up double-click.",
            "Without it, open a model in the window, or drop it there.",
        )


def register(data_home: Path | None = None, command: list[str] | None = None) -> list[Path]:
    """Put Distill into the applications menu and let `.distill` files open with it; return the files written.

    `data_home` is a folder that others look into, too; by default it is the person's own, and so is double-click then.

    Raises:
        SaveError: a file cannot be written, or one of that name is not ours.
        DistillError: this system has other ways.
    """
    _refuse_other_systems()
    is_own = data_home is None
    data_home = data_home or _user_folder("XDG_DATA_HOME", ".local/share")
    try:
        contents = _contents(command or _own_command(), data_home)
        _write_all(contents)
        _update_databases(data_home)
    except (OSError, UnicodeError) as error:
        raise SaveError(
            f"Distill could not be added to the applications menu ({_reason(error)}).",
            f"Allow writing in “{data_home}”, then try again.",
        ) from error
    if is_own:
        _run_tool(["xdg-mime", "default", DESKTOP_ENTRY, MIME_TYPE], data_home)
    return list(contents)


def unregister(data_home: Path | None = None) -> list[Path]:
    """Remove the files that `register` wrote, and no others; return the files removed.

    Raises:
        SaveError: a file cannot be removed.
        DistillError: this system has other ways.
    """
    _refuse_other_systems()
    is_own = data_home is None
    data_home = data_home or _user_folder("XDG_DATA_HOME", ".local/share")
    paths = [data_home / folder / name for name, folder in FOLDERS.items()]
    try:
        ours = [path for path in paths if path.exists() and _is_ours(path)]
        for path in ours:
            path.unlink()
        if ours and is_own:
            _forget_default()
        if ours:
            _update_databases(data_home)
    except OSError as error:
        raise SaveError(
            f"Distill could not be taken out of the applications menu ({_reason(error)}).",
            f"Allow writing in “{data_home}”, then try again.",
        ) from error
    return ours


def _is_looked_into(data_home: Path) -> bool:
    """Tell whether this person's desktop looks into a data folder."""
    shared = os.environ.get("XDG_DATA_DIRS") or DATA_DIRS
    folders = [_user_folder("XDG_DATA_HOME", ".local/share"), *map(Path, filter(os.path.isabs, shared.split(":")))]
    return data_home.resolve() in [folder.resolve() for folder in folders]


def _what_registering_did(data_home: Path | None) -> str:
    if data_home is not None and not _is_looked_into(data_home):
        return (
            f"The applications menu and double-click work where the desktop looks into “{data_home}”; here it does not."
            "\nAdd that folder to XDG_DATA_DIRS and log in again. Or choose the prefix /usr/local, or none."
        )
    said = "Distill is in the applications menu."
    if data_home is None:
        said += " To take it out again: distill-app --register --remove"
    if shutil.which("update-mime-database"):
        return f"Double-clicking a .distill file opens it now, and {said}"
    return f"{said}\nFor double-click, install the package shared-mime-info and do this once more."


def register_command(remove: bool, prefix: Path | None = None) -> str:
    """Run `distill-app --register [--remove] [--prefix FOLDER]`, and return the sentences to print."""
    data_home = None if prefix is None else prefix.absolute() / "share"
    if remove:
        removed = unregister(data_home)
        return (
            "Distill is no longer in the applications menu. Your models and settings stay as they are."
            if removed
            else "Distill was not in the applications menu, so nothing was removed."
        )
    register(data_home)
    said = _what_registering_did(data_home)
    return f"{said}\n{why_not()}" if missing_packages() else said
