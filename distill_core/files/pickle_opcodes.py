"""The list of contents (`data.pkl`), opcode by opcode to plain values; nothing in it is built or called.

Tensors become facts. Only the opcodes that `torch.save` writes for plain values are known here, so torch's own
restricted reader takes a list that passes in the same way, at a cost in proportion to its length.
"""

from __future__ import annotations

import io
import pickletools
import re
from collections import OrderedDict
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from typing import Any, NoReturn

from distill_core.files.refusals import NONSENSE, CodeInFileError, DamagedFileError, require
from distill_core.files.tensor_facts import DTYPES, StorageFacts, TensorFacts

MAX_OPCODES = 160_000  # up to ten microseconds each; 64 layers with their optimizer have 135,000
MAX_VALUES = 160_000  # each counted as often as it is referred to
MAX_DEPTH = 32
MAX_TEXT = 1024**2
MAX_UNFOLDED_TEXT = 16 * 1024**2  # letters of all texts, each counted as often as it is referred to
_MAX_BITS = 64
_ORDERED_DICT = "collections OrderedDict"
_TENSOR = "torch._utils _rebuild_tensor_v2"
_PARAMETER = "torch._utils _rebuild_parameter"
_GLOBALS = {_ORDERED_DICT, _TENSOR, _PARAMETER, *DTYPES}
_OTHER_TENSORS = re.compile(r"torch\._utils _rebuild_\w+|torch(\.storage)? \w*Storage")
# Python's own kinds of values in a list of contents: harmless, but models hold none.
_OTHER_VALUES = {"torch Size", "_codecs encode", *(f"__builtin__ {kind}" for kind in ("set", "frozenset", "complex"))}
_OTHER_VALUES |= {"__builtin__ bytes", "__builtin__ bytearray", "torch device", "torch.serialization _get_layout"}
_CODE_OPCODES = {"STACK_GLOBAL", "INST", "OBJ", "NEWOBJ", "NEWOBJ_EX", "EXT1", "EXT2", "EXT4", "PERSID"}
_NUMBERS = (type(None), bool, int, float)
_PROTOCOL_2 = b"\x80\x02"


@dataclass(frozen=True, slots=True)
class _Global:
    name: str


@dataclass(frozen=True, slots=True)
class Contents:
    """The value in a list of contents, and all its tensors."""

    value: Any
    tensors: tuple[TensorFacts, ...]


def _check_values(values: list[Any], plain: tuple[type, ...], refused: Collection[int] = ()) -> None:
    """Refuse stand-ins that are left, and values that are too deep, hold themselves, or unfold beyond the limits.

    `plain` are the allowed kinds of single values; `refused` are ids of forbidden ones.
    """
    pending, left, letters = [(value, 0) for value in values], MAX_VALUES, MAX_UNFOLDED_TEXT
    while pending:
        value, depth = pending.pop()
        kind = type(value)
        if kind in (dict, OrderedDict, list, tuple):
            left -= len(value)
            require(left >= 0 and depth < MAX_DEPTH, "its list of contents is too deep or too long")
            require(id(value) not in refused)
            inner = value
            if kind in (dict, OrderedDict):
                inner = value.values()
                letters -= sum(len(key) for key in value if type(key) is str)
            pending.extend((item, depth + 1) for item in inner)
        elif kind is str:
            letters -= len(value)
        else:
            require(kind in plain)
    require(letters >= 0, "its texts are too long")


