"""`bench prior`: everybody is causal, has the same time and the same score, and the ratios say ours ÷ rival."""

from argparse import Namespace
from dataclasses import replace

import pytest
import torch
from torch.nn import functional

from benchmarks import prior_profile
from benchmarks.prior import cpu_s_to, print_conditions, race, ratios
from benchmarks.prior_sounds import padding_share, read_sounds
from benchmarks.rival_sampling import STEPS, sample
from benchmarks.rivals import OURS, RIVAL_BATCH, RIVALS, Facts, build, is_installed
from distill_core.models.frames import FramesPrior
from distill_core.training.data.code_store import Sounds, Versions
from distill_core.training.data.sound_codes import SoundCodes
from distill_core.training.data.split_codes import SplitCodes
from distill_core.training.prior.config import PriorConfig, get_adaptive_prior_config, prior_config_for

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
    config = PriorConfig(**sizes, precision="float32")
    return Facts(16, 3, (2, 3), config, get_adaptive_prior_config(30), BUDGET_S, second=18)


def sounds_of(steps, bands=2, levels=3):
    """Return a sound of so many steps each, in chunks of three, with other codes in padding than in sound."""
    generator = torch.Generator().manual_seed(0)
    rows = [torch.randint(16, (each, bands, levels), generator=generator) for each in steps]
    padded = [functional.pad(row, (0, 0, 0, 0, 0, -len(row) % 3), value=7) for row in rows]
    return tuple(SoundCodes(codes, len(row)) for codes, row in zip(padded, rows, strict=True))


def with_padding(sound, code):
    """Return the sound with a code in all that only fills its last second."""
    return replace(sound, codes_WHQ=torch.cat([sound.sound_WHQ, torch.full_like(sound.codes_WHQ[sound.steps :], code)]))


def split_of(train, val):
    return SplitCodes(Versions.of([[sound] for sound in train], 64), Sounds.of(val, 64), (), ())


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


@pytest.mark.filterwarnings("ignore:.torch.jit.script. is deprecated:DeprecationWarning")
@pytest.mark.parametrize("name", [OURS, *RIVALS])
def test_padding_is_neither_learned_from_nor_scored_nor_counted(name, facts):
    # With a single band padding comes after all sound in everybody's order, so it can't be a sound's context either.
    facts = replace(facts, grid=(1, 3), second=9, ours=replace(facts.ours, batch_size=8))
    sounds = sounds_of([4, 7, 3, 5], bands=1)
    curves, weights = [], []
    for padding in (7, 11):
        train, val = ([with_padding(sound, padding) for sound in part] for part in (sounds[:2], sounds[2:]))
        one = contender(name, facts)
        one.enter(split_of(train, tuple(val)), seed=0)
        torch.manual_seed(0)
        one.train_until(1e-9)
        one.validate()
        curves.append(one.curve[-1][1])
        weights.append(one.network.state_dict())
        assert one.codes_seen == 11 * 3
    assert curves[0] == curves[1]
    torch.testing.assert_close(weights[0], weights[1], rtol=0, atol=0)


class Guess(torch.nn.Module):
    """Gives every code the same chance at every place, a larger one the larger it is."""

    def __init__(self):
        super().__init__()
        self.logits_K = torch.linspace(0, 3, 16)

    def forward(self, codes_BT):
        return self.logits_K.expand(*codes_BT.shape, -1)


@pytest.mark.filterwarnings("ignore:.torch.jit.script. is deprecated:DeprecationWarning")
@pytest.mark.parametrize("name", [OURS, *RIVALS])
def test_everybody_is_scored_on_the_same_codes(name, facts):
    sounds = sounds_of([4, 7, 3, 5])
    one = contender(name, facts)
    one.network = Guess()
    one.enter(split_of(sounds[:1], sounds), seed=0)
    one.validate()
    sound_codes = torch.cat([sound.sound_WHQ.flatten() for sound in sounds])
    first_codes = torch.cat([sound.codes_WHQ[::3, 0, 0] for sound in sounds])
    losses = -one.network.logits_K.log_softmax(0)
    expected = (losses[sound_codes].sum() - losses[first_codes].sum()) / (len(sound_codes) - len(first_codes))
    assert one.curve[-1][1] == pytest.approx(float(expected), rel=1e-6)


@pytest.fixture
def found(shared_tiny_model, shared_sounds_folder):
    threads = torch.get_num_threads()
    yield read_sounds(Namespace(model=shared_tiny_model, sounds=shared_sounds_folder))
    torch.set_num_threads(threads)


def test_ours_has_the_settings_of_the_product_and_the_rivals_their_own_batch(found, facts):
    for hidden in (128, 256):
        ours = found.settings(hidden, 2, seed=3)
        assert (ours.hidden_size, ours.num_layers, ours.num_heads, ours.seed) == (hidden, 2, 4, 3)
        assert ours.batch_size == prior_config_for(0, hidden_size=hidden).batch_size
        assert ours.precision == found.number_format
        assert build(OURS, replace(facts, ours=ours)).batch_size == ours.batch_size
    assert build("stock", facts).batch_size == build("nanogpt", facts).batch_size == RIVAL_BATCH
    assert found.settings(128, 2, 0).batch_size != RIVAL_BATCH


def test_a_variant_joins_ours_with_each_epoch(facts):
    versions = tuple(SoundCodes.whole(torch.full((3, 2, 3), code)) for code in range(3))
    one = build(OURS, facts)
    one.enter(SplitCodes(Versions.of([versions] * 8, 64), Sounds.of(versions[:1], 64), (), ()), seed=0)
    seen = {}
    while one.epoch < 4:
        batch = next(one.batches)
        seen.setdefault(one.epoch, set()).update(batch.codes_BWHQ.unique().tolist())
    assert seen[0] == {0}
    assert seen[1] <= {0, 1}
    assert 2 in seen[2] | seen[3]


def test_the_header_names_vector_units_formats_batches_and_padding(facts, capsys):
    sounds = sounds_of([4, 7, 3, 6])
    assert padding_share(sounds[:2]) == pytest.approx(4 / 15)
    options = Namespace(cpu_seconds=BUDGET_S)
    print_conditions(options, replace(facts, ours=replace(facts.ours, precision="bfloat16")), split_of(sounds, sounds))
    header = capsys.readouterr().out
    assert torch.backends.cpu.get_cpu_capability() in header
    assert "frames trains in bfloat16 with batches of 4 s, the rivals in float32 of 32 s" in header
    assert "16.7% and 16.7%" in header


def test_a_profile_names_what_takes_the_time_of_each_phase(facts, capsys, monkeypatch):
    monkeypatch.setattr(prior_profile, "_LEAST_CPU_S", 0.0)
    monkeypatch.setattr(prior_profile, "_PROFILED_CPU_S", 0.0001)
    sounds, config = sounds_of([4, 7, 3, 6], bands=1, levels=1), facts.ours
    prior = FramesPrior(16, 1, 1, 3, config.hidden_size, 1, 2)
    for phase in prior_profile.phases(prior, split_of(sounds[:3], sounds[3:]), config, (1, 3)):
        prior_profile.print_phase(phase)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split("  ")[1] for line in lines] == ["train", "validate", "sample, 1", "sample, 32"]
    assert all(line.count("%") == 5 for line in lines)


def test_a_race_gives_everybody_the_same_time_and_every_ratio(facts):
    sounds = sounds_of([3] * 12)
    contenders = {name: build(name, facts) for name in (OURS, "stock", "nanogpt")}
    for one in contenders.values():
        one.enter(split_of(sounds[:8], sounds[8:]), seed=0)
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
