"""The shelf of takes: nothing is lost, whoever else writes, whatever fails; and nobody's facts bring it down."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from distill_core import DistillError, GenerateRequest, Sample, SaveError
from distill_core.audio.sound_format import Container
from distill_core.folders import takes_folder
from distill_core.generation.request import PromptMode
from distill_core.generation.takes.facts import facts_of, read_facts
from distill_core.generation.takes.file import encode_take
from distill_core.generation.takes.shelf import KEPT_WITHOUT_STAR, TakeShelf, all_shelves, remove_shelf
from distill_core.text import printable
from tests.full_disk import largest_file
from tests.warm_python import warm_python

ROOT = Path(__file__).parents[2]
needs_unix = pytest.mark.skipif(os.name == "nt", reason="Windows has no such limits or signals")


PRIOR = {"training_date": "2026-10-03", "codec_digest": "abc", "kept_epoch": 12, "final_perplexity": 9.16, "more": {}}


def _sample(seed: int = 0, *, frames: int = 480, **options: Any) -> Sample:
    generator = torch.Generator().manual_seed(seed)
    codes_WHQ = torch.randint(0, 16, (5, 2, 3), generator=generator)
    waveform_T = torch.rand(frames, generator=generator) - 0.5
    return Sample(waveform_T, 48_000, codes_WHQ, GenerateRequest(seed=seed), **options)


@pytest.fixture
def shelf(tiny_model: Path) -> TakeShelf:
    return TakeShelf(tiny_model)


def _numbers(shelf: TakeShelf) -> list[int]:
    return [take.number for take in shelf.takes()]


def _folder() -> Path:
    (folder,) = takes_folder().iterdir()
    return folder


def test_a_take_is_kept_with_its_sound_codes_and_facts(shelf: TakeShelf) -> None:
    sample = _sample(41, gain=0.5, ends=(2, 5), prompt_steps=1, notes=("It was stereo.",))
    added = shelf.add(sample, PRIOR)
    (take,) = TakeShelf(shelf.model).takes()
    assert take == added
    assert (take.number, take.seed, take.duration_s, take.is_starred) == (1, 41, 0.01, False)
    assert take.wav.read_bytes() == encode_take(sample, shelf.model).data
    assert soundfile.info(take.wav).subtype == "PCM_24"
    assert torch.equal(take.codes(), sample.codes_WHQ)
    assert take.codes().dtype == torch.int64
    assert take.facts["gain"] == 0.5
    assert take.facts["ends"] == [2, 5]
    assert take.facts["prompt_steps"] == 1
    assert take.facts["notes"] == ["It was stereo."]
    assert take.facts["model"] == "tiny.distill"
    assert (take.facts["prior_date"], take.facts["codec_digest"]) == ("2026-10-03", "abc")
    assert (take.facts["prior_epoch"], take.facts["prior_perplexity"]) == (12, 9.16)
    assert take.facts["made_at"].startswith("20")
    assert take.facts["settings"]["seed"] == 41


def test_odd_facts_of_a_prior_and_many_notes_lose_no_take(shelf: TakeShelf) -> None:
    sample = _sample(notes=("a note",) * 99, ends=tuple(range(200_000)))
    take = shelf.add(sample, {"training_date": 5, "codec_digest": "x" * 10_000})
    assert shelf.takes() == [take]
    assert take.facts["prior_date"] == ""
    assert len(take.facts["notes"]) == 20


@pytest.mark.parametrize(
    ("epoch", "perplexity", "known"),
    [
        (3, 2, (3, 2)),
        (None, None, (0, 0.0)),
        (0, 0.5, (0, 0.0)),
        (True, True, (0, 0.0)),
        (10**400, 10**400, (0, 0.0)),
        (2.5, float("nan"), (0, 0.0)),
        ("3", "4", (0, 0.0)),
    ],
)
def test_how_far_a_prior_had_come_is_a_number_or_unknown(epoch: Any, perplexity: Any, known: tuple[Any, Any]) -> None:
    facts = facts_of(_sample(), 1.0, Path("m.distill"), {"kept_epoch": epoch, "final_perplexity": perplexity})
    assert (facts["prior_epoch"], facts["prior_perplexity"]) == known
    older = {name: value for name, value in facts.items() if not name.startswith("prior_")} | {"prior_date": ""}
    assert read_facts(json.dumps(older).encode())[0]["prior_epoch"] == 0
    strange = facts | {"prior_epoch": epoch, "prior_perplexity": perplexity}
    assert read_facts(json.dumps(strange).encode())[0]["prior_epoch"] == known[0]


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has such names")
def test_a_prompt_whose_name_is_no_text_is_remembered(shelf: TakeShelf, tmp_path: Path) -> None:
    request = GenerateRequest(prompt=tmp_path / os.fsdecode(b"caf\xe9\n.wav"))
    sample = Sample(torch.zeros(10), 48_000, torch.zeros(1, 1, 1).long(), request)
    assert shelf.add(sample).request == request


def test_a_take_can_be_made_again_from_its_request(shelf: TakeShelf, tmp_path: Path) -> None:
    request = GenerateRequest(
        seconds=2.5,
        temperature=0.9,
        level_temperatures=(1.0, 0.5, 2.0),
        top_k=3,
        top_p=0.5,
        levels=2,
        seed=2**60,
        prompt=tmp_path / "kick.wav",
        mode=PromptMode.VARY,
    )
    sample = Sample(torch.zeros(10), 48_000, torch.zeros(1, 1, 1).long(), request)
    assert shelf.add(sample).request == request


def test_nothing_is_on_disk_before_the_first_take(shelf: TakeShelf) -> None:
    assert shelf.takes() == []
    assert all_shelves() == []
    shelf.tidy()
    assert not takes_folder().exists()


def test_the_newest_comes_first_and_numbers_only_grow(shelf: TakeShelf) -> None:
    for seed in range(3):
        shelf.add(_sample(seed))
    assert [(take.number, take.seed) for take in shelf.takes()] == [(3, 2), (2, 1), (1, 0)]
    shelf.delete(3)
    shelf.tidy()
    assert shelf.add(_sample()).number == 4


def test_numbers_grow_also_where_the_shelfs_facts_were_damaged(shelf: TakeShelf) -> None:
    shelf.add(_sample())
    facts = _folder() / "shelf.json"
    values = json.loads(facts.read_text())
    facts.write_text(json.dumps(values | {"last_number": 0}))
    assert shelf.add(_sample()).number == 2


def test_a_star_outlasts_and_is_taken_away(shelf: TakeShelf) -> None:
    shelf.add(_sample())
    shelf.star(1, True)
    shelf.star(1, True)
    assert TakeShelf(shelf.model).takes()[0].is_starred
    shelf.star(1, False)
    shelf.star(1, False)
    assert not shelf.takes()[0].is_starred


def test_starred_takes_stay_and_of_the_others_the_last_fifty(shelf: TakeShelf) -> None:
    shelf.add(_sample(frames=1))
    shelf.star(1, True)
    for seed in range(KEPT_WITHOUT_STAR + 2):
        shelf.add(_sample(seed, frames=1))
    assert _numbers(shelf) == [*range(KEPT_WITHOUT_STAR + 3, 3, -1), 1]


def test_a_deleted_take_comes_back_until_the_shelf_is_tidied(shelf: TakeShelf) -> None:
    for seed in (7, 8):
        shelf.add(_sample(seed))
    shelf.star(1, True)
    shelf.delete(1)
    assert _numbers(shelf) == [2]
    again = TakeShelf(shelf.model).restore(1)
    assert (again.seed, again.is_starred) == (7, True)
    assert _numbers(shelf) == [2, 1]
    shelf.delete(1)
    shelf.tidy()
    assert sorted(path.name for path in _folder().iterdir()) == ["2", "shelf.json"]
    for act in (shelf.restore, shelf.delete, lambda number: shelf.star(number, True)):
        with pytest.raises(DistillError, match="Take 1 is gone") as refused:
            act(1)
        assert refused.value.hint
    assert _numbers(shelf) == [2]


def test_a_shelf_that_lost_its_facts_can_still_be_removed(shelf: TakeShelf) -> None:
    shelf.add(_sample())
    (_folder() / "shelf.json").unlink()
    shelf.add(_sample())  # on a new shelf, for nobody knows whose the first one is
    assert _numbers(shelf) == [1]
    assert sorted((listed.model_name, listed.is_there) for listed in all_shelves()) == [
        ("", False),
        ("tiny.distill", True),
    ]
    remove_shelf(next(listed.id for listed in all_shelves() if listed.model is None))
    assert _numbers(shelf) == [1]


def test_a_model_that_was_moved_keeps_its_takes_and_a_copy_has_its_own(shelf: TakeShelf, tmp_path: Path) -> None:
    shelf.add(_sample(1))
    copy = TakeShelf(shutil.copy(shelf.model, tmp_path / "copy.distill"))
    assert copy.takes() == []
    copy.add(_sample(2))
    moved = TakeShelf(shelf.model.rename(tmp_path / "moved.distill"))
    assert [take.seed for take in moved.takes()] == [1]
    moved.add(_sample(3))
    assert [take.seed for take in moved.takes()] == [3, 1]
    assert [take.seed for take in copy.takes()] == [2]
    assert {listed.model_name: listed.count for listed in all_shelves()} == {"moved.distill": 2, "copy.distill": 1}


def _give_another_id(model: Path) -> None:
    from distill_core.files.archive import read_archive

    values, _ = read_archive(model)
    values["metadata"]["model_id"] = "another"
    torch.save(values, model)


def test_another_model_at_the_same_path_has_its_own_takes(shelf: TakeShelf) -> None:
    shelf.add(_sample(1))
    _give_another_id(shelf.model)
    assert shelf.takes() == []
    shelf.add(_sample(2))
    assert [take.seed for take in shelf.takes()] == [2]
    assert sorted(listed.is_there for listed in all_shelves()) == [False, True]


def test_takes_do_not_depend_on_the_model(shelf: TakeShelf) -> None:
    shelf.add(_sample(5))
    shelf.model.unlink()
    (take,) = shelf.takes()
    assert torch.equal(take.codes(), _sample(5).codes_WHQ)
    (listed,) = all_shelves()
    assert (listed.model, listed.is_there, listed.count) == (shelf.model, False, 1)
    assert listed.size_bytes > 0
    remove_shelf(listed.id)
    remove_shelf(listed.id)
    assert all_shelves() == []
    assert list(takes_folder().iterdir()) == []


def test_only_shelves_are_removed(shelf: TakeShelf, tmp_path: Path) -> None:
    shelf.add(_sample())
    for odd in ("..", "", ".", "../..", str(tmp_path), "x" * 32):
        remove_shelf(odd)
    assert _numbers(shelf) == [1]
    assert tmp_path.exists()


@pytest.mark.parametrize("container", Container)
def test_an_export_is_the_sound_on_the_shelf(shelf: TakeShelf, tmp_path: Path, container: Container) -> None:
    take = shelf.add(_sample(gain=0.3))
    path = shelf.export(take, tmp_path / f"x.{container}", container)
    assert np.array_equal(soundfile.read(path)[0], soundfile.read(take.wav)[0])
    assert (path.read_bytes() == take.wav.read_bytes()) is (container is Container.WAV)
    with pytest.raises(SaveError, match="exists already"):
        shelf.export(take, path, container)
    shelf.export(take, path, container, replace=True)
    take.wav.write_bytes(b"RIFF")
    with pytest.raises(DistillError, match="take 1 can't be read"):
        shelf.export(take, path, container, replace=True)


def test_an_anonymous_export_names_no_sound(shelf: TakeShelf, tmp_path: Path) -> None:
    request = GenerateRequest(prompt=tmp_path / "secret.wav")
    take = shelf.add(Sample(torch.zeros(10), 48_000, torch.zeros(1, 1, 1).long(), request))
    assert b"secret" in take.wav.read_bytes()
    assert b"secret" not in shelf.export(take, tmp_path / "x.wav", anonymous=True).read_bytes()


def test_a_loop_is_exported_as_one(shelf: TakeShelf, tmp_path: Path) -> None:
    take = shelf.add(Sample(torch.zeros(10), 48_000, torch.zeros(1, 1, 1).long(), GenerateRequest(loop=True)))
    for path in (take.wav, shelf.export(take, tmp_path / "x.wav")):
        assert b"smpl" in path.read_bytes()


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
)


@settings(deadline=None, max_examples=300)
@given(data=st.data())
def test_wrong_facts_are_no_facts_and_never_a_crash(data: st.DataObject) -> None:
    facts = facts_of(_sample(1, notes=("a",)), 1.0, Path("tiny.distill"), {})
    place = data.draw(st.sampled_from([facts, facts["settings"]]))
    place[data.draw(st.sampled_from(sorted(place)))] = data.draw(_JSON)
    found = read_facts(json.dumps(facts).encode())
    if found is not None:
        known, request = found
        assert 0 <= known["duration_s"] < 1e6
        assert 0 <= known["gain"] <= 1
        assert all(printable(note) == note for note in known["notes"])
        assert isinstance(request, GenerateRequest)
        assert read_facts(json.dumps({**known, "version": 1}).encode()) == found


@pytest.mark.parametrize("text", [b"", b"\xff", b"[" * 100_000, b"null", b"[]", b'{"settings": 5}', b"9" * 9999])
def test_facts_that_are_none_leave_out_a_take(shelf: TakeShelf, text: bytes) -> None:
    for seed in (1, 2):
        shelf.add(_sample(seed))
    (_folder() / "1" / "facts.json").write_bytes(text)
    assert _numbers(shelf) == [2]
    (_folder() / "shelf.json").write_bytes(text)
    assert _numbers(shelf) == []
    assert [listed.model for listed in all_shelves()] == [None]
    remove_shelf(all_shelves()[0].id)
    assert all_shelves() == []


@pytest.mark.parametrize(
    "codes",
    [
        b"",
        b"\x93NUMPY",
        b"\x80\x04cos\nsystem\n(S'true'\ntR.",
        np.array([["a"]]),
        np.zeros((3, 3), np.int32),
        np.array([{}], dtype=object),
        "huge",
        None,
    ],
)
def test_damaged_codes_are_a_sentence(shelf: TakeShelf, codes: Any) -> None:
    take = shelf.add(_sample())
    path = take.wav.with_name("codes.npy")
    whole = path.read_bytes()
    path.unlink()
    if isinstance(codes, np.ndarray):
        np.save(path, codes)
    elif codes is not None:
        path.write_bytes(codes if isinstance(codes, bytes) else whole.replace(b"(5, 2, 3)", b"(9999999999, 2, 3)"))
    assert shelf.takes() == [take]
    with pytest.raises(DistillError, match="codes of take 1 can't be read") as refused:
        take.codes()
    assert refused.value.hint


def test_what_else_lies_in_the_folder_is_left_alone(shelf: TakeShelf) -> None:
    shelf.add(_sample())
    folder = _folder()
    others = [folder / "07", folder / "2.txt", folder / "notes", takes_folder() / "mine"]
    for other in others:
        other.mkdir()
    (folder / "9").touch()
    assert _numbers(shelf) == [1]
    shelf.tidy()
    assert all(other.is_dir() for other in others)


@needs_unix
@pytest.mark.parametrize("room", [0, 100, 1000, 4000])
def test_a_full_disk_is_a_sentence_and_leaves_the_shelf_as_it_was(shelf: TakeShelf, room: int) -> None:
    sample = _sample(1, frames=4800)
    for _ in range(2):
        with largest_file(room), pytest.raises(SaveError, match="Not enough space to save “tiny take”"):
            shelf.add(sample)
    assert shelf.takes() == []
    assert all_shelves() == []
    assert len(sample.waveform_T) == 4800
    assert shelf.add(sample).seed == 1
    with largest_file(room), pytest.raises(SaveError):
        shelf.add(sample)
    assert len(_numbers(shelf)) == 1
    assert sorted(path.name for path in _folder().iterdir()) == [str(_numbers(shelf)[0]), "shelf.json"]


def test_a_home_that_cannot_be_written_is_a_sentence(
    shelf: TakeShelf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setattr("distill_core.folders.user_data_path", lambda name, **options: tmp_path / "file" / name)
    with pytest.raises(SaveError) as refused:
        shelf.add(_sample())
    assert refused.value.hint
    assert shelf.takes() == []
    assert all_shelves() == []


_ADDING = """
import sys
import torch
from distill_core import GenerateRequest, Sample
from distill_core.generation.takes.shelf import TakeShelf
shelf, first, count = TakeShelf(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
for seed in range(first, first + count):
    sample = Sample(torch.zeros(20_000), 48_000, torch.full((4, 2, 2), seed % 7), GenerateRequest(seed=seed))
    print(shelf.add(sample).number, flush=True)
"""


def _adding(model: Path, first: int, count: int) -> subprocess.Popen[str]:
    command = [*warm_python(), "-c", _ADDING, str(model), str(first), str(count)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT)


def test_two_processes_at_once_lose_no_take(shelf: TakeShelf) -> None:
    processes = [_adding(shelf.model, first, 8) for first in (100, 200)]
    told = [int(line) for process in processes for line in process.communicate()[0].split()]
    assert sorted(told) == list(range(1, 17))
    takes = shelf.takes()
    assert [take.number for take in takes] == list(range(16, 0, -1))
    assert {take.seed for take in takes} == {*range(100, 108), *range(200, 208)}
    assert len(all_shelves()) == 1


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")
def test_a_process_that_is_killed_leaves_whole_takes_only(shelf: TakeShelf) -> None:
    for round_, after in enumerate((1, 4, 9)):
        with _adding(shelf.model, 1000 * round_, 1000) as process:
            assert process.stdout is not None
            for _ in range(after):
                process.stdout.readline()
            process.send_signal(signal.SIGKILL)
        takes = shelf.takes()
        for take in takes:
            assert soundfile.info(take.wav).frames == 20_000
            assert torch.equal(take.codes(), torch.full((4, 2, 2), take.seed % 7))
        assert len(takes) >= after
    shelf.tidy()
    assert {path.name for path in _folder().iterdir()} == {*map(str, _numbers(shelf)), "shelf.json"}
