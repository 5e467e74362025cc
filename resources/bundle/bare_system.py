"""Proves the bundle on a system without Python: a Debian that holds its base and the libraries of the window.

Everything but the making of that system happens without a network and as a person without rights.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from app.desktop.screen import LIBRARIES, SCREEN_LIBRARIES, apt_line  # noqa: E402

TOOLS = ("debootstrap", "chroot", "unshare")
PICTURE_TOOLS = ("Xvfb", "xdotool", "import")
PERSON = 1000  # the number of the first person on a Debian
HOME = "/home/musician"
# The terminal's way from the demo's sounds to a take, with what each step must say or leave.
STEPS = """
set -eu
! command -v python3 && ! command -v python || { echo "There is a Python here, so this proves nothing."; exit 1; }
cd; echo "== It unpacks"; tar -xf ~/archive.tar.xz; rm ~/archive.tar.xz; bundle=$(echo ~/distill-*)
echo "== The window does its main job"; QT_QPA_PLATFORM=offscreen "$bundle/distill-app" --demo ~/demo
test -s ~/demo/distill.png
echo "== A way without stdout, as on Windows"; "$bundle/distill-app" --register --remove >&- 2>&-
echo "== It installs"; "$bundle/install.sh"
grep -x "Exec=$HOME/.local/lib/distill/distill-app %F" ~/.local/share/applications/distill.desktop
rm -r "$bundle"; PATH=$HOME/.local/bin:$PATH
echo "== A model of one's own"; distill train ~/demo/sounds -o ~/own.distill --epochs 3
echo "== Its prior"; distill train-prior ~/own.distill ~/demo/sounds --effort quick --time-limit 1 --save-worse
echo "== A take"; distill generate ~/own.distill -o ~/new.wav --seconds 2; test -s ~/new.wav
echo "== A door into the studio"; distill export ~/own.distill --as neutone -o ~/own.nm; test -s ~/own.nm
echo "== What the file holds"; distill inspect ~/own.distill
"""
LAST = """
set -eu
echo "== It goes away again, and takes nothing along"; ~/.local/lib/distill/install.sh --uninstall
test ! -e ~/.local/lib/distill; test ! -e ~/.local/bin/distill; test ! -e ~/.local/share/applications/distill.desktop
test -s ~/own.distill
"""


def lacking() -> list[str]:
    """Return what this computer lacks for the proof."""
    if not sys.platform.startswith("linux"):
        return ["Linux"]
    root = [] if os.geteuid() == 0 else ["root"]
    return root + [tool for tool in TOOLS if shutil.which(tool) is None]


def run(command: Sequence[str | Path], **options: object) -> None:
    subprocess.run(list(map(str, command)), check=True, **options)  # type: ignore[call-overload]


def own_release() -> str:
    """Return the name of this Debian's release; the libraries that the bundle has from here are as old."""
    lines = Path("/etc/os-release").read_text().splitlines()
    return next((line.partition("=")[2] for line in lines if line.startswith("VERSION_CODENAME=")), "stable")


def make_system(folder: Path) -> None:
    run(["debootstrap", "--variant=minbase", own_release(), folder], stdout=subprocess.DEVNULL)
    packages = [*LIBRARIES.values(), *SCREEN_LIBRARIES["DISPLAY"].values(), "shared-mime-info", "xz-utils"]
    environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "DEBIAN_FRONTEND": "noninteractive", "LANG": "C.UTF-8"}
    for command in (["apt-get", "update"], apt_line(packages)):
        run(["chroot", folder, *command], env=environment, stdout=subprocess.DEVNULL)
    home = folder / HOME.lstrip("/")
    home.mkdir(parents=True)
    with (folder / "etc/passwd").open("a") as accounts:
        accounts.write(f"musician:x:{PERSON}:{PERSON}::{HOME}:/bin/sh\n")


def inside(folder: Path, command: list[str], **environment: str) -> list[str]:
    """Return the command that runs one inside the system: as a person, with processes of its own and no network."""
    person = [f"--setuid={PERSON}", f"--setgid={PERSON}"]
    spaces = ["--mount", "--pid", "--net", "--fork", "--kill-child", "--mount-proc", f"--root={folder}"]
    words = {"HOME": HOME, "PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", **environment}
    return ["unshare", *spaces, *person, "env", "-i", *(f"{name}={word}" for name, word in words.items()), *command]


def picture(folder: Path, target: Path) -> None:
    """Take a picture of the installed window on a display outside, through the display's socket."""
    missing = [tool for tool in PICTURE_TOOLS if shutil.which(tool) is None]
    if missing:
        print(f"Without {', '.join(missing)} there is no picture of the window.", flush=True)
        return
    reader, writer = os.pipe()
    server = subprocess.Popen(["Xvfb", "-displayfd", str(writer), "-screen", "0", "1280x800x24"], pass_fds=[writer])
    sockets = folder / "tmp/.X11-unix"
    try:
        display = os.read(reader, 16).decode().strip()
        sockets.mkdir()
        os.link(f"/tmp/.X11-unix/X{display}", sockets / f"X{display}")
        program = [f"{HOME}/.local/bin/distill-app", f"{HOME}/own.distill"]
        window = subprocess.Popen(inside(folder, program, DISPLAY=f":{display}"))
        outside = {**os.environ, "DISPLAY": f":{display}"}
        run(["timeout", "60", "xdotool", "search", "--sync", "--onlyvisible", "--name", "Distill"], env=outside)
        time.sleep(20)  # the model opens, and has its first take made
        run(["import", "-window", "root", target], env=outside)
        window.kill()
        window.wait()
    finally:
        server.terminate()
        server.wait()
    print(f"Picture of the window: {target}", flush=True)


def check(archive: Path, target: Path) -> int:
    """Prove an archive, put the demo's picture and take into `target`, and return the exit code."""
    with tempfile.TemporaryDirectory(prefix="distill-bare-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        print(f"Making a bare Debian in {folder}", flush=True)
        make_system(folder)
        home = folder / HOME.lstrip("/")
        shutil.copy(archive, home / "archive.tar.xz")
        run(["chown", "--recursive", f"{PERSON}:{PERSON}", home])
        try:
            run(inside(folder, ["sh", "-c", STEPS]))
            picture(folder, target / "window.png")
            run(inside(folder, ["sh", "-c", LAST]))
        except subprocess.CalledProcessError:
            print("The bundle does not hold; the lines above say where.", flush=True)
            return 1
        shutil.copy(home / "demo/distill.png", target / "demo.png")
    print("The bundle holds.", flush=True)
    return 0
