"""A training on several processes: the same curve as on one, one writer, one stop, and torchrun's restarts."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from distill_core import load_model_v2
from distill_core.cli.unfinished import has_finished, note_finished
from distill_core.folders import lock_folder
from distill_core.models.klt import KLTCodec
from tests.conftest import WriteSound
from tests.warm_python import warm_python

CLI = ["-m", "distill_core.cli"]
# Nothing is drawn by chance that another number of ranks would draw otherwise.
SURE = ["--dropout", 0, "--token-dropout", 0, "--precision", "float32"]
PRIOR = ["--hidden-size", 32, "--layers", 2, "--heads", 2, "--batch-size", 2, "--no-audit", "--device", "cpu", *SURE]
CODEC = ["--codebook-size", 16, "--refiner-width", 8, "--refiner-depth", 1, "--batch-size", 4, "--device", "cpu"]
LONGEST_S = 240


def _started(words: list[str], folder: Path | None = None, **environment: str) -> subprocess.Popen[str]:
    pipe = subprocess.PIPE
    return subprocess.Popen(words, env=os.environ | environment, cwd=folder, stdout=pipe, stderr=pipe, text=True)


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def _shared_by_two() -> dict[str, str]:
    """Return what torchrun tells both of two processes."""
    port = str(_free_port())
    shared = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2"}
    return shared | {"TORCHELASTIC_RUN_ID": port}


class _Ranks:
    """Two processes that meet as torchrun's do, without the seconds that torchrun itself takes."""

    def __init__(self, *arguments: object, folders: Sequence[Path | None] = (None, None)) -> None:
        words, shared = [*warm_python(), *CLI, *map(str, arguments), "--json"], _shared_by_two()
        self.processes = [
            _started(words, folder, RANK=str(rank), LOCAL_RANK=str(rank), **shared)
            for rank, folder in enumerate(folders)
        ]

    def outputs(self) -> list[str]:
        """Wait for the end, and return what each rank told on stdout; it must have nothing else to tell."""
        told = [process.communicate(timeout=LONGEST_S) for process in self.processes]
        assert [process.returncode for process in self.processes] == [0, 0], told
        return [out for out, _ in told]


def _alone(*arguments: object) -> str:
    process = _started([*warm_python(), *CLI, *map(str, arguments), "--json"])
    out, error = process.communicate(timeout=LONGEST_S)
    assert process.returncode == 0, error
    return out


def _events(output: str, kind: str) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in output.splitlines() if line.startswith("{")]
    return [line for line in lines if line["event"] == kind]


def _losses(output: str) -> list[float]:
    return [epoch[name] for epoch in _events(output, "epoch") for name in ("train_loss", "val_loss")]


def _copies(model: Path, folder: Path) -> list[Path]:
    return [Path(shutil.copy(model, folder / f"{name}.distill")) for name in ("one", "two")]


@pytest.mark.parametrize("architecture", ["frames", "flat"])
def test_a_prior_learns_on_two_ranks_as_on_one(
    architecture: str, shared_klt_model: Path, sounds_folder: Path, tmp_path: Path
) -> None:
    alone, shared = _copies(shared_klt_model, tmp_path)
    options = [*PRIOR, "--architecture", architecture, "--epochs", 4]
    one = _alone("train-prior", alone, sounds_folder, *options)
    first, other = _Ranks("train-prior", shared, sounds_folder, *options, "--no-cache").outputs()
    assert len(_losses(one)) == 8
    assert _losses(first) == pytest.approx(_losses(one), rel=1e-4)
    assert not other  # one rank alone tells
    assert load_model_v2(shared).prior is not None


def test_ranks_without_a_batch_to_validate_end_as_one_does(
    shared_klt_model: Path, sounds_folder: Path, tmp_path: Path
) -> None:
    alone, shared = _copies(shared_klt_model, tmp_path)
    options = [*PRIOR, "--batch-size", 32, "--epochs", 2]  # one batch of all that is held out
    one = _alone("train-prior", alone, sounds_folder, *options)
    first, _ = _Ranks("train-prior", shared, sounds_folder, *options).outputs()
    assert _losses(first) == pytest.approx(_losses(one), rel=1e-4)
    fitted = [(load_model_v2(model).prior_metadata or {}).get("temperature") for model in (alone, shared)]
    assert fitted[0] is not None
    assert fitted[1] == pytest.approx(fitted[0], rel=0.01)


def test_other_sounds_under_the_same_names_are_refused(write_sound: WriteSound, tmp_path: Path) -> None:
    """Each process is in a folder of its own, as on a machine of its own."""
    folders = [tmp_path / rank for rank in "01"]
    for machine, folder in enumerate(folders):
        for number in range(5):
            other = 10 * machine if number == 3 else 0
            write_sound(folder / "sounds" / f"{number}.wav", seed=number + other, seconds=1.0)
    ranks = _Ranks("train", "sounds", "-o", "new.distill", *CODEC, "--epochs", 2, folders=folders)
    told = [process.communicate(timeout=LONGEST_S) for process in ranks.processes]
    assert [process.returncode for process in ranks.processes] == [2, 2], told
    assert "not the same on all machines" in told[0][1]


