"""The audit: what is a copy, what is not, and when it can't tell; each with a real training."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch
from torch import Tensor
from typer.testing import CliRunner

from distill_core.audio.dataset import AudioDataset, scan
from distill_core.audio.variants import ORIGINAL, VARIANTS, semitones_of
from distill_core.audit.audit import MemorizationAudit, audit, audit_samples
from distill_core.audit.learned import LearnedSounds, read_learned, training_split
from distill_core.audit.record import AUDIT, AuditSettings, audit_in, audit_words
from distill_core.audit.take import take_judge
from distill_core.audit.verdict import AuditVerdict, wilson_interval
from distill_core.cli import app
from distill_core.events import ignore, never
from distill_core.generation.plan import require_prior
from distill_core.generation.takes.verdict import Copying
from distill_core.models.persistence import (
    LoadedVQModel,
    load_model_v2,
    read_summary,
    save_prior_facts,
    save_prior_to_model,
)
from distill_core.training.codec.klt.config import KLTConfig
from distill_core.training.codec.train import train_codec
from distill_core.training.data.codes import SoundEncoder
from distill_core.training.data.encoding import codes_of_silence
from distill_core.training.prior.events import Keep
from distill_core.training.prior.memorization import memorization_limit
from distill_core.training.prior.train import train_prior
from tests.varied_sounds import RATE, varied_sound, write_varied_sounds

CODEC = KLTConfig(
    codebook_size=32,
    num_quantizers=3,
    band_mels=32,
    components=16,
    refiner_width=8,
    refiner_depth=1,
    max_epochs=2,
    device="cpu",
)
SMALL = {"hidden_size": 64, "num_layers": 2, "num_heads": 2, "device": "cpu"}
BY_HEART = SMALL | {"dropout": 0.0, "token_dropout": 0.0, "patience": 0, "max_epochs": 60, "variants": 0}
VARIANTS_HEARD = 5  # one more joins in each epoch after the first; the last two are a tone up and a tone down
BRIEF = SMALL | {"patience": 0, "max_epochs": 1 + VARIANTS_HEARD, "variants": VARIANTS_HEARD}
COUNT = 20


def _trained(folder: Path, config: dict[str, Any], which: Keep, codec: Path | None = None) -> tuple[Path, AudioDataset]:
    """Train a codec, unless there is one, and a prior on a folder of sounds; return the model beside the folder."""
    dataset, path = scan(folder), folder.with_suffix(".distill")
    model = train_codec(dataset, CODEC).save(path) if codec is None else Path(shutil.copy(codec, path))
    trained = train_prior(model, dataset, config).keeping(which)
    save_prior_to_model(model, trained.prior, trained.config, trained.metadata)
    return model, dataset


@pytest.fixture(scope="module")
def overfit(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, AudioDataset]:
    """A model whose prior knows 20 sounds by heart."""
    return _trained(write_varied_sounds(tmp_path_factory.mktemp("audit") / "known", COUNT), BY_HEART, Keep.LAST)


@pytest.fixture(scope="module")
def brief(tmp_path_factory: pytest.TempPathFactory, overfit: tuple[Path, AudioDataset]) -> tuple[Path, AudioDataset]:
    """A model whose prior has seen the same sounds, with their variants, for a few epochs."""
    folder = write_varied_sounds(tmp_path_factory.mktemp("audit") / "seen", COUNT)
    return _trained(folder, BRIEF, Keep.LAST, codec=overfit[0])


@pytest.fixture(scope="module")
def loaded(brief: tuple[Path, AudioDataset]) -> LoadedVQModel:
    return load_model_v2(brief[0])


@pytest.fixture(scope="module")
def learned(brief: tuple[Path, AudioDataset], loaded: LoadedVQModel) -> LearnedSounds:
    found = read_learned(loaded, require_prior(loaded), brief[1], ignore, never)
    assert found is not None
    return found


def _codes(loaded: LoadedVQModel, dataset: AudioDataset, variant: int = 0) -> list[Tensor]:
    """Return the codes of sounds, or of one of their variants."""
    encoder = SoundEncoder(loaded, "rows", None, codes_of_silence(loaded, "rows", never))
    which = VARIANTS[variant - 1] if variant else ORIGINAL
    return [encoder.codes_of(file, which, never).sound_WHQ for file in dataset.files]


def _judged(loaded: LoadedVQModel, learned: LearnedSounds, samples: Sequence[Tensor]) -> MemorizationAudit:
    return audit_samples(loaded, learned, samples, AuditSettings(samples=len(samples)))


def test_a_prior_that_knows_its_sounds_by_heart_makes_copies(overfit: tuple[Path, AudioDataset]) -> None:
    found = audit(load_model_v2(overfit[0]), overfit[1])
    assert found.verdict is AuditVerdict.COPIES
    assert found.copy_rate >= 0.1
    assert found.z < -2
    assert found.confident_excess > 0.25
    copied = {each.file for each in found.leans_on if each.copies}
    assert copied <= {file.name for file in overfit[1].files}
    assert copied.isdisjoint(load_model_v2(overfit[0]).prior_metadata["validation_files"])  # type: ignore[index]


def test_the_same_seed_gives_the_same_audit(overfit: tuple[Path, AudioDataset]) -> None:
    loaded = load_model_v2(overfit[0])
    settings = AuditSettings(samples=12, seed=5)
    first, again = (audit(loaded, overfit[1], settings) for _ in range(2))
    assert replace(first, date="") == replace(again, date="")
    other = audit(loaded, overfit[1], replace(settings, seed=17))
    assert other.samples != first.samples


def test_the_sounds_themselves_are_copies_each_at_its_beginning(loaded: LoadedVQModel, learned: LearnedSounds) -> None:
    found = _judged(loaded, learned, [sound.sound_WHQ for sound in learned.train])
    assert found.copy_rate == 1.0
    assert [(each.file, each.time_s, each.semitones) for each in found.samples] == [
        (file.name, 0.0, 0) for file in learned.files
    ]


def test_sounds_that_were_kept_aside_are_none(loaded: LoadedVQModel, learned: LearnedSounds) -> None:
    found = _judged(loaded, learned, [sound.sound_WHQ for sound in learned.held_out])
    assert found.samples
    assert found.copy_rate <= 0.02


@pytest.mark.parametrize("planted", [10, 24, 48])
def test_planted_copies_are_found_and_others_are_not(
    loaded: LoadedVQModel, brief: tuple[Path, AudioDataset], learned: LearnedSounds, tmp_path: Path, planted: int
) -> None:
    """Copies of variants, too: they were learned. Another gain makes no other codes, and a shift by steps is found."""
    train = AudioDataset(brief[1].sources, learned.files)
    louder = tmp_path / "louder"
    louder.mkdir()
    for file in train.files:
        samples, rate = soundfile.read(file.path)
        soundfile.write(louder / file.name, 0.3 * samples, rate, subtype="FLOAT")
    whole = [_codes(loaded, train, variant) for variant in range(VARIANTS_HEARD + 1)]
    late = [sound_WHQ[1:] for sound_WHQ in whole[0] if len(sound_WHQ) > 3]
    kinds = [whole[0], _codes(loaded, scan(louder)), late, *whole[1:]]
    copies = [kinds[index % len(kinds)][index // len(kinds)] for index in range(planted)]
    others = _codes(loaded, scan(write_varied_sounds(tmp_path / "others", 96 - planted, first_seed=1000)))
    found = _judged(loaded, learned, [*copies, *others])
    flagged = {sample.seed for sample in found.samples if sample.is_copy}
    counted = {sample.seed for sample in found.samples}
    assert len(flagged & {*range(planted)}) >= 0.9 * len(counted & {*range(planted)})
    assert len(flagged - {*range(planted)}) <= 0.02 * (96 - planted)
    if planted >= 24:
        assert found.verdict is AuditVerdict.COPIES


def test_a_copy_of_a_variant_is_named_with_its_transposition(
    loaded: LoadedVQModel, brief: tuple[Path, AudioDataset], learned: LearnedSounds
) -> None:
    train = AudioDataset(brief[1].sources, learned.files)
    for variant in range(1, VARIANTS_HEARD + 1):
        found = _judged(loaded, learned, _codes(loaded, train, variant))
        assert found.copy_rate == 1.0
        assert {sample.semitones for sample in found.samples if sample.active > 60} == {semitones_of(variant)}


def test_silence_is_no_copy(loaded: LoadedVQModel, learned: LearnedSounds) -> None:
    silence_WHQ = codes_of_silence(loaded, "rows", never)
    found = _judged(loaded, learned, [silence_WHQ.repeat(steps, 1, 1) for steps in (1, 3, 12)])
    assert (found.samples, found.skipped, found.verdict) == ((), 3, AuditVerdict.CANT_TELL)
    assert found.reason == "The samples are nearly silent."


def test_one_shots_in_long_silence_have_no_silence_in_common(
    loaded: LoadedVQModel, learned: LearnedSounds, tmp_path: Path
) -> None:
    """All of them end in the same silence, which is most of what they are."""
    for seed in range(3000, 3012):
        samples = np.concatenate([varied_sound(seed, seconds=0.5), np.zeros(RATE)])
        soundfile.write(tmp_path / f"{seed}.wav", samples, RATE)
    encoder = SoundEncoder(loaded, "rows")  # silence stays
    codes = [encoder.codes_of(file, ORIGINAL, never).sound_WHQ for file in scan(tmp_path).files]
    found = _judged(loaded, learned, codes)
    assert found.verdict is not AuditVerdict.COPIES
    assert found.copy_rate == 0.0


def test_a_sound_under_two_names_hides_no_copy(tmp_path: Path, overfit: tuple[Path, AudioDataset]) -> None:
    """Its twin would be its nearest other file: then nothing could be nearer than sounds are to one another."""
    folder = write_varied_sounds(tmp_path / "twins", COUNT)
    shutil.copy(folder / "sound 03.wav", folder / "again.wav")
    model, dataset = _trained(folder, BY_HEART | {"max_epochs": 2}, Keep.LAST, codec=overfit[0])
    twins = load_model_v2(model)
    known = read_learned(twins, require_prior(twins), dataset, ignore, never)
    assert known is not None
    found = _judged(twins, known, [sound.sound_WHQ for sound in known.train])
    assert found.baseline.agreement < 0.95
    assert found.copy_rate == 1.0


@pytest.mark.parametrize("count", [1, 2])
def test_of_one_or_two_files_it_cant_tell(count: int, tmp_path: Path, overfit: tuple[Path, AudioDataset]) -> None:
    folder = write_varied_sounds(tmp_path / "few", count)
    model, dataset = _trained(folder, SMALL | {"max_epochs": 1}, Keep.BEST, codec=overfit[0])
    found = audit(load_model_v2(model), dataset)
    assert found.verdict is AuditVerdict.CANT_TELL
    assert "too few to compare with" in found.reason


def test_other_sounds_than_those_of_the_training_tell_nothing(loaded: LoadedVQModel, tmp_path: Path) -> None:
    found = audit(loaded, scan(write_varied_sounds(tmp_path / "strange", 6, first_seed=500)))
    assert found.verdict is AuditVerdict.CANT_TELL
    assert found.reason == "The sounds that the prior learned from are not here."


def test_of_too_few_of_its_sounds_it_says_how_many_are_missing(
    loaded: LoadedVQModel, brief: tuple[Path, AudioDataset], tmp_path: Path
) -> None:
    folder = tmp_path / "rest"
    folder.mkdir()
    for file in brief[1].files[:2]:
        shutil.copy(file.path, folder)
    found = audit(loaded, scan(folder))
    assert (found.verdict, found.missing) == (AuditVerdict.CANT_TELL, COUNT - 2)
    assert found.reason == f"Only 2 of the {COUNT} sounds that the prior learned from are here: it takes 3."
    assert found.record.lacks_sounds
    assert audit(loaded, scan(write_varied_sounds(tmp_path / "strange", 3, first_seed=500))).record.lacks_sounds


def test_of_an_older_file_the_sounds_that_are_missing_are_counted(
    loaded: LoadedVQModel, brief: tuple[Path, AudioDataset]
) -> None:
    metadata = {name: fact for name, fact in (loaded.prior_metadata or {}).items() if name != "sounds"}
    assert training_split(brief[1], {}, metadata)[2] == 0
    held_out = set(metadata["validation_files"])
    kept = [file for file in brief[1].files if file.name in held_out]
    kept += [file for file in brief[1].files if file.name not in held_out][:5]
    assert training_split(replace(brief[1], files=tuple(kept)), {}, metadata)[2] == COUNT - len(kept)


def test_a_record_of_some_of_the_sounds_is_no_baseline_for_takes(
    loaded: LoadedVQModel, brief: tuple[Path, AudioDataset], learned: LearnedSounds
) -> None:
    few = audit(loaded, replace(brief[1], files=brief[1].files[:2]), AuditSettings(samples=1)).record.as_facts()
    judge = take_judge(replace(loaded, prior_metadata={**(loaded.prior_metadata or {}), AUDIT: few}), brief[1])
    assert judge is not None
    assert judge.verdict_on(learned.train[0].sound_WHQ).verdict is Copying.COPY


def _grains(seed: int) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Return a sound of steps, each one of eight tones, most often the next one: a Markov source of low entropy."""
    random, state, parts = np.random.default_rng(seed), int(seed % 8), []
    step_T = np.arange(8192) / RATE
    for _ in range(int(random.integers(8, 14))):
        hertz = 150 * 2 ** (state * 0.7)
        parts.append(0.4 * np.sin(2 * np.pi * hertz * step_T) + 0.1 * np.sin(6 * np.pi * hertz * step_T))
        state = (state + int(random.choice([1, 3, 5], p=[0.5, 0.3, 0.2]))) % 8
    return np.concatenate(parts)


