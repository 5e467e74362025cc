"""The reading of another model, whose curve is shown beside."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from app.session.activity import Activity, Runner, Subject
from app.session.beside import BesideModel
from app.session.state import Page, State
from app.session.task import Taken, Task
from distill_core.errors import ModelFileError
from distill_core.events import OnEvent, ShouldStop
from distill_core.text import file_name
from distill_core.training.prior.curve import saved_curve


def reading_beside(path: Path, model: Path) -> Task[BesideModel]:
    """Read the facts of a model to compare the open one with, and whether both have the same codec; then show it."""

    def run(on_event: OnEvent, should_stop: ShouldStop) -> BesideModel:
        from distill_core.models.persistence import read_codec_digest, read_summary

        summary = read_summary(path)
        if saved_curve(summary.prior_metadata or {}) is None:
            lacks = "was saved without its curve" if summary.has_prior else "has not learned any sounds yet"
            raise ModelFileError(f"“{file_name(path)}” {lacks}: there is no curve to compare.", "Choose another model.")
        return BesideModel(summary, read_codec_digest(path) == read_codec_digest(model))

    def take(state: State, beside: BesideModel) -> Taken:
        if state.open.model is None or state.open.model.path != model:  # another one was opened meanwhile
            return state, []
        return replace(state.without_problem(), beside=beside, page=Page.LEARNING), []

    return Task(Activity.WORKING, Subject.OTHER, run, take, Runner.SHELF)