class _Machine:
    """The unpickling machine of protocol 2, as in the standard library's `pickle.py`, with stand-ins for objects."""

    def __init__(self) -> None:
        self.stack: list[Any] = []
        self.below: list[list[Any]] = []
        self.memo: dict[int, Any] = {}
        self.tensors: list[TensorFacts] = []
        self.hooks: list[OrderedDict[Any, Any]] = []
        self.built: list[tuple[OrderedDict[Any, Any], Any]] = []

    def push(self, value: Any) -> None:
        self.stack.append(value)

    def push_integer(self, value: int) -> None:
        require(value.bit_length() <= _MAX_BITS, "it holds a number that is too large")
        self.stack.append(value)

    def push_text(self, value: str) -> None:
        require(len(value) <= MAX_TEXT, "it holds a text that is too long")
        self.stack.append(value)

    def mark(self, _: None) -> None:
        self.below.append(self.stack)
        self.stack = []

    def _pop_mark(self) -> list[Any]:
        items = self.stack
        self.stack = self.below.pop()
        return items

    def put(self, index: int) -> None:
        self.memo[index] = self.stack[-1]

    def get(self, index: int) -> None:
        self.stack.append(self.memo[index])

    def tuple_of_marked(self, _: None) -> None:
        self.push(tuple(self._pop_mark()))

    def tuple_of(self, count: int) -> None:
        require(len(self.stack) >= count)
        self.stack[-count:] = [tuple(self.stack[-count:])]

    def append(self, _: None) -> None:
        item = self.stack.pop()
        self._extend([item])

    def appends(self, _: None) -> None:
        self._extend(self._pop_mark())

    def _extend(self, items: list[Any]) -> None:
        target = self.stack[-1]
        require(type(target) is list)
        target.extend(items)

    def set_item(self, _: None) -> None:
        value, key = self.stack.pop(), self.stack.pop()
        self._update([key, value])

    def set_items(self, _: None) -> None:
        self._update(self._pop_mark())

    def _update(self, items: list[Any]) -> None:
        target = self.stack[-1]
        require(type(target) in (dict, OrderedDict) and len(items) % 2 == 0)
        for key, value in zip(items[::2], items[1::2], strict=True):
            # Before the hash: a deep tuple would overflow the C stack, and chosen numbers would all collide.
            require(type(key) is str or (type(key) is int and 0 <= key < 2**31), "it names a value with no name")
            target[key] = value

    def push_global(self, name: str) -> None:
        if name not in _GLOBALS:
            require(not _OTHER_TENSORS.fullmatch(name), "it holds something that is not a plain tensor")
            require(name not in _OTHER_VALUES, f"it holds something that models do not have ({name.replace(' ', '.')})")
            raise CodeInFileError(name.replace(" ", ".")[:100])
        self.push(_Global(name))

    def reduce(self, _: None) -> None:
        arguments, function = self.stack.pop(), self.stack.pop()
        require(type(function) is _Global and type(arguments) is tuple)
        if function.name == _ORDERED_DICT:
            require(arguments == ())
            self.push(OrderedDict())
        elif function.name == _TENSOR:
            self._push_tensor(arguments)
        else:
            require(function.name == _PARAMETER)
            self._push_parameter(arguments)

    def _push_tensor(self, arguments: tuple[Any, ...]) -> None:
        require(len(arguments) == 6)
        storage, offset, shape, stride, gradient, hooks = arguments
        require(type(storage) is StorageFacts and type(gradient) is bool)
        self._keep_hooks(hooks)
        tensor = TensorFacts.checked(storage, offset, shape, stride, gradient)
        self.tensors.append(tensor)
        self.push(tensor)

    def _push_parameter(self, arguments: tuple[Any, ...]) -> None:
        require(len(arguments) == 3)
        tensor, gradient, hooks = arguments
        require(type(tensor) is TensorFacts and type(gradient) is bool)
        self._keep_hooks(hooks)
        self.push(replace(tensor, parameter=gradient))

    def _keep_hooks(self, hooks: Any) -> None:
        require(type(hooks) is OrderedDict)
        self.hooks.append(hooks)

    def build(self, _: None) -> None:
        state = self.stack.pop()
        require(type(self.stack[-1]) is OrderedDict, "it sets something up that models do not have")
        # torch adds this to a state dict. Any other name could hide one of the dict's own methods.
        require(type(state) is dict and list(state) == ["_metadata"])
        self.built.append((self.stack[-1], state["_metadata"]))

    def persistent(self, _: None) -> None:
        match self.stack.pop():
            case ("storage", _Global(name), str(key), str(), int(numel)) if name in DTYPES and numel >= 0:
                self.push(StorageFacts(key, DTYPES[name], numel))
            case _:
                raise DamagedFileError("it refers to a storage that can't be")

    def result(self) -> Contents:
        require(len(self.stack) == 1 and not self.below)
        require(not any(self.hooks))
        # Metadata of a dict of weights lies beside its items, where no check looks: it may hold numbers and texts, but
        # no weights and no such dict, which could have metadata of its own without end.
        _check_values([metadata for _, metadata in self.built], _NUMBERS, {id(target) for target, _ in self.built})
        _check_values([self.stack[0]], (*_NUMBERS, TensorFacts))
        for target, metadata in self.built:
            vars(target)["_metadata"] = metadata  # as in torch, so that it is written again
        return Contents(self.stack[0], tuple(self.tensors))


