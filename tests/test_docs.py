"""What the pages of docs/ say is so: their commands, their examples, the messages that they explain."""

from __future__ import annotations

import ast
import doctest
import importlib.util
import re
import shutil
from pathlib import Path

import pytest
import typer

from distill_core.cli import app

ROOT = Path(__file__).parents[1]
DEMO = ROOT / "resources" / "demo"
CLI = typer.main.get_command(app)


def _load_commands():
    spec = importlib.util.spec_from_file_location("try_commands", ROOT / "docs" / "try_commands.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


COMMANDS = _load_commands()
PAGE_COMMANDS = [
    pytest.param(command, id=f"{page.stem}: {' '.join(command)}")
    for page in COMMANDS.pages()
    for command in COMMANDS.commands_of(page)
]


@pytest.mark.parametrize("command", PAGE_COMMANDS)
def test_a_command_of_a_page_is_one_of_the_terminal_program(command):
    program, name, *arguments = command
    assert program == "distill"
    CLI.commands[name].make_context(name, arguments)


def test_a_command_that_does_not_exist_would_be_found():
    with pytest.raises(Exception, match="No such option"):
        CLI.commands["generate"].make_context("generate", ["model.distill", "-o", "new.wav", "--nonsense"])


def test_each_command_of_the_terminal_program_is_on_its_page():
    page = ROOT / "docs" / "terminal.md"
    assert {command[1] for command in COMMANDS.commands_of(page)} >= set(CLI.commands)


def test_the_examples_of_the_library_run_as_they_stand(tmp_path, monkeypatch):
    shutil.copy(DEMO / "demo.distill", tmp_path / "kicks.distill")
    shutil.copytree(DEMO / "sounds", tmp_path / "kicks")
    monkeypatch.chdir(tmp_path)
    found = doctest.testfile(str(ROOT / "docs" / "library.md"), module_relative=False)
    assert (found.failed, found.attempted > 15) == (0, True)


def _said(path: Path) -> str:
    """Return all texts of a module, a space between two of them; a value inside a text is a space too."""
    tree = ast.parse(path.read_text("utf-8"))
    return " ".join(
        node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)
    )


def test_each_message_that_is_explained_is_one_that_is_said():
    said = " ".join(_said(path) for package in ("app", "distill_core") for path in (ROOT / package).rglob("*.py"))
    explained = re.findall(r"^#### (.+)$", (ROOT / "docs" / "troubleshooting.md").read_text("utf-8"), re.MULTILINE)
    assert len(explained) > 20
    assert [message for message in explained if message not in said] == []


def test_each_picture_of_a_page_is_there():
    pages = [*(ROOT / "docs").glob("*.md"), ROOT / "README.md"]
    named = [
        (page, name)
        for page in pages
        for name in re.findall(r"[\w./-]*screenshots/[\w-]+\.png", page.read_text("utf-8"))
    ]
    assert len(named) > 4
    assert [name for page, name in named if not (page.parent / name).is_file()] == []
