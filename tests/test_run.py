"""run.py's decisions. Nothing is installed and nothing is fetched here."""

import ast
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

import pytest

import run


def test_missing_libraries_are_named_by_their_debian_packages():
    def load(library):
        if library == "libGL.so.1":
            raise OSError(library)

    assert run.missing_packages(load, {}) == ["libgl1"]


@pytest.mark.parametrize(
    ("environ", "package", "needed"),
    [
        ({}, "libxcb-cursor0", False),
        ({"DISPLAY": ""}, "libxcb-cursor0", False),
        ({"DISPLAY": ":0"}, "libxcb-cursor0", True),
        ({"DISPLAY": ":0"}, "libwayland-cursor0", False),
        ({"WAYLAND_DISPLAY": "wayland-0"}, "libwayland-cursor0", True),
    ],
)
def test_what_a_screen_needs_is_only_asked_for_with_a_screen(environ, package, needed):
    def load(library):
        raise OSError(library)

    missing = run.missing_packages(load, environ)
    assert "libgl1" in missing
    assert (package in missing) is needed


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


def _copy_installed(folder):
    """Copy the project, with a virtual environment that has links to this one's packages, all but Distill itself."""
    for name in ("pyproject.toml", "constraints.txt", "run.py", "README.md", "LICENSE"):
        shutil.copy(run.ROOT / name, folder)
    for name in ("app", "distill_core"):
        shutil.copytree(run.ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder / ".venv"], check=True)
    (packages,) = (folder / ".venv/lib").glob("python*/site-packages")
    for package in Path(sysconfig.get_path("purelib")).iterdir():
        if not re.match("distill|__editable|__pycache__", package.name):
            (packages / package.name).symlink_to(package)


@pytest.mark.skipif(os.name == "nt", reason="the packages are linked to, and Windows lets few people make links")
def test_a_folder_that_was_moved_is_mended_without_a_network(tmp_path):
    folder = tmp_path / "before"
    folder.mkdir()
    _copy_installed(folder)
    environ = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    environ["PIP_NO_INDEX"] = "1"
    ensure = [sys.executable, "-c", "import run; run.ensure_venv(); run.ensure_packages([])"]
    where = "import app, distill_core, pathlib; print(pathlib.Path(distill_core.__file__).parent.parent)"
    for place in (folder, tmp_path / "Mé lodie 2"):
        folder = folder.rename(place)
        done = subprocess.run(ensure, cwd=folder, env=environ, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
        python = folder / ".venv/bin/python"
        found = subprocess.run([python, "-c", where], cwd=tmp_path, env=environ, capture_output=True, text=True)
        assert found.stdout.strip() == str(folder)
        told = subprocess.run([folder / ".venv/bin/distill", "--help"], cwd=tmp_path, env=environ, capture_output=True)
        assert told.returncode == 0
    again = subprocess.run(ensure, cwd=folder, env=environ, capture_output=True, text=True)
    assert again.stdout == ""


@pytest.mark.skipif(os.name == "nt", reason="the packages are linked to, and Windows lets few people make links")
@pytest.mark.parametrize(("name", "odd"), [("a $x b", "$x"), ("a {x}", "{")])
def test_a_folder_that_setuptools_cannot_read_is_told_by_what_is_odd_in_it(tmp_path, name, odd):
    folder = tmp_path / name
    folder.mkdir()
    _copy_installed(folder)
    ensure = [sys.executable, "-c", "import run; run.ensure_venv(); run.ensure_packages([])"]
    environ = {**os.environ, "PIP_NO_INDEX": "1"}
    environ.pop("PYTHONPATH", None)
    done = subprocess.run(ensure, cwd=folder, env=environ, capture_output=True, text=True)
    assert done.returncode == 1
    assert f"takes “{odd}” in this path for a variable" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.skipif(os.name == "nt", reason="the packages are linked to, and Windows lets few people make links")
def test_why_it_failed_without_a_network_is_told_where_it_fails_with_one_too(tmp_path):
    _copy_installed(tmp_path)
    (tmp_path / "constraints.txt").write_text("torch==0.0.1\n")
    ensure = [sys.executable, "-c", "import run; run.ensure_venv(); run.ensure_packages([])"]
    environ = {**os.environ, "PIP_NO_INDEX": "1"}
    environ.pop("PYTHONPATH", None)
    done = subprocess.run(ensure, cwd=tmp_path, env=environ, capture_output=True, text=True)
    assert done.returncode == 1
    _, before = done.stdout.split("Before, without the network, this was why it failed:")
    assert "torch" in before
    assert "The installation failed" in done.stderr


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


@pytest.mark.parametrize("word", ["help", "--help", "-h"])
def test_help_says_what_it_can(word, capsys):
    assert run.main([word]) == 0
    said = capsys.readouterr().out
    assert all(f"run.py {word} " in said for word in ["MODEL", *run.WORDS])
    assert "open the window" in said


@pytest.fixture
def started(monkeypatch):
    """The programs that run.py would start; nothing is set up."""
    commands = []
    monkeypatch.setattr(run, "set_up", lambda: None)
    monkeypatch.setattr(run, "call", lambda command, **env: commands.append((list(map(str, command)), env)) or 0)
    return commands


def _with_screen(monkeypatch, **variables):
    monkeypatch.setattr(sys, "platform", "linux")
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)


