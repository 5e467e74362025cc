"""The signals of the Session: their names and their declarations, in one place."""

from __future__ import annotations

from typing import Literal, TypeAlias

from PySide6.QtCore import QObject, Signal

SignalName: TypeAlias = Literal[
    "model_opened",
    "model_changed",
    "dataset_changed",
    "progress",
    "training_started",
    "step_finished",
    "epoch_finished",
    "training_ended",
    "training_given_up",
    "making_started",
    "making_step",
    "making_epoch",
    "making_ended",
    "model_made",
    "saved",
    "backed_up",
    "named",
    "previous_found",
    "restored",
    "reread",
    "runs_listed",
    "runs_left",
    "cache_cleared",
    "demo_copied",
    "drop_sorted",
    "sessions_seen",
    "registered",
    "sound_heard",
    "evidence_heard",
    "device_known",
    "sound_block",
    "take_progress",
    "takes_found",
    "take_made",
    "epoch_take_made",
    "take_read",
    "take_outlined",
    "takes_outlined",
    "sound_outlined",
    "sounds_outlined",
    "takes_written",
    "shelves_listed",
    "audited",
    "said",
]
News: TypeAlias = tuple[SignalName, object]  # a signal to send, and its value


class SessionSignals(QObject):
    """The signals that a task's events and result ask for, in the order of `SignalName`; a test compares both."""

    model_opened = Signal(object)  # ModelSummary, of a model in place of another
    model_changed = Signal(object)  # ModelSummary
    dataset_changed = Signal(object)  # AudioDataset
    progress = Signal(object)  # JobProgress
    training_started = Signal(object)  # PriorTrainingStartEvent
    step_finished = Signal(object)  # StepMetrics
    epoch_finished = Signal(object)  # PriorEpochMetrics
    training_ended = Signal(object)  # TrainedPrior
    training_given_up = Signal(str)  # the id of its run, "" if there was none
    making_started = Signal(object)  # CodecTrainingStartEvent
    making_step = Signal(object)  # StepMetrics
    making_epoch = Signal(object)  # CodecEpochMetrics
    making_ended = Signal(object)  # TrainedCodec
    model_made = Signal(object)  # Path of the new file, which is open now
    saved = Signal(object)  # Path
    backed_up = Signal(object)  # Path
    named = Signal(object)  # ModelSummary, of a model with another name or other notes
    previous_found = Signal(object)  # ModelSummary of the version before the last save
    restored = Signal(object)  # Path
    reread = Signal(object)  # ModelSummary
    runs_listed = Signal(object)  # tuple of ListedRun, as asked for
    runs_left = Signal(object)  # tuple of ListedRun, after one was given up
    cache_cleared = Signal(object)  # int, in bytes
    demo_copied = Signal(object)  # DemoFiles
    drop_sorted = Signal(object)  # Drop of many files
    sessions_seen = Signal(object)  # frozenset of Path: the files of remembered sessions that have moved
    registered = Signal(str)  # how adding Distill to the applications menu ended, in sentences
    sound_heard = Signal(object)  # Playable of a source sound, or of its round trip
    evidence_heard = Signal(object)  # HeardEvidence: a take's part and its nearest moment
    device_known = Signal(str)
    sound_block = Signal(object)  # SoundBlock of the take under way
    take_progress = Signal(object)  # JobProgress of the take under way
    takes_found = Signal(object)  # FoundTakes, of a model that was opened
    take_made = Signal(object)  # MadeTake
    epoch_take_made = Signal(object)  # MadeEpochTake
    take_read = Signal(object)  # Playable, a take of the shelf to be played
    take_outlined = Signal(object)  # TakeOutline
    takes_outlined = Signal(object)  # numbers of takes whose outlines were asked for; some may not have come
    sound_outlined = Signal(object)  # SoundOutline
    sounds_outlined = Signal(object)  # tuple of AudioFile whose outlines were asked for; some may not have come
    takes_written = Signal(object)  # WrittenTakes
    shelves_listed = Signal(object)  # AllShelves
    audited = Signal(object)  # AuditRecord
    said = Signal(str)  # an event in a sentence
