"""run.py's decisions. Nothing is installed and nothing is fetched here."""

import ast
import os
import sys
from pathlib import Path

import pytest

import run


def test_missing_libraries_are_named_by_their_debian_packages():
    def load(library):
        if library == "libGL.so.1":
            raise OSError(library)

    assert run.missing_packages(load) == ["libgl1"]


def test_missing_libraries_without_root_become_one_line_to_copy(monkeypatch, capsys):
    monkeypatch.setattr(run, "missing_packages", lambda: ["libgl1", "libegl1"])
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(os, "geteuid", lambda: 1000, raising=False)
    run.ensure_libraries()
    said = capsys.readouterr().out
    assert "sudo apt-get install --yes --no-install-recommends libgl1 libegl1\n" in said
    assert "Going on without them." in said


@pytest.fixture
def checkout(tmp_path):
    (tmp_path / ".venv").mkdir()
    for name in ("pyproject.toml", "constraints.txt", ".venv/pyvenv.cfg"):
        (tmp_path / name).write_text(name)
    return tmp_path


@pytest.mark.parametrize("changed", ["pyproject.toml", "constraints.txt", ".venv/pyvenv.cfg"])
def test_fingerprint_changes_with_what_is_installed(checkout, changed):
    before = run.fingerprint(checkout)
    assert run.fingerprint(checkout) == before
    (checkout / changed).write_text("something else")
    assert run.fingerprint(checkout) != before


def test_fingerprint_changes_when_the_folder_is_moved(checkout):
    before = run.fingerprint(checkout)
    moved = checkout.rename(checkout.with_name("moved"))
    assert run.fingerprint(moved) != before


@pytest.mark.parametrize(
    ("os_name", "nvidia_smi", "arguments"),
    [
        ("nt", "nvidia-smi.exe", ["--extra-index-url", run.CUDA_WHEELS]),
        ("nt", None, []),
        ("posix", "/usr/bin/nvidia-smi", []),
    ],
)
def test_cuda_wheels_are_only_asked_for_where_pypi_has_none(os_name, nvidia_smi, arguments):
    assert run.wheel_index(os_name, lambda name: nvidia_smi) == arguments


def test_a_python_that_is_missing_is_not_new_enough(tmp_path):
    assert run.is_new_enough(sys.executable)
    assert not run.is_new_enough(tmp_path / "python")


def test_without_a_word_it_says_what_it_can(capsys):
    assert run.main([]) == 0
    said = capsys.readouterr().out
    assert all(f"run.py {word} " in said for word in run.WORDS)


def test_an_unknown_word_is_refused(capsys):
    assert run.main(["fly"]) == 2
    assert 'does not know the word "fly"' in capsys.readouterr().out


def test_an_old_python_gets_a_sentence(monkeypatch):
    monkeypatch.setattr(sys, "version_info", (3, 8, 18))
    monkeypatch.setattr(run, "is_new_enough", lambda python: False)
    with pytest.raises(SystemExit, match=r"needs Python 3\.11 or newer"):
        run.main(["demo"])


def test_it_parses_on_python_38():
    ast.parse(Path(run.__file__).read_text(encoding="utf-8"), feature_version=(3, 8))


def test_a_programs_exit_code_and_further_environment_pass_through():
    assert run.call([sys.executable, "-c", "import os, sys; sys.exit(int(os.environ['CODE']))"], CODE="7") == 7


@pytest.mark.skipif(os.name == "nt", reason="Windows has no signals of this kind")
def test_a_killed_program_ends_as_a_shell_would_say_it():
    assert run.call([sys.executable, "-c", "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"]) == 137