def test_without_a_word_it_opens_the_window(started, monkeypatch):
    _with_screen(monkeypatch, DISPLAY=":0")
    assert run.main([]) == 0
    assert started == [([str(run.venv_python()), "-m", "app"], {})]


def test_a_model_is_opened_in_the_window_from_any_folder(started, monkeypatch, tmp_path):
    _with_screen(monkeypatch, WAYLAND_DISPLAY="wayland-0")
    monkeypatch.chdir(tmp_path)
    assert run.main(["drums.distill"]) == 0
    assert started == [([str(run.venv_python()), "-m", "app", str(tmp_path / "drums.distill")], {})]


def test_without_a_display_it_says_so_and_sets_nothing_up(started, monkeypatch, capsys):
    _with_screen(monkeypatch)
    monkeypatch.setattr(run, "set_up", lambda: pytest.fail("nothing is to be installed for a window that cannot open"))
    assert run.main([]) == 1
    said = capsys.readouterr().out
    assert "no display" in said
    assert "python3 run.py demo" in said
    assert not started


@pytest.mark.parametrize(
    ("platform", "environ", "expected"),
    [
        ("linux", {}, False),
        ("linux", {"DISPLAY": ""}, False),
        ("linux", {"QT_QPA_PLATFORM": "offscreen"}, True),
        ("darwin", {}, True),
        ("win32", {}, True),
    ],
)
def test_only_linux_has_to_be_asked_for_a_display(platform, environ, expected, monkeypatch):
    monkeypatch.setattr(sys, "platform", platform)
    assert run.has_screen(environ) is expected


def test_the_demo_needs_no_screen(started, monkeypatch, tmp_path):
    monkeypatch.setattr(run, "ROOT", tmp_path)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    (tmp_path / "resources/demo").mkdir(parents=True)
    (tmp_path / "resources/demo/demo.distill").write_bytes(b"a model")
    _with_screen(monkeypatch)
    assert run.main(["demo"]) == 0
    assert started
    assert all(env == run.WITHOUT_SCREEN for _, env in started)


def test_the_bundle_is_built_by_its_own_script_in_the_folder_that_is_named(started, monkeypatch, tmp_path):
    monkeypatch.setattr(run, "python_agrees", lambda python, statement: True)
    monkeypatch.chdir(tmp_path)
    assert run.main(["bundle", "out", "--check"]) == 0
    script = run.ROOT / "resources/bundle/build.py"
    assert started == [([str(run.venv_python()), str(script), str(tmp_path / "out"), "--check"], {})]
    assert script.is_file()


@pytest.mark.parametrize("word", run.EXPLAINED_HERE)
@pytest.mark.parametrize("option", ["-h", "--help"])
def test_what_a_word_does_is_told_without_setting_anything_up(started, monkeypatch, capsys, word, option):
    monkeypatch.setattr(run, "set_up", lambda: pytest.fail("nothing is to be installed for an explanation"))
    assert run.main([word, option]) == 0
    assert run.WORDS[word][1] in capsys.readouterr().out
    assert not started


def test_without_what_builds_it_there_is_no_bundle(started, monkeypatch, capsys):
    monkeypatch.setattr(run, "has_extra", lambda *extra: False)
    assert run.main(["bundle"]) == 1
    assert "No bundle was made" in capsys.readouterr().out
    assert not started