def test_a_codec_learns_on_two_ranks_as_on_one(write_sound: WriteSound, tmp_path: Path) -> None:
    import soundfile

    folder = tmp_path / "sounds"
    for seed in range(5):
        samples, rate = soundfile.read(write_sound(tmp_path / "soft.wav", seed=seed, seconds=1.0))
        folder.mkdir(exist_ok=True)
        soundfile.write(folder / f"{seed}.wav", samples / abs(samples).max(), rate)  # soft ones are raised by chance
    one = _alone("train", folder, "-o", tmp_path / "one.distill", *CODEC, "--epochs", 4)
    first, other = _Ranks("train", folder, "-o", tmp_path / "two.distill", *CODEC, "--epochs", 4).outputs()
    assert len(_losses(one)) == 8
    assert _losses(first) == pytest.approx(_losses(one), rel=1e-4)
    assert not other
    assert isinstance(load_model_v2(tmp_path / "two.distill").model, KLTCodec)


def test_the_vqvae_learns_on_two_ranks(shared_sounds_folder: Path, tmp_path: Path) -> None:
    small = [
        "--architecture",
        "v2",
        "--codebook-size",
        16,
        "--batch-size",
        4,
        "--epochs",
        3,
        "--device",
        "cpu",
        "--no-augment",
    ]
    first, _ = _Ranks("train", shared_sounds_folder, "-o", tmp_path / "two.distill", *small).outputs()
    losses = [epoch["val_loss"] for epoch in _events(first, "epoch")]
    assert len(losses) == 3
    assert min(losses) < losses[0]
    assert load_model_v2(tmp_path / "two.distill").model is not None


def test_a_stop_of_one_rank_is_that_of_all(shared_klt_model: Path, sounds_folder: Path, tmp_path: Path) -> None:
    model, _ = _copies(shared_klt_model, tmp_path)
    ranks = _Ranks("train-prior", model, sounds_folder, *PRIOR, "--epochs", 100_000, "--patience", 0)
    told = ranks.processes[0].stdout
    assert told is not None
    for line in told:
        if '"epoch": 2,' in line:
            break
    ranks.processes[1].send_signal(signal.SIGTERM)
    first, _ = ranks.outputs()
    assert _events(first, "done")[0]["stopped_early"]
    assert load_model_v2(model).prior is not None


def test_what_one_rank_cannot_do_none_does(shared_klt_model: Path, tmp_path: Path) -> None:
    """Only the first rank looks at the run and the output; the others must not wait for it for ever."""
    model, taken = _copies(shared_klt_model, tmp_path)
    (tmp_path / "sounds").mkdir()
    ranks = _Ranks("train-prior", model, tmp_path / "sounds", *PRIOR, "--output", taken)
    (_, first), (out, other) = (process.communicate(timeout=LONGEST_S) for process in ranks.processes)
    assert [process.returncode for process in ranks.processes] == [4, 4]
    assert "exists already" in first
    assert not out
    assert not other


def _is_training(pid: int, model: Path) -> bool:
    try:
        words = Path("/proc", str(pid), "cmdline").read_bytes().split(b"\0")
    except OSError:
        return False
    return os.fsencode(model) in words and b"torch.distributed.run" not in words


@pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="there is no /proc to find a rank in")
def test_a_killed_rank_is_started_again_and_the_run_goes_on(
    shared_klt_model: Path, sounds_folder: Path, tmp_path: Path
) -> None:
    alone, shared = _copies(shared_klt_model, tmp_path)
    options = [*PRIOR, "--epochs", 30, "--patience", 0]
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    words = [*CLI, "train-prior", str(shared), str(sounds_folder), *map(str, options), "--json"]
    process = _started([*torchrun, "--max-restarts", "1", *words])
    assert process.stdout is not None
    told = ""
    for line in process.stdout:
        told += line
        if '"epoch": 3,' in line:
            ranks = [int(pid.name) for pid in Path("/proc").iterdir() if pid.name.isdigit()]
            os.kill(max(pid for pid in ranks if _is_training(pid, shared)), signal.SIGKILL)
            break
    rest, error = process.communicate(timeout=LONGEST_S)
    assert process.returncode == 0, error
    assert "Another process of this training has ended" in error
    begun_again = _events(told + rest, "start")[1]
    assert len(begun_again["history"]) >= 2  # it does not begin from nothing
    one = _alone("train-prior", alone, sounds_folder, *options)
    best = [_events(output, "epoch")[-1]["best_perplexity"] for output in (one, told + rest)]
    assert best[1] == pytest.approx(best[0], rel=0.02)


