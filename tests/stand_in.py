"""`python -ESs stand_in.py ADDRESS ARGUMENTS` has a fork of the warm process do what `python ARGUMENTS` would.

It gives its streams, folder and environment away, passes signals on and ends as the fork ends. It runs without
site-packages and imports little: its start is all that a test pays.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import struct
import sys
from contextlib import suppress
from typing import NoReturn

NUMBER = struct.Struct("=i")


def read(connection: socket.socket, size: int) -> bytes:
    """Return that many bytes.

    Raises:
        EOFError: the other side has gone.
    """
    content = b""
    while len(content) < size:
        more = connection.recv(size - len(content))
        if not more:
            raise EOFError
        content += more
    return content


def _ask(connection: socket.socket, arguments: list[str]) -> None:
    command = {"arguments": arguments, "folder": os.getcwd(), "environment": dict(os.environ)}
    content = json.dumps(command).encode()
    socket.send_fds(connection, [NUMBER.pack(len(content))], [0, 1, 2])
    connection.sendall(content)


def _pass_on(process: int, number: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(process, number)


def end_as(code: int) -> NoReturn:
    """End with an exit code, or for a negative one by that signal."""
    if code < 0:
        if -code != signal.SIGKILL:
            signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    os._exit(code)


def main(address: str, *arguments: str) -> NoReturn:
    """Have the command run, and end as it ends."""
    passed_on = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    signal.pthread_sigmask(signal.SIG_BLOCK, passed_on)  # until it is known whom to pass them on to
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(address)
        _ask(connection, list(arguments))
        os.closerange(0, 3)  # the forked process alone holds the streams, so they end with it
        (process,) = NUMBER.unpack(read(connection, NUMBER.size))
        for number in passed_on:
            signal.signal(number, lambda number, _: _pass_on(process, number))
        signal.pthread_sigmask(signal.SIG_UNBLOCK, passed_on)
        (code,) = NUMBER.unpack(read(connection, NUMBER.size))
    end_as(code)


if __name__ == "__main__":
    main(*sys.argv[1:])
