"""A warm Python: `[*warm_python(), "-m", "distill_core.cli", …]` does what `[sys.executable, …]` does, but sooner.

A process of its own imports torch and what the programs import with it, once, which takes 5 s of the processor. For
each command it forks a process, which has the arguments, streams, folder and environment of the command.
"""

from __future__ import annotations

import atexit
import gc
import json
import os
import runpy
import select
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import traceback
import types
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import NoReturn

from tests import stand_in
from tests.stand_in import NUMBER

ROOT = Path(__file__).parents[1]
_ADDRESS = "DISTILL_WARM_PYTHON"
_LEAVES_SLOWLY = ["-X", "leaves_slowly"]
# What the programs import, also late; vector_quantize_pytorch brings torch._dynamo along.
_WARM = (
    "distill_core.audio.dataset",
    "distill_core.cli",
    "distill_core.models.persistence",
    "distill_core.training.prior.train",
    "distill_core.training.codec.train",
    "pytest",
    "torch.profiler",
    "vector_quantize_pytorch",
)
# A process that has threads must not fork, and numpy starts some as soon as it is imported.
_WITHOUT_THREADS = {"OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}


# What a test calls


class _WarmProcess:
    """The warm process, and the address at which it is asked for commands."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="distill-warm-")
        self.address = os.path.join(self._folder.name, "socket")
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(self.address)
            listener.listen()
            self._process = subprocess.Popen(
                [sys.executable, "-c", f"from tests.warm_python import serve; serve({listener.fileno()})"],
                cwd=ROOT,
                env=os.environ | _WITHOUT_THREADS,
                stdin=subprocess.PIPE,
                pass_fds=[listener.fileno()],
                start_new_session=True,  # a Ctrl-C is for pytest, which then ends this one
            )

    def stop(self) -> None:
        """End it, and with it what it has forked."""
        self._process.communicate()
        self._folder.cleanup()


_started: list[_WarmProcess] = []


def _is_possible() -> bool:
    return sys.platform == "linux" and hasattr(os, "pidfd_open")


def share() -> None:
    """Start the warm process now, for this process and those that it starts."""
    if _is_possible():
        _started.append(_WarmProcess())
        os.environ[_ADDRESS] = _started[0].address


def warm_python(leaves_slowly: bool = False) -> list[str]:
    """Return what a command begins with: a warm Python or, where there can be none, a cold one.

    It ends at once, unless `leaves_slowly`: then it takes everything down as Python does, which takes half a second.
    """
    if not _is_possible():
        return [sys.executable]
    if _ADDRESS not in os.environ:
        share()
    command = [sys.executable, "-ESs", stand_in.__file__, os.environ[_ADDRESS]]
    return [*command, *_LEAVES_SLOWLY] if leaves_slowly else command


def stop() -> None:
    """End the warm process, if this process started one."""
    while _started:
        _started.pop().stop()
        del os.environ[_ADDRESS]


# The warm process


@dataclass(frozen=True, slots=True)
class _Command:
    """A command as it was started; the streams are file descriptors."""

    arguments: list[str]
    folder: str
    environment: dict[str, str]
    streams: list[int]


def _read_command(connection: socket.socket) -> _Command:
    size, streams, *_ = socket.recv_fds(connection, NUMBER.size, 3)
    return _Command(**json.loads(stand_in.read(connection, *NUMBER.unpack(size))), streams=streams)


def _exit_code(process: int, connection: socket.socket) -> int:
    """Wait for a process to end, or kill it once its stand-in was killed; return its code as subprocess has it."""
    end = os.pidfd_open(process)
    ready, _, _ = select.select([end, connection], [], [])
    if end not in ready:
        os.kill(process, signal.SIGKILL)
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


def _fork_for(connection: socket.socket) -> _Command:
    """Return the command in the process that is forked for it; this one ends when that one has."""
    try:
        command = _read_command(connection)
    except (EOFError, struct.error):  # its stand-in was killed before it had asked
        os._exit(0)
    process = os.fork()
    if process == 0:
        connection.close()
        return command
    for number in (0, *command.streams):
        os.close(number)
    with suppress(BrokenPipeError):  # its stand-in was killed, and with it goes the process
        connection.sendall(NUMBER.pack(process))
    code = _exit_code(process, connection)
    with suppress(BrokenPipeError):
        connection.sendall(NUMBER.pack(code))
    os._exit(0)


def _next_command(listener: socket.socket) -> _Command:
    """Fork for every command that is asked for, and return it in the forked process.

    Raises:
        SystemExit: pytest has ended, or wants this process to.
    """
    while True:
        ready, _, _ = select.select([listener, 0], [], [])
        if 0 in ready:
            raise SystemExit
        connection, _ = listener.accept()
        if os.fork() == 0:
            listener.close()
            return _fork_for(connection)
        connection.close()
        with suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG) != (0, 0):
                pass


def _become(command: _Command) -> None:
    """Take over what Python takes over from its starter."""
    os.environ.clear()
    os.environ.update(command.environment)
    tempfile.tempdir = None  # found by the environment, once
    os.chdir(command.folder)
    for number, stream in enumerate(command.streams):
        os.dup2(stream, number)
        os.close(stream)
    encoding = command.environment.get("PYTHONIOENCODING")
    for name, number, mode in (("stdin", 0, "r"), ("stdout", 1, "w"), ("stderr", 2, "w")):
        errors = "backslashreplace" if name == "stderr" else "strict"
        buffering = 1 if name == "stderr" or os.isatty(number) else -1
        stream = open(number, mode, buffering, encoding, errors, closefd=False)  # noqa: SIM115
        setattr(sys, name, stream)


def _run(arguments: list[str]) -> None:
    """Do what Python does with `-m MODULE …` and `-c PROGRAM …`."""
    option, what, *sys.argv[1:] = arguments
    sys.path[0] = os.getcwd()
    if option == "-m":
        runpy.run_module(what, run_name="__main__", alter_sys=True)
    else:
        main = sys.modules["__main__"] = types.ModuleType("__main__")
        exec(what, vars(main))


def _exit_code_of(arguments: list[str]) -> int:
    """Run a command and return its exit code; a negative one is a signal."""
    try:
        _run(arguments)
    except SystemExit as end:
        if isinstance(end.code, int | None):
            return end.code or 0
        print(end.code, file=sys.stderr)  # noqa: T201
        return 1
    except BaseException as error:  # noqa: BLE001 - Python itself catches all
        traceback.print_exc()
        return -signal.SIGINT if isinstance(error, KeyboardInterrupt) else 1
    return 0


def _leave(code: int) -> NoReturn:
    """End without taking down what was imported: that would copy its memory first."""
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    stand_in.end_as(code)


def serve(listener: int) -> NoReturn:
    """Warm up, then be every command that is asked for, each in a process that is forked for it."""
    for name in _WARM:
        import_module(name)
    threads = os.listdir("/proc/self/task")
    assert len(threads) == 1, "a process that has threads must not fork"
    gc.collect()
    gc.freeze()  # no forked process has to look through what is here
    command = _next_command(socket.socket(fileno=listener))
    _become(command)
    if command.arguments[:2] == _LEAVES_SLOWLY:
        sys.exit(_exit_code_of(command.arguments[2:]))
    _leave(_exit_code_of(command.arguments))
