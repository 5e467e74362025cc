"""The comparison of a training's kept epochs, before one of them is saved: a line for each, and its take as a file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from distill_core.cli.progress import TrainingProgress
from distill_core.cli.terminal import Terminal
from distill_core.errors import DistillError, SaveError
from distill_core.events import ShouldStop, Stopped
from distill_core.generation.request import GenerateRequest
from distill_core.generation.takes.verdict import Copying, copying_words
from distill_core.training.prior.events import KEPT_WORDS

if TYPE_CHECKING:
    from distill_core.audio.dataset import AudioDataset
    from distill_core.audit.epochs import KeptEpoch
    from distill_core.training.prior.trained import TrainedPrior

_COLOURS = {Copying.NEW: "green", Copying.COPY: "red"}


def check_folder(folder: Path) -> None:
    """Refuse, before any work, a place for takes that is no folder.

    Raises:
        SaveError: there is a file.
    """
    if folder.exists() and not folder.is_dir():
        raise SaveError(f"“{folder}” is a file, and no folder; nothing was written.", "Choose another name.")


def epoch_words(epoch: KeptEpoch) -> str:
    """Return an epoch, what it learned, and the verdict on its take, in a line."""
    metrics, verdict = epoch.metrics, epoch.verdict
    facts = [f"epoch {metrics.epoch}, {KEPT_WORDS[epoch.keep]}", f"perplexity {metrics.val_perplexity:.2f}"]
    facts += [f"learning: {metrics.verdict.replace('_', ' ')}"] if metrics.verdict else []
    facts.append(f"its take: {copying_words(verdict)}")
    facts += [f"{verdict.agreement:.0%} of its codes agree"] if verdict.file else []
    return " · ".join(facts) + (f" – {verdict.reason}" if verdict.reason else "")


@dataclass(frozen=True, slots=True)
class Comparing:
    """A comparison that was asked for; the takes are written into `folder`, unless that is None."""

    terminal: Terminal
    model: Path
    folder: Path | None
    use_cache: bool

    def compare(
        self, trained: TrainedPrior, dataset: AudioDataset | None, progress: TrainingProgress, should_stop: ShouldStop
    ) -> bool:
        """Tell of each kept epoch, looser ones first, and return whether there were several to choose from.

        What hinders it takes nothing away from the training.
        """
        from distill_core.audit.epochs import KeptEpoch, compare_kept

        def on_event(event: object) -> None:
            if isinstance(event, KeptEpoch):
                self._tell(event, anonymous=bool(trained.config.get("anonymous")))
            else:
                progress.on_event(event)

        request = GenerateRequest(seed=trained.metadata["seed"])
        self.terminal.say(f"The kept epochs, looser to closer, each with its take of seed {request.seed}:")
        try:
            compared = compare_kept(
                trained,
                self.model,
                dataset,
                request,
                on_event=on_event,
                should_stop=should_stop,
                use_cache=self.use_cache,
            )
        except Stopped:
            self.terminal.say("Stopped: not all of them were compared.", "yellow")
            return False
        except DistillError as error:
            self.terminal.say(f"They can't be compared. {error.message} {error.hint}", "yellow")
            return False
        return len(compared) > 1

    def _tell(self, epoch: KeptEpoch, *, anonymous: bool) -> None:
        path = self._write(epoch, anonymous)
        self.terminal.emit("kept_epoch", _facts(epoch), path=path)
        where = "" if path is None else f" · {path}"
        self.terminal.say(f"  {epoch_words(epoch)}{where}", _COLOURS.get(epoch.verdict.verdict, "yellow"))

    def _write(self, epoch: KeptEpoch, anonymous: bool) -> Path | None:
        """Write an epoch's take, unless a file has its name, and return its path."""
        from distill_core.generation.takes.file import write_take
        from distill_core.generation.takes.name import epoch_take_name

        if self.folder is None:
            return None
        path = self.folder / epoch_take_name(self.model, epoch.metrics.epoch, epoch.take.seed)
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            write_take(epoch.take, self.model, path, anonymous=anonymous, verdict=epoch.verdict.verdict.value)
        except (OSError, SaveError) as error:
            reason = error.message if isinstance(error, SaveError) else str(error)
            self.terminal.say(f"  The take was not written. {reason}", "yellow")
            return None
        return path


def _facts(epoch: KeptEpoch) -> dict[str, Any]:
    metrics = epoch.metrics
    return {
        "keep": epoch.keep.value,
        "epoch": metrics.epoch,
        "perplexity": metrics.val_perplexity,
        "known_perplexity": metrics.known_perplexity,
        "learning": metrics.verdict,
        "seed": epoch.take.seed,
        "take": epoch.verdict.as_facts(),
    }
