"""Files whose list of contents attacks: code, depth, repetition, size, and opcodes that models never have."""

from __future__ import annotations

import pickle
import struct
from collections.abc import Callable
from pathlib import Path

from tests.soak.specimen import Specimen, text

Crafted = dict[str, Callable[[], bytes]]
_DEPTH = 100_000
_MERSENNE = 2**61 - 1  # all multiples of it have the hash 0
_NAN = b"G" + struct.pack(">d", float("nan"))
_ORDERED = b"ccollections\nOrderedDict\n)R"


def _long(value: int) -> bytes:
    return b"\x8a\x10" + value.to_bytes(16, "little")


def _laughs(empty: bytes, opening: bytes, closing: bytes) -> bytes:
    """Return a tuple of 60 levels, each of which holds the one below twice."""
    level = opening + b"h\xfah\xfa" + closing + b"q\xfa"
    return b"(" + empty + b"q\xfa" + level * 60 + b"t"


def _calls(canary: Path) -> dict[str, bytes]:
    """Return values that, unpickled as Python does, would make a file at `canary`."""
    command, name = text(f"touch '{canary}'"), text(str(canary))
    getattr_call = b"cbuiltins\ngetattr\ncos\nsystem\n" + text("__call__") + b"\x86R"
    opening = b"cbuiltins\nopen\n" + name + text("w") + b"\x86R"
    return {
        "global os.system": b"cos\nsystem\n" + command + b"\x85R",
        "global posix.system": b"cposix\nsystem\n" + command + b"\x85R",
        "global builtins.open": opening,
        "global builtins.eval": b"cbuiltins\neval\n" + text(f"open({str(canary)!r}, 'w')") + b"\x85R",
        "global builtins.getattr": getattr_call + command + b"\x85R",
        "global torch.load": b"ctorch\nload\n" + name + b"\x85R",
        "global torch.hub": b"ctorch.hub\nload\n" + name + text("x") + b"\x86R",
        "global numpy scalar": b"cnumpy.core.multiarray\nscalar\n)R",
        "global with a space": b"ccollections OrderedDict\n\n)R",
        "global set": b"c__builtin__\nset\n]\x85R",
        "inst": b"(" + command + b"ios\nsystem\n",
        "obj": b"(cos\nsystem\n" + command + b"o",
        "newobj": b"cos\nsystem\n" + command + b"\x85\x81",
        "newobj_ex": b"cos\nsystem\n" + command + b"\x85}\x92",
        "stack_global": text("os") + text("system") + b"\x93" + command + b"\x85R",
        "ext1": b"\x82\x01",
        "ext4": b"\x84\x01\x00\x00\x00",
        "persid": b"Pfile:///etc/passwd\n",
        "build with a state that calls": b"cos\nsystem\n}" + text("x") + opening + b"sb",
    }


def _repetition() -> dict[str, Callable[[], bytes]]:
    return {
        "deep tuple as a key": lambda: b"}K\x01" + b"\x85" * _DEPTH + b"Ns",
        "deep tuple": lambda: b"K\x01" + b"\x85" * _DEPTH,
        "deep list": lambda: b"]" * _DEPTH + b"a" * (_DEPTH - 1),
        "deep dict": lambda: b"}" + b"K\x01}" * _DEPTH + b"s" * _DEPTH,
        "nested marks": lambda: b"(" * 400_000 + b"t" * 400_000,
        "quadratic keys": lambda: b"}(" + b"".join(_long(i * _MERSENNE) + b"N" for i in range(1, 60_000)) + b"u",
        "quadratic keys of tuples": lambda: b"}" + _laughs(b")", b"(", b"t") + b"Ns",
        "keys that are not equal to themselves": lambda: b"}(" + (_NAN + b"N") * 50_000 + b"u",
        "memo bomb of tuples": lambda: _laughs(b")", b"(", b"t"),
        "memo bomb of lists": lambda: _laughs(b"]", b"](", b"e"),
        "memo bomb of texts": lambda: text("x" * 1_000_000) + b"q\xfa](" + b"h\xfa" * 499_000 + b"e\x86",
        "one text three thousand times": lambda: text("x" * 1_000_000) + b"q\xfa](" + b"h\xfa" * 3000 + b"e\x86",
        "a list of itself": lambda: b"]q\xfah\xfaa",
        "a dict of itself": lambda: b"}q\xfa" + text("self") + b"h\xfas",
        "metadata of itself": lambda: _ORDERED + b"q\xfa}" + text("_metadata") + b"h\xfasb",
        "many opcodes": lambda: b"(" + b"N" * 15_000_000 + b"t",
        "a long list of one long list": lambda: b"](" + b"N" * 100_000 + b"eq\xfa](" + b"h\xfa" * 100_000 + b"e\x86",
    }  # fmt: skip


