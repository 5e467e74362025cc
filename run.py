#!/usr/bin/env python3
"""Set Distill up and start it, with nothing but Python: `python3 run.py [MODEL | WORD]`; `help` lists the words.

Standard library only, because it runs before anything is installed. It has to parse on Python 3.8, or an old
Python would answer with a traceback instead of the sentence that says what is needed.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Callable, Sequence

from app.desktop.screen import apt_line, has_screen, missing_packages

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
OLDEST_PYTHON = (3, 11)
# The version that the constraints were tested on comes first.
NEWER_PYTHONS = ("python3.11", "python3.12", "python3.13", "python3.14")
INSTALL = ["install", "--disable-pip-version-check", "--editable", ".[test]", "--constraint", "constraints.txt"]
# PyPI's torch for Windows computes on the CPU only. The CUDA version is the one that torch is pinned to.
CUDA_WHEELS = "https://download.pytorch.org/whl/cu130"
# Benchmarks by name; a library beyond Distill's own that one compares with belongs to the extra `bench`.
BENCHMARKS = {
    "prior": "x_transformers",
    **dict.fromkeys(("window", "save", "stop", "sound", "takes", "plugin", "device", "scale")),
}
MOST_OF_PIPS_WORDS = 4000  # its reason comes last
WITHOUT_SCREEN = {"QT_QPA_PLATFORM": "offscreen"}
# Each worker imports torch and Qt anew, so more of them cost more than they gain. The tests of a file share what is
# dear to make, so they stay in one process; the order of the files is that of tests/conftest.py.
TWO_WORKERS = ["-n", "2", "--dist", "loadfile", "--no-loadscope-reorder"]
IN_ONE_PROCESS = ("-k", "--lf", "--last-failed", "-n", "--numprocesses", "--dist", "no:xdist", "-pno:xdist", "--pdb")


def say(sentence: str) -> None:
    # Flushed, so that it keeps its place among the output of the programs that are started.
    print(sentence, flush=True)


def call(command: Sequence[object], **extra_env: str) -> int:
    """Run a program in the project's folder and return its exit code.

    Ctrl-C reaches the program too. It is left to answer in its own way, because training saves its best result.
    """
    program = subprocess.Popen([str(part) for part in command], cwd=str(ROOT), env={**os.environ, **extra_env})
    interrupted = False
    while True:
        try:
            code = program.wait()
            break
        except KeyboardInterrupt:
            interrupted = True
    if interrupted and code != 0:
        raise KeyboardInterrupt
    return code if code >= 0 else 128 - code


def python_agrees(python: str | Path, statement: str) -> bool:
    """Tell whether this Python exists and runs the statement without an error."""
    try:
        return subprocess.run([str(python), "-c", statement], stderr=subprocess.DEVNULL).returncode == 0
    except OSError:
        return False


def is_new_enough(python: str | Path) -> bool:
    return python_agrees(python, f"import sys; sys.exit(sys.version_info < {OLDEST_PYTHON})")


def venv_python() -> Path:
    return VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def ensure_libraries() -> None:
    packages = missing_packages() if sys.platform.startswith("linux") else []
    if not packages:
        return
    install = apt_line(packages)
    if os.geteuid() == 0 and shutil.which("apt-get"):
        say("Installing the system libraries that the window needs: " + ", ".join(packages) + ".")
        # A stale list is no reason to give up, so only the installation itself counts.
        call(["apt-get", "update", "-qq"])
        if call([*install, "-qq"], DEBIAN_FRONTEND="noninteractive") == 0:
            return
    say("Some system libraries that the window needs are missing. On Debian and Ubuntu, install them with:")
    say("    sudo " + " ".join(install))
    say("Going on without them.")


def ensure_venv() -> None:
    if is_new_enough(venv_python()):
        return
    say("Making a virtual environment in .venv.")
    make = [sys.executable, "-m", "venv", "--clear", VENV]
    # Debian ships venv without ensurepip; pip can fill such an environment from outside.
    if importlib.util.find_spec("ensurepip") and call(make) == 0:
        return
    if call([*make, "--without-pip"]) != 0:
        sys.exit("The virtual environment could not be made. The lines above say why.")


def pip() -> list[object]:
    if python_agrees(venv_python(), "import pip"):
        return [venv_python(), "-m", "pip"]
    if python_agrees(sys.executable, "import pip"):
        return [sys.executable, "-m", "pip", "--python", venv_python()]
    sys.exit("This Python has no pip. On Debian and Ubuntu: sudo apt-get install python3-pip, then try again.")


def wheel_index(os_name: str = os.name, which: Callable[[str], str | None] = shutil.which) -> list[str]:
    """Return pip's arguments for PyTorch's CUDA builds where PyPI has none for the graphics card."""
    return ["--extra-index-url", CUDA_WHEELS] if os_name == "nt" and which("nvidia-smi") else []


def fingerprint(root: Path) -> str:
    """Return a text that changes when `root` has to be installed again.

    The folder counts because an editable installation points to it, pyvenv.cfg because it names the Python.
    """
    parts = [os.fsencode(root)]
    parts += [(root / name).read_bytes() for name in ("pyproject.toml", "constraints.txt", ".venv/pyvenv.cfg")]
    return hashlib.sha256(b"\0".join(parts)).hexdigest()


def check_folder(root: Path) -> None:
    """Refuse, before pip fails without a word of it, a folder that setuptools takes for a text with variables."""
    found = re.search(r"\$[A-Za-z_]\w*|[{}]", str(root))
    if found:
        sys.exit(
            f"Distill can't be installed in {root}: setuptools takes “{found[0]}” in this path for a variable.\n"
            "Nothing was changed. Rename the folder without it, then try again."
        )


def install_offline() -> str | None:
    """Install Distill itself without a network, which is enough where all that it needs is there already.

    So it is after the folder was moved or renamed: an editable installation and its programs name the folder.
    Return None where that went well, otherwise what pip said, if it was tried.
    """
    if not python_agrees(venv_python(), "import setuptools, torch"):
        return ""
    say("Fitting .venv to this folder, without the network.")
    command = [*pip(), *INSTALL, "--no-index", "--no-build-isolation"]
    done = subprocess.run(
        [str(part) for part in command], cwd=str(ROOT), stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    return None if done.returncode == 0 else done.stdout.decode(errors="replace")


def ensure_packages(pip_options: Sequence[str]) -> None:
    stamp = VENV / ".distill"
    if not pip_options and stamp.is_file() and stamp.read_text() == fingerprint(ROOT):
        return
    check_folder(ROOT)
    offline = "" if pip_options else install_offline()
    if offline is not None:
        install(pip_options, offline)
    stamp.write_text(fingerprint(ROOT))


def install(pip_options: Sequence[str], offline: str = "") -> None:
    say("Installing Distill and what it needs into .venv. The first time takes minutes and about 1.8 GB of disk.")
    if call([*pip(), *INSTALL, *wheel_index(), *pip_options]) != 0:
        if offline:
            say(f"Before, without the network, this was why it failed:\n{offline[-MOST_OF_PIPS_WORDS:].strip()}")
        sys.exit("The installation failed; the lines above say why. Started again, it goes on where it stopped.")


def set_up(pip_options: Sequence[str] = ()) -> None:
    ensure_libraries()
    ensure_venv()
    ensure_packages(pip_options)


def window(models: Sequence[str] = ()) -> int:
    if not has_screen():
        say("There is no display here to open the window on. This does its main job without one: python3 run.py demo")
        return 1
    set_up()
    # Programs start in the project's folder, so a path has to say all of itself.
    return call([venv_python(), "-m", "app", *map(os.path.abspath, models)])


def setup(pip_options: Sequence[str]) -> int:
    set_up(pip_options)
    say("Distill is set up. Next: python3 run.py, or without a display: python3 run.py demo")
    return 0


def demo(options: Sequence[str]) -> int:
    set_up()
    folder = Path(tempfile.mkdtemp(prefix="distill-demo-"))
    say(f"The window does its main job by itself, on a copy of the demo in {folder}")
    return call([venv_python(), "-m", "app", "--demo", folder, *options], **WITHOUT_SCREEN)


def workers(options: Sequence[str]) -> list[str]:
    """Return pytest's options for two workers; none where the options choose some tests, workers or a debugger."""
    chooses = any(option.startswith(IN_ONE_PROCESS) or ".py" in option for option in options)
    return [] if chooses else TWO_WORKERS


