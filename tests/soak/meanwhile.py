"""What happens to files while a training is under way: the model is moved or changed, a disk is full, sounds vanish.

Whatever it is, it is told in a sentence, no model is ever half-written, and what was trained is saved in the end: by
the training itself, or by the command that its sentence names.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from distill_core import DistillError, load_model_v2
from tests import warm_python
from tests.soak.result import Result, not_run
from tests.soak.scene import Scene, disk
from tests.soak.subject import write_model
from tests.soak.training_process import Told, digest_of, run_training, write_sounds

NAME = "files changed meanwhile"
_PRIOR_SETTINGS = ("--hidden-size", "32", "--layers", "1", "--heads", "2", "--epochs", "12", "--patience", "0")
_PRIOR_SETTINGS += ("--variants", "0", "--architecture")
_CODEC_SETTINGS = ("--codebook-size", "8", "--levels", "2", "--patience", "0", "--architecture")
_KLT = ("--components", "8", "--refiner-width", "8", "--refiner-depth", "1")
_WAYS_OUT = ("--use-best", "--save", "--replace-changed")
_DISK_BYTES = 64 * 2**20  # an empty one passes for large enough before a training


@dataclass(frozen=True, slots=True)
class Training:
    """A training by its name, with its settings; one of a prior has a model."""

    name: str
    command: str
    settings: tuple[str, ...]
    model: str = ""


FRAMES = Training("a frames prior", "train-prior", (*_PRIOR_SETTINGS, "frames"), "klt.distill")
FLAT = Training("a flat prior", "train-prior", (*_PRIOR_SETTINGS, "flat"), "v2.distill")
KLT = Training("a klt codec", "train", (*_CODEC_SETTINGS, "klt", "--epochs", "24", *_KLT))
V2 = Training("a v2 codec", "train", (*_CODEC_SETTINGS, "v2", "--epochs", "3", "--codebook-dim", "8"))
_OF_PRIORS: tuple[tuple[str, Callable[[Scene], None]], ...] = (
    ("the model renamed", Scene.rename),
    ("the model's folder moved", Scene.move_folder),
    ("the model's folder removed", Scene.remove_folder),
    ("the model replaced", Scene.replace),
    ("the model changed", Scene.change),
)
_OF_BOTH: tuple[tuple[str, Callable[[Scene], None]], ...] = (
    ("the model's disk read-only", Scene.lock),
    ("the model's disk full", Scene.fill_models),
    ("the disk of runs full", Scene.fill_data),
    ("the sounds removed", Scene.remove_sounds),
)
_OF_CODECS: tuple[tuple[str, Callable[[Scene], None]], ...] = (
    ("the model's folder removed", lambda scene: shutil.rmtree(scene.model.parent)),
    ("another model put there", Scene.put_another),
)
CASES = (
    *((training, *what) for what in (*_OF_PRIORS, *_OF_BOTH) for training in (FRAMES, FLAT)),
    *((training, *what) for what in (*_OF_CODECS, *_OF_BOTH) for training in (KLT, V2)),
)


class Bench:
    """Models and sounds, with which trainings are disturbed."""

    def __init__(self, folder: Path) -> None:
        self._kept, self._folder, self._number = folder / "kept", folder, 0
        write_sounds(self._kept / "sounds")
        write_model(self._kept / "v2.distill")
        self._wholes: dict[str, str] = {}
        with self._scene(KLT) as scene:
            if (told := self._train(KLT, scene, "whole", lambda event: None)).code != 0:
                raise RuntimeError(f"{KLT.name} ended with {told.code}: {told.message}")
            shutil.copy(scene.model, self._kept / "klt.distill")

    @contextmanager
    def _scene(self, training: Training) -> Iterator[Scene]:
        self._number += 1
        scene = Scene(self._folder / str(self._number))
        scene.folder.mkdir()
        shutil.copytree(self._kept / "sounds", scene.sounds)
        with disk(scene.models, _DISK_BYTES), disk(scene.data, _DISK_BYTES):
            scene.model.parent.mkdir()
            if training.model:
                shutil.copy(self._kept / training.model, scene.model)
            yield scene

    def _arguments(self, training: Training, scene: Scene, *more: str) -> list[object]:
        if training.model:
            return [training.command, scene.model, scene.sounds, "--json", "--no-audit", *more]
        return [training.command, scene.sounds, "--output", scene.model, "--json", *more]

    def _train(self, training: Training, scene: Scene, way: str, on_event: Callable[[dict[str, Any]], object]) -> Told:
        arguments = self._arguments(training, scene, *training.settings)
        return run_training(scene.folder, way, arguments, on_event=on_event)

    def _whole(self, training: Training) -> str:
        """Return the digest of a training that nothing disturbs."""
        if training.name not in self._wholes:
            with self._scene(training) as scene:
                told = self._train(training, scene, "whole", lambda event: None)
                if told.code != 0:
                    raise RuntimeError(f"{training.name} ended with {told.code}: {told.message}")
                self._wholes[training.name] = digest_of(scene.model)
        return self._wholes[training.name]

    def disturb(self, training: Training, act: Callable[[Scene], None], way: str = "whole") -> tuple[str, list[str]]:
        """Disturb a training after its first epoch; return what it told, and what is wrong afterwards."""
        whole = self._whole(training)
        with self._scene(training) as scene:
            acted: list[object] = []

            def on_event(event: dict[str, Any]) -> None:
                if event["event"] == "epoch" and not acted:
                    acted.append(event)
                    act(scene)

            told = self._train(training, scene, way, on_event)
            wrong = _judge_words(told)
            wrong += [f"left a model that does not open: {sentence}" for sentence in _damaged(scene)]
            scene.mend()
            if not _has(scene, whole):
                wrong += self._recover(training, scene, whole)
        words = told.message or "; ".join(str(event["reason"]) for event in told.named("run_not_kept"))
        return _without_place(words, scene), [_without_place(sentence, scene) for sentence in wrong]

    def _recover(self, training: Training, scene: Scene, whole: str) -> list[str]:
        """Save what was trained as a person does who has put things right, and return what is wrong then."""
        if training.model:
            models = [path for path in scene.all_models() if _codec_of(path) == _codec_of(self._kept / training.model)]
            if not models:
                return ["the model is gone"]
            told = run_training(
                scene.folder,
                "whole",
                ["train-prior", models[0], scene.folder, "--json", "--no-audit", "--use-best", "--save-worse"],
            )
        else:
            runs = run_training(scene.folder, "whole", ["runs", "--json"]).named("runs")
            ids = [run["id"] for each in runs for run in each["runs"]]
            if not ids:
                return ["nothing is kept of it"]
            output = scene.folder / "elsewhere.distill"
            told = run_training(scene.folder, "whole", ["runs", "--save", ids[0], "--output", output, "--json"])
            scene.elsewhere.mkdir(exist_ok=True)
            if output.exists():
                output.rename(scene.elsewhere / "model.distill")
        if told.code != 0:
            return [f"what was trained could not be saved: {told.message}"]
        return [] if _has(scene, whole) else ["something else was saved than what was trained"]


def _without_place(words: str, scene: Scene) -> str:
    """Return words without the folder of this computer that the scene lies in."""
    return words.replace(f"{scene.folder}/", "")


def _judge_words(told: Told) -> list[str]:
    """Return what is wrong with the words of a training that has ended: a save that failed names the way out."""
    if told.code is None:
        return ["it hung"]
    if told.code and told.code not in (2, 4):
        return [f"ended with {told.code}: {told.message}"]
    names_way_out = any(words in told.hint + told.message for words in _WAYS_OUT)
    return [] if not told.code or names_way_out else [f"named no way out: {told.message} {told.hint}"]


def _damaged(scene: Scene) -> list[str]:
    found = []
    for path in scene.all_models():
        try:
            load_model_v2(path)
        except DistillError as error:
            found.append(error.message)
    return found


def _codec_of(path: Path) -> list[bytes]:
    return [value.numpy().tobytes() for value in load_model_v2(path).model.state_dict().values()]


def _has(scene: Scene, whole: str) -> bool:
    return any(digest_of(path) == whole for path in scene.all_models())


def _why_not() -> str:
    if not warm_python._is_possible():
        return "Processes are forked by a warm one here, which needs Linux"
    if os.geteuid() != 0:
        return "Only root may mount a disk"
    with tempfile.TemporaryDirectory(prefix="distill-disk-") as folder:
        try:
            with disk(Path(folder, "try"), 2**20):
                return ""
        except (subprocess.CalledProcessError, OSError):
            return "A disk cannot be mounted here"


def changes_meanwhile(wanted: int, until: float) -> Result:
    """Disturb trainings in every way, `wanted` times; the control is a training that keeps no run."""
    if sys.platform != "linux" or (reason := _why_not()):
        return not_run(NAME, wanted, reason if sys.platform == "linux" else "Only Linux mounts a disk in memory")
    start, done, violations, told = time.monotonic(), 0, list[str](), dict[str, str]()
    with ExitStack() as stack:
        stack.callback(warm_python.stop)
        bench = Bench(Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="distill-meanwhile-"))))
        control = bench.disturb(FRAMES, Scene.fill_models, "without a run")[1]
        while done < wanted and (not done or time.monotonic() < until):
            training, what, act = CASES[done % len(CASES)]
            words, wrong = bench.disturb(training, act)
            told.setdefault(what, words)
            violations += [f"{training.name}, {what}: {sentence}" for sentence in wrong]
            done += 1
    facts = [f"{what.capitalize()}: {words or 'nothing to tell, it is saved.'}" for what, words in told.items()]
    facts += [f"Control. Without a run: {sentence}." for sentence in control]
    return Result(NAME, wanted, done, violations, bool(control), None, time.monotonic() - start, facts)
