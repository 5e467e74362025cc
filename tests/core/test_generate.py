"""Takes: the same codes everywhere, exact lengths, ends, prompts, levels, loops, and sentences for what cannot be."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch
from torch import Tensor

from distill_core import (
    ConfigError,
    DatasetError,
    GenerateRequest,
    LoadedVQModel,
    ModelFileError,
    Sample,
    generate,
    generate_takes,
    load_model_v2,
)
from distill_core.audio.true_peak import LOUDEST, true_peak
from distill_core.events import JobProgress, Stopped
from distill_core.generation.drawing import CodeBlock
from distill_core.generation.plan import plan_takes
from distill_core.generation.prompt import coarse_levels
from distill_core.generation.rendering import render
from distill_core.generation.request import PromptMode, SoundBlock
from distill_core.models.frames import FramesPrior

DATA = Path(__file__).parents[1] / "data"
REFERENCE = DATA / "ref_small_prior.distill"
GOLDEN = DATA / "golden-codes.json"
STEP = 8192
NEVER, ALWAYS = -60.0, 60.0


def _exact_numbers(shape: torch.Size, seed: int) -> Tensor:
    """Return numbers that are the same on every machine: whole ones, divided by a power of two."""
    words = np.random.Philox(key=seed).random_raw(int(np.prod(shape)))
    return torch.from_numpy((words >> 44).astype(np.float64) / 2**19 - 1.0).float().view(shape)


def frames_model(end_bias: float | None = None, steps: int = 12) -> LoadedVQModel:
    """Return the reference's codec with a prior of the architecture frames, whose weights are the same everywhere."""
    loaded = load_model_v2(REFERENCE)
    prior = FramesPrior(64, 3, 8, steps, 32, 2, 2, learns_end=end_bias is not None)
    with torch.no_grad():
        for seed, weight in enumerate(prior.parameters()):
            weight.copy_(_exact_numbers(weight.shape, seed) / 4)
        if end_bias is not None:
            prior.end_head.weight.zero_()
            prior.end_head.bias.fill_(end_bias)
    return replace(loaded, prior=prior.eval(), prior_config=prior.sizes(), prior_metadata={})


def _codes(sample: Sample) -> list[int]:
    return [int(code) for code in sample.codes_WHQ.flatten()]


def golden_codes() -> dict[str, list[int]]:
    """Return the codes of takes whose models are the same on every machine."""
    models = {"flat": load_model_v2(REFERENCE), "frames": frames_model(-2.0)}
    requests = {"": GenerateRequest(seconds=1.5, seed=41), " coarse": GenerateRequest(1.5, temperature=0.7, top_k=9)}
    return {
        f"{name}{kind}": _codes(generate(model, request))
        for name, model in models.items()
        for kind, request in requests.items()
    }


def test_codes_are_those_of_every_other_machine() -> None:
    assert golden_codes() == json.loads(GOLDEN.read_text())