def test_a_source_of_low_entropy_is_new_though_its_perplexity_is_low(tmp_path: Path) -> None:
    """The fixed limit takes it for memorizing: the source is that predictable."""
    folder = tmp_path / "markov"
    folder.mkdir()
    for seed in range(60):
        soundfile.write(folder / f"{seed}.wav", _grains(seed), RATE)
    model, dataset = _trained(folder, SMALL | {"max_epochs": 12, "variants": 0}, Keep.BEST)
    metadata = read_summary(model).prior_metadata or {}
    assert metadata["final_perplexity"] < memorization_limit(len(dataset.files))
    assert audit(load_model_v2(model), dataset).verdict is AuditVerdict.NEW


@pytest.mark.parametrize("count", [1, 24, 96, 1000])
def test_no_hit_and_nothing_but_hits_reach_the_ends_of_the_interval(count: int) -> None:
    assert wilson_interval(0, count)[0] == 0.0
    assert wilson_interval(count, count)[1] == 1.0


def test_the_record_in_the_file_reads_back(overfit: tuple[Path, AudioDataset], tmp_path: Path) -> None:
    path = Path(shutil.copy(overfit[0], tmp_path / "copy.distill"))
    found = audit(load_model_v2(path), overfit[1], AuditSettings(samples=12))
    save_prior_facts(path, {AUDIT: found.record.as_facts()}, expected=read_summary(path).stamp)
    record = audit_in(read_summary(path).prior_metadata or {})
    assert record == found.record
    assert load_model_v2(path).prior is not None
    assert audit_words(found.record).startswith("Takes: copies. ")


