"""`bench prior`: everybody is causal, has the same time, and the ratios say ours ÷ rival."""

import pytest
import torch

from benchmarks.prior import cpu_s_to, race, ratios
from benchmarks.rival_sampling import STEPS, sample
from benchmarks.rivals import OURS, RIVALS, Facts, build, is_installed
from distill_core.training.codes import SplitCodes
from distill_core.training.prior_config import PriorConfig, get_adaptive_prior_config

BUDGET_S = 0.4
MEASURES = {
    "train_codes_per_s",
    "cpu_s_to_rival_best",
    "best_perplexity_equal_cpu",
    "sample_codes_per_s_b1",
    "sample_codes_per_s_b8",
    "sample_codes_per_s_b32",
    "peak_memory",
}


@pytest.fixture
def facts():
    sizes = {"hidden_size": 32, "num_layers": 2, "num_heads": 2, "batch_size": 4}
    config = PriorConfig(**sizes)
    return Facts(16, 3, (2, 3), config, get_adaptive_prior_config(30), BUDGET_S, second=18)


def contender(name, facts):
    if not is_installed(name):
        pytest.skip(f"{name} is not installed")
    return build(name, facts)


@pytest.mark.filterwarnings("ignore:.torch.jit.script. is deprecated:DeprecationWarning")
@pytest.mark.parametrize("name", [OURS, *RIVALS])
def test_no_logit_sees_its_own_code(name, facts):
    network = contender(name, facts).network.eval()
    codes_BT = torch.randint(16, (2, facts.codes), generator=torch.Generator().manual_seed(0))
    logits_BTK = network(codes_BT)
    for place in range(facts.codes):
        changed_BT = codes_BT.clone()
        changed_BT[:, place] = (changed_BT[:, place] + 1) % 16
        torch.testing.assert_close(network(changed_BT)[:, :place], logits_BTK[:, :place])


@pytest.mark.filterwarnings("ignore:.torch.jit.script. is deprecated:DeprecationWarning")
@pytest.mark.parametrize("name", RIVALS)
@torch.inference_mode()
def test_a_cache_changes_no_logit(name, facts):
    rival = contender(name, facts)
    rival.network.eval()
    codes_BT = torch.randint(16, (2, facts.codes - 1), generator=torch.Generator().manual_seed(0))
    step = STEPS[name](rival, 2)
    stepped = torch.stack([step(codes_BT[:, : length + 1]) for length in range(codes_BT.shape[1])], 1)
    torch.testing.assert_close(stepped, rival.network(codes_BT), rtol=1e-4, atol=1e-5)
    assert sample(name, rival, 2).shape == (2, facts.codes)


def test_a_race_gives_everybody_the_same_time_and_every_ratio(facts):
    codes_NSQ = torch.randint(16, (12, 6, 3), generator=torch.Generator().manual_seed(0))
    contenders = {name: build(name, facts) for name in (OURS, "stock", "nanogpt")}
    for one in contenders.values():
        one.enter(SplitCodes(tuple((codes[None],) for codes in codes_NSQ[:8]), (codes_NSQ[8:],), (), ()), seed=0)
    race(contenders, BUDGET_S)
    for one in contenders.values():
        assert BUDGET_S <= one.spent_s < 2 * BUDGET_S
        assert one.curve[0][0] == 0
    row = dict.fromkeys(["train_codes_per_s", "best_perplexity", "peak_memory"], 2.0)
    row |= {f"sample_codes_per_s_b{batch}": None for batch in (1, 8, 32)}
    found = ratios(contenders[OURS], row, contenders["stock"], row | {"best_perplexity": 4.0})
    assert set(found) == MEASURES
    assert found["best_perplexity_equal_cpu"] == 0.5
    assert found["sample_codes_per_s_b1"] is None


def test_a_level_that_was_never_reached_is_none(facts):
    one = build(OURS, facts)
    one.curve = [(0.0, 3.0), (1.0, 2.0), (2.0, 2.5)]
    assert cpu_s_to(one, 2.0) == 1.0
    assert cpu_s_to(one, 1.9) is None
