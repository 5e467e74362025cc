"""The scan of sounds."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from app.session.activity import Activity, Subject
from app.session.state import State
from app.session.task import Taken, Task
from distill_core.events import OnEvent, ShouldStop

if TYPE_CHECKING:
    from distill_core.audio.dataset import AudioDataset


def _take(state: State, dataset: AudioDataset) -> Taken:
    state = state.without_saved_training().with_training(left_out=())  # a saved prior makes room for "Ready"
    return state.with_open(dataset=dataset, sounds_refusal=""), [("dataset_changed", dataset)]


def scanning(sources: Sequence[Path]) -> Task[AudioDataset]:
    """Look through folders of sounds and single ones."""

    def run(on_event: OnEvent, should_stop: ShouldStop) -> AudioDataset:
        from distill_core import scan

        return scan(*sources, on_event=on_event, should_stop=should_stop)

    return Task(Activity.SCANNING, Subject.SOUNDS, run, _take)