@pytest.mark.slow
@pytest.mark.parametrize("capability", ["default", "avx2"])
def test_codes_are_the_same_with_other_instructions_of_the_processor(capability: str) -> None:
    script = "import json, tests.core.test_generate as t; print(json.dumps(t.golden_codes()))"
    found = subprocess.run(
        [sys.executable, "-c", script],
        env=os.environ | {"ATEN_CPU_CAPABILITY": capability, "MKL_ENABLE_INSTRUCTIONS": "SSE4_2"},
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(found.stdout) == json.loads(GOLDEN.read_text())


@pytest.mark.parametrize("make", [lambda: load_model_v2(REFERENCE), lambda: frames_model(-2.0)])
def test_a_take_is_the_same_in_blocks_of_any_size_and_among_others(make: Callable[[], LoadedVQModel]) -> None:
    model, request = make(), GenerateRequest(seconds=2.3, seed=7, count=3)
    takes = list(generate_takes(model, request))
    assert [take.seed for take in takes] == [7, 8, 9]
    assert len({tuple(_codes(take)) for take in takes}) == 3
    for block_steps in (1, 64):
        alone = generate(model, GenerateRequest(seconds=2.3, seed=8), block_steps=block_steps)
        assert alone.request == takes[1].request
        assert torch.equal(alone.codes_WHQ, takes[1].codes_WHQ)
        assert torch.equal(alone.waveform_T, takes[1].waveform_T)
        assert (alone.gain, alone.ends) == (takes[1].gain, takes[1].ends)


@pytest.mark.parametrize("seconds", [0.001, 1.0, 2.34567])
@pytest.mark.parametrize("make", [lambda: load_model_v2(REFERENCE), frames_model, lambda: frames_model(0.0)])
def test_the_length_is_exact(make: Callable[[], LoadedVQModel], seconds: float) -> None:
    blocks: list[SoundBlock] = []
    events: list[Any] = []

    def hear(event: object) -> None:
        (blocks if isinstance(event, SoundBlock) else events).append(event)  # type: ignore[arg-type]

    sample = generate(make(), GenerateRequest(seconds=seconds), on_event=hear)
    assert len(sample.waveform_T) == round(seconds * 48_000)
    assert torch.equal(torch.cat([block.waveform_T for block in blocks]), sample.waveform_T)
    assert isinstance(events[-1], JobProgress)
    assert events[-1].done == events[-1].total == len(sample.waveform_T)
    assert sample.gain * true_peak(sample.waveform_T) <= LOUDEST + 1e-6
    assert sample.gain == 1 or true_peak(sample.waveform_T) > LOUDEST


def test_five_seconds_unless_asked_otherwise() -> None:
    assert generate(frames_model(), GenerateRequest()).duration_s == 5.0


def test_a_sound_ends_and_the_next_begins() -> None:
    sample = generate(frames_model(ALWAYS), GenerateRequest(seconds=1.0))
    assert sample.ends == tuple(range(1, 7))
    silent_T = sample.waveform_T[STEP - 3 : STEP]  # the end of the first sound, faded
    assert float(silent_T.abs().max()) < 2e-3 * float(sample.waveform_T.abs().max())
    never = generate(frames_model(NEVER), GenerateRequest(seconds=1.0))
    assert not never.ends
    first_steps = [generate(frames_model(bias), GenerateRequest(seconds=1.0)).codes_WHQ[:1] for bias in (NEVER, ALWAYS)]
    assert torch.equal(*first_steps)


def test_one_sound_stops_at_its_end_and_at_most_at_the_length() -> None:
    once = generate(frames_model(ALWAYS), GenerateRequest(until_end=True))
    assert (len(once.waveform_T), once.ends) == (STEP, (1,))
    cut = generate(frames_model(NEVER), GenerateRequest(seconds=0.7, until_end=True))
    assert (len(cut.waveform_T), cut.ends) == (round(0.7 * 48_000), ())
    model = frames_model(-1.5)
    lengths = [len(generate(model, GenerateRequest(until_end=True, seed=seed)).codes_WHQ) for seed in range(12)]
    assert len(set(lengths)) > 2
    long = generate(model, GenerateRequest(seconds=5.0, seed=3))
    assert long.ends[0] == lengths[3]  # the same sound, whether or not others follow


@pytest.mark.parametrize("pieces", [1, 7, 1000])
def test_one_sound_ends_where_nothing_more_is_heard(pieces: int) -> None:
    heard, quiet = 5000, 1500  # samples of a sound, of silence within it
    sound_T = torch.sin(torch.arange(3 * STEP) * 0.1)
    sound_T[heard : heard + quiet] = sound_T[2 * heard + quiet :] = 1e-5

    def audio_of(blocks: Iterable[Tensor]) -> Iterator[Tensor]:
        assert len(torch.cat([*blocks])) == 3
        yield from sound_T.tensor_split(pieces)

    def rendered(request: GenerateRequest) -> Tensor:
        codes = [CodeBlock(torch.zeros(1, 8, 3, dtype=torch.long), ends=step == 2) for step in range(3)]
        return torch.cat([*render(audio_of, codes, plan_takes(frames_model(0.0), request, lambda: False))])

    one_T = rendered(GenerateRequest(until_end=True))
    fade = round(0.05 * 48_000)
    assert len(one_T) == pytest.approx(2 * heard + quiet + fade, abs=32)  # to the sine's last sample that is heard
    assert torch.equal(one_T[: 2 * heard + quiet - 32], sound_T[: 2 * heard + quiet - 32])
    assert float(one_T[-1].abs()) < 1e-6
    assert len(rendered(GenerateRequest(seconds=3 * STEP / 48_000))) == 3 * STEP


def _prompt(folder: Path, rate: int = 48_000, seconds: float = 1.4, channels: int = 1) -> Path:
    time_T = np.arange(round(rate * seconds)) / rate
    tone = 0.4 * np.sin(2 * np.pi * 330 * time_T) * np.exp(-time_T)
    path = folder / "prompt.wav"
    soundfile.write(path, np.stack([tone] * channels, 1), rate)
    return path


def test_a_prompt_is_continued_from_its_own_codes(tmp_path: Path) -> None:
    model, path = frames_model(-2.0, steps=6), _prompt(tmp_path)  # longer than the context
    sample = generate(model, GenerateRequest(prompt=path, seed=2))
    tone = torch.from_numpy(soundfile.read(path, dtype="float32")[0])
    whole = len(tone) // STEP
    assert sample.prompt_steps == whole
    codes_WHQ = model.model.codes_of((tone / tone.abs().max())[None])[0][:whole]
    assert torch.equal(sample.codes_WHQ[:whole], codes_WHQ)
    assert len(sample.waveform_T) == whole * STEP + 5 * 48_000
    assert all(end > whole for end in sample.ends)
    trip_T = torch.cat([*model.model.audio_of([codes_WHQ])])[: (whole - model.geometry.look_back_steps) * STEP]
    mels = [model.spectrogram.log_mel(each_T[None]) for each_T in (trip_T, sample.waveform_T[: len(trip_T)])]
    assert float((mels[0] - mels[1]).abs().mean()) <= 0.05
    exact = generate(model, GenerateRequest(seconds=3.0, prompt=path, seed=2))
    assert exact.duration_s == 3.0
    assert torch.equal(exact.codes_WHQ, sample.codes_WHQ[: len(exact.codes_WHQ)])
    assert sample.notes == ("The prompt's last 35 ms are less than a step of this model, and are left out.",)


def test_a_prompt_is_varied_in_its_fine_levels(tmp_path: Path) -> None:
    model, path = frames_model(0.0), _prompt(tmp_path)
    takes = [*generate_takes(model, GenerateRequest(prompt=path, mode=PromptMode.VARY, count=2))]
    tone = torch.from_numpy(soundfile.read(path, dtype="float32")[0])
    codes_WHQ = model.model.codes_of((tone / tone.abs().max())[None])[0]
    for take in takes:
        assert len(take.codes_WHQ) == model.geometry.steps_of(len(tone))
        is_same_Q = (take.codes_WHQ == codes_WHQ[: len(take.codes_WHQ)]).float().mean((0, 1))
        assert is_same_Q[:1].tolist() == [1.0]
        assert float(is_same_Q[1:].max()) < 0.5
        assert not take.ends
    assert not torch.equal(takes[0].codes_WHQ, takes[1].codes_WHQ)
    assert [coarse_levels(levels) for levels in (1, 2, 3, 4, 8)] == [1, 1, 1, 2, 4]


def test_a_prompt_of_another_rate_in_stereo_is_converted_and_that_is_said(tmp_path: Path) -> None:
    sample = generate(frames_model(), GenerateRequest(prompt=_prompt(tmp_path, 44_100, channels=2), seconds=2.0))
    assert sample.notes[0] == "The prompt was converted from 44.1 kHz, stereo, to 48 kHz, mono."


def _rubbish(folder: Path, kind: str) -> Path:
    path = folder / f"{kind}.wav"
    if kind == "silent":
        soundfile.write(path, np.zeros(48_000), 48_000)
    elif kind == "short":
        soundfile.write(path, 0.5 * np.sin(np.arange(4000)), 48_000)
    elif kind == "no sound":
        path.write_bytes(b"RIFF rubbish")
    elif kind == "folder":
        path.mkdir()
    return path


@pytest.mark.parametrize("kind", ["silent", "short", "no sound", "missing", "folder"])
def test_a_prompt_that_cannot_be_used_is_a_sentence(tmp_path: Path, kind: str) -> None:
    with pytest.raises(DatasetError) as caught:
        generate(frames_model(), GenerateRequest(prompt=_rubbish(tmp_path, kind)))
    assert caught.value.message.endswith(".")
    assert caught.value.hint.endswith(".")


def test_fewer_levels_are_the_coarse_skeleton_of_the_same_codes() -> None:
    model = frames_model()
    whole, coarse = (generate(model, GenerateRequest(seconds=1.0, levels=levels)) for levels in (0, 1))
    assert torch.equal(whole.codes_WHQ, coarse.codes_WHQ)
    skeleton_T = torch.cat([*model.model.audio_of([whole.codes_WHQ[..., :1]])])
    assert torch.equal(coarse.waveform_T[:40_000], skeleton_T[:40_000])
    assert not torch.equal(coarse.waveform_T, whole.waveform_T)


def test_a_loops_end_leads_into_its_beginning() -> None:
    model = frames_model()
    loop = generate(model, GenerateRequest(seconds=2.0, loop=True))
    assert loop.is_loop
    assert len(loop.waveform_T) == 96_000
    jump, steps_T = abs(float(loop.waveform_T[0] - loop.waveform_T[-1])), loop.waveform_T.diff().abs()
    assert jump <= float(steps_T.quantile(0.99))
    ended = generate(model, GenerateRequest(seconds=2.0))
    assert torch.equal(loop.codes_WHQ[:11], ended.codes_WHQ[:11])
    assert float(loop.waveform_T[-480:].abs().max()) > 2 * float(ended.waveform_T[-48:].abs().max())  # not faded out


def test_seconds_of_a_flat_prior_are_each_their_own() -> None:
    model = load_model_v2(REFERENCE)
    sample = generate(model, GenerateRequest(seconds=2.9, seed=1))
    assert sample.ends == tuple(range(6, 1 + len(sample.codes_WHQ), 6))
    first_T = torch.cat([*model.model.audio_of([sample.codes_WHQ[:6]])])[: 48_000 - 960]
    assert torch.equal(sample.waveform_T[: len(first_T)], first_T)


def test_the_priors_own_temperature_is_that_of_variety_one() -> None:
    model = frames_model()
    fitted = generate(replace(model, prior_metadata={"temperature": 0.8}), GenerateRequest(seconds=1.0))
    assert torch.equal(fitted.codes_WHQ, generate(model, GenerateRequest(seconds=1.0, temperature=0.8)).codes_WHQ)
    assert not torch.equal(fitted.codes_WHQ, generate(model, GenerateRequest(seconds=1.0)).codes_WHQ)


@pytest.mark.parametrize(
    ("make", "options", "field"),
    [
        (lambda: load_model_v2(REFERENCE), {"until_end": True}, "until_end"),
        (frames_model, {"until_end": True}, "until_end"),
        (frames_model, {"levels": 4}, "levels"),
        (frames_model, {"level_temperatures": (1.0, 1.0)}, "level_temperatures"),
    ],
)
def test_what_a_prior_cannot_do_is_said(make: Callable[[], LoadedVQModel], options: dict[str, Any], field: str) -> None:
    with pytest.raises(ConfigError) as caught:
        generate(make(), GenerateRequest(**options))
    assert caught.value.field == field


def test_prompts_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    path = _prompt(tmp_path)
    for model, options, field in (
        (load_model_v2(REFERENCE), {}, "prompt"),
        (frames_model(), {"seconds": 0.5}, "seconds"),
    ):
        with pytest.raises(ConfigError) as caught:
            generate(model, GenerateRequest(prompt=path, **options))
        assert caught.value.field == field


def test_a_variation_is_as_long_as_is_asked_for(tmp_path: Path) -> None:
    model, path = frames_model(NEVER), _prompt(tmp_path)
    whole, short, long = (
        generate(model, GenerateRequest(seconds, prompt=path, mode=PromptMode.VARY)) for seconds in (None, 0.5, 2.5)
    )
    assert [len(take.waveform_T) for take in (whole, short, long)] == [67_200, 24_000, 120_000]
    assert torch.equal(long.codes_WHQ[:9], whole.codes_WHQ)
    assert torch.equal(short.codes_WHQ, whole.codes_WHQ[:3])
    with pytest.raises(ConfigError, match="as long as its sound"):
        GenerateRequest(prompt=path, mode=PromptMode.VARY, until_end=True)


@pytest.mark.parametrize("steps", [1, 27, 49])
def test_no_step_of_a_prompt_is_lost(tmp_path: Path, steps: int) -> None:
    path = _prompt(tmp_path, seconds=steps * STEP / 48_000)
    sample = generate(frames_model(), GenerateRequest(steps * STEP / 48_000 + 0.01, prompt=path))
    assert sample.prompt_steps == steps
    assert not sample.notes


def test_plain_words_name_a_prompt_and_its_use(tmp_path: Path) -> None:
    path = _prompt(tmp_path)
    request = GenerateRequest(prompt=str(path), mode="vary")  # type: ignore[arg-type]
    assert request == GenerateRequest(prompt=path, mode=PromptMode.VARY)


def test_a_model_whose_numbers_are_no_sound_is_a_sentence() -> None:
    model = frames_model()
    with torch.no_grad():
        model.model.decoder.deconvs[12].bias.fill_(torch.nan)
    with pytest.raises(ModelFileError, match="no sound"):
        generate(model, GenerateRequest(seconds=0.5))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("mode", "junk"),
        ("seconds", 10**400),
        ("seconds", 0.0),
        ("seconds", -1.0),
        ("seconds", float("nan")),
        ("seconds", 1e9),
        ("count", 0),
        ("seed", -1),
        ("seed", 2**63),
        ("levels", -1),
        ("temperature", 0.0),
        ("top_p", 1.5),
    ],
)
def test_requests_that_cannot_be(field: str, value: Any) -> None:
    with pytest.raises(ConfigError) as caught:
        GenerateRequest(**{field: value})
    assert caught.value.field == field