STOPPING = """
from distill_core.distributed import joined_ranks, stop_together
from distill_core.events import Stopped, stop_point

with joined_ranks() as ranks:
    should_stop = ranks.stopping(lambda: ranks.rank == 1)
    assert not should_stop()  # in between all ranks take the same way
    for way in (ranks.together, ranks.from_first, lambda work: stop_together(should_stop)):
        try:
            way(lambda: stop_point(should_stop))
        except Stopped:
            print("stopped", end=" ")
        else:
            print("goes on", end=" ")
"""


def test_a_stop_of_one_rank_ends_work_that_is_shared_at_once() -> None:
    words, shared = [*warm_python(), "-c", STOPPING], _shared_by_two()
    processes = [_started(words, RANK=str(rank), **shared) for rank in range(2)]
    told = [process.communicate(timeout=LONGEST_S) for process in processes]
    # The first rank's work is its own: nobody stops it.
    assert [out for out, _ in told] == ["stopped goes on stopped "] * 2, told


# The name of a launch

LAUNCH = """
import os, subprocess, sys
os.environ |= {"TORCHELASTIC_RUN_ID": "none", "RANK": "0"}
sys.exit(subprocess.call([sys.executable, "-c", "from distill_core.launch import launch_id; print(launch_id())"]))
"""


def _launch_in_a_container() -> subprocess.CompletedProcess[str]:
    """Return what a process tells whose parent is process 1, as torchrun is in each container."""
    command = ["unshare", "--pid", "--fork", "--mount-proc", sys.executable, "-c", LAUNCH]
    return subprocess.run(command, capture_output=True, text=True)


@pytest.mark.skipif(shutil.which("unshare") is None, reason="there is no unshare")
def test_launches_in_containers_have_different_names() -> None:
    first, second = (_launch_in_a_container() for _ in range(2))
    if first.returncode:
        pytest.skip("no namespace can be made here")
    assert ":1:" in first.stdout
    assert first.stdout != second.stdout


def test_a_launch_that_has_finished_is_forgotten_by_the_next_of_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"TORCHELASTIC_RUN_ID": "none", "RANK": "0"}.items():
        monkeypatch.setenv(name, value)

    def starts(restart: int) -> bool:
        monkeypatch.setenv("TORCHELASTIC_RESTART_COUNT", str(restart))
        return not has_finished()

    assert starts(restart=0)
    note_finished()
    assert not starts(restart=1)
    assert starts(restart=0)
    assert starts(restart=1)


def test_notes_of_former_launches_are_removed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RANK", "0")
    for number in range(3):
        monkeypatch.setenv("TORCHELASTIC_RUN_ID", str(number))
        note_finished()
    notes = [*lock_folder().glob("*.finished")]
    assert len(notes) == 3
    for note in notes:
        os.utime(note, (0, 0))
    note_finished()
    assert len([*lock_folder().glob("*.finished")]) == 1


def test_who_waits_for_others_hears_that_torchrun_is_gone() -> None:
    serve = "from torch.distributed import TCPStore\nimport sys\n"
    serve += "store = TCPStore('127.0.0.1', int(sys.argv[1]), is_master=True, wait_for_workers=False)\n"
    serve += "print('ready', flush=True)\nsys.stdin.read()"
    shared = _shared_by_two() | {"TORCHELASTIC_USE_AGENT_STORE": "True", "TORCHELASTIC_RESTART_COUNT": "0"}
    command = [sys.executable, "-c", serve, shared["MASTER_PORT"]]
    words = [*warm_python(), *CLI, "train-prior", "no model", "no sounds"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as store:
        assert store.stdout is not None
        assert store.stdout.readline() == "ready\n"
        alone = _started(words, RANK="0", LOCAL_RANK="0", **shared)
        with pytest.raises(subprocess.TimeoutExpired):
            alone.wait(4)  # the other one never comes
        store.kill()
    _, error = alone.communicate(timeout=LONGEST_S)
    assert alone.returncode == 3
    assert "Another process of this training has ended" in error


STOPPED_EARLY = """
import sys
from distill_core.distributed import joined_ranks
from distill_core.training.codec.train import train_codec

settings = {"max_epochs": 2, "codebook_size": 16, "codebook_dim": 16, "batch_size": 4, "device": "cpu"}
with joined_ranks() as ranks:
    for most in map(int, sys.argv[2:]):
        looks = iter(range(1_000_000))
        should_stop = lambda: ranks.rank == 1 and next(looks) >= most
        trained = train_codec(sys.argv[1], settings, architecture="v2", should_stop=should_stop, ranks=ranks)
        print(trained.ended.value, end=" ", flush=True)
"""


def test_a_stop_of_one_rank_leaves_no_other_waiting_in_its_codebooks(shared_sounds_folder: Path) -> None:
    """The ranks' codebooks meet in their k-means and in each step."""
    words, shared = [*warm_python(), "-c", STOPPED_EARLY, str(shared_sounds_folder)], _shared_by_two()
    words += map(str, (5, 12, 20, 30, 60))
    processes = [_started(words, RANK=str(rank), **shared) for rank in range(2)]
    told = [process.communicate(timeout=LONGEST_S) for process in processes]
    assert [out for out, _ in told] == ["stopped " * 5] * 2, told
