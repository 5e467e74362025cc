"""The effort of a codec's training: how many more or fewer epochs and how much patience it has than usual."""

from __future__ import annotations

from distill_core.training.codec.settings import CodecSettings
from distill_core.training.settings import Effort

_FACTORS = {Effort.QUICK: 1 / 3, Effort.THOROUGH: 3.0}


def overrides_for(effort: Effort, auto: CodecSettings) -> dict[str, int]:
    """Return the settings that an effort puts in the place of usual ones; none for NORMAL.

    QUICK takes a third of the epochs of NORMAL, THOROUGH three times as many; the patience follows. Nothing changes of
    a codec that is fitted in its only epoch, nor of a patience of 0, which never ends a training early.
    """
    factor = _FACTORS.get(effort)
    if factor is None or auto.max_epochs == 1:
        return {}
    patience = max(2, round(auto.patience * factor)) if auto.patience else 0
    return {"max_epochs": max(2, round(auto.max_epochs * factor)), "patience": patience}