def test_a_model_without_a_prior_is_a_sentence(tiny_model: Path) -> None:
    with pytest.raises(ModelFileError, match="no prior yet"):
        generate(load_model_v2(tiny_model), GenerateRequest())
    with pytest.raises(ModelFileError, match="newer Distill"):
        generate(replace(load_model_v2(REFERENCE), prior=None), GenerateRequest())


def test_a_stop_ends_both_threads_and_nothing_outside_is_touched() -> None:
    model, before, heard = frames_model(), torch.get_rng_state(), threading.Event()
    with pytest.raises(Stopped):
        generate(model, GenerateRequest(seconds=60.0), on_event=lambda event: heard.set(), should_stop=heard.is_set)
    assert not [thread for thread in threading.enumerate() if thread.name == "ahead"]
    sample = generate(model, GenerateRequest(seconds=0.5))
    assert torch.equal(torch.get_rng_state(), before)
    assert not sample.codes_WHQ.is_inference()
    assert not sample.waveform_T.is_inference()


def test_an_error_in_the_sound_ends_the_thread_that_draws() -> None:
    def fail(event: object) -> None:
        raise RuntimeError("the listener failed")

    with pytest.raises(RuntimeError, match="listener"):
        generate(frames_model(), GenerateRequest(seconds=30.0), on_event=fail)
    assert not [thread for thread in threading.enumerate() if thread.name == "ahead"]
