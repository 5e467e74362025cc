"""Power cuts: an ext4 image on a loop device loses all that was not flushed, at a random moment in or after a save.

Not simulated: device writes torn in half, drives that tell "flushed" and lie.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import struct
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.soak.result import Moments, Result, not_run
from tests.soak.saver import Saver, save_seconds
from tests.soak.subject import EARLIER, NEW, OLD, Subject, judge, judge_model

NAME = "power cuts"
MOUNTS = ("data=ordered", "data=ordered,noauto_da_alloc", "data=writeback,noauto_da_alloc")
IMAGE_BYTES = 96 * 2**20
CONTROL_CUTS = 20
_HELD_SECONDS = 30.0
TOOLS = ("mkfs.ext4", "mount", "umount")
# _IOR('X', 125, __u32) of fs/ext4, and its flag to drop the journal's unwritten part.
EXT4_IOC_SHUTDOWN, NO_LOG_FLUSH = 0x8004587D, 2


def _do(*command: object) -> None:
    subprocess.run([str(part) for part in command], check=True, capture_output=True, text=True)


def _unmount(folder: Path) -> None:
    # A process that was just killed may still hold it, on a busy machine for seconds. While anybody does, mounting the
    # image again gives back the file system that was shut down.
    until = time.monotonic() + _HELD_SECONDS
    while time.monotonic() < until:
        try:
            return _do("umount", folder)
        except subprocess.CalledProcessError:
            time.sleep(0.02)
    _do("umount", folder)


class Disk:
    """An ext4 image that is mounted with given options until its block ends."""

    def __init__(self, folder: Path, options: str) -> None:
        self._image, self.folder, self._options = folder / "image", folder / "disk", options
        self.folder.mkdir(parents=True)
        with self._image.open("wb") as file:
            file.truncate(IMAGE_BYTES)
        _do("mkfs.ext4", "-q", "-F", "-m", "0", self._image)

    def mount(self) -> None:
        """Mount it; after a cut this is where the journal is replayed."""
        _do("mount", "-t", "ext4", "-o", f"loop,{self._options}", self._image, self.folder)

    @contextmanager
    def mounted(self) -> Iterator[None]:
        """Mount it, and unmount it in the end."""
        self.mount()
        try:
            yield
        finally:
            if self.folder.is_mount():
                _do("umount", "--lazy", self.folder)

    def shut_down(self) -> None:
        """Lose all that was not flushed; nothing is written from here on.

        Raises:
            OSError: this system has no such ioctl, or forbids it.
        """
        descriptor = os.open(self.folder, os.O_RDONLY)
        try:
            fcntl.ioctl(descriptor, EXT4_IOC_SHUTDOWN, struct.pack("I", NO_LOG_FLUSH))
        finally:
            os.close(descriptor)

    def cut(self, saver: Saver) -> str:
        """Cut the power under a saver, start again, and return the saver's last word."""
        self.shut_down()
        saver.send(signal.SIGKILL)
        told = saver.end()
        _unmount(self.folder)
        self.mount()
        return told


def _first_line(text: str) -> str:
    return text.strip().partition("\n")[0]


def _why_not() -> str | None:
    if missing := [tool for tool in TOOLS if shutil.which(tool) is None]:
        return f"Not on this computer: {', '.join(missing)}"
    if not hasattr(os, "geteuid") or os.geteuid() != 0:
        return "Only root may mount an image"
    with tempfile.TemporaryDirectory(prefix="distill-power-") as folder:
        disk = Disk(Path(folder, "try"), MOUNTS[0])
        try:
            with disk.mounted():
                disk.shut_down()
        except subprocess.CalledProcessError as error:
            return f"An image cannot be mounted here: {_first_line(error.stderr).replace(folder, '')}"
        except OSError as error:
            return f"A file system cannot be shut down here: {error.strerror}"
    return None


class Bench:
    """A disk with a model on it, whose prior changes number with each save that survives its cut."""

    def __init__(self, disk: Disk, subject: Subject, seed: int) -> None:
        self.disk, self.subject = disk, subject.copy_in(disk.folder / "models")
        self._set_back()
        self.moments = Moments(save_seconds(lambda: self.subject.save(NEW)), seed)
        self._set_back()

    def _set_back(self) -> None:
        self.subject.put()
        os.sync()
        self._now, self._kept = OLD, EARLIER

    def _cut(self, save: Callable[[int], object]) -> tuple[str, int, int]:
        """Cut the power at the next moment of a save; return its last word, the prior before and the one saved."""
        old, new = self._now, NEW if self._now == OLD else OLD
        saver = Saver(lambda: save(new))
        saver.wait_for_begin()
        time.sleep(self.moments.next())
        told = self.disk.cut(saver)
        self.moments.note(told != "saved")
        return told, old, new

    def cut_a_save(self) -> list[str]:
        """Cut the power in or after a save and return what is wrong afterwards."""
        violations = judge(self.subject, *self._cut(self.subject.save), self._kept)
        if violations:
            self._set_back()
        else:
            self._now, self._kept = map(self.subject.number_in, (self.subject.path, self.subject.backup))
        return violations

    def _save_without_fsync(self, number: int) -> None:
        # Runs in the saver's process only, which ends with it.
        for name in ("fsync", "fdatasync"):
            setattr(os, name, lambda descriptor: None)
        self.subject.save(number)

    def control_fails(self) -> bool:
        """Tell whether saves without fsync lose something."""
        lost = False
        for _ in range(CONTROL_CUTS):
            lost = bool(judge_model(self.subject, *self._cut(self._save_without_fsync)))
            self._set_back()
            if lost:
                break
        self.moments.restart()
        return lost


def _cuts(wanted: int, until: float, folder: Path) -> Result:
    start, done, violations = time.monotonic(), 0, []
    subject = Subject(folder / "models")
    with ExitStack() as stack:
        benches = []
        for number, options in enumerate(MOUNTS):
            disk = Disk(folder / str(number), options)
            stack.enter_context(disk.mounted())
            benches.append(Bench(disk, subject, seed=number))
        controls = [bench.control_fails() for bench in benches]
        while done < wanted and (done == 0 or time.monotonic() < until):
            bench = benches[done % len(benches)]
            violations += bench.cut_a_save()
            done += 1
    facts = [f"{options}: {bench.moments.fact()}" for options, bench in zip(MOUNTS, benches, strict=True)]
    violations += [doubt for bench in benches for doubt in bench.moments.doubts()]
    return Result(NAME, wanted, done, violations, all(controls), None, time.monotonic() - start, facts)


def power_cuts(wanted: int, until: float) -> Result:
    """Cut the power `wanted` times, on three kinds of mounts in turn; the control saves without fsync."""
    if reason := _why_not():
        return not_run(NAME, wanted, reason)
    with tempfile.TemporaryDirectory(prefix="distill-power-") as folder:
        return _cuts(wanted, until, Path(folder))
