"""What may import what, and what may be called where."""

from __future__ import annotations

import ast
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import grimp
import pytest

import distill_core

ROOT = Path(__file__).parents[1]
PROMISED = [
    "CodePrior",
    "flatten_codes",
    "unflatten_codes",
    "extract_code_sequences",
    "PriorConfig",
    "get_adaptive_prior_config",
    "train_prior",
    "train_prior_epoch",
    "validate_prior_epoch",
    "check_memorization",
    "PriorStepMetrics",
    "PriorEpochMetrics",
    "PriorTrainingCompleteEvent",
    "ConvVQVAE",
    "LoadedVQModel",
    "load_model_v2",
    "save_model_v2",
    "save_prior_to_model",
    "PriorTrainingStartEvent",
]


def _loaded_by(statement: str) -> set[str]:
    program = f"{statement}\nimport sys; print('\\n'.join(sys.modules))"
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return {name.partition(".")[0] for name in run.stdout.split()}


def test_importing_the_engine_loads_nothing_heavy() -> None:
    assert not _loaded_by("import distill_core") & {"torch", "numpy", "soundfile", "torchaudio", "PySide6", "rich"}


def test_the_library_of_one_codec_is_not_loaded_for_another() -> None:
    """It takes a second of a processor, beside a window in which nothing is open yet."""
    networks = "from distill_core.models.architectures import import_networks, library_of; import_networks()"
    assert "vector_quantize_pytorch" not in _loaded_by(
        f"{networks}; assert library_of({{'architecture': 'klt'}}) is None"
    )
    assert "vector_quantize_pytorch" in _loaded_by(f"{networks}; library_of({{}})()")


def test_the_whole_engine_loads_no_qt() -> None:
    everything = "from distill_core import *; import distill_core.cli"
    loaded = _loaded_by(everything)
    assert "torch" in loaded
    assert not loaded & {"PySide6", "shiboken6", "pyqtgraph", "app"}


@pytest.mark.parametrize("name", PROMISED)
def test_promised_names_are_public(name: str) -> None:
    assert name in distill_core.__all__
    assert getattr(distill_core, name) is not None


def test_every_public_name_can_be_imported() -> None:
    assert all(hasattr(distill_core, name) for name in distill_core.__all__)
    assert not hasattr(distill_core, "no_such_name")


def _calls(tree: ast.AST) -> set[str]:
    return {ast.unparse(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}


def _imports(tree: ast.AST) -> set[str]:
    names = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    return names | {str(node.module) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}


def test_one_module_unpickles_and_only_weights() -> None:
    for path in [*ROOT.glob("distill_core/**/*.py"), *ROOT.glob("app/**/*.py")]:
        tree = ast.parse(path.read_text())
        assert not {"pickle", "dill", "joblib", "shelve", "marshal"} & _imports(tree), path
        assert "allow_pickle" not in path.read_text(), path
        if "torch.load" in _calls(tree):
            assert path.name == "archive.py"
    source = (ROOT / "distill_core/files/archive.py").read_text()
    loads = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)]
    loads = [node for node in loads if ast.unparse(node.func) == "torch.load"]
    assert len(loads) == 1
    assert {keyword.arg: ast.unparse(keyword.value) for keyword in loads[0].keywords}["weights_only"] == "True"


def test_nothing_builds_a_shell_string_or_talks_to_a_network() -> None:
    forbidden = {"socket", "urllib.request", "http.client", "requests", "ftplib", "smtplib"}
    for path in [*ROOT.glob("distill_core/**/*.py"), *ROOT.glob("app/**/*.py"), ROOT / "run.py"]:
        tree = ast.parse(path.read_text())
        assert not forbidden & _imports(tree), path
        assert not {"os.system", "os.popen", "eval", "exec"} & _calls(tree), path
        assert "shell=True" not in path.read_text(), path


def test_no_files_import_each_other_in_a_circle() -> None:
    """Imports for types count as well: who reads one file of a circle has to read them all."""
    graph = grimp.build_graph("app", "distill_core", cache_dir=None)
    imported = {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}
    assert len(imported) > 150
    TopologicalSorter(imported).prepare()  # a CycleError names the files


@pytest.mark.parametrize("statement", ["from app.session import Session", "from app.main_window import MainWindow"])
def test_the_windows_two_doors_stay_where_they_are(statement: str) -> None:
    assert "app" in _loaded_by(statement)
