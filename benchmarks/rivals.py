"""What `bench prior` races: Distill's prior and three rivals, each with its recipe, over a budget of CPU time.

A budget counts training steps only, in `process_time`; validation is free for everybody. Every learning rate spans
the budget. `stock` is the ancestor's recipe: torch's own encoder with an explicit mask and attention dropout, AdamW,
a cosine that moves once an epoch. `nanogpt` (Karpathy 2022) and `x_transformers` (github.com/lucidrains) are flat
decoders as one would write them today; their attention dropout is off, which makes them faster. The rivals see codes
flattened in the model's order, Distill in its own; code 0 is the same in both, and everybody is scored on the rest.
What only fills a sound's last second stays in the rivals' input, but nobody learns it, is scored on it, or counts it.
"""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from time import process_time
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils import clip_grad_norm_
from torch.optim import AdamW, Optimizer

from distill_core.models.frames import FramesPrior
from distill_core.models.prior import IGNORED, Windows, mean_loss
from distill_core.training.data.sound_codes import SoundCodes
from distill_core.training.data.split_codes import SplitCodes
from distill_core.training.data.windows import CodeWindows, Row, as_windows, chunks_of
from distill_core.training.prior.config import PriorConfig
from distill_core.training.prior.optimizers import build_optimizer
from distill_core.training.prior.step import train_step

OURS = "frames"
RIVALS = ("stock", "nanogpt", "x_transformers")
RIVAL_BATCH, RIVAL_FORMAT = 32, "float32"
_HELD_OUT_BATCH = 32
_WARM_UP_SHARE = 0.02
_MODERN = {"lr": 1e-3, "betas": (0.9, 0.95)}


@dataclass(frozen=True)
class Facts:
    """What every contender is built for: shapes, Distill's settings, and the ancestor's for as many files.

    `grid` is the context's, `second` how many codes a second has.
    """

    codebook_size: int
    levels: int
    grid: tuple[int, int]
    ours: PriorConfig
    tier: PriorConfig
    budget_s: float
    stock_spans_tier: bool = False
    second: int = 0

    @property
    def shape_WHQ(self) -> tuple[int, int, int]:
        """Steps, bands and levels of the context."""
        return self.grid[1], self.grid[0], self.levels

    @property
    def codes(self) -> int:
        """How many codes the context has."""
        return self.grid[0] * self.grid[1] * self.levels


class FlatEmbedding(nn.Module):
    """Code, position and level, added."""

    def __init__(self, facts: Facts, dropout: float) -> None:
        super().__init__()
        self.levels, width = facts.levels, facts.ours.hidden_size
        self.token_emb = nn.Embedding(facts.codebook_size, width)
        self.pos_emb = nn.Embedding(facts.codes, width)
        self.level_emb = nn.Embedding(facts.levels, width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, codes_BT: Tensor) -> Tensor:
        positions_T = torch.arange(codes_BT.shape[1])
        summed = self.token_emb(codes_BT) + self.pos_emb(positions_T) + self.level_emb(positions_T % self.levels)
        return self.dropout(summed)


class StockPrior(nn.Module):
    """The ancestor's network: `nn.TransformerEncoder` with an explicit mask."""

    def __init__(self, facts: Facts) -> None:
        super().__init__()
        config, dropout = facts.ours, facts.tier.dropout
        width, heads = config.hidden_size, config.num_heads
        self.embedding = FlatEmbedding(facts, dropout)
        layer = nn.TransformerEncoderLayer(width, heads, 4 * width, dropout, batch_first=True, norm_first=True)
        self.transformer = nn.TransformerEncoder(layer, config.num_layers, enable_nested_tensor=False)
        self.ln_f = nn.LayerNorm(width)
        self.head = nn.Linear(width, facts.codebook_size, bias=False)
        self.register_buffer("mask", torch.ones(facts.codes, facts.codes, dtype=torch.bool).triu(1))

    def forward(self, codes_BT: Tensor) -> Tensor:
        length = codes_BT.shape[1]
        hidden_BTC = self.transformer(self.embedding(codes_BT), mask=self.mask[:length, :length])
        return self.head(self.ln_f(hidden_BTC))