def test_the_terminal_saves_no_verdict_for_want_of_sounds(overfit: tuple[Path, AudioDataset], tmp_path: Path) -> None:
    model, flags = Path(shutil.copy(overfit[0], tmp_path / "model.distill")), ("--samples", "12", "--json")
    strange = write_varied_sounds(tmp_path / "strange", 3, first_seed=500)
    run = CliRunner().invoke(app, ["audit", str(model), str(overfit[1].sources[0]), *flags])
    assert run.exit_code == 0, run.output
    known = model.read_bytes()
    run = CliRunner().invoke(app, ["audit", str(model), str(strange), *flags])
    assert run.exit_code == 0, run.output
    told = json.loads(run.stdout.splitlines()[-1])
    assert (told["verdict"], told["saved_to"]) == ("cant_tell", None)
    assert "Nothing was saved" in run.stderr
    assert model.read_bytes() == known


@pytest.mark.parametrize(
    "value",
    [
        None,
        7,
        {},
        {"verdict": "copies"},
        {"verdict": "nonsense", "copy_rate": 1.0},
        {"verdict": "new", "copy_rate_interval": [0, "x"], "baseline": {}, "settings": {}, "leans_on": []},
    ],
)
def test_a_strangers_record_is_none(value: object) -> None:
    assert audit_in({AUDIT: value}) is None


