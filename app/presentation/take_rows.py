"""The rows of the Takes page in words: pure, so that a table can test them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from app.presentation.copying import CopyWords, take_words
from app.presentation.generating import START_WORDS
from app.session.state import State
from app.times import length, local_moment, time_words
from app.widgets.rows.look import PLAY, STAR, WAVE, Column, Row, natural
from app.words import counted, shown_name

if TYPE_CHECKING:
    from collections.abc import Sequence

    from distill_core.generation.request import GenerateRequest
    from distill_core.generation.takes.folder import Take

STARRED_ONLY = "Starred &Only"
NONE_STARRED = "No take has a star yet. A star keeps a take for good."


_NOTHING_TOLD = CopyWords("", "", 0.0)


@dataclass(frozen=True, slots=True)
class TakeRow(Row):
    """A row of the Takes page; `made` is when it was made, in local time, `by` says which training it is from."""

    number: int = 0
    seconds: float = 0.0
    seed: int = 0
    variety: float = 1.0
    start: str = ""
    made: datetime | None = None
    made_words: str = ""
    by: str = ""
    by_tip: str = ""
    reached: float = 0.0
    copying: CopyWords = _NOTHING_TOLD


def _length(row: TakeRow) -> str:
    return length(row.seconds)


def _order_of_time(row: TakeRow) -> float:
    return 0.0 if row.made is None else row.made.timestamp()


COLUMNS = (
    PLAY,
    STAR,
    WAVE,
    Column(
        "Take", "999", is_number=True, is_typed=True, text=lambda row: f"{row.number}", order=lambda row: row.number
    ),
    Column("Length", "59.9 s", is_number=True, text=_length, order=lambda row: row.seconds),
    Column("Seed", "99999", is_number=True, text=lambda row: f"{row.seed}", order=lambda row: row.seed),
    Column("Variety", "1.00", is_number=True, text=lambda row: f"{row.variety:.2f}", order=lambda row: row.variety),
    Column("From", "Vary: a", stretch=2, text=lambda row: row.start, order=lambda row: natural(row.start)),
    Column("Made", "26 Nov 14:05", stretch=1, text=lambda row: row.made_words, order=_order_of_time),
    Column(
        "Copy?",
        "can't tell",
        stretch=5,
        loses_end=True,
        text=lambda row: row.copying.text,
        order=lambda row: -row.copying.order,
        tip=lambda row: row.copying.tip,
    ),
    Column(
        "By",
        "epoch 12",
        stretch=2,
        text=lambda row: row.by,
        order=lambda row: row.reached,
        tip=lambda row: row.by_tip,
    ),
)


def _start_words(request: GenerateRequest) -> str:
    return "" if request.prompt is None else f"{START_WORDS[request.mode]}: {shown_name(request.prompt)}"


def _facts_of_prior(take: Take, known: Sequence[Mapping[str, Any]]) -> tuple[bool, int, float]:
    """Return whether a take is by a prior that is open, its epoch and its perplexity, 0 for what is unknown."""
    by = next((metadata for metadata in known if take.is_by(metadata)), None)
    epoch, perplexity = take.facts.get("prior_epoch", 0), take.facts.get("prior_perplexity", 0.0)
    return by is not None, epoch, perplexity


_BY_NOW = (
    "Made by the model as it is now.",
    "Made by the model as it is now, epoch {0}.",
    "Made by the model as it is now, epoch {0}, which hesitated among {1:.1f} codes (perplexity).",
)
_BY_AN_EARLIER_ONE = (
    "Made by an earlier training.",
    "Made by an earlier training, epoch {0}.",
    "Made by an earlier training, epoch {0}, which hesitated among {1:.1f} codes (perplexity).",
)


def _by_words(is_now: bool, epoch: int, perplexity: float) -> tuple[str, str]:
    """Return which training a take is from, in short and in a sentence."""
    shorts = ("this model" if is_now else "an earlier one", "epoch {0}", "epoch {0} ({1:.1f})")
    known = 0 if not epoch else 1 if not perplexity else 2
    sentences = _BY_NOW if is_now else _BY_AN_EARLIER_ONE
    return shorts[known].format(epoch, perplexity), sentences[known].format(epoch, perplexity)


def _row(take: Take, state: State, known: Sequence[Mapping[str, Any]], now: datetime) -> TakeRow:
    is_now, epoch, perplexity = _facts_of_prior(take, known)
    by, by_tip = _by_words(is_now, epoch, perplexity)
    made = local_moment(take.facts.get("made_at", ""))
    return TakeRow(
        take.number,
        f"Take {take.number}",
        is_starred=take.is_starred,
        number=take.number,
        seconds=take.duration_s,
        seed=take.seed,
        variety=take.request.temperature,
        start=_start_words(take.request),
        made=made,
        made_words=time_words(made, now),
        by=by,
        by_tip=by_tip,
        reached=perplexity,
        copying=take_words(take, state),
    )


def rows(state: State, now: datetime) -> tuple[TakeRow, ...]:
    """Return a row for each take of the open model, the newest first."""
    model, trained = state.open.model, state.training.trained
    known = [] if model is None else [model.prior_metadata or {}]
    known += [trained.metadata] if trained is not None and state.training.unsaved else []
    return tuple(_row(take, state, known, now) for take in state.takes.takes)


def heading(rows: Sequence[TakeRow]) -> str:
    """Return the takes in numbers: 12 takes · 3 with a star."""
    if not rows:
        return ""
    starred = sum(row.is_starred for row in rows)
    return counted(len(rows), "take") + (f" · {starred} with a star" if starred else "")