class NanoBlock(nn.Module):
    """Pre-norm attention and GELU MLP without biases."""

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.ln_1, self.ln_2 = nn.LayerNorm(width, bias=False), nn.LayerNorm(width, bias=False)
        self.qkv = nn.Linear(width, 3 * width, bias=False)
        self.proj = nn.Linear(width, width, bias=False)
        self.up = nn.Linear(width, 4 * width, bias=False)
        self.down = nn.Linear(4 * width, width, bias=False)
        self.dropout = nn.Dropout(dropout)

    def forward(self, hidden_BTC: Tensor) -> Tensor:
        batch, length, width = hidden_BTC.shape
        packed = self.qkv(self.ln_1(hidden_BTC)).view(batch, length, 3, self.heads, -1)
        query, key, value = packed.permute(2, 0, 3, 1, 4).unbind(0)
        attended = functional.scaled_dot_product_attention(query, key, value, is_causal=True)
        attended_BTC = attended.transpose(1, 2).reshape(batch, length, width)
        hidden_BTC = hidden_BTC + self.dropout(self.proj(attended_BTC))
        return hidden_BTC + self.dropout(self.down(functional.gelu(self.up(self.ln_2(hidden_BTC)))))


class NanoPrior(nn.Module):
    """A decoder in the manner of nanoGPT."""

    def __init__(self, facts: Facts) -> None:
        super().__init__()
        config, dropout = facts.ours, facts.tier.dropout
        width = config.hidden_size
        self.embedding = FlatEmbedding(facts, dropout)
        self.blocks = nn.Sequential(*(NanoBlock(width, config.num_heads, dropout) for _ in range(config.num_layers)))
        self.ln_f = nn.LayerNorm(width, bias=False)
        self.head = nn.Linear(width, facts.codebook_size, bias=False)
        for name, weight in self.named_parameters():
            if weight.dim() == 2:
                is_last = name.endswith(("proj.weight", "down.weight"))
                nn.init.normal_(weight, std=0.02 / math.sqrt(2 * config.num_layers) if is_last else 0.02)

    def forward(self, codes_BT: Tensor) -> Tensor:
        return self.head(self.ln_f(self.blocks(self.embedding(codes_BT))))