def _distill(*words: object) -> Any:
    return CliRunner().invoke(app, [*map(str, words)])


def test_the_command_prints_one_object_and_saves_the_verdict(
    overfit: tuple[Path, AudioDataset], tmp_path: Path
) -> None:
    path, flags = Path(shutil.copy(overfit[0], tmp_path / "copy.distill")), ("--samples", 12, "--seed", 3)
    run = _distill("audit", path, overfit[1].folder, *flags, "--json")
    assert run.exit_code == 0, run.output
    report = json.loads(run.stdout.splitlines()[-1])
    assert report["verdict"] == "copies"
    assert len(report["samples"]) + report["skipped"] == 12
    assert report["copy_rate_interval"][0] <= report["copy_rate"] <= report["copy_rate_interval"][1]
    assert {"file", "time_s", "semitones", "agreement", "run", "likeness"} <= report["samples"][0].keys()
    record = audit_in(read_summary(path).prior_metadata or {})
    assert record is not None
    assert (record.verdict, record.settings) == (AuditVerdict.COPIES, AuditSettings(samples=12, seed=3))
    before = path.read_bytes()
    again = _distill("audit", path, overfit[1].folder, *flags, "--no-save")
    assert again.exit_code == 0
    assert "Takes: copies." in again.stdout
    assert path.read_bytes() == before


