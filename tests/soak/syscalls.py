"""Syscall failures: each syscall of a save fails in turn with each error, writes less than asked for, or kills.

strace's fault injection strikes the Nth call of a name for N = 1, 2, 3 … until a save ends unharmed. The saver is
attached to right before the save and tells its words through a call that is never struck, so every strike is inside.
"""

from __future__ import annotations

import os
import re
import resource
import shutil
import signal
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from tests.soak.result import Result, not_run
from tests.soak.saver import LONGEST_SECONDS, Saver
from tests.soak.subject import NEW, OLD, Subject, judge, judge_model

NAME = "syscall failures"
ERRORS = {"EIO": "error=EIO", "ENOSPC": "error=ENOSPC"}
KILL = {"kill": "signal=KILL"}
# Says that one byte was written, and writes none.
LOST = {"lost write": "retval=1"}
WRITING = {"write", "pwrite64", "sendfile", "copy_file_range"}
SHORT_WRITE = "short write"
# A save that runs out of memory or loses its threads is another matter; these are only killed at.
MEMORY_AND_PROCESS = {"mmap", "munmap", "mremap", "mprotect", "madvise", "brk", "futex"}
MEMORY_AND_PROCESS |= {"getpid", "gettid", "getuid", "geteuid", "getgid", "getegid", "umask", "rt_sigaction"}
MEMORY_AND_PROCESS |= {"rt_sigprocmask", "clock_gettime", "sched_yield", "sched_getaffinity"}
# The saver's own: how it waits, tells and ends.
SAVERS_OWN = {"rt_sigtimedwait", "rt_sigreturn", "restart_syscall", "writev", "exit_group", "exit"}
SHORT_WRITE_POINTS = 100
CONTROL_KILLS = 10

Fault = tuple[str, str]


def _wait_for_start() -> None:
    signal.sigwait([signal.SIGUSR1])


def _is_traced(saver: Saver) -> bool:
    status = Path(f"/proc/{saver.pid}/status").read_text()
    return "TracerPid:\t0\n" not in status


def _traced(save: Callable[[], object], log: Path, *options: str) -> tuple[Saver, str]:
    """Run a save under strace; return it and its last word."""
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])
    saver = Saver(save, _wait_for_start)
    saver.wait_for_begin()
    command = ["strace", "-f", "-qq", "-o", str(log), *options, "-p", str(saver.pid)]
    tracer = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    until = time.monotonic() + LONGEST_SECONDS
    while not _is_traced(saver) and tracer.poll() is None and time.monotonic() < until:
        time.sleep(0.0005)
    saver.send(signal.SIGUSR1)
    told = saver.end()
    tracer.wait()
    return saver, told


def _calls(save: Callable[[], object], log: Path) -> Counter[str]:
    """Return how often a save that nothing strikes makes each syscall."""
    _, told = _traced(save, log)
    names = re.findall(r"^\d+ +(\w+)\(", log.read_text(errors="replace"), re.MULTILINE)
    if told != "saved" or not names:
        raise RuntimeError(f"strace saw {len(names)} calls of a save that ended with {told}")
    return Counter(names)


def _modes_of(name: str) -> dict[str, str]:
    if name in MEMORY_AND_PROCESS:
        return KILL
    return ERRORS | KILL | (LOST if name in WRITING else {})