@pytest.mark.parametrize(
    ("options", "two"),
    [
        ([], True),
        (["-q", "tests/core"], True),
        (["tests/test_run.py"], False),
        (["tests/test_run.py::test_it_parses_on_python_38"], False),
        (["tests/core", "-k", "x"], False),
        (["-n0"], False),
        (["-n", "4"], False),
        (["-p", "no:xdist"], False),
        (["--pdb"], False),
    ],
)
def test_the_tests_run_in_two_workers_unless_the_options_choose(started, options, two):
    assert run.main(["test", *options]) == 0
    ((command, env),) = started
    assert command[:3] == [str(run.venv_python()), "-m", "pytest"]
    assert command[len(command) - len(options) :] == options
    assert (command[3:5] == ["-n", "2"]) is two
    assert env == run.WITHOUT_SCREEN


@pytest.mark.skipif(os.name == "nt", reason="Windows does not tell how long the programs that were started computed")
def test_the_number_of_tests_and_their_cpu_seconds_are_told_and_the_exit_code_stays(monkeypatch, capsys):
    def write_report(command, **env):
        (report,) = [word.partition("=")[2] for word in command if str(word).startswith("--junitxml=")]
        suite = '<testsuite name="pytest" errors="0" failures="1" skipped="2" tests="1234" time="5.0">'
        Path(report).write_text(f'<?xml version="1.0" encoding="utf-8"?><testsuites>{suite}</testsuite></testsuites>')
        return (
            subprocess.run([sys.executable, "-c", "while __import__('time').process_time() < 0.6: pass"]).returncode
            or 1
        )

    monkeypatch.setattr(run, "set_up", lambda: None)
    monkeypatch.setattr(run, "call", write_report)
    assert run.main(["test"]) == 1
    assert "1,234 tests took 1 CPU seconds" in capsys.readouterr().out


def test_without_a_report_the_cpu_seconds_are_told_all_the_same(started, capsys):
    assert run.main(["test", "--junitxml=elsewhere.xml"]) == 0
    assert "The tests took 0 CPU seconds" in capsys.readouterr().out


def test_an_unknown_word_is_refused(capsys):
    assert run.main(["fly"]) == 2
    assert 'does not know the word "fly"' in capsys.readouterr().out


def test_an_old_python_gets_a_sentence(monkeypatch):
    monkeypatch.setattr(sys, "version_info", (3, 8, 18))
    monkeypatch.setattr(run, "is_new_enough", lambda python: False)
    with pytest.raises(SystemExit, match=r"needs Python 3\.11 or newer"):
        run.main(["demo"])


def test_it_parses_on_python_38():
    for name in ("run.py", "app/__init__.py", "app/desktop/screen.py"):
        ast.parse((run.ROOT / name).read_text(encoding="utf-8"), feature_version=(3, 8))


def test_what_an_old_python_runs_of_it_joins_no_dicts_or_types():
    """Until it has refused an old Python, run.py may do nothing that one can't: “|” is for numbers and sets there."""
    for name in ("run.py", "app/__init__.py", "app/desktop/screen.py"):
        module = ast.parse((run.ROOT / name).read_text(encoding="utf-8"))
        at_import = [node for node in module.body if not isinstance(node, (ast.FunctionDef, ast.ClassDef))]
        joined = [
            each for node in at_import for each in ast.walk(node) if isinstance(getattr(each, "op", None), ast.BitOr)
        ]
        assert joined == [], f"{name}, line {joined[0].lineno}"


def test_it_needs_nothing_but_python():
    done = subprocess.run([sys.executable, "-S", run.__file__, "help"], capture_output=True, text=True, cwd="/")
    assert done.returncode == 0, done.stderr
    assert "open the window" in done.stdout


def test_a_programs_exit_code_and_further_environment_pass_through():
    assert run.call([sys.executable, "-c", "import os, sys; sys.exit(int(os.environ['CODE']))"], CODE="7") == 7


@pytest.mark.skipif(os.name == "nt", reason="Windows has no signals of this kind")
def test_a_killed_program_ends_as_a_shell_would_say_it():
    assert run.call([sys.executable, "-c", "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"]) == 137
