"""How `bench prior` samples: seconds of sound, code by code, top-p 0.9, each contender by its own best means.

`stock` draws one at a time without a cache, as the ancestor does; `nanogpt` has a cache of keys and values, and
`x_transformers` its own. The rivals' first code is uniform.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from time import process_time

import torch
from torch import Tensor
from torch.nn import functional

from benchmarks.rivals import OURS, Contender, NanoBlock
from distill_core.generation.sampling import SamplingSettings, sample_codes

TOP_P = 0.9
_ROUNDS = 3
_Step = Callable[[Tensor], Tensor]


def nucleus(logits_BK: Tensor) -> Tensor:
    """Draw codes `[B, 1]` from the likeliest that together have the share."""
    sorted_BK, codes_BK = logits_BK.softmax(1).sort(1, descending=True)
    sorted_BK[sorted_BK.cumsum(1) - sorted_BK > TOP_P] = 0
    return codes_BK.gather(1, torch.multinomial(sorted_BK, 1))


def whole_context(contender: Contender, batch: int) -> _Step:
    """Return what computes the last logits from all codes anew."""
    return lambda codes_BT: contender.network(codes_BT)[:, -1]


def _nano_block(block: NanoBlock, hidden_B1C: Tensor, keys: Tensor, values: Tensor, place: int) -> Tensor:
    packed = block.qkv(block.ln_1(hidden_B1C)).view(len(hidden_B1C), 1, 3, block.heads, -1)
    query, keys[:, :, place : place + 1], values[:, :, place : place + 1] = packed.permute(2, 0, 3, 1, 4).unbind(0)
    known = (keys[:, :, : place + 1], values[:, :, : place + 1])
    attended = functional.scaled_dot_product_attention(query, *known)
    hidden_B1C = hidden_B1C + block.proj(attended.transpose(1, 2).reshape(hidden_B1C.shape))
    return hidden_B1C + block.down(functional.gelu(block.up(block.ln_2(hidden_B1C))))


def nano_cached(contender: Contender, batch: int) -> _Step:
    """Return what computes the last logits from the last code and a cache."""
    network, config = contender.network, contender.facts.ours
    shape = (batch, config.num_heads, contender.facts.codes, config.hidden_size // config.num_heads)
    caches = [(torch.empty(shape), torch.empty(shape)) for _ in network.blocks]

    def step(codes_BT: Tensor) -> Tensor:
        place, embedding = codes_BT.shape[1] - 1, network.embedding
        added = embedding.pos_emb.weight[place] + embedding.level_emb.weight[place % embedding.levels]
        hidden_B1C = embedding.token_emb(codes_BT[:, -1:]) + added
        for block, (keys, values) in zip(network.blocks, caches, strict=True):
            hidden_B1C = _nano_block(block, hidden_B1C, keys, values, place)
        return network.head(network.ln_f(hidden_B1C))[:, -1]

    return step


def x_transformers_cached(contender: Contender, batch: int) -> _Step:
    """Return what computes the last logits with the Decoder's own cache, which is given the whole sequence."""
    network = contender.network
    cache = None

    def step(codes_BT: Tensor) -> Tensor:
        nonlocal cache
        hidden_BTC, cache = network.decoder(network.embed(codes_BT), cache=cache, return_hiddens=True)
        return network.head(hidden_BTC[:, -1])

    return step


STEPS = {"stock": whole_context, "nanogpt": nano_cached, "x_transformers": x_transformers_cached}


@torch.inference_mode()
def sample(name: str, contender: Contender, batch: int) -> Tensor:
    """Return `batch` new seconds of codes."""
    facts = contender.facts
    contender.network.eval()
    if name == OURS:
        settings = SamplingSettings(top_p=TOP_P)
        return sample_codes(contender.network, batch, math.prod(facts.grid), settings=settings, batch_size=batch)
    step = STEPS[name](contender, batch)
    codes_BT = torch.randint(facts.codebook_size, (batch, 1))
    while codes_BT.shape[1] < facts.codes:
        codes_BT = torch.cat([codes_BT, nucleus(step(codes_BT))], 1)
    return codes_BT


def sample_codes_per_s(contenders: dict[str, Contender], batch: int) -> dict[str, float]:
    """Return each one's codes per CPU second: the best of three rounds, in turns."""
    best_s = dict.fromkeys(contenders, math.inf)
    sizes = {name: 1 if name == "stock" else batch for name in contenders}
    for _ in range(_ROUNDS):
        for name, contender in contenders.items():
            started = process_time()
            sample(name, contender, sizes[name])
            best_s[name] = min(best_s[name], process_time() - started)
    return {name: sizes[name] * contenders[name].facts.codes / best_s[name] for name in contenders}
