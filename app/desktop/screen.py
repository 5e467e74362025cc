"""The display and the system libraries that the window needs.

run.py reads this before anything is installed: standard library only, and Python 3.8 has to parse it.
"""

from __future__ import annotations

import ctypes
import os
import re
import signal
import sys
from collections.abc import Callable, Mapping, Sequence

# The libraries that PySide6 loads but does not bring along: library → Debian package.
LIBRARIES = {
    "libGL.so.1": "libgl1",
    "libEGL.so.1": "libegl1",
    "libglib-2.0.so.0": "libglib2.0-0",
    "libdbus-1.so.3": "libdbus-1-3",
    "libfontconfig.so.1": "libfontconfig1",
    "libxkbcommon.so.0": "libxkbcommon0",
    "libpulse.so.0": "libpulse0",
    "libgssapi_krb5.so.2": "libgssapi-krb5-2",
}
# The same for a window on a screen, by the environment variable that names the display.
SCREEN_LIBRARIES = {
    "DISPLAY": {
        "libxcb-cursor.so.0": "libxcb-cursor0",
        "libxcb-icccm.so.4": "libxcb-icccm4",
        "libxcb-keysyms.so.1": "libxcb-keysyms1",
        "libxcb-shape.so.0": "libxcb-shape0",
        "libxcb-xkb.so.1": "libxcb-xkb1",
        "libxkbcommon-x11.so.0": "libxkbcommon-x11-0",
    },
    "WAYLAND_DISPLAY": {"libwayland-cursor.so.0": "libwayland-cursor0"},
}
# The environment variable that names the display of a Qt platform.
_DISPLAY_OF = {"xcb": "DISPLAY", "wayland": "WAYLAND_DISPLAY"}
_PATIENCE_S = 20  # a display on another computer that does not answer


def needed_libraries(environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return the libraries that the window loads here: library → Debian package."""
    needed = dict(LIBRARIES)
    for variable, libraries in SCREEN_LIBRARIES.items():
        if environ.get(variable):
            needed.update(libraries)
    return needed


def missing_packages(load: Callable[[str], object] = ctypes.CDLL, environ: Mapping[str, str] = os.environ) -> list[str]:
    """Return the Debian packages whose libraries this computer cannot load."""
    missing = []
    for library, package in needed_libraries(environ).items():
        try:
            load(library)
        except OSError:
            missing.append(package)
    return missing


def apt_line(packages: Sequence[str]) -> list[str]:
    """Return the command that installs packages on Debian and Ubuntu."""
    return ["apt-get", "install", "--yes", "--no-install-recommends", *packages]


def has_screen(environ: Mapping[str, str] = os.environ) -> bool:
    """Tell whether a window can be opened; a Qt platform that is named counts as a screen."""
    named = ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM")
    return not sys.platform.startswith("linux") or any(environ.get(name) for name in named)


def _open_and_leave() -> None:
    """Start Qt without a window, and end this process."""
    import resource

    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # Qt tells a person of its plugins
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    signal.alarm(_PATIENCE_S)
    from PySide6.QtGui import QGuiApplication

    QGuiApplication(["distill"])
    os._exit(0)


def can_open() -> bool:
    """Tell whether Qt can start here, by a process of its own: Qt aborts if it can't. It takes a tenth of a second.

    Raises:
        ImportError: PySide6 itself can't be loaded.
    """
    if not sys.platform.startswith("linux") or os.environ.get("QT_QPA_PLATFORM") == "offscreen":
        return True
    import PySide6.QtGui  # noqa: F401 - the forked process has it then

    process = os.fork()
    if process == 0:
        try:
            _open_and_leave()
        finally:
            os._exit(1)
    return os.waitpid(process, 0)[1] == 0


def why_not(environ: Mapping[str, str] = os.environ) -> str:
    """Return the sentences on why Qt could not start, and what to do."""
    if packages := missing_packages(environ=environ):
        return (
            "The window needs system libraries that are missing.\n"
            f"On Debian or Ubuntu: sudo {' '.join(apt_line(packages))}"
        )
    platform = environ.get("QT_QPA_PLATFORM", "")
    named = [name for name in _DISPLAY_OF.values() if environ.get(name)]
    wanted = [_DISPLAY_OF.get(re.split("[:-]", each)[0]) for each in platform.split(";") if each]
    if platform and None in wanted:
        return (
            f"The window can't be opened the way that QT_QPA_PLATFORM={platform} asks for: "
            "Qt can't start that way here.\n"
            "Leave QT_QPA_PLATFORM out: unset QT_QPA_PLATFORM"
        )
    if platform and not set(wanted) & set(named):
        return (
            f"The window can't be opened: QT_QPA_PLATFORM={platform} asks for a display that {wanted[0]} names, and "
            "it names none."
        )
    tried = ", ".join(f"{name}={environ[name]}" for name in ["QT_QPA_PLATFORM", *named] if environ.get(name))
    return f"The window can't be opened on the display that is named here ({tried}): nothing answers there."