class Strikes:
    """Strikes saves into one model, one fault each."""

    def __init__(self, subject: Subject, log: Path) -> None:
        self._subject, self._log = subject, log
        self.struck: Counter[str] = Counter()

    def calls(self) -> Counter[str]:
        """Return how often a save makes each syscall."""
        self._subject.put()
        return _calls(lambda: self._subject.save(NEW), self._log)

    def inject(self, save: Callable[[], object], fault: Fault, number: int) -> tuple[bool, str]:
        """Fail the call of that number; return whether there was one, and the saver's last word."""
        name, mode = fault
        self._subject.put()
        how = f"inject={name}:{_modes_of(name)[mode]}:when={number}"
        saver, told = _traced(save, self._log, "-e", f"trace={name}", "-e", how)
        was_killed = saver.status is not None and os.WIFSIGNALED(saver.status)
        return was_killed or "(INJECTED)" in self._log.read_text(errors="replace"), told

    def strike(self, fault: Fault, number: int) -> tuple[bool, list[str]]:
        """Strike a save; return whether it was hit, and what is wrong afterwards."""
        if fault[1] == SHORT_WRITE:
            is_hit, told = self._cut_writes_short(number)
        else:
            is_hit, told = self.inject(lambda: self._subject.save(NEW), fault, number)
        self.struck[fault[1]] += is_hit
        wrong = judge(self._subject, told, OLD, NEW) + self._false_comfort(told)
        return is_hit, [f"{fault[0]} {number}, {fault[1]}: {violation}" for violation in wrong]

    def _false_comfort(self, told: str) -> list[str]:
        if "unchanged" in told and not judge_model(self._subject, "", NEW, NEW):
            return [f"Told “{told}”, and the new prior is there"]
        return []

    def _cut_writes_short(self, number: int) -> tuple[bool, str]:
        """Let no file grow longer than a part of the model: the write there is short, and the next one fails."""
        self._subject.put()
        size = self._subject.path.stat().st_size
        limit = 1 + (number - 1) * size // SHORT_WRITE_POINTS
        hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
        saver = Saver(lambda: self._subject.save(NEW), lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard)))
        told = saver.end()
        return told != "saved", told

    def control_fails(self) -> bool:
        """Tell whether a save straight onto the file, killed at its writes, loses something."""
        save = self._subject.unsafe_save(NEW)
        return any(
            judge_model(self._subject, self.inject(save, (name, "kill"), number)[1], OLD, NEW)
            for number in range(1, CONTROL_KILLS)
            for name in ("write", "writev")
        )


def _why_not() -> str | None:
    if shutil.which("strace") is None:
        return "Not on this computer: strace"
    probe = subprocess.run(["strace", "-qq", "-o", os.devnull, "true"], capture_output=True, text=True)
    return None if probe.returncode == 0 else f"strace may not trace here: {probe.stderr.strip()}"


def _fault_counts(calls: Counter[str]) -> dict[Fault, int]:
    counts = {
        (name, mode): count for name, count in calls.items() if name not in SAVERS_OWN for mode in _modes_of(name)
    }
    return counts | {("any write", SHORT_WRITE): SHORT_WRITE_POINTS}


def _strike_all(strikes: Strikes, faults: list[Fault], most: int, until: float) -> tuple[int, list[str]]:
    """Strike the first call of each kind, then the second …: a sample that ends early has seen all kinds.

    A kind is done, and leaves `faults`, when a save has no call of that number any more.
    """
    number, done = 0, 0
    violations: list[str] = []
    while faults:
        number += 1
        for fault in list(faults):
            if done >= most or (done and time.monotonic() >= until):
                return done, violations
            is_hit, wrong = strikes.strike(fault, number)
            violations += wrong
            done += is_hit
            if not is_hit:
                faults.remove(fault)
    return done, violations


def syscall_failures(wanted: int, until: float) -> Result:
    """Fail every syscall of a save in every mode, at most `wanted` of them unless that is 0."""
    start = time.monotonic()
    if reason := _why_not():
        return not_run(NAME, wanted, reason)
    with tempfile.TemporaryDirectory(prefix="distill-syscalls-") as folder:
        strikes = Strikes(Subject(Path(folder, "models")), Path(folder, "strace.log"))
        calls = strikes.calls()
        control_failed = strikes.control_fails()
        counts = _fault_counts(calls)
        left = sorted(counts)
        done, violations = _strike_all(strikes, left, wanted or 10**9, until)
    if calls["writev"] != 1:
        violations.append("The save uses writev, which is left alone here")
    facts = [", ".join(f"{mode}: {count}" for mode, count in strikes.struck.items()) + ". All inside the save."]
    facts.append("Calls of a save: " + ", ".join(f"{name} {count}" for name, count in calls.items()) + ".")
    # Two saves differ by a call or two for memory; all of them are those that were met until none was left.
    everything = wanted or (max(done, sum(counts.values())) if left else done)
    return Result(NAME, everything, done, violations, control_failed, None, time.monotonic() - start, facts)
