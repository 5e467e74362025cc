"""The writing of a model for a plugin."""

from __future__ import annotations

from pathlib import Path

from app.session.activity import Activity, Runner, Subject
from app.session.task import Task
from app.session.tasks.writing import take_written
from distill_core.events import OnEvent, ShouldStop
from distill_core.text import file_name


def exporting_plugin(model: Path, target: Path) -> Task[str]:
    """Write a saved model for Neutone Gen, in the place of a file that is there."""

    def run(on_event: OnEvent, should_stop: ShouldStop) -> str:
        from distill_core.export.neutone import export_neutone
        from distill_core.export.plugin_words import NOT_RUN_YET

        path = export_neutone(model, target, replace=True, should_stop=should_stop)
        return f"The plugin's model is saved as {file_name(path)}. {NOT_RUN_YET}"

    return Task(Activity.WORKING, Subject.OTHER, run, take_written, Runner.SHELF)
