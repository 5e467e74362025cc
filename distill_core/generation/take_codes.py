"""The codes of a take alone, for those who do not listen to it."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate

import torch
from torch import Tensor

from distill_core.device import use_one_thread
from distill_core.events import ShouldStop, never
from distill_core.generation.drawing import draw_sounds
from distill_core.generation.plan import plan_takes, require_prior
from distill_core.generation.request import GenerateRequest
from distill_core.generation.sampling import ready_for_decoding
from distill_core.models.persistence import LoadedVQModel


@dataclass(frozen=True, slots=True)
class TakeCodes:
    """The codes `[W, H, Q]` of a take, and the numbers of steps after which a sound of it ended; see `Sample`."""

    codes_WHQ: Tensor
    ends: tuple[int, ...]


def draw_take(loaded: LoadedVQModel, request: GenerateRequest, should_stop: ShouldStop = never) -> TakeCodes:
    """Return the codes of a request's first take, the same as those of its `Sample`, without making its sound.

    The model is on the processor.

    Raises:
        ConfigError: a setting that this model cannot fulfil; names the field.
        ModelFileError: the model has no prior that can be read.
        DatasetError: the prompt cannot be used; says why.
        Stopped: `should_stop()` turned true.
    """
    use_one_thread()
    with torch.inference_mode():
        plan = plan_takes(loaded, request, should_stop)
        prior = ready_for_decoding(require_prior(loaded), torch.float64)
        blocks = [*draw_sounds(prior, request.seed, plan, should_stop)]
    ends = accumulate(len(block.codes_WHQ) for block in blocks)
    codes_WHQ = torch.cat([block.codes_WHQ for block in blocks])
    return TakeCodes(codes_WHQ, tuple(end for end, block in zip(ends, blocks, strict=True) if block.ends))
