"""The takes of a training's kept epochs, to be compared, and the verdicts on them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from app.session.activity import Activity, Runner, Subject
from app.session.comparing import EpochKey, EpochTake
from app.session.player import Playable
from app.session.state import State
from app.session.takes import TakeOptions
from app.session.task import Taken, Task
from app.session.tasks.copying import Judges
from app.session.tasks.generating import chosen
from app.session.tasks.voices import Voices
from distill_core.events import OnEvent, ShouldStop, stop_point
from distill_core.generation.takes.verdict import Copying
from distill_core.training.prior.events import KEPT_WORDS

if TYPE_CHECKING:
    from distill_core.audio.dataset import AudioDataset
    from distill_core.generation.takes.verdict import TakeVerdict
    from distill_core.training.prior.events import Keep
    from distill_core.training.prior.trained import TrainedPrior


@dataclass(frozen=True, slots=True)
class MadeEpochTake:
    """The take of a kept epoch, which is a choice of `trained`."""

    trained: TrainedPrior
    which: Keep
    take: EpochTake


def making(
    model: Path, trained: TrainedPrior, which: Keep, options: TakeOptions, voices: Voices
) -> Task[MadeEpochTake]:
    """Make the take of a kept epoch; it goes on no shelf."""

    def run(on_event: OnEvent, should_stop: ShouldStop) -> MadeEpochTake:
        from distill_core.audit.epochs import with_epoch
        from distill_core.generation.generate import generate

        stop_point(should_stop)
        loaded = with_epoch(voices.of_file(model), trained, which)
        sample = generate(loaded, chosen(options)(loaded), should_stop=should_stop)
        epoch = trained.weights[which].epoch
        title = f"Epoch {epoch}, {KEPT_WORDS[which]}"
        key = EpochKey(trained.run_id, epoch, sample.seed)
        playable = Playable(title, (sample.waveform_T * sample.gain).numpy(), sample.sample_rate, key)
        return MadeEpochTake(trained, which, EpochTake(playable, sample))

    def take(state: State, made: MadeEpochTake) -> Taken:
        comparing = state.comparing
        if not comparing.is_of(trained) or comparing.options is not options:
            return state, []
        return replace(state, comparing=comparing.with_take(which, made.take)), [("epoch_take_made", made)]

    return Task(Activity.WORKING, Subject.EPOCHS, run, take, Runner.LISTEN)


def judging(
    model: Path, made: MadeEpochTake, dataset: AudioDataset | None, judges: Judges, voices: Voices
) -> Task[TakeVerdict]:
    """Judge the take of a kept epoch by the sounds that are open; what was told before stays if these tell nothing."""

    def run(on_event: OnEvent, should_stop: ShouldStop) -> TakeVerdict:
        from distill_core.audit.epochs import verdict_of, with_epoch

        stop_point(should_stop)
        loaded = with_epoch(voices.of_file(model), made.trained, made.which)
        judge = None if dataset is None else judges.of(loaded, dataset, should_stop)
        return verdict_of(judge, made.take.sample)

    def take(state: State, verdict: TakeVerdict) -> Taken:
        now = state.comparing.takes.get(made.which)
        if now is None or now.sample is not made.take.sample:
            return state, []
        if now.verdict is not None and verdict.verdict is Copying.CANT_TELL:
            return state, []
        judged = replace(now, verdict=verdict)
        return replace(state, comparing=state.comparing.with_take(made.which, judged)), []

    return Task(Activity.WORKING, Subject.JUDGING, run, take, Runner.LISTEN)
