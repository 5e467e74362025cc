"""Strangers' texts in Markdown and YAML, out of which none can break: CommonMark with GitHub's additions, YAML 1.2."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from distill_core.text import LONGEST_LINE, printable

_SPECIAL = re.compile(r"[\\`*_\[\]<>|&~$@^{}]|(?<=:)/|(?<=www)\.", re.IGNORECASE)
_AT_THE_BEGINNING = re.compile(r"^(\d+(?=[.)])|(?=[#+\-=:!]))([.)#+\-=:!])")
_NO_YAML = {"\ufffe": "\\ufffe", "\uffff": "\\uffff"}  # JSON has them as they are, YAML only so


def one_line(text: str, most: int = LONGEST_LINE) -> str:
    """Return a text as one printable line without space at its ends."""
    return printable(" ".join(text[: 4 * most].split()), most)


def escaped(text: str, most: int = LONGEST_LINE) -> str:
    """Return a text as one line that Markdown shows as it is: no mark-up, no HTML, no link."""
    plain = _SPECIAL.sub(r"\\\g<0>", one_line(text, most))
    return _AT_THE_BEGINNING.sub(r"\1\\\2", plain)


def code(text: str, most: int = LONGEST_LINE) -> str:
    """Return a text as one line of code: within it, backticks alone mean anything."""
    plain = one_line(text, most)
    fence = "`" * (1 + max(map(len, re.findall("`+", plain)), default=0))
    room = " " if plain.startswith("`") or plain.endswith("`") else ""
    return f"{fence}{room}{plain}{room}{fence}" if plain else ""


def _scalar(value: str | float | bool) -> str:
    """Return a text, a finite number or a yes or no as YAML has it: JSON's words, always in one line."""
    text = json.dumps(one_line(value) if isinstance(value, str) else value, ensure_ascii=False, allow_nan=False)
    return "".join(_NO_YAML.get(char, char) for char in text)


def _lines(value: Any, indent: str) -> list[str]:
    if isinstance(value, Mapping):
        return [line for key, inner in value.items() for line in _entry(f"{indent}{key}:", inner, indent)]
    return [line for inner in value for line in _item(inner, indent)]


def _entry(begin: str, value: Any, indent: str) -> list[str]:
    if isinstance(value, Mapping | list):
        return [begin, *_lines(value, indent + "  " * isinstance(value, Mapping))]
    return [f"{begin} {_scalar(value)}"]


def _item(value: Any, indent: str) -> list[str]:
    """Return an item of a list; the first line of a dict follows its dash."""
    if not isinstance(value, Mapping):
        return [f"{indent}- {_scalar(value)}"]
    first, *others = _lines(value, indent + "  ")
    return [f"{indent}- {first[len(indent) + 2 :]}", *others]


def front_matter(values: Mapping[str, Any]) -> str:
    """Return values as the YAML block that begins a Markdown file; the keys are plain words of our own."""
    return "\n".join(["---", *_lines(values, ""), "---"])
