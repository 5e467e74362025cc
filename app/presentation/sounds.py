"""The rows of the Sounds page in words: pure, so that a table can test them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.session.available import ActionId, available
from app.session.state import State
from app.times import length
from app.widgets.rows.look import PLAY, WAVE, Column, Row, natural
from app.words import counted, shown_places
from distill_core.training.prior.config import PriorConfig
from distill_core.training.settings import val_fraction_for

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from distill_core.audio.dataset import AudioDataset, AudioFile
    from distill_core.training.prior.events import PriorTrainingStartEvent

LEARNED, KEPT_ASIDE, LEFT_OUT, SKIPPED = "learned from", "kept aside", "left out", "skipped"
BOTH = "all but its end"
LEAVE_OUT, TAKE_BACK, CHOOSE = "&Leave Out", "Ta&ke Back In", "Choose Fold&er…"
INVITATION = "Drop sounds or folders here"
_MOST_SOURCES = 6  # that are named
_USE_TIPS = {
    LEARNED: "The model learns from this sound.",
    KEPT_ASIDE: "The model doesn't learn from this sound: it shows how well the model knows what it hasn't heard.",
    BOTH: "One sound is split in time: the model learns from its beginning, and is tried on its end.",
    LEFT_OUT: "The next training does without this sound. Take it back in to learn from it again.",
}


@dataclass(frozen=True, slots=True)
class SoundRow(Row):
    """A row of the Sounds page; `file` is None for one that was skipped, `use` says what training does with it."""

    file: AudioFile | None = None
    seconds: float = -1.0
    use: str = ""
    note: str = ""


def _length(row: SoundRow) -> str:
    return "–" if row.file is None else length(row.seconds)


def _use_tip(row: SoundRow) -> str:
    return _USE_TIPS.get(row.use, row.note)


COLUMNS = (
    PLAY,
    WAVE,
    Column(
        "Sound", "sound.wav", stretch=3, is_typed=True, text=lambda row: row.name, order=lambda row: natural(row.name)
    ),
    Column("Length", "59:59", is_number=True, text=_length, order=lambda row: row.seconds),
    Column("Use", BOTH, text=lambda row: row.use, order=lambda row: row.use, tip=_use_tip),
    Column("Note", "the same", stretch=2, text=lambda row: row.note, order=lambda row: row.note.casefold()),
)


def split_choice(state: State) -> tuple[float, int]:
    """Return the share of the sounds that the next training keeps aside, and the seed that chooses them."""
    config, dataset = state.options.config, state.open.dataset
    if config is not None:
        return config.val_fraction, config.seed
    return val_fraction_for(0 if dataset is None else len(dataset.files)), PriorConfig().seed


def _kept_aside(dataset: AudioDataset, share: float, seed: int) -> set[str]:
    """Return the names of the sounds that a training keeps aside; it takes 30 ms for 5,000 sounds.

    It is the split of sounds without near-copies, which nobody knows before they are encoded.
    """
    from distill_core.audio.dataset import split_files

    return {file.name for file in split_files(dataset.files, share, seed, near_copies=())[1]}


def _its_training(state: State, dataset: AudioDataset) -> PriorTrainingStartEvent | None:
    """Return the start of the training that has split these very sounds as the next one will, None if none has."""
    started, trained_on = state.training.started, state.training.dataset
    if started is None or trained_on is None:
        return None
    is_as_chosen = state.is_training or (started.config.val_fraction, started.config.seed) == split_choice(state)
    is_of_these = trained_on is dataset or _names(trained_on) == _names(dataset)
    return started if is_as_chosen and is_of_these else None


def _names(dataset: AudioDataset) -> list[str]:
    return [file.name for file in dataset.files]


def _uses(state: State) -> dict[str, str]:
    """Return what the next training does with the sounds that it gets, by name."""
    dataset = state.open.dataset
    if dataset is None or len(dataset.files) == 1:
        return {} if dataset is None else {dataset.files[0].name: BOTH}
    started = _its_training(state, dataset)
    kept = _kept_aside(dataset, *split_choice(state)) if started is None else {*started.validation_names}
    return {file.name: KEPT_ASIDE if file.name in kept else LEARNED for file in dataset.files}


def _likenesses(state: State) -> dict[str, str]:
    """Return a note by the name of each sound that is nearly the same as one before it, as far as training told."""
    dataset = state.open.dataset
    started = None if dataset is None else _its_training(state, dataset)
    groups = () if started is None else started.near_copies
    return {name: f"nearly the same as {group[0]}" for group in groups for name in group[1:]}


def rows(state: State) -> tuple[SoundRow, ...]:
    """Return a row for each sound, and for each file that was skipped."""
    scanned = state.open.scanned
    if scanned is None:
        return ()
    uses, missed = _uses(state), {file.name: file.reason for file in state.training.left_out}
    alike = _likenesses(state)
    notes = {file.name: missed.get(file.name) or file.note or alike.get(file.name, "") for file in scanned.files}
    used = [_used(file, uses.get(file.name, LEFT_OUT), notes[file.name]) for file in scanned.files]
    skipped = [
        SoundRow((SKIPPED, number), file.name, can_play=False, is_dim=True, use=SKIPPED, note=file.reason)
        for number, file in enumerate(scanned.skipped)
    ]
    return (*skipped, *used)


def _used(file: AudioFile, use: str, note: str) -> SoundRow:
    return SoundRow(
        file.name, file.name, is_dim=use == LEFT_OUT, file=file, seconds=file.duration_s, use=use, note=note
    )


def heading(state: State, rows: Sequence[SoundRow]) -> str:
    """Return the sounds in numbers: 24 sounds · 3:12 · 5 kept aside · 2 skipped · 1 left out."""
    scanned = state.open.scanned
    used = [row for row in rows if row.use in (LEARNED, KEPT_ASIDE, BOTH)]
    if not used:
        return ""
    parts = [counted(len(used), "sound"), length(round(sum(row.seconds for row in used)))]
    parts += ["its end kept aside"] if used[0].use == BOTH else []
    for use in (KEPT_ASIDE, SKIPPED, LEFT_OUT):
        count = sum(row.use == use for row in rows)
        parts += [f"{count:,} {use}"] if count else []
    parts += [str(scanned.passed_over)] if scanned is not None and scanned.passed_over else []
    return " · ".join(parts)


def places(state: State) -> str:
    """Return where the sounds are from."""
    scanned = state.open.scanned
    if scanned is None:
        return ""
    return "; ".join(shown_places(scanned.sources, _MOST_SOURCES))


# Leaving out


def can_be_left_out(state: State, names: Collection[object]) -> frozenset[str]:
    """Return those names that are sounds: skipped files and what is gone are none."""
    scanned = state.open.scanned
    return frozenset() if scanned is None else frozenset(file.name for file in scanned.files if file.name in names)


def takes_back(state: State, names: Collection[str]) -> bool:
    """Tell whether a click takes the chosen sounds back in: all of them are left out."""
    return bool(names) and state.open.left_out.issuperset(names)


def leave_out_text(state: State, names: Collection[str]) -> str:
    """Return the text of the button for the chosen sounds."""
    return TAKE_BACK if takes_back(state, names) else LEAVE_OUT


def can_leave_out(state: State, names: Collection[str]) -> bool:
    """Tell whether that button can be pressed."""
    return bool(names) and ActionId.LEAVE_OUT in available(state)


def leave_out_tip(state: State, names: Collection[str]) -> str:
    """Return the tooltip of that button: what it does, or why it can't."""
    if ActionId.LEAVE_OUT not in available(state):
        return "Stop training to leave sounds out." if state.is_training else "The sounds are being looked through."
    if not names:
        return "Choose sounds in the rows first."
    if takes_back(state, names):
        return "Have the next training learn from them again (Delete or −)"
    return "Have the next training do without them; the files stay as they are (Delete or −)"