def _sizes() -> dict[str, Callable[[], bytes]]:
    return {
        "number of eight million bytes": lambda: b"\x8b" + struct.pack("<i", 8_000_000) + b"\x7f" * 8_000_000,
        "number of 255 bytes": lambda: b"\x8a\xff" + b"\x7f" * 255,
        "number of a negative length": lambda: b"\x8b\xff\xff\xff\xff",
        "number of a million digits": lambda: b"I" + b"9" * 1_000_000 + b"\n",
        "long number of a million digits": lambda: b"L" + b"9" * 1_000_000 + b"L\n",
        "float of eight million digits": lambda: b"F0." + b"9" * 8_000_000 + b"\n",
        "text of ten million letters": lambda: text("x" * 10_000_000),
        "key of ten million letters": lambda: b"}" + text("x" * 10_000_000) + b"Ns",
        "text that is longer than the file": lambda: b"X\xff\xff\xff\xff",
        "text of eight-byte length": lambda: b"\x8d" + b"\xff" * 8,
        "bytes of eight-byte length": lambda: b"\x8e" + b"\xff" * 7 + b"\x7f",
        "bytearray of eight-byte length": lambda: b"\x96" + b"\xff" * 7 + b"\x7f",
        "text that is not utf-8": lambda: b"X\x02\x00\x00\x00\xff\xfe",
        "ordered dict of a list": lambda: b"ccollections\nOrderedDict\n](" + b"K\x01K\x02\x86" * 1000 + b"e\x85R",
    }


def _odd_opcodes() -> dict[str, bytes]:
    return {
        "memo read before it is written": b"j\xff\xff\xff\x7f",
        "nothing on the stack": b"sss",
        "tuple without a mark": b"tttt",
        "pop": b"N0N",
        "duplicate": b"N2a",
        "frozenset": b"(\x91",
        "next buffer": b"\x97",
        "frame": b"\x95" + struct.pack("<Q", 4) + b"N",
        "protocol in the middle": b"\x80\x02N",
        "bool as a key": b"}\x88Ns",
        "none as a key": b"}NNs",
        "odd number of items": b"}(K\x01u",
        "items set in a list": b"](K\x01K\x02u",
        "items appended to a dict": b"}(K\x01e",
        "build on a dict": b"}}b",
        "build that hides items()": _ORDERED + b"}" + text("items") + b"Nsb",
        "function as a value": b"ctorch._utils\n_rebuild_tensor_v2\n",
        "storage class as a value": b"ctorch\nFloatStorage\n",
        "storage as a value": b"(" + text("storage") + b"ctorch\nFloatStorage\n" + text("0") + text("cpu") + b"K\x01tQ",
        "persistent id of a path": text("file:///etc/passwd") + b"Q",
        "persistent id of a module": b"(" + text("module") + b"N" + text("x.py") + text("x = 1") + b"tQ",
        "storage called": b"ctorch\nFloatStorage\nK\x01\x85R",
        "tensor of nothing": b"ctorch._utils\n_rebuild_tensor_v2\n)R",
        "parameter of nothing": b"ctorch._utils\n_rebuild_parameter\nN\x89" + _ORDERED + b"\x87R",
        "other tensor of nothing": b"ctorch._utils\n_rebuild_sparse_tensor\n)R",
        "wrapped tensor": b"ctorch._utils\n_rebuild_wrapper_subclass\n)R",
        "device tensor": b"ctorch._utils\n_rebuild_device_tensor_from_numpy\n)R",
    }


def _whole(specimen: Specimen, canary: Path) -> dict[str, Callable[[], bytes]]:
    body = specimen.pickle
    return {
        "list of contents without an end": lambda: body[:-1],
        "list of contents cut in the middle": lambda: body[: len(body) // 2],
        "something after the list of contents": lambda: body + b"cos\nsystem\n.",
        "two lists of contents": lambda: body + body,
        "empty list of contents": lambda: b"",
        "list of contents that only ends": lambda: b".",
        "a list at the top": lambda: b"\x80\x02]q\x00.",
        "nothing at the top": lambda: b"\x80\x02N.",
        "a tensor class at the top": lambda: b"\x80\x02ctorch\nTensor\n.",
        "no protocol": lambda: body[2:],
        "protocol 4": lambda: pickle.dumps({"format": "distill_model", "version": 2}, protocol=4),
        "protocol 0": lambda: pickle.dumps({"format": "distill_model", "version": 2}, protocol=0),
        "protocol 5 by its number": lambda: b"\x80\x05" + body[2:],
        "list of contents of 17 MB": lambda: body[:-2] + text("extra") + text("x" * 17_000_000) + b"u.",
        "code first": lambda: b"\x80\x02cos\nsystem\n" + text(f"touch '{canary}'") + b"\x85R.",
    }


def pickle_attacks(specimen: Specimen, canary: Path) -> Crafted:
    """Return makers of files by name; all but their list of contents is as it should be."""

    def extra(opcodes: Callable[[], bytes]) -> Callable[[], bytes]:
        return lambda: specimen.with_value("extra", opcodes())

    def whole(maker: Callable[[], bytes]) -> Callable[[], bytes]:
        return lambda: specimen.with_pickle(maker())

    constant = {name: (lambda opcodes=opcodes: opcodes) for name, opcodes in (_calls(canary) | _odd_opcodes()).items()}
    values = {name: extra(maker) for name, maker in (constant | _repetition() | _sizes()).items()}
    return values | {name: whole(maker) for name, maker in _whole(specimen, canary).items()}