def tests_in(report: Path) -> str:
    """Return how many tests a JUnit report tells of, in words."""
    found = re.search(r'<testsuite [^>]*\btests="(\d+)"', report.read_text("utf-8")) if report.is_file() else None
    return f"{int(found[1]):,} tests" if found else "The tests"


def test(options: Sequence[str]) -> int:
    set_up()
    with tempfile.TemporaryDirectory(prefix="distill-tests-") as folder:
        report, before = Path(folder, "report.xml"), os.times()
        command = [venv_python(), "-m", "pytest", *workers(options), f"--junitxml={report}", *options]
        code = call(command, **WITHOUT_SCREEN)
        after, tests = os.times(), tests_in(report)
    seconds = (after.children_user - before.children_user) + (after.children_system - before.children_system)
    say(f"{tests} took {seconds:.0f} CPU seconds, in all processes together.")
    return code


def has_extra(library: str, extra: str, why: str) -> bool:
    """Tell whether a library of one of pyproject's extras is there, installed here if need be."""
    if python_agrees(venv_python(), f"import {library}"):
        return True
    say(f"Installing {library}, {why}.")
    install = ["install", "--disable-pip-version-check", "--editable", f".[{extra}]", "--constraint", "constraints.txt"]
    return call([*pip(), *install, *wheel_index()]) == 0


