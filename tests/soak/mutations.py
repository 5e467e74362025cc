"""Mutated files: a valid one with bytes, opcodes, values or records changed at random, each again from its number.

Most keep their checksums right, for a file whose bytes alone are changed never gets past those.
"""

from __future__ import annotations

import pickletools
import struct
from collections.abc import Callable
from functools import cached_property
from random import Random

from tests.soak.specimen import Specimen, pack, text

_WILD_INTEGERS = (0, 1, -1, 3, 255, 256, 65_536, 2**31 - 1, -(2**31), 2**32, 2**63 - 1, 2**64, -(2**63), 10**18)
_WILD_FLOATS = (0.0, -1.0, 1e-320, 1e308, float("inf"), -float("inf"), float("nan"))
_WILD_TEXTS = ("", "0", "cpu", "meta", "cuda:0", "flat", "frames", "\ud800", "a" * 5000, "\x00", "../data/0", "ünï")
_WILD_VALUES = (b"N", b"\x88", b"\x89", b"]", b"}", b")", b"ccollections\nOrderedDict\n)R", b"](K\x01K\x02e")
_ODD_OPCODES = (*_WILD_VALUES, b"0", b"2", b"(", b"t", b"s", b"u", b"e", b"a", b"b", b"R", b"Q", b".", b"\x85", b"\x86")
_ODD_OPCODES += (
    b"\x81",
    b"\x93",
    b"o",
    b"P1\n",
    b"cos\nsystem\n",
    b"ctorch\nIntStorage\n",
    b"h\x00",
    b"j\xff\xff\xff\xff",
)
_SCALARS = ("BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT", "NEWTRUE", "NEWFALSE", "NONE", "BINUNICODE")


def _wild_value(random: Random) -> bytes:
    """Return opcodes that leave one value on the stack."""
    kind = random.randrange(5)
    if kind == 0:
        return b"G" + struct.pack(">d", random.choice(_WILD_FLOATS))
    if kind == 1:
        return text(random.choice(_WILD_TEXTS))
    if kind == 2:
        return random.choice(_WILD_VALUES)
    value = random.choice(_WILD_INTEGERS) if kind == 3 else random.randrange(-2, 300)
    return b"\x8a\x10" + value.to_bytes(16, "little", signed=True)


def _flipped(content: bytes, random: Random) -> bytes:
    changed = bytearray(content)
    for _ in range(random.choice((1, 1, 1, 2, 8))):
        changed[random.randrange(len(changed))] ^= 1 << random.randrange(8)
    return bytes(changed)


def _span(size: int, random: Random) -> tuple[int, int]:
    start = random.randrange(size)
    return start, min(size, start + int(2 ** random.uniform(0, 16)))


class Mutator:
    """Makes the mutated file of every number; the same number always gives the same file.

    A file is told as how many of the specimen's first bytes it begins with, and what follows: most differ at the end.
    """

    def __init__(self, specimen: Specimen, seed: int) -> None:
        self._specimen, self._seed = specimen, seed
        self.start = specimen.before_pickle
        self._packed = specimen.with_pickle(specimen.pickle)
        self._ways: tuple[Callable[[Random], tuple[int, bytes]], ...] = (
            self._anywhere, self._near_the_end, self._cut, self._doubled, self._records,
            *[self._pickle_bytes] * 2, *[self._opcodes] * 5, *[self._values] * 8,
        )  # fmt: skip

    def __call__(self, number: int) -> tuple[int, bytes]:
        """Return how many bytes of `start` the file begins with, and the others."""
        random = Random(f"{self._seed}/{number}")
        return random.choice(self._ways)(random)

    def _with_pickle(self, pickle: bytes) -> tuple[int, bytes]:
        return len(self.start), self._specimen.tail(pickle)

    @cached_property
    def _spans(self) -> list[tuple[str, bytes]]:
        """All opcodes in order: name and bytes with the argument."""
        found = [(opcode.name, position or 0) for opcode, _, position in pickletools.genops(self._specimen.pickle)]
        ends = [position for _, position in found[1:]] + [len(self._specimen.pickle)]
        return [(name, self._specimen.pickle[start:end]) for (name, start), end in zip(found, ends, strict=True)]

    @cached_property
    def _scalars(self) -> list[int]:
        return [index for index, (name, _) in enumerate(self._spans) if name in _SCALARS]

    def _anywhere(self, random: Random) -> tuple[int, bytes]:
        return 0, _flipped(self._specimen.content, random)

    def _near_the_end(self, random: Random) -> tuple[int, bytes]:
        # The list of contents and the directory are there: where a changed byte does most.
        return len(self.start), _flipped(self._packed[len(self.start) :], random)

    def _cut(self, random: Random) -> tuple[int, bytes]:
        start, end = _span(len(self._packed), random)
        return 0, self._packed[:start] + self._packed[end:]

    def _doubled(self, random: Random) -> tuple[int, bytes]:
        start, end = _span(len(self._packed), random)
        to = random.randrange(len(self._packed))
        return 0, self._packed[:to] + self._packed[start:end] + self._packed[to:]

    def _records(self, random: Random) -> tuple[int, bytes]:
        records = dict(self._specimen.records)
        first, second = random.sample(list(records), 2)
        match random.randrange(4):
            case 0:
                del records[first]
            case 1:
                records[first], records[second] = records[second], records[first]
            case 2:
                records[first] = records[first][: random.randrange(len(records[first]) + 1)]
            case _:
                records[first] += random.randbytes(random.randrange(64))
        return 0, pack(records)

    def _pickle_bytes(self, random: Random) -> tuple[int, bytes]:
        return self._with_pickle(_flipped(self._specimen.pickle, random))

    def _opcodes(self, random: Random) -> tuple[int, bytes]:
        parts = [content for _, content in self._spans]
        for _ in range(random.choice((1, 1, 2, 4))):
            where, other = random.randrange(len(parts)), random.randrange(len(parts))
            match random.randrange(5):
                case 0:
                    del parts[where]
                case 1:
                    parts[where] = parts[other]
                case 2:
                    parts[where], parts[other] = parts[other], parts[where]
                case 3:
                    parts.insert(where, random.choice(_ODD_OPCODES))
                case _:
                    parts[where:where] = parts[other : other + random.randrange(40)]
        return self._with_pickle(b"".join(parts))

    def _values(self, random: Random) -> tuple[int, bytes]:
        parts = [content for _, content in self._spans]
        for _ in range(random.choice((1, 1, 1, 2, 5))):
            parts[random.choice(self._scalars)] = _wild_value(random)
        return self._with_pickle(b"".join(parts))
