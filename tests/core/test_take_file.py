"""A take as a file: its name, its tags, and that it takes no other file's place."""

from __future__ import annotations

import io
import os
import re
import sys
import threading
from pathlib import Path, PureWindowsPath

import pytest
import soundfile
import torch
from hypothesis import given
from hypothesis import strategies as st

from distill_core import GenerateRequest, ReadOnlyError, Sample, SaveError
from distill_core.audio.sound_format import Container, SoundFormat
from distill_core.files.new_file import check_new_file, write_new_file
from distill_core.generation.request import PromptMode
from distill_core.generation.takes.file import encode_take, tags_for, write_take
from distill_core.generation.takes.name import plain_stem, settings_words, take_name
from tests.full_disk import largest_file

MODEL = Path("somewhere") / "My drums (v2).distill"
needs_unix = pytest.mark.skipif(os.name == "nt", reason="Windows has no such limits or modes")


def _sample(**settings: object) -> Sample:
    waveform_T = torch.sin(torch.arange(4800) / 20) * torch.hann_window(4800)
    return Sample(waveform_T, 48_000, torch.zeros(3, 2, 1).long(), GenerateRequest(**settings))


@pytest.mark.parametrize(
    ("name", "stem"),
    [
        ("My drums (v2)", "My_drums_v2"),
        ("../../etc/passwd", "etc_passwd"),
        ("Bässe", "Bässe"),
        ("ドラム", "ドラム"),
        ("a\x1b]0;b\u202e", "a_0_b"),
        ("-rf", "rf"),
        ("", "sound"),
        ("...", "sound"),
        ("\ud800", "sound"),
    ],
)
def test_names_are_letters_and_digits(name: str, stem: str) -> None:
    assert plain_stem(name) == stem


@given(st.text(max_size=300))
def test_any_model_has_a_name_for_its_takes(name: str) -> None:
    stem = plain_stem(name)
    assert stem
    assert len(stem.encode()) <= 120
    assert not re.search(r"[\s/\\:*?\"<>|.'`$&;\x00-\x1f\x7f]", stem)
    assert not stem.startswith(("-", "_"))
    assert plain_stem(stem) == stem
    file = take_name(Path(f"{stem}.distill"), 12, 41)
    assert file == f"{stem}_take12_seed41.wav"
    windows = PureWindowsPath(file)
    assert windows.name == file
    assert windows.stem.upper() not in {"CON", "PRN", "AUX", "NUL", "COM1", "LPT1"}


def test_a_name_has_model_take_and_seed() -> None:
    assert take_name(MODEL, 12, 41) == "My_drums_v2_take12_seed41.wav"
    assert take_name(Path("con.distill"), 1, 0, Container.FLAC) == "con_take1_seed0.flac"
    assert take_name(Path("v1.5.distill"), 1, 0) == "v1_5_take1_seed0.wav"


def test_settings_are_the_flags_that_make_a_take_again() -> None:
    assert settings_words(GenerateRequest(seed=7)) == "--seconds 5 --temperature 1 --top-k 0 --top-p 0.95 --seed 7"
    request = GenerateRequest(
        seconds=2.5,
        temperature=0.1 + 0.2,
        level_temperatures=(1.0, 0.5),
        levels=1,
        loop=True,
        prompt=Path("/home/me/my kick.wav"),
        mode=PromptMode.VARY,
    )
    words = settings_words(request)
    assert "--temperature 0.30000000000000004" in words
    assert "--level-temperatures 1,0.5 --levels 1 --loop --prompt 'my kick.wav' --mode vary" in words
    assert "/home/me" not in words
    assert "--until-end" in settings_words(GenerateRequest(until_end=True))


def test_the_same_request_has_the_same_tags_however_it_is_spelled() -> None:
    assert tags_for(GenerateRequest(seconds=5), MODEL) == tags_for(GenerateRequest(), MODEL)


