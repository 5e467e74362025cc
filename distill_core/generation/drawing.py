"""The codes of a take, sound after sound."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from distill_core.events import ShouldStop
from distill_core.generation.plan import Plan
from distill_core.generation.sampling import Drawing
from distill_core.models.prior import Prior


@dataclass(frozen=True, slots=True)
class CodeBlock:
    """Some steps of a take; `ends`: their sound ends with them."""

    codes_WHQ: Tensor
    ends: bool


def draw_sounds(prior: Prior, seed: int, plan: Plan, should_stop: ShouldStop) -> Iterator[CodeBlock]:
    """Yield a take's codes unit by unit; after a sound's end a new one begins, unless the take ends with the first.

    The prior is ready for decoding. Each second of a prior that learns from chunks is a sound by itself.

    Raises:
        Stopped: `should_stop()` turned true.
    """
    drawn, given_WHQ = 0, plan.given_WHQ
    while drawn < plan.steps:
        drawing = Drawing(
            prior,
            plan.geometry.bands,
            [seed],
            plan.settings,
            first_unit=drawn // plan.unit_steps,
            given_WHQ=given_WHQ,
            should_stop=should_stop,
        )
        has_ended = False
        while drawn < plan.steps and not has_ended:
            codes_WHQ = drawing.next_unit()[0]
            drawn += plan.unit_steps
            is_prompt = drawn <= len(plan.given_WHQ)
            has_ended = plan.unit_steps > 1 or (plan.may_end and not is_prompt and bool(drawing.have_ended()))
            yield CodeBlock(codes_WHQ, has_ended)
        if has_ended and plan.ends_early:
            return
        given_WHQ = given_WHQ[:0]


def in_blocks(blocks: Iterable[CodeBlock], steps: int) -> Iterator[CodeBlock]:
    """Yield the same codes in blocks of `steps` steps, fewer where a sound ends."""
    waiting: list[Tensor] = []
    for block in blocks:
        waiting.append(block.codes_WHQ)
        if block.ends or sum(map(len, waiting)) >= steps:
            yield CodeBlock(torch.cat(waiting), block.ends)
            waiting = []
    if waiting:
        yield CodeBlock(torch.cat(waiting), ends=False)
