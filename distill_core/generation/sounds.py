"""Many sounds at a time, each from its beginning to its end: what a prior makes of itself, to be judged."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from distill_core.audio.geometry import Geometry
from distill_core.events import OnEvent, Phase, ProgressReporter, ShouldStop, ignore, never
from distill_core.generation.sampling import Drawing, ready_for_decoding, unit_steps
from distill_core.generation.settings import SamplingSettings
from distill_core.models.prior import Prior

_BATCH = 32


def _draw_together(
    ready: Prior, bands: int, seeds: Sequence[int], settings: SamplingSettings, steps: int, should_stop: ShouldStop
) -> list[Tensor]:
    """Return the codes `[W, H, Q]` of sounds up to their ends; those that have ended are drawn on, and cut off."""
    drawing = Drawing(ready, bands, seeds, settings, should_stop=should_stop)
    units, lengths_B = list[Tensor](), torch.full((len(seeds),), steps)
    for drawn in range(unit_steps(ready, bands), steps + 1, unit_steps(ready, bands)):
        units.append(drawing.next_unit())
        if ready.learns_end:
            lengths_B = lengths_B.where(~drawing.have_ended() | (lengths_B < drawn), drawn)
            if int(lengths_B.max()) <= drawn:
                break
    codes_BWHQ = torch.cat(units, 1)
    return [codes_WHQ[:length].clone() for codes_WHQ, length in zip(codes_BWHQ, lengths_B.tolist(), strict=True)]


def draw_set(
    prior: Prior,
    geometry: Geometry,
    settings: SamplingSettings,
    count: int,
    seed: int,
    longest_s: float,
    *,
    on_event: OnEvent = ignore,
    should_stop: ShouldStop = never,
) -> list[Tensor]:
    """Return the codes `[W, H, Q]` of `count` new sounds; sound i depends on the prior, the settings and `seed + i`.

    A sound ends where the prior says so, after `longest_s` seconds at the latest. A prior that learned no ends gives
    sounds of that length, one that learned seconds a second each.

    Raises:
        ConfigError: there are level temperatures, but not one for each level.
        Stopped: `should_stop()` turned true.
    """
    unit = unit_steps(prior, geometry.bands)
    steps = unit if unit > 1 else geometry.steps_within(longest_s)
    progress, found = ProgressReporter(Phase.SAMPLE, count, on_event), list[Tensor]()
    with torch.inference_mode():
        ready = ready_for_decoding(prior, torch.float64)
        for first in range(0, count, _BATCH):
            seeds = [seed + index for index in range(first, min(count, first + _BATCH))]
            found += _draw_together(ready, geometry.bands, seeds, settings, steps, should_stop)
            progress.update(len(found))
    return [codes_WHQ.clone() for codes_WHQ in found]