@pytest.mark.parametrize("container", Container)
def test_tags_are_read_back_and_anonymous_names_no_sound(container: Container) -> None:
    sample = _sample(seed=41, prompt=Path("secret kick.wav"))
    told = encode_take(sample, MODEL, SoundFormat(container)).data
    silent = encode_take(sample, MODEL, SoundFormat(container), anonymous=True).data
    with soundfile.SoundFile(io.BytesIO(told)) as sound:
        assert sound.title == "My drums (v2), seed 41"
        assert sound.album == "My drums (v2)"
        assert "secret kick.wav" in sound.comment
        assert sound.software.startswith("Distill")
    assert b"secret" in told
    assert b"secret" not in silent
    flags, _, _ = soundfile.SoundFile(io.BytesIO(silent)).comment.partition(" # ")
    assert flags.endswith("--prompt FILE --mode continue --seed 41")


def test_a_take_is_written_with_the_gain_that_it_needs(tmp_path: Path) -> None:
    path = tmp_path / "take.wav"
    assert write_take(_sample(), MODEL, path).gain == pytest.approx(10 ** (-1 / 20), abs=1e-3)
    assert soundfile.info(path).duration == pytest.approx(0.1)


def test_no_file_is_replaced_unasked(tmp_path: Path) -> None:
    path = tmp_path / "take.wav"
    write_new_file(path, b"first")
    with pytest.raises(SaveError, match="exists already"):
        write_new_file(path, b"second")
    with pytest.raises(SaveError, match="exists already"):
        check_new_file(path)
    assert path.read_bytes() == b"first"
    check_new_file(path, replace=True)
    write_new_file(path, b"second", replace=True)
    assert path.read_bytes() == b"second"
    assert list(tmp_path.iterdir()) == [path]


def test_one_of_many_writers_wins(tmp_path: Path) -> None:
    path, told = tmp_path / "take.wav", list[bytes]()
    barrier = threading.Barrier(8)

    def write(data: bytes) -> None:
        barrier.wait()
        try:
            write_new_file(path, data)
        except SaveError:
            return
        told.append(data)

    threads = [threading.Thread(target=write, args=(bytes([number]) * 10_000,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [path.read_bytes()] == told
    assert list(tmp_path.iterdir()) == [path]


@needs_unix
def test_a_new_file_has_the_mode_of_new_files_and_a_replaced_one_keeps_its_own(tmp_path: Path) -> None:
    usual, path = tmp_path / "usual", tmp_path / "take.wav"
    usual.touch()
    write_new_file(path, b"")
    assert path.stat().st_mode == usual.stat().st_mode
    path.chmod(0o640)
    write_new_file(path, b"again", replace=True)
    assert path.stat().st_mode & 0o777 == 0o640


def test_places_where_nothing_can_be_are_refused_in_sentences(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    places = [tmp_path / "none" / "x.wav", tmp_path / "file" / "x.wav", tmp_path, tmp_path / ("x" * 300), Path("a\0b")]
    for place in places:
        for act in (check_new_file, lambda path: write_new_file(path, b"")):
            with pytest.raises(SaveError) as refused:
                act(place)
            assert refused.value.hint


@needs_unix
def test_a_full_disk_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "take.wav"
    path.write_bytes(b"first")
    with largest_file(20_000), pytest.raises(SaveError, match=r"Not enough space to save “take\.wav”"):
        write_new_file(path, bytes(100_000), replace=True)
    with largest_file(20_000), pytest.raises(SaveError, match="Not enough space"):
        write_new_file(tmp_path / "other.wav", bytes(100_000))
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == {"take.wav": b"first"}
    with pytest.raises(SaveError, match="Not enough space"):
        check_new_file(tmp_path / "other.wav", 1 << 60)


@pytest.mark.skipif(sys.platform != "linux" or os.geteuid() == 0, reason="root may write everywhere")
def test_a_protected_file_stays(tmp_path: Path) -> None:
    path = tmp_path / "take.wav"
    path.write_bytes(b"first")
    path.chmod(0o444)
    with pytest.raises(ReadOnlyError):
        write_new_file(path, b"second", replace=True)
    assert path.read_bytes() == b"first"
