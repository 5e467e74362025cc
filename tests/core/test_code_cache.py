"""Codes kept on disk: the second training neither reads nor encodes, and nothing that goes wrong there matters."""

from __future__ import annotations

import logging
import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from distill_core import PriorConfig, load_model_v2, save_prior_to_model, scan, train_prior
from distill_core.audio.dataset import AudioDataset, AudioFile
from distill_core.events import JobProgress, SkippedFile
from distill_core.models.vqvae import ConvVQVAE
from distill_core.training.data.code_cache import CodeCache, clear_code_cache, open_code_cache
from distill_core.training.data.codes import encode_and_split
from distill_core.training.data.split_codes import SplitCodes

CONFIG = PriorConfig(hidden_size=32, num_layers=1, num_heads=2, max_epochs=3, patience=0, device="cpu")
SOUND = AudioFile("kick.wav", "kick.wav", 1.0, 48_000, 1, "a digest")
CODES_WHQ = torch.arange(24).reshape(6, 2, 2)


@pytest.fixture
def cache(tmp_path: Path) -> CodeCache:
    return CodeCache(tmp_path / "codes", "settings")


@pytest.fixture
def dataset(sounds_folder: Path) -> AudioDataset:
    return scan(sounds_folder)


def _encode(model: Path, dataset: AudioDataset, events: list[object] | None = None) -> SplitCodes:
    loaded = load_model_v2(model)
    on_event = [].append if events is None else events.append
    return encode_and_split(loaded, dataset, 0.2, 0, cache=open_code_cache(loaded), on_event=on_event)


def _entries(caches: Path) -> list[Path]:
    return sorted((caches / "distill" / "codes").glob("*"))


def _same(one: SplitCodes, other: SplitCodes) -> bool:
    pairs = zip((*one.train, *one.val), (*other.train, *other.val), strict=True)
    return all(torch.equal(codes.codes_WHQ, others.codes_WHQ) for codes, others in pairs)


def _refuse_to_encode(monkeypatch: pytest.MonkeyPatch) -> None:
    encode_any = ConvVQVAE.encode

    def encode(model: ConvVQVAE, mel: Tensor) -> Tensor:
        assert not bool(mel.any()), "a cached sound was encoded"
        return encode_any(model, mel)  # silence

    monkeypatch.setattr(ConvVQVAE, "encode", encode)


def test_a_second_training_neither_reads_nor_encodes_and_comes_to_the_same(
    tiny_model: Path, dataset: AudioDataset, caches: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = train_prior(tiny_model, dataset, CONFIG)
    assert len(_entries(caches)) == 5 * 3 + 1  # five sounds in three versions, one held out
    shutil.rmtree(dataset.folder)
    _refuse_to_encode(monkeypatch)
    events: list[object] = []
    second = train_prior(tiny_model, dataset, CONFIG, on_event=events.append)
    assert not any(isinstance(event, SkippedFile) for event in events)
    progress = [event for event in events if isinstance(event, JobProgress)]
    encoded = [event for event in progress if event.phase == "encode"]
    assert encoded[-1].done == encoded[-1].total == len(dataset.files)
    variants = [event for event in progress if event.phase == "variants"]
    assert [(event.done, event.total) for event in variants] == [(1, 40), (6, 40)]  # five times eight at the end
    assert first.prior is not None
    assert second.prior is not None
    assert [epoch.val_loss for epoch in first.history] == [epoch.val_loss for epoch in second.history]
    weights = second.prior.state_dict()
    assert all(torch.equal(value, weights[key]) for key, value in first.prior.state_dict().items())


def test_without_the_cache_nothing_is_kept_and_the_codes_are_the_same(
    tiny_model: Path, dataset: AudioDataset, caches: Path
) -> None:
    train_prior(tiny_model, dataset, CONFIG, use_cache=False)
    assert not _entries(caches)
    uncached = encode_and_split(load_model_v2(tiny_model), dataset, 0.2, 0)
    assert _same(_encode(tiny_model, dataset), uncached)
    assert _same(_encode(tiny_model, dataset), uncached)


def test_a_single_sound_is_cached_too(tiny_model: Path, dataset: AudioDataset) -> None:
    single = replace(dataset, files=dataset.files[4:5])
    first = _encode(tiny_model, single)
    shutil.rmtree(dataset.folder)
    assert _same(_encode(tiny_model, single), first)


def test_saving_a_prior_into_the_model_keeps_the_cache(
    tiny_model: Path, dataset: AudioDataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained = train_prior(tiny_model, dataset, CONFIG)
    assert trained.prior is not None
    save_prior_to_model(tiny_model, trained.prior, trained.config, trained.metadata)
    _refuse_to_encode(monkeypatch)
    train_prior(tiny_model, dataset, CONFIG)


def test_another_model_and_another_setting_have_entries_of_their_own(tiny_model: Path, dataset: AudioDataset) -> None:
    loaded = load_model_v2(tiny_model)
    sound = dataset.files[0]
    open_code_cache(loaded).save(sound, CODES_WHQ)
    assert open_code_cache(loaded).load(sound) is not None
    assert open_code_cache(replace(loaded, vqvae_config=loaded.vqvae_config | {"decay": 0.5})).load(sound) is None
    with torch.no_grad():
        next(loaded.model.parameters()).add_(1e-3)
    assert open_code_cache(loaded).load(sound) is None


@pytest.mark.parametrize("change", [{"digest": "b"}, {"sample_rate": 44_100}, {"channels": 2}, {"channel": 0}])
def test_what_makes_another_sound(cache: CodeCache, change: dict[str, object]) -> None:
    cache.save(SOUND, CODES_WHQ)
    assert cache.load(replace(SOUND, **change)) is None
    moved = cache.load(replace(SOUND, place="elsewhere.wav", name="elsewhere.wav"))
    assert moved is not None
    assert torch.equal(moved, CODES_WHQ)
    assert moved.dtype == torch.int64


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: b"",
        lambda content: content[:20],
        lambda content: content[:-1],
        lambda content: content + b"\0",
        lambda content: content[:-1] + bytes([content[-1] ^ 1]),
        lambda content: bytes(len(content)),
    ],
)
def test_a_damaged_entry_is_encoded_anew(tiny_model: Path, dataset: AudioDataset, caches: Path, damage: object) -> None:
    assert callable(damage)
    whole = _encode(tiny_model, dataset)
    for entry in _entries(caches):
        entry.write_bytes(damage(entry.read_bytes()))
    assert _same(_encode(tiny_model, dataset), whole)
    shutil.rmtree(dataset.folder)
    assert _same(_encode(tiny_model, dataset), whole)  # the damaged ones were replaced


