"""How a prior's training goes on with a run: plain values, for the window too."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Continuation:
    """The run that a training goes on with: that of an id, the newest one of the model if `run_id` is "".

    `further`: with patience anew, and with as many epochs again if the run has had all of them. `time_limit_min`,
    `patience` and `stop_when_memorizing` take the place of the run's, None: they stay. All other settings are the
    run's.
    """

    run_id: str = ""
    further: bool = False
    time_limit_min: float | None = None
    patience: int | None = None
    stop_when_memorizing: bool | None = None

    @property
    def limits(self) -> dict[str, float]:
        """The settings that take the place of the run's."""
        limits = {
            "time_limit_min": self.time_limit_min,
            "patience": self.patience,
            "stop_when_memorizing": self.stop_when_memorizing,
        }
        return {name: value for name, value in limits.items() if value is not None}