def test_the_terminal_audits_what_it_has_trained(tmp_path: Path, overfit: tuple[Path, AudioDataset]) -> None:
    path = Path(shutil.copy(overfit[0], tmp_path / "new.distill"))
    flags = ("--epochs", 1, "--hidden-size", 32, "--layers", 1, "--heads", 2, "--variants", 0, "--save-worse")
    run = _distill("train-prior", path, overfit[1].folder, *flags, "--json")
    assert run.exit_code == 0, run.output
    events = [json.loads(line) for line in run.stdout.splitlines()]
    assert [event["event"] for event in events][-2:] == ["audit", "done"]
    record = audit_in(read_summary(path).prior_metadata or {})
    assert record is not None
    assert record.verdict.value == events[-2]["verdict"]


def test_what_cannot_be_audited_is_saved_all_the_same(
    tmp_path: Path, overfit: tuple[Path, AudioDataset], monkeypatch: pytest.MonkeyPatch
) -> None:
    def draw_none(*_: object, **__: object) -> None:
        raise MemoryError

    monkeypatch.setattr("distill_core.audit.audit.draw_set", draw_none)
    path = Path(shutil.copy(overfit[0], tmp_path / "new.distill"))
    flags = ("--epochs", 1, "--hidden-size", 32, "--layers", 1, "--heads", 2, "--variants", 0, "--save-worse")
    run = _distill("train-prior", path, overfit[1].folder, *flags)
    assert run.exit_code == 0, run.output
    said = "What it makes was not compared with the sounds. There is not enough memory for it. Later: distill audit\n"
    assert said in run.stdout
    assert f"Saved into {path}" in run.stdout
    assert audit_in(read_summary(path).prior_metadata or {}) is None


def test_a_model_without_a_prior_is_a_sentence(shared_tiny_model: Path, shared_sounds_folder: Path) -> None:
    run = _distill("audit", shared_tiny_model, shared_sounds_folder)
    assert run.exit_code == 2
    assert "has no prior yet" in run.stderr


def test_a_take_is_judged_sound_by_sound_without_its_prompt(
    loaded: LoadedVQModel, brief: tuple[Path, AudioDataset], learned: LearnedSounds, tmp_path: Path
) -> None:
    judge = take_judge(loaded, brief[1])
    assert judge is not None
    known_WHQ = learned.train[4].sound_WHQ
    (new_WHQ,) = _codes(loaded, scan(write_varied_sounds(tmp_path / "new", 1, first_seed=1001)))
    take_WHQ, end = torch.cat([new_WHQ, known_WHQ]), len(new_WHQ)
    both = judge.verdict_on(take_WHQ, (end, len(take_WHQ)))
    assert (both.verdict, both.file, both.agreement) == (Copying.COPY, learned.files[4].name, 1.0)
    assert both.begin_s == pytest.approx(end * loaded.geometry.step_s)
    assert judge.verdict_on(new_WHQ).verdict is not Copying.COPY
    continued_WHQ = torch.cat([known_WHQ, new_WHQ])
    alone, later_s = judge.verdict_on(new_WHQ), len(known_WHQ) * loaded.geometry.step_s
    assert judge.verdict_on(continued_WHQ, (), len(known_WHQ)) == replace(alone, begin_s=alone.begin_s + later_s)
    evidence = judge.evidence_on(take_WHQ, (end, len(take_WHQ)))
    assert evidence is not None
    assert evidence.verdict == both
    assert bool(evidence.agrees_WHQ[evidence.active_WH].all())
