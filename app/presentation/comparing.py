"""The prior in a file beside the new one that may replace it, in sentences: pure, so that a table can test them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.words import shown_name
from distill_core.text import file_name

if TYPE_CHECKING:
    from pathlib import Path

    from distill_core.models.summary import ModelSummary
    from distill_core.training.prior.trained import TrainedPrior

_BETTER = "The new one is better: {new} instead of {old}, on the same sounds kept aside."
_WORSE = "The new one is worse: {new} instead of {old}, on the same sounds kept aside."
_EQUAL = "Both are equally good: {new} on the same sounds kept aside."
_UNSURE = (
    "The new one reaches {new}. The one in the file reaches {old}, but may have learned from the sounds that are kept "
    "aside now."
)
_UNMEASURED = "The new one reaches {new}; the one in the file can't be measured on the sounds that are kept aside now."
_GUESSING = "The new one knows no more than how common each code is."
_LONGEST_NAME = 40
_WHOLE_FROM = 100  # no digits matter then


def compared(file: ModelSummary, trained: TrainedPrior) -> str:
    """Return which of both priors is the better one, with the perplexities; "" if the file has none."""
    before, new = trained.measured_in(file), trained.metadata["final_perplexity"]
    if before is None:
        return ""
    if before.perplexity is None:
        return _UNMEASURED.format(new=_shown(new, 1))
    return _sentence(new, before.perplexity, decides=before.decides, is_worse=bool(trained.objection(file)))


def _sentence(new: float, old: float, *, decides: bool, is_worse: bool) -> str:
    digits = 1 if f"{new:.1f}" != f"{old:.1f}" else 2
    shown = {"new": _shown(new, digits), "old": _shown(old, digits)}
    if not decides:
        return _UNSURE.format(**shown)
    if shown["new"] == shown["old"]:
        return _EQUAL.format(**shown)
    return (_WORSE if is_worse and new > old else _BETTER if new < old else _EQUAL).format(**shown)


def is_worse(file: ModelSummary, trained: TrainedPrior) -> bool:
    """Tell whether the new prior is the worse one on the same sounds, by the digits that are shown."""
    before, new = trained.measured_in(file), trained.metadata["final_perplexity"]
    if before is None or before.perplexity is None or not before.decides:
        return False
    return new > before.perplexity and _shown(new, 2) != _shown(before.perplexity, 2)


def _shown(value: float, digits: int) -> str:
    return f"{value:,.{digits}f}" if value < _WHOLE_FROM else f"{value:,.0f}"


def objection(file: ModelSummary, trained: TrainedPrior) -> str:
    """Return why the new prior should not replace the one in the file, with both perplexities."""
    if not trained.is_no_better_than_guessing:
        return compared(file, trained)
    before = trained.measured_in(file)
    return f"{_GUESSING} {compared(file, trained)}" if before and before.perplexity is not None else _GUESSING


def kept_words(model: Path) -> str:
    """Return that a save keeps the version before, and how to get it back."""
    kept = file_name(model.with_name(f"{model.name}.bak"), _LONGEST_NAME)
    return (
        f"“{shown_name(model)}” as it is now stays beside it as “{kept}” until the next save: "
        "File ▸ Restore Previous Version brings it back."
    )
