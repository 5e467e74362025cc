from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from distill_core import (
    CodePrior,
    PriorConfig,
    flatten_codes,
    load_model_v2,
    train_prior_epoch,
    unflatten_codes,
    validate_prior_epoch,
)
from distill_core.files.archive import read_archive
from distill_core.models.frames import FramesPrior

REFERENCE = Path(__file__).parents[1] / "data" / "ref_small_prior.distill"


def _stock_logits(state: dict[str, torch.Tensor], num_heads: int, codes_BT: torch.Tensor) -> torch.Tensor:
    """The ancestor's prior written with stock modules and an explicit mask."""
    hidden = state["token_emb.weight"].shape[1]
    layers = sum(key.endswith("norm1.weight") for key in state)
    layer = nn.TransformerEncoderLayer(hidden, num_heads, 4 * hidden, batch_first=True, norm_first=True)
    encoder = nn.TransformerEncoder(layer, layers, enable_nested_tensor=False).eval()
    prefix = "transformer."
    encoder.load_state_dict({key[len(prefix) :]: value for key, value in state.items() if key.startswith(prefix)})
    length = codes_BT.shape[1]
    positions = torch.arange(length)
    levels = positions % state["level_emb.weight"].shape[0]
    summed = state["token_emb.weight"][codes_BT] + state["pos_emb.weight"][positions]
    hidden_BTC = encoder(summed + state["level_emb.weight"][levels], mask=state["causal_mask"][:length, :length])
    normed = nn.functional.layer_norm(hidden_BTC, (hidden,), state["ln_f.weight"], state["ln_f.bias"])
    return normed @ state["head.weight"].T


@pytest.mark.parametrize("length", [1, 2, 77, 144])
def test_logits_equal_a_stock_transformer_with_the_ancestors_weights(length: int) -> None:
    values, _ = read_archive(REFERENCE)
    prior = load_model_v2(REFERENCE).prior
    assert prior is not None
    codes = torch.randint(0, 64, (3, length), generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        expected = _stock_logits(values["prior_state_dict"], values["prior_config"]["num_heads"], codes)
        assert (prior(codes) - expected).abs().max() < 1e-5


def test_no_logit_depends_on_a_later_code() -> None:
    torch.manual_seed(0)
    prior = CodePrior(8, 2, 12, hidden_size=16, num_layers=2, num_heads=2).eval()
    codes = torch.randint(0, 8, (1, 12))
    with torch.no_grad():
        before = prior(codes)
        for position in range(12):
            changed = codes.clone()
            changed[0, position] = (changed[0, position] + 1) % 8
            after = prior(changed)
            assert torch.equal(after[:, :position], before[:, :position])
            assert not torch.equal(after[:, position], before[:, position])


@given(n=st.integers(1, 4), positions=st.integers(1, 6), levels=st.integers(1, 5))
@settings(derandomize=True, deadline=None)
def test_flattening_is_position_major_and_exact(n: int, positions: int, levels: int) -> None:
    codes = torch.arange(n * positions * levels).view(n, positions, levels)
    flat = flatten_codes(codes)
    assert flat.shape == (n, positions * levels)
    assert flat[0, :levels].tolist() == codes[0, 0].tolist()
    assert torch.equal(unflatten_codes(flat, levels), codes)


def test_state_dict_names_are_the_formats() -> None:
    values, _ = read_archive(REFERENCE)
    prior = CodePrior(64, 3, 144, hidden_size=128, num_layers=2, num_heads=4)
    state = prior.state_dict()
    assert {key: (value.shape, value.dtype) for key, value in state.items()} == {
        key: (value.shape, value.dtype) for key, value in values["prior_state_dict"].items()
    }
    assert torch.equal(state["causal_mask"], values["prior_state_dict"]["causal_mask"])


@pytest.mark.parametrize("length", [16, 32, 40, 48, 100])
def test_sequences_of_any_length_are_trained_on_and_scored_as_their_positions_are(length: int) -> None:
    """Shorter than the context of 32 codes, and longer by no multiple of it."""
    torch.manual_seed(0)
    prior = CodePrior(16, 2, 32, 32, 1, 2, dropout=0.0)
    config = PriorConfig(architecture="flat", hidden_size=32, num_layers=1, num_heads=2, batch_size=2, device="cpu")
    codes = torch.randint(0, 16, (5, length))
    loss = validate_prior_epoch(prior, codes, config=config)
    assert loss == pytest.approx(validate_prior_epoch(prior, codes.unflatten(1, (-1, 2)), config=config))
    optimizer = torch.optim.SGD(prior.parameters(), lr=0.1)
    assert math.isfinite(train_prior_epoch(prior, codes, optimizer, config=config))


@pytest.mark.parametrize("shape", [(4, 21), (4, 7, 2), (0, 16), (4, 0)])
def test_codes_that_are_no_whole_steps_are_refused(shape: tuple[int, ...]) -> None:
    prior, codes = FramesPrior(16, 2, 2, 6, 32, 1, 2), torch.zeros(shape, dtype=torch.long)
    with pytest.raises(ValueError, match="whole steps of 2 bands × 2 levels"):
        validate_prior_epoch(prior, codes, config=PriorConfig(precision="float32", device="cpu"))
