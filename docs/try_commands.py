"""Runs every command of the pages: `python3 run.py docs --try`.

They run one after another in one folder, as the pages say: beside sounds in `kicks`, which are the demo's, and from the
second page on with what the first, terminal.md, has made. Commands that set Distill up, or open a window, are not run
here: pages give them another language than `sh`.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from time import monotonic

DOCS = Path(__file__).resolve().parent
SOUNDS = DOCS.parent / "resources" / "demo" / "sounds"
_BLOCK = re.compile(r"^( *)```sh\n(.*?)^\1```$", re.DOTALL | re.MULTILINE)


def commands_of(page: Path) -> list[list[str]]:
    """Return the commands in a page's `sh` blocks, each as its words."""
    lines = [line for _, block in _BLOCK.findall(page.read_text("utf-8")) for line in block.splitlines()]
    return [words for words in (shlex.split(line, comments=True) for line in lines) if words]


def pages() -> list[Path]:
    """Return the pages that have commands, terminal.md first."""
    found = [page for page in sorted(DOCS.glob("*.md")) if commands_of(page)]
    return sorted(found, key=lambda page: page.name != "terminal.md")


def _try(command: list[str], folder: Path) -> bool:
    begin = monotonic()
    program = [sys.executable, "-m", "distill_core.cli", *command[1:]]
    environment = {**os.environ, "XDG_DATA_HOME": str(folder / ".data"), "XDG_CACHE_HOME": str(folder / ".cache")}
    done = subprocess.run(program, cwd=folder, env=environment, capture_output=True, text=True)
    outcome = "ok" if done.returncode == 0 else f"exit code {done.returncode}"
    print(f"{outcome}, {monotonic() - begin:.0f} s: {shlex.join(command)}", flush=True)
    if done.returncode:
        print(done.stdout + done.stderr, flush=True)
    return done.returncode == 0


def main() -> int:
    """Try the commands of all pages and return 1 if one of them failed."""
    tried = []
    with tempfile.TemporaryDirectory(prefix="distill-docs-") as folder:
        shutil.copytree(SOUNDS, Path(folder, "kicks"))
        for page in pages():
            print(f"\n{page.name}")
            tried += [_try(command, Path(folder)) for command in commands_of(page)]
    print(f"\n{sum(tried)} of {len(tried)} commands ended well.")
    return 0 if all(tried) else 1


if __name__ == "__main__":
    sys.exit(main())