def test_entries_that_changed_places_are_not_taken_for_each_other(
    tiny_model: Path, dataset: AudioDataset, caches: Path
) -> None:
    whole = _encode(tiny_model, dataset)
    first, second = _entries(caches)[:2]
    first.write_bytes(second.read_bytes())
    assert _same(_encode(tiny_model, dataset), whole)


@pytest.mark.parametrize("blocker", ["distill", "distill/codes"])
def test_where_nothing_can_be_written_there_is_no_cache(
    tiny_model: Path, dataset: AudioDataset, caches: Path, blocker: str, caplog: pytest.LogCaptureFixture
) -> None:
    shutil.rmtree(caches / "distill", ignore_errors=True)
    (caches / blocker).parent.mkdir(exist_ok=True)
    (caches / blocker).write_text("a file where a folder should be")
    with caplog.at_level(logging.INFO, "distill"):
        trained = train_prior(tiny_model, dataset, CONFIG)
    assert trained.prior is not None
    told = [record.message.partition(":")[0] for record in caplog.records]
    assert told.count("going on without a cache of codes") == 1
    assert clear_code_cache() == 0


def test_the_entry_used_longest_ago_is_removed_first(tmp_path: Path) -> None:
    cache = CodeCache(tmp_path, "settings", max_bytes=3 * 4096)
    sounds = [replace(SOUND, digest=str(number)) for number in range(4)]
    for number, sound in enumerate(sounds):
        before = set(tmp_path.iterdir())
        cache.save(sound, CODES_WHQ)
        (entry,) = set(tmp_path.iterdir()) - before
        os.utime(entry, (number, number))
    assert cache.load(sounds[0]) is not None  # used now
    cache.trim()
    assert [cache.load(sound) is not None for sound in sounds] == [True, False, True, True]


def test_a_left_over_temporary_file_is_cleared_with_the_rest(cache: CodeCache, caches: Path) -> None:
    folder = caches / "distill" / "codes"
    CodeCache(folder, "settings").save(SOUND, CODES_WHQ)
    (folder / "torn.tmp").write_bytes(b"torn")
    (caches / "distill" / "something else").write_text("stays")
    assert clear_code_cache() == 2 * 4096
    assert not list(folder.iterdir())
    assert (caches / "distill" / "something else").exists()
    assert clear_code_cache() == 0


def test_a_write_that_fails_leaves_nothing_behind(
    cache: CodeCache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_space(source: str, target: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("distill_core.training.data.code_cache.os.replace", no_space)
    cache.save(SOUND, CODES_WHQ)
    monkeypatch.undo()
    assert not list((tmp_path / "codes").iterdir())
    cache.save(SOUND, CODES_WHQ)
    assert cache.load(SOUND) is None  # given up for this run