def ensure_rival(library: str | None) -> None:
    if library is not None and not has_extra(library, "bench", "which Distill is compared with"):
        say("It could not be installed; the lines above say why. Going on without it.")


def bench(options: Sequence[str]) -> int:
    if not options or options[0] not in BENCHMARKS:
        say(f"Name a benchmark: {', '.join(BENCHMARKS)}")
        return 2
    set_up()
    ensure_rival(BENCHMARKS[options[0]])
    return call([venv_python(), "-m", f"benchmarks.{options[0]}", *options[1:]], **WITHOUT_SCREEN)


def soak(options: Sequence[str]) -> int:
    set_up()
    return call([venv_python(), "-m", "tests.soak", *options], **WITHOUT_SCREEN)


def screenshots(options: Sequence[str]) -> int:
    set_up()
    return call([venv_python(), ROOT / "docs/screenshots.py", *map(os.path.abspath, options)], **WITHOUT_SCREEN)


def docs(options: Sequence[str]) -> int:
    set_up()
    if "--try" in options:
        return call([venv_python(), ROOT / "docs/try_commands.py"], **WITHOUT_SCREEN)
    if not has_extra("material, mkdocstrings_handlers.python", "docs", "which build the site"):
        say("It could not be installed; the lines above say why. The pages in docs/ can be read as they are.")
        return 1
    return call([venv_python(), "-m", "mkdocs", "build", "--config-file", ROOT / ".mkdocs.yml", *options])


def bundle(options: Sequence[str]) -> int:
    set_up()
    if not has_extra("PyInstaller", "bundle", "which makes the bundle"):
        say("It could not be installed; the lines above say why. No bundle was made.")
        return 1
    places = [option if option.startswith("-") else os.path.abspath(option) for option in options]
    return call([venv_python(), ROOT / "resources/bundle/build.py", *places])


# One row a word: what it does, and the line that explains it. Further arguments go to the row's function.
WORDS = {
    "setup": (setup, "install what is missing; further options go to pip install"),
    "demo": (demo, "do the main job on the demo sounds in the real window, without a screen"),
    "test": (test, "run the tests; further options go to pytest"),
    "bench": (bench, "measure; one of " + ", ".join(BENCHMARKS)),
    "soak": (soak, "show for hours that nothing is lost or gets in; --only NAME: one proof; --minutes N: a sample"),
    "bundle": (bundle, "build programs that need no Python, in dist or a folder that is named; --check: prove them"),
    "screenshots": (screenshots, "picture every state of the window, in docs/screenshots or a folder that is named"),
    "docs": (docs, "build the site of docs/ in dist/docs, without a network; --try: run each command of its pages"),
}
# Their programs would explain more, but only once everything is set up.
EXPLAINED_HERE = ("bundle", "docs", "screenshots")


def line(word: str, explanation: str) -> str:
    return f"  python3 run.py {word:12}{explanation}"


def usage() -> str:
    rows = [("", "open the window"), ("MODEL", "open the window with a .distill file")]
    rows += [(word, explanation) for word, (_, explanation) in WORDS.items()]
    lines = [line(word, explanation) for word, explanation in rows]
    return "\n".join(["Distill: train a prior for a model of sounds, and listen to it.", "", *lines])


def start(arguments: Sequence[str]) -> int:
    """Do what the words ask for and return the exit code."""
    if not arguments:
        return window()
    word, *options = arguments
    if word in ("-h", "--help", "help"):
        say(usage())
        return 0
    if word in EXPLAINED_HERE and {"-h", "--help"} & set(options):
        say(line(word, WORDS[word][1]))
        return 0
    if word in WORDS:
        return WORDS[word][0](options)
    if word.endswith(".distill") and not options:
        return window([word])
    say(f'run.py does not know the word "{word}".\n\n{usage()}')
    return 2


def main(arguments: Sequence[str]) -> int:
    if sys.version_info >= OLDEST_PYTHON:
        return start(arguments)
    found = filter(None, map(shutil.which, NEWER_PYTHONS))
    newer = next(filter(is_new_enough, found), None)
    if newer:
        return call([newer, Path(__file__).resolve(), *arguments])
    sys.exit(f"Distill needs Python 3.11 or newer; this one is {sys.version.split()[0]}. See https://www.python.org")


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