class XTransformersPrior(nn.Module):
    """x_transformers' Decoder with rotary positions and flash attention; codes of each level have own embeddings."""

    def __init__(self, facts: Facts) -> None:
        super().__init__()
        from x_transformers import Decoder

        config, self.levels, self.codebook_size = facts.ours, facts.levels, facts.codebook_size
        width, heads = config.hidden_size, config.num_heads
        self.token_emb = nn.Embedding(facts.levels * facts.codebook_size, width)
        nn.init.normal_(self.token_emb.weight, std=0.02)
        sizes = {"dim": width, "depth": config.num_layers, "heads": heads, "attn_dim_head": width // heads}
        self.decoder = Decoder(**sizes, rotary_pos_emb=True, attn_flash=True, ff_dropout=facts.tier.dropout)
        self.head = nn.Linear(width, facts.codebook_size, bias=False)

    def embed(self, codes_BT: Tensor) -> Tensor:
        levels_T = torch.arange(codes_BT.shape[1]) % self.levels
        return self.token_emb(codes_BT + self.codebook_size * levels_T)

    def forward(self, codes_BT: Tensor) -> Tensor:
        return self.head(self.decoder(self.embed(codes_BT)))


def warm_up_and_cosine(share: float, floor: float = 0.0) -> float:
    """Return the learning rate's scale after a share of the budget."""
    if share < _WARM_UP_SHARE:
        return max(0.05, share / _WARM_UP_SHARE)
    through = min(1.0, (share - _WARM_UP_SHARE) / (1 - _WARM_UP_SHARE))
    return floor + (1 - floor) * 0.5 * (1 + math.cos(math.pi * through))


def down_to_a_tenth(share: float) -> float:
    return warm_up_and_cosine(share, 0.1)


def plain_cosine(share: float) -> float:
    return 0.5 * (1 + math.cos(math.pi * min(1.0, share)))


def all_sound(codes_BWHQ: Tensor) -> Windows:
    """Return seconds that are all sound, and begin where their sound does."""
    begins_B = torch.ones(len(codes_BWHQ), dtype=torch.bool)
    return Windows(codes_BWHQ, torch.ones(codes_BWHQ.shape[:2], dtype=torch.bool), begins_B, ~begins_B)


def seconds_of(sounds: Iterable[SoundCodes], steps: int) -> Windows:
    """Return all seconds of sounds together, of so many steps each."""
    parts = [part for sound in sounds for part in chunks_of(sound, steps)]
    counted_NW = torch.stack([torch.arange(steps) < counted for _, counted in parts])
    begins_B = torch.ones(len(parts), dtype=torch.bool)
    return Windows(torch.stack([codes for codes, _ in parts]), counted_NW, begins_B, ~begins_B)


def _rows(seconds: Windows, rows: Tensor) -> Windows:
    parts = (seconds.codes_BWHQ, seconds.counted_BW, seconds.begins_B, seconds.ends_B)
    return Windows(*(part[rows] for part in parts))


class Contender:
    """A network with its recipe, the CPU time it has had, and what it reached when.

    `codes_seen` leaves padding out, `codes_computed` does not.
    """

    batch_size = RIVAL_BATCH

    def __init__(self, facts: Facts, network: nn.Module, optimizer: Optimizer, scale: Callable[[float], float]) -> None:
        self.facts, self.network, self.optimizer, self.scale = facts, network, optimizer, scale
        self.rates = [group["lr"] for group in optimizer.param_groups]
        self.spent_s, self.codes_seen, self.codes_computed, self.epoch = 0.0, 0, 0, 0
        self.curve: list[tuple[float, float]] = []

    def enter(self, split: SplitCodes, seed: int) -> None:
        """Take the codes, in the order that the network wants them."""
        self.held_out = self._seconds(split.val)
        self.batches = self._batches(split, torch.Generator().manual_seed(seed))

    def in_order(self, codes_BWHQ: Tensor) -> Tensor:
        """Return `[B, T]`, as the network wants a second's codes: band by band."""
        return codes_BWHQ.transpose(1, 2).flatten(1)

    def targets(self, seconds: Windows) -> Tensor:
        """Return `[B, T]` in the network's order, with `IGNORED` for padding."""
        return self.in_order(seconds.targets())

    def _seconds(self, sounds: Iterable[SoundCodes]) -> Windows:
        return seconds_of(sounds, self.facts.grid[1])

    def _batches(self, split: SplitCodes, generator: torch.Generator) -> Iterator[Windows]:
        seconds = self._seconds(split.train)
        while True:
            for rows in torch.randperm(len(seconds.codes_BWHQ), generator=generator).split(self.batch_size):
                yield _rows(seconds, rows)
            self.epoch += 1

    def share(self) -> float:
        """Return where the schedule is, from 0 to 1."""
        return self.spent_s / self.facts.budget_s

    def learn(self, seconds: Windows) -> None:
        """Take one step."""
        self.optimizer.zero_grad(set_to_none=True)
        logits_BTK = self.network(self.in_order(seconds.codes_BWHQ)[:, :-1])
        mean_loss(logits_BTK, self.targets(seconds)[:, 1:]).backward()
        clip_grad_norm_(self.network.parameters(), 1.0)
        self.optimizer.step()

    def train_until(self, spent_s: float) -> None:
        """Take steps until so much CPU time was spent."""
        self.network.train()
        while self.spent_s < spent_s:
            started = process_time()
            scale = self.scale(self.share())
            for group, rate in zip(self.optimizer.param_groups, self.rates, strict=True):
                group["lr"] = rate * scale
            batch = next(self.batches)
            self.learn(batch)
            self.spent_s += process_time() - started
            self.codes_seen += batch.count
            self.codes_computed += batch.codes_BWHQ.numel()

    @torch.no_grad()
    def validate(self) -> None:
        """Note the mean loss in nats of codes 1…last of every held-out second, without padding."""
        self.network.eval()
        total, scored = 0.0, 0
        for rows in torch.arange(len(self.held_out.codes_BWHQ)).split(_HELD_OUT_BATCH):
            seconds = _rows(self.held_out, rows)
            targets_BT = self.targets(seconds)[:, 1:]
            total += _summed_loss(self.network(self.in_order(seconds.codes_BWHQ)[:, :-1]), targets_BT)
            scored += int((targets_BT != IGNORED).sum())
        self.curve.append((self.spent_s, total / scored))


def _summed_loss(logits_BTK: Tensor, targets_BT: Tensor) -> float:
    losses = (logits_BTK.flatten(0, 1), targets_BT.flatten())
    return functional.cross_entropy(*losses, ignore_index=IGNORED, reduction="sum").item()


class Ours(Contender):
    """Distill's prior, its optimizer, its own training step, and its batch."""

    def __init__(self, facts: Facts) -> None:
        config = facts.ours
        sizes = (config.hidden_size, config.num_layers, config.num_heads, config.dropout)
        prior = FramesPrior(facts.codebook_size, facts.levels, *facts.grid, *sizes)
        super().__init__(facts, prior, build_optimizer(prior, config), warm_up_and_cosine)
        self.batch_size = config.batch_size

    def in_order(self, codes_BWHQ: Tensor) -> Tensor:
        return codes_BWHQ.flatten(1)

    def _batches(self, split: SplitCodes, generator: torch.Generator) -> Iterator[Windows]:
        """Yield the sounds as they are in the first epoch; one more variant of each joins with every epoch."""
        most = max(map(len, split.versions))
        for joined in count(1):
            if joined <= most:
                windows = self._windows(versions[:joined] for versions in split.versions)
            yield from (batch.windows for batch in windows.random(generator))
            self.epoch += 1

    def _windows(self, sounds: Iterable[Sequence[SoundCodes]]) -> CodeWindows:
        """Return seconds, each a row of its own."""
        steps, second = self.facts.grid[1], self.facts.second
        versions = [[[_row(*part) for part in chunks_of(version, steps)] for version in sound] for sound in sounds]
        return CodeWindows(versions, steps, self.batch_size * second)

    def learn(self, seconds: Windows) -> None:
        train_step(self.network, seconds, self.optimizer, self.facts.ours)


def _row(codes_WHQ: Tensor, counted: int) -> Row:
    return Row(codes_WHQ[:counted], counted, codes_WHQ[:counted].numel())


class OursInRows(Ours):
    """The same on whole sounds in a row, with a context as long as the grid of its facts."""

    def _windows(self, sounds: Iterable[Sequence[SoundCodes]]) -> CodeWindows:
        return as_windows(self.network, sounds, self.batch_size * self.facts.second)

    def enter(self, split: SplitCodes, seed: int) -> None:
        """Take the sounds' codes, one row of positions each."""
        self.val_windows = self._windows([sound] for sound in split.val)
        self.batches = self._batches(split, torch.Generator().manual_seed(seed))

    @torch.no_grad()
    def validate(self) -> None:
        """Note the mean loss of every code, the first of each window too: so all contexts are asked the same."""
        self.network.eval()
        total, scored = 0.0, 0
        for batch in self.val_windows.fixed():
            codes_BT = self.in_order(batch.windows.codes_BWHQ)
            logits_BTK = self.network.logits_with_start(codes_BT, batch.windows.begins_B)
            total += _summed_loss(logits_BTK, self.targets(batch.windows))
            scored += batch.windows.count
        self.curve.append((self.spent_s, total / scored))


class Stock(Contender):
    """The ancestor's recipe; its cosine moves once an epoch."""

    def __init__(self, facts: Facts) -> None:
        network = StockPrior(facts)
        optimizer = AdamW(network.parameters(), lr=facts.tier.learning_rate, weight_decay=0.01)
        super().__init__(facts, network, optimizer, plain_cosine)
        self._noted = (-1, 0.0)

    def share(self) -> float:
        if self.facts.stock_spans_tier:
            return self.epoch / self.facts.tier.max_epochs
        if self._noted[0] != self.epoch:
            self._noted = (self.epoch, super().share())
        return self._noted[1]


def _modern(facts: Facts, network: nn.Module) -> Contender:
    """Return a contender whose matrices, and only they, decay."""
    matrices: list[Any] = [weight for weight in network.parameters() if weight.dim() >= 2]
    others: list[Any] = [weight for weight in network.parameters() if weight.dim() < 2]
    groups = [{"params": matrices, "weight_decay": 0.1}, {"params": others, "weight_decay": 0.0}]
    return Contender(facts, network, AdamW(groups, **_MODERN), down_to_a_tenth)


def is_installed(name: str) -> bool:
    return name != "x_transformers" or importlib.util.find_spec(name) is not None


def build(name: str, facts: Facts) -> Contender:
    """Return a contender by its name, untrained."""
    torch.manual_seed(facts.ours.seed)
    if name == OURS:
        return Ours(facts)
    if name == "stock":
        return Stock(facts)
    return _modern(facts, NanoPrior(facts) if name == "nanogpt" else XTransformersPrior(facts))
