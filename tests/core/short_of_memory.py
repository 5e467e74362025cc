"""A process that trains and validates a prior in too little memory: `python -m tests.core.short_of_memory` prints JSON.

What it needs is above all the logits: 13 MB a window.
"""

from __future__ import annotations

import copy
import json
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

import distill_core.device  # noqa: F401 - before torch computes anything
from distill_core import PriorConfig
from distill_core.memory import is_short_of_memory
from distill_core.models.frames import FramesPrior
from distill_core.training.batch_parts import BatchParts
from distill_core.training.data.windows import windows_of
from distill_core.training.events import BatchHalved
from distill_core.training.prior.epoch import train_prior_epoch
from distill_core.training.prior.step import train_step
from distill_core.training.prior.validation import validate

_CONFIG = PriorConfig(
    hidden_size=16, num_layers=1, num_heads=1, dropout=0.0, token_dropout=0.1, batch_size=8, precision="float32"
)
_CODES, _STEPS, _WINDOWS = 4096, 50, 8
_MEGABYTE = 1_000_000


def _address_space() -> int:
    return int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()


@contextmanager
def _allowed(more: int) -> Iterator[None]:
    """Let the address space grow by some bytes and no further."""
    before = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (_address_space() + more, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)


def _is_short(work: object) -> bool:
    try:
        work()  # type: ignore[operator]
    except Exception as error:  # noqa: BLE001 - which one it is, is the question
        return is_short_of_memory(error)
    return False


def _epoch(prior: FramesPrior, codes_NSQ: torch.Tensor, parts: BatchParts, events: list[object]) -> float:
    optimizer = torch.optim.SGD(prior.parameters(), lr=0.1)
    torch.manual_seed(0)
    return train_prior_epoch(
        prior,
        codes_NSQ,
        optimizer,
        config=_CONFIG,
        generator=torch.Generator().manual_seed(0),
        on_event=events.append,
        batch_parts=parts,
    )


def _whole_step(prior: FramesPrior, codes_NSQ: torch.Tensor) -> None:
    """Take one step as it is in one part: the windows of the whole batch are one for `take`."""
    windows = next(windows_of(prior, codes_NSQ, len(codes_NSQ)).fixed()).windows
    one = copy.deepcopy(prior).train()
    logits_BTK, targets_BT = one.logits_and_targets(windows, windows.codes_BWHQ)
    torch.nn.functional.cross_entropy(logits_BTK.flatten(0, 1), targets_BT.flatten()).backward()


@torch.no_grad()
def _whole_validation(prior: FramesPrior, codes_NSQ: torch.Tensor) -> None:
    windows = next(windows_of(prior, codes_NSQ, len(codes_NSQ)).fixed()).windows
    prior.losses(*prior.logits_and_targets(windows, windows.codes_BWHQ), windows)


def main() -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)
    prior = FramesPrior(_CODES, 4, 4, _STEPS, 16, 1, 1, 0.0)
    codes_NSQ = torch.randint(_CODES, (_WINDOWS, _STEPS * 4, 4))
    expected, ours = copy.deepcopy(prior), copy.deepcopy(prior)
    expected_train_loss = _epoch(expected, codes_NSQ, BatchParts(), [])
    expected_val_loss = validate(expected, windows_of(prior, codes_NSQ, _WINDOWS)).mean
    parts, events = BatchParts(), list[object]()
    with _allowed(260 * _MEGABYTE):
        whole_fails = _is_short(lambda: _whole_step(prior, codes_NSQ))
        train_loss = _epoch(ours, codes_NSQ, parts, events)
    with _allowed(120 * _MEGABYTE):
        validation_fails = _is_short(lambda: _whole_validation(ours, codes_NSQ))
        val_loss = validate(ours, windows_of(prior, codes_NSQ, _WINDOWS)).mean
    windows = next(windows_of(prior, codes_NSQ, _WINDOWS).fixed()).windows
    with _allowed(8 * _MEGABYTE):
        optimizer = torch.optim.SGD(ours.parameters(), lr=0.1)
        single_is_refused = _is_short(lambda: train_step(ours, windows, optimizer, _CONFIG))
    weights = zip(ours.parameters(), expected.parameters(), strict=True)
    found = {
        "whole_fails": whole_fails,
        "parts": parts.count,
        "said": next((event.sentence for event in events if isinstance(event, BatchHalved)), ""),
        "train_loss": train_loss,
        "expected_train_loss": expected_train_loss,
        "difference": max(float((one - other).detach().abs().max()) for one, other in weights),
        "validation_fails": validation_fails,
        "val_loss": val_loss,
        "expected_val_loss": expected_val_loss,
        "single_is_refused": single_is_refused,
    }
    print(json.dumps(found))  # noqa: T201 - the answer


if __name__ == "__main__":
    main()
