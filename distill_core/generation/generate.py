"""New sound from a model: codes from its prior, and sound from its codec on a second thread meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import accumulate

import torch
from torch import Tensor

from distill_core.audio.true_peak import safe_gain
from distill_core.device import use_one_thread
from distill_core.errors import ModelFileError
from distill_core.events import OnEvent, Phase, ProgressReporter, ShouldStop, ignore, never, unless_stopped
from distill_core.generation.ahead import ahead
from distill_core.generation.drawing import CodeBlock, draw_sounds, in_blocks
from distill_core.generation.origin import origin_of
from distill_core.generation.plan import Plan, plan_takes, require_prior
from distill_core.generation.rendering import closed_loop, render
from distill_core.generation.request import GenerateRequest, Sample, SoundBlock
from distill_core.generation.sampling import ready_for_decoding
from distill_core.models.codec import Codec
from distill_core.models.persistence import LoadedVQModel
from distill_core.models.prior import Prior

_MOST_BLOCKS_AHEAD = 64


@dataclass(frozen=True, slots=True)
class DrawnTake:
    """A take's codes, block by block, without its sound."""

    request: GenerateRequest
    plan: Plan
    blocks: tuple[CodeBlock, ...]

    @property
    def codes_WHQ(self) -> Tensor:
        """Its codes `[W, H, Q]` (int64)."""
        return torch.cat([block.codes_WHQ for block in self.blocks])


def _drawn(prior: Prior, seed: int, plan: Plan, block_steps: int, should_stop: ShouldStop) -> Iterator[CodeBlock]:
    use_one_thread()
    with torch.inference_mode():
        yield from in_blocks(draw_sounds(prior, seed, plan, should_stop), block_steps)


@dataclass(frozen=True, slots=True)
class _Making:
    """The making of one take's sound; `draw` yields its codes, with which `codes` is filled in meanwhile."""

    take: GenerateRequest
    plan: Plan
    codec: Codec
    draw: Callable[[ShouldStop], Iterator[CodeBlock]]
    codes: list[CodeBlock] = field(default_factory=list)

    def _noted(self, blocks: Iterable[CodeBlock]) -> Iterator[CodeBlock]:
        for block in blocks:
            self.codes.append(block)
            yield block

    def _audio_of(self, blocks: Iterable[Tensor]) -> Iterator[Tensor]:
        levels = self.take.levels or None
        return self.codec.audio_of(codes_WHQ[..., :levels] for codes_WHQ in blocks)

    def sound(self, should_stop: ShouldStop) -> Generator[Tensor]:
        """Yield the take's sound, and with it note its codes."""
        with closing(ahead(self.draw, _MOST_BLOCKS_AHEAD, should_stop)) as blocks:
            yield from unless_stopped(render(self._audio_of, self._noted(blocks), self.plan), should_stop)

    def sample(self, waveform_T: Tensor) -> Sample:
        """Return the take once its sound is made.

        Raises:
            ModelFileError: the model makes numbers that are no sound.
        """
        if not bool(waveform_T.isfinite().all()):
            raise ModelFileError("This model makes no sound: its numbers grow beyond all bounds.", "Train it again.")
        ends = accumulate(len(block.codes_WHQ) for block in self.codes)
        return Sample(
            waveform_T,
            self.plan.geometry.sample_rate,
            torch.cat([block.codes_WHQ for block in self.codes]),
            self.take,
            safe_gain(waveform_T, self.take.loop),
            tuple(end for end, block in zip(ends, self.codes, strict=True) if block.ends),
            len(self.plan.given_WHQ),
            self.plan.notes,
        )


def _make(making: _Making, on_samples: Callable[[int], None], on_event: OnEvent, should_stop: ShouldStop) -> Sample:
    """Make a take; `on_samples` takes the number of its samples so far."""
    blocks, left = [], making.plan.samples
    with closing(making.sound(should_stop)) as sound:  # a thread must not outlive an error
        for block_T in sound:
            if len(heard_T := block_T[:left]):
                on_event(SoundBlock(making.take.seed, heard_T, making.plan.geometry.sample_rate))
                left -= len(heard_T)
                on_samples(making.plan.samples - left)
            blocks.append(block_T)
    waveform_T = torch.cat(blocks)
    return making.sample(closed_loop(waveform_T, making.plan) if making.plan.loop_samples else waveform_T)


def _report(progress: ProgressReporter, before: int, samples: int) -> None:
    """Report a take's samples so far, after those of the takes before."""
    progress.update(before + samples)


def generate_takes(
    loaded: LoadedVQModel,
    request: GenerateRequest,
    *,
    block_steps: int = 1,
    on_event: OnEvent = ignore,
    should_stop: ShouldStop = never,
) -> Iterator[Sample]:
    """Yield the takes of a request in order, each as soon as it is made; see `generate`."""
    use_one_thread()
    with torch.no_grad():
        plan = plan_takes(loaded, request, should_stop)
        prior = ready_for_decoding(require_prior(loaded), torch.float64)
    progress = ProgressReporter(Phase.SAMPLE, request.count * plan.samples, on_event)
    origin = None
    for index in range(request.count):
        take = request.take(index)
        making = _Making(take, plan, loaded.model, partial(_drawn, prior, take.seed, plan, block_steps))
        with torch.no_grad():
            sample = _make(making, partial(_report, progress, index * plan.samples), on_event, should_stop)
        progress.update((index + 1) * plan.samples)
        origin = origin or origin_of(loaded)  # not before the first take: its beginning is waited for
        yield replace(sample, origin=origin)


def generate(
    loaded: LoadedVQModel,
    request: GenerateRequest,
    *,
    block_steps: int = 1,
    on_event: OnEvent = ignore,
    should_stop: ShouldStop = never,
) -> Sample:
    """Return the first take of a request; its sound is sent block by block (`SoundBlock`) while it is made.

    A take depends on the model, the prompt and the request alone: its codes are the same on every machine, its sound
    byte for byte on one, whatever `block_steps`, the number of steps that are drawn at a time. The model is on the
    processor. torch is told to use one thread, unless a training is under way.

    Raises:
        ConfigError: a setting that this model cannot fulfil; names the field.
        ModelFileError: the model has no prior that can be read, or makes no sound.
        DatasetError: the prompt cannot be used; says why.
        Stopped: `should_stop()` turned true.
    """
    make = partial(generate_takes, block_steps=block_steps, on_event=on_event, should_stop=should_stop)
    return next(make(loaded, request.take(0)))


def draw_take(loaded: LoadedVQModel, request: GenerateRequest, should_stop: ShouldStop = never) -> DrawnTake:
    """Return the codes of the first take of a request without making its sound; they are those of `generate`.

    Raises:
        ConfigError, ModelFileError, DatasetError, Stopped: as `generate` does.
    """
    use_one_thread()
    with torch.no_grad():
        plan = plan_takes(loaded, request, should_stop)
        prior = ready_for_decoding(require_prior(loaded), torch.float64)
    return DrawnTake(request.take(0), plan, tuple(_drawn(prior, request.seed, plan, 1, should_stop)))


def sound_of(loaded: LoadedVQModel, drawn: DrawnTake, should_stop: ShouldStop = never) -> Sample:
    """Return the take of codes that were drawn before; it is that of `generate`.

    Raises:
        ModelFileError: the model makes no sound.
        Stopped: `should_stop()` turned true.
    """
    making = _Making(drawn.request, drawn.plan, loaded.model, lambda _: iter(drawn.blocks))
    with torch.no_grad():
        sample = _make(making, lambda samples: None, ignore, should_stop)
    return replace(sample, origin=origin_of(loaded))
