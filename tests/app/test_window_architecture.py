"""The imports of the window's modules, and their moment."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
APP = ROOT / "app"
# Seconds of loading, or what brings them along: the window is on the screen before any of these.
HEAVY = {"torch", "torchaudio", "soundfile", "numpy", "pyqtgraph"}


def _is_for_types_only(node: ast.stmt) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING")


def _run_at_import(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """Yield the statements that run when a module is imported: all but those in functions and for types."""
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) or _is_for_types_only(node):
            continue
        yield node
        for field in ("body", "orelse", "finalbody", "handlers"):
            children = getattr(node, field, [])
            yield from _run_at_import([child for child in children if isinstance(child, ast.stmt)])
            for handler in children:
                if isinstance(handler, ast.ExceptHandler):
                    yield from _run_at_import(handler.body)


def _names(nodes: Iterator[ast.AST]) -> set[str]:
    """Return the full names that these nodes import: `from PySide6 import QtCore` is `PySide6.QtCore`."""
    found = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def test_what_runs_at_import_is_told_from_what_waits() -> None:
    source = """
import a
try:
    import b
except ImportError:
    import c
class C:
    import d
    def method(self):
        import waits
if TYPE_CHECKING:
    import types_only
else:
    pass
"""
    assert _names(_run_at_import(ast.parse(source).body)) == {"a", "b", "c", "d"}


def _file_of(name: str) -> Path | None:
    """Return the file of `app.theme` and of `app.theme.icon` alike."""
    path = ROOT / name.replace(".", "/")
    candidates = (path.with_suffix(".py"), path / "__init__.py", path.parent.with_suffix(".py"))
    return next((found for found in candidates if found.is_file() and APP in found.parents), None)


def _loaded_with_the_window() -> set[Path]:
    """Return the files that app/__main__.py imports anywhere, and those that they import in turn when imported."""
    waiting, found = [APP / "__main__.py"], set[Path]()
    while waiting:
        path = waiting.pop()
        found.add(path)
        tree = _tree(path)
        names = _names(ast.walk(tree) if path.name == "__main__.py" else _run_at_import(tree.body))
        waiting += {file for file in map(_file_of, names) if file and file not in found}
    return found


def test_nothing_heavy_is_imported_with_the_window() -> None:
    modules = _loaded_with_the_window()
    assert {APP / "main_window.py", APP / "desktop/desktop_entry.py", APP / "widgets/plot/plot.py"} <= modules
    heavy = {path: _names(_run_at_import(_tree(path).body)) for path in modules}
    assert not {(path.name, name) for path in heavy for name in heavy[path] if name.partition(".")[0] in HEAVY}


@pytest.mark.parametrize("name", ["session.py", "jobs.py"])
def test_session_and_jobs_know_only_qtcore(name: str) -> None:
    qt = {name for name in _names(ast.walk(_tree(APP / "session" / name))) if name.partition(".")[0] == "PySide6"}
    assert qt
    assert all(name.startswith("PySide6.QtCore") for name in qt), qt


def _loaded_by(statement: str) -> set[str]:
    program = f"{statement}\nimport sys; print('\\n'.join(sys.modules))"
    run = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    return set(run.stdout.split())


@pytest.mark.parametrize("module", ["app.__main__", "app.main_window"])
def test_importing_the_window_loads_nothing_heavy(module: str) -> None:
    loaded = _loaded_by(f"import {module}")
    assert module in loaded
    assert not loaded & HEAVY
