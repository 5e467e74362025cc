"""Starts the window: log, exception hook, application, main window."""

from __future__ import annotations

import argparse
import os
import platform
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from app.desktop.screen import can_open, has_screen, why_not
from distill_core.errors import ConfigError, DistillError

if TYPE_CHECKING:
    from app.desktop.single_instance import SingleInstance

_NO_DISPLAY = "There is no display here to open the window on."
_WITHOUT_WINDOW = (
    "The main job can be done without a window: QT_QPA_PLATFORM=offscreen distill-app --demo FOLDER\n"
    "The same in the terminal: distill train-prior MODEL SOUNDS"
)
_EXIT_NO_WINDOW = 2


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="distill-app", description="Distill's window.")
    parser.add_argument("files", nargs="*", help="a .distill file, folders of sounds, or single ones, to open")
    parser.add_argument("--new-window", action="store_true", help="open a window of its own beside one that is open")
    parser.add_argument("--register", action="store_true", help="add Distill and .distill files to the desktop")
    parser.add_argument("--remove", action="store_true", help="with --register: take them away again")
    parser.add_argument(
        "--prefix", type=Path, metavar="FOLDER", help="with --register: in FOLDER/share, for whoever looks there"
    )
    parser.add_argument("--demo", type=Path, metavar="FOLDER", help="do the main job on the demo, in FOLDER, and quit")
    return parser.parse_args(arguments)


def _check_pyside() -> None:
    """Refuse PySide6 6.12.0 on Python 3.11: it drops a reference to None at every call, and thousands end Python."""
    from PySide6 import __version__

    if __version__ == "6.12.0" and sys.version_info < (3, 12):
        sys.exit("PySide6 6.12.0 crashes on Python 3.11. Run: python3 run.py setup")


def _say(error: DistillError) -> int:
    print(f"{error.message} {error.hint}".strip(), file=sys.stderr)  # noqa: T201
    return error.exit_code


def _register(remove: bool, prefix: Path | None) -> int:
    from app.desktop.desktop_entry import register_command

    try:
        print(register_command(remove, prefix))  # noqa: T201 - the command's answer
    except DistillError as error:
        return _say(error)
    return 0


def _refuse(why: str) -> int:
    print(f"{why}\n{_WITHOUT_WINDOW}", file=sys.stderr)  # noqa: T201
    return _EXIT_NO_WINDOW


def _instance() -> SingleInstance | None:
    """Return what finds the first window; None without Qt's network library, whose own libraries may be missing."""
    try:
        from app.desktop.single_instance import SingleInstance
    except ImportError:
        return None
    return SingleInstance()


def _file(name: str) -> Path:
    """Return the file of a name or a URL, for the first window too, which was started in another folder."""
    if not name:
        raise ConfigError("files", "A name is empty; nothing was opened.", "Name a file, or nothing.")
    if name.startswith("file:/"):
        from PySide6.QtCore import QUrl

        from app.flows.drops import file_of

        if (file := file_of(QUrl(name))) is None:
            raise ConfigError("files", f"“{name}” is not on this computer; nothing was opened.", "Copy it here first.")
        return file
    try:
        return Path(name).absolute()
    except FileNotFoundError as error:
        what = f"The folder that “{name}” was looked for in is not there any more; nothing was opened."
        raise ConfigError("files", what, "Go to another folder, or name the file with all its folders.") from error


def _joins_first(instance: SingleInstance, options: argparse.Namespace) -> bool:
    """Hand the files over to the first window; without one, this is it."""
    return not instance.claim() and not options.new_window and instance.hand_over(options.files)


def _run_window(options: argparse.Namespace, instance: SingleInstance | None) -> int:
    from PySide6.QtCore import QSettings, QTimer

    from app.desktop.application import DistillApplication
    from app.main_window import MainWindow
    from app.session import Session
    from app.session.problems import ExceptionHook, keep_streams, start_logging

    application = DistillApplication(["distill"])  # X11 takes the window's class from it
    keep_streams()
    start_logging()
    if options.demo is not None:  # the demo must not show up among the person's recent models
        QSettings.setPath(QSettings.Format.IniFormat, QSettings.Scope.UserScope, str(options.demo))
    hook = ExceptionHook()
    hook.install()
    session = Session()
    application.appearance.choose(session.settings.appearance())
    window = MainWindow(session)
    hook.caught.connect(window.commands.report_bug)
    window.commands.appearance_chosen.connect(application.appearance.choose)
    application.file_opened.connect(window.commands.open_files)
    if instance is not None and instance.is_first:
        from app.desktop.single_instance import Listener

        listener = Listener(instance.address, window)
        listener.handed_over.connect(window.receive)
        window.leaving.connect(listener.close)
        window.leaving.connect(instance.release)
        if not listener.is_listening:
            instance.release()  # or each later start would wait for an answer
    if options.demo is not None:
        from app.demo import DemoRun

        run = DemoRun(session, window, options.demo, print)
        window.shown.connect(run.start)
    window.show()
    if options.files:
        window.commands.open_files(*options.files)
    application.deliver_waiting()
    QTimer.singleShot(0, window.raise_)
    code = application.exec()
    if not session.has_ended:  # a long optimizer step goes on; Qt would abort over its thread
        os._exit(code)
    return code


def main(arguments: list[str] | None = None) -> int:
    """Run the window, or one of its commands, and return the exit code."""
    options = _parse(arguments)
    if options.register or options.remove:
        return _register(options.remove, options.prefix)
    if not has_screen():
        return _refuse(_NO_DISPLAY)
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C in the terminal ends this, also while it waits
    if os.name == "nt":
        import torch  # noqa: F401 - loaded after Qt, its libraries fail on Windows (pytorch#166628)
    try:
        _check_pyside()
        options.files = [_file(name) for name in options.files]
        instance = None if options.demo is not None else _instance()
        if instance is not None and _joins_first(instance, options):
            return 0
        if not can_open():
            return _refuse(why_not())
        return _run_window(options, instance)
    except ConfigError as error:
        return _say(error)
    except ImportError as error:
        if platform.system() != "Linux" or ".so" not in str(error):
            raise
        return _refuse(f"{why_not()}\n({error})")


if __name__ == "__main__":
    sys.exit(main())
