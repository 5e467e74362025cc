"""What the window's modules may import, and when."""

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
# Loaded after the first paint, by an import inside a function.
BEHIND_THE_WINDOW = {"perplexity_canvas.py", "perplexity_axis.py"}
MODULES = sorted(APP.rglob("*.py"))


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
    """Return what these nodes import, in full: `from PySide6 import QtCore` is `PySide6.QtCore`."""
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


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_nothing_heavy_is_imported_with_a_module(path: Path) -> None:
    heavy = {name for name in _names(_run_at_import(_tree(path).body)) if name.partition(".")[0] in HEAVY}
    assert path.name in BEHIND_THE_WINDOW or not heavy


@pytest.mark.parametrize("name", ["session.py", "jobs.py"])
def test_session_and_jobs_know_only_qtcore(name: str) -> None:
    qt = {name for name in _names(ast.walk(_tree(APP / name))) if name.partition(".")[0] == "PySide6"}
    assert qt
    assert all(name.startswith("PySide6.QtCore") for name in qt), qt


def _loaded_by(statement: str) -> set[str]:
    program = f"{statement}\nimport sys; print('\\n'.join(sys.modules))"
    run = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    return set(run.stdout.split())


@pytest.mark.skipif(not (APP / "__main__.py").exists(), reason="the window cannot be started yet")
@pytest.mark.parametrize("module", ["app.__main__", "app.main_window"])
def test_the_window_is_there_before_anything_heavy(module: str) -> None:
    if not (ROOT / f"{module.replace('.', '/')}.py").exists():
        pytest.skip(f"there is no {module} yet")
    loaded = _loaded_by(f"import {module}")
    assert module in loaded
    assert not loaded & HEAVY