_ACTIONS: dict[str, Callable[[_Machine, Any], None]] = {
    "NONE": lambda machine, _: machine.push(None),
    "NEWTRUE": lambda machine, _: machine.push(True),
    "NEWFALSE": lambda machine, _: machine.push(False),
    "EMPTY_DICT": lambda machine, _: machine.push({}),
    "EMPTY_LIST": lambda machine, _: machine.push([]),
    "EMPTY_TUPLE": lambda machine, _: machine.push(()),
    "BININT": _Machine.push,
    "BININT1": _Machine.push,
    "BININT2": _Machine.push,
    "BINFLOAT": _Machine.push,
    "LONG1": _Machine.push_integer,
    "BINUNICODE": _Machine.push_text,
    "MARK": _Machine.mark,
    "BINPUT": _Machine.put,
    "LONG_BINPUT": _Machine.put,
    "BINGET": _Machine.get,
    "LONG_BINGET": _Machine.get,
    "TUPLE": _Machine.tuple_of_marked,
    "TUPLE1": lambda machine, _: machine.tuple_of(1),
    "TUPLE2": lambda machine, _: machine.tuple_of(2),
    "TUPLE3": lambda machine, _: machine.tuple_of(3),
    "APPEND": _Machine.append,
    "APPENDS": _Machine.appends,
    "SETITEM": _Machine.set_item,
    "SETITEMS": _Machine.set_items,
    "GLOBAL": _Machine.push_global,
    "REDUCE": _Machine.reduce,
    "BUILD": _Machine.build,
    "BINPERSID": _Machine.persistent,
}


_OPCODES = {opcode.code.encode("latin-1"): opcode for opcode in pickletools.opcodes}
# By the opcode's byte: what reads its argument, if it has one, and what it does. Its own loop takes two thirds of the
# time of one over `pickletools.genops`, and whatever opens, verifies or lists a file waits for it.
_STEPS: dict[bytes, tuple[Callable[[Any], Any] | None, Callable[[_Machine, Any], None]]] = {
    code: (opcode.arg.reader if opcode.arg else None, _ACTIONS[opcode.name])
    for code, opcode in _OPCODES.items()
    if opcode.name in _ACTIONS
}
_STOP = b"."


def _refuse_opcode(code: bytes) -> NoReturn:
    if code not in _OPCODES:
        raise DamagedFileError(NONSENSE)
    name = _OPCODES[code].name
    if name in _CODE_OPCODES:
        raise CodeInFileError(name)
    raise DamagedFileError(f"its list of contents holds what models never do ({name})")


def _run(content: bytes) -> _Machine:
    require(content.startswith(_PROTOCOL_2), "its list of contents is of another kind")
    machine, source = _Machine(), io.BytesIO(content)
    source.seek(len(_PROTOCOL_2))
    for _ in range(MAX_OPCODES):
        code = source.read(1)
        if code == _STOP:
            require(source.tell() == len(content), "something follows its list of contents")
            return machine
        step = _STEPS.get(code)
        if step is None:
            _refuse_opcode(code)
        read_argument, act = step
        act(machine, read_argument(source) if read_argument else None)
    raise DamagedFileError("its list of contents is too long")


def read_contents(content: bytes) -> Contents:
    """Return the contents of a `data.pkl`.

    Raises:
        DamagedFileError: it is none, or deeper, longer or odder than `torch.save` writes them.
        CodeInFileError: it asks for a function or a class that models do not need.
    """
    try:
        return _run(content).result()
    except (ValueError, IndexError, KeyError, TypeError, OverflowError) as error:
        raise DamagedFileError(NONSENSE) from error
