"""A folder as people have it: what is used, what is skipped and why, and how it is split."""

import math
import os
import shutil
import socket
import tempfile
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from distill_core.audio.chunks import read_chunks
from distill_core.audio.dataset import AudioFile, check_unchanged, scan, split_files
from distill_core.audio.decoding.kinds import UnreadableSoundError
from distill_core.audio.io import read_mono
from distill_core.audio.spectrogram import SpectrogramConfig
from distill_core.errors import DatasetError
from distill_core.events import JobProgress, Phase, ProgressReporter, SkippedFile, Stopped, ignore, never
from distill_core.models.vqvae import ConvVQVAE

SETTINGS = settings(derandomize=True, deadline=None, max_examples=100)
GEOMETRY = ConvVQVAE.geometry({"num_quantizers": 3}, SpectrogramConfig())
posix_only = pytest.mark.skipif(os.name == "nt", reason="no such files on Windows")


@pytest.fixture
def folder(tmp_path, write_sound):
    """A folder with one good sound, so that a scan has a result."""
    write_sound(tmp_path / "sounds" / "good.wav", seed=99)
    return tmp_path / "sounds"


def write(folder, name, samples, rate=48_000):
    soundfile.write(folder / name, samples, rate, subtype="FLOAT")


def verdicts(folder):
    """Return {name: note or reason} of a folder without its good.wav."""
    dataset = scan(folder)
    found = {file.name: file.note for file in dataset.files} | {file.name: file.reason for file in dataset.skipped}
    assert found.pop("good.wav") == ""
    return found


def names(dataset):
    return [file.name for file in dataset.files]


# ---- what is used


def test_a_clean_folder_is_used_whole(shared_sounds_folder):
    dataset = scan(shared_sounds_folder)
    assert names(dataset) == [f"sound {number}.{('wav', 'flac')[number % 2]}" for number in range(6)]
    assert dataset.skipped == ()
    assert dataset.name == "sounds"
    assert dataset.total_duration_s == pytest.approx(8.75, abs=1e-3)
    assert [file.sample_rate for file in dataset.files] == [48_000, 44_100, 22_050] * 2
    assert [file.channels for file in dataset.files] == [1, 1, 1, 2, 2, 2]
    assert not any(file.note for file in dataset.files)
    assert len({file.digest for file in dataset.files}) == 6


def test_sounds_are_left_out_by_their_names(shared_sounds_folder):
    dataset = scan(shared_sounds_folder)
    without = dataset.without({"sound 1.flac", "sound 4.wav", "unknown.wav"})
    assert names(without) == ["sound 0.wav", "sound 2.wav", "sound 3.flac", "sound 5.flac"]
    assert without.total_duration_s == pytest.approx(dataset.total_duration_s - 4.5)
    assert (without.sources, without.skipped) == (dataset.sources, dataset.skipped)
    assert dataset.without(["unknown.wav"]) is dataset
    with pytest.raises(DatasetError, match="One sound has to stay"):
        dataset.without(set(names(dataset)))


def test_sounds_come_in_the_order_of_their_paths_part_by_part(folder, write_sound):
    for name in ("a-b.wav", "a b/c.wav", "a.wav", "a/c.wav", "a/b-/c.wav", "a/b/c.wav", "ab.wav", "a!.wav"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        write_sound(folder / name)
    paths = [file.path for file in scan(folder).files]
    assert paths == sorted(paths)
    assert [str(path) for path in paths] != sorted(map(str, paths))


def test_subfolders_and_upper_case_suffixes_are_read_in_the_order_of_names(folder, write_sound):
    for name in ["b/x.WAV", "a/deep/x.Flac", "x.aiff", "a.b/x.ogg", "folder named.wav/x.mp3"]:
        write_sound(folder / name)
    assert names(scan(folder)) == [
        "a/deep/x.Flac",
        "a.b/x.ogg",
        "b/x.WAV",
        "folder named.wav/x.mp3",
        "good.wav",
        "x.aiff",
    ]


def test_what_is_hidden_or_no_sound_is_not_mentioned(folder, write_sound):
    for name in ["._x.wav", ".hidden.wav", ".cache/x.wav"]:
        write_sound(folder / name)
    for name in [".DS_Store", "notes.txt", "cover.jpg", "no suffix", "x.wav.part"]:
        (folder / name).write_bytes(b"x" * 100)
    assert verdicts(folder) == {}


STRANGE_NAMES = {
    b"-rf.wav": "-rf.wav",
    b'it\'s "here".wav': 'it\'s "here".wav',
    b"two\nlines.wav": "two\ufffdlines.wav",
    b"\x1b[31mred.wav": "\ufffd[31mred.wav",
    b"caf\xe9.wav": "caf\ufffd.wav",
    b"caf\xe8.wav": "caf\ufffd.wav",
    "♪ 音.wav".encode(): "♪ 音.wav",
}


@posix_only
def test_names_that_nobody_expects(folder, tone):
    for number, name in enumerate(STRANGE_NAMES):
        soundfile.write(os.fsencode(folder) + b"/" + name, tone(seed=number), 48_000)
    dataset = scan(folder)
    assert dataset.skipped == ()
    assert sorted(names(dataset)) == sorted([*STRANGE_NAMES.values(), "good.wav"])
    assert [len(read_mono(file.path, 48_000)) for file in dataset.files] == [12_000] * 8


@posix_only
def test_a_folder_whose_name_is_not_text_can_be_said_and_saved(tmp_path, write_sound):
    folder = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9\n"))
    folder.mkdir()
    with pytest.raises(DatasetError) as caught:
        scan(folder)
    assert caught.value.message.encode("utf-8").decode() == "No sounds in “caf��”."
    write_sound(tmp_path / "x.wav").rename(folder / "x.wav")
    assert scan(folder).name == "caf��"


def test_copies_are_noticed(folder, write_sound):
    write_sound(folder / "a.wav", seed=5)
    soundfile.write(folder / "b.flac", *soundfile.read(folder / "a.wav", dtype="int16"))
    shutil.copy(folder / "a.wav", folder / "c.wav")
    assert verdicts(folder) == {"a.wav": "", "b.flac": "the same sound as a.wav", "c.wav": "the same sound as a.wav"}


def test_channels_that_cancel_out_give_one_of_them(folder, tone):
    write(folder, "anti.wav", np.hstack([0.9 * tone(), -0.9 * tone()]))
    write(folder, "left.wav", np.hstack([tone(), 0 * tone()]))
    write(folder, "one of 64.wav", np.hstack([tone(), *[0 * tone()] * 63]))
    write(folder, "offset.wav", tone() + 0.4)
    found = verdicts(folder)
    assert found.pop("anti.wav") == "its channels cancel out, so only channel 1 is used"
    assert set(found.values()) == {""}
    anti = next(file for file in scan(folder).files if file.name == "anti.wav")
    assert read_mono(anti.path, 48_000, anti.channel).abs().max() > 0.2


def test_a_part_of_a_broken_file_is_used_and_said(folder, write_sound):
    whole = write_sound(folder / "x.flac", seconds=2)
    whole.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    file = next(file for file in scan(folder).files if file.name == "x.flac")
    assert file.note.startswith(f"only {file.duration_s:.2f} s of ")
    assert 0.8 < file.duration_s < 1.1


def test_a_flac_of_unknown_length_is_not_called_broken(folder, write_sound):
    path = write_sound(folder / "x.flac")
    stream = bytearray(path.read_bytes())
    stream[21] &= 0xF0
    stream[22:26] = bytes(4)
    path.write_bytes(stream)
    assert verdicts(folder) == {"x.flac": ""}


# ---- what is skipped


@pytest.mark.parametrize(
    ("samples", "reason"),
    [
        (np.array([0.1, np.nan, 0.2] * 99), "it holds values that are not numbers"),
        (np.array([0.1, -np.inf, 0.2] * 99), "it holds values that are not numbers"),
        (np.array([0.1, 3e38, 0.2] * 99), "too large to be sound"),
        (np.zeros(4800), "it is silent"),
        (np.full(4800, 1e-7), "it is silent"),
        (np.full((4800, 2), [0.5, -0.25]), "it is silent"),
        (np.array([0.5]), "it is shorter than a millisecond"),
        (np.array([0.5, -0.5]), "it is shorter than a millisecond"),
        (np.zeros(0), "it holds no sound"),
        (np.full((480, 65), 0.1), "it has 65 channels; up to 64 are read"),
    ],
)
def test_samples_that_cannot_be_used(folder, samples, reason):
    write(folder, "x.wav", samples)
    assert reason in verdicts(folder)["x.wav"]


@pytest.mark.parametrize("rate", [1, 7, 999, 2_000_000])
def test_rates_that_no_sound_has(folder, tone, rate):
    write(folder, "x.wav", tone(), rate)
    assert verdicts(folder) == {"x.wav": f"its sample rate of {rate} Hz cannot be that of a sound"}


def test_files_that_are_no_sounds(folder):
    (folder / "text.wav").write_text("no sound at all\n" * 99)
    (folder / "text.au").write_text("no sound at all\n" * 99)
    (folder / "empty.mp3").touch()
    (folder / "song.m4a").write_bytes(b"ftypM4A")
    assert verdicts(folder) == {
        "text.wav": "it is text, and no sound",
        "text.au": "it is text, and no sound",
        "empty.mp3": "it is empty",
        "song.m4a": "it is text, and no sound",
    }


def test_a_flac_cut_before_its_first_frame(folder, write_sound):
    path = write_sound(folder / "x.flac")
    path.write_bytes(path.read_bytes()[:100])
    assert list(verdicts(folder)) == ["x.flac"]
    assert len(scan(folder).skipped) == 1


@posix_only
def test_things_that_are_no_files(folder):
    os.mkfifo(folder / "fifo.wav")
    (folder / "dangling.wav").symlink_to("nowhere.wav")
    (folder / "itself.wav").symlink_to("itself.wav")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(os.path.relpath(folder / "socket.wav"))
    assert verdicts(folder) == {
        "fifo.wav": "not a regular file",
        "dangling.wav": "it is gone, or a link to what is gone",
        "itself.wav": "it could not be opened",
        "socket.wav": "not a regular file",
    }


@posix_only
def test_links_lead_in_circles_and_each_sound_is_found_once(folder, write_sound):
    write_sound(folder / "a" / "b" / "x.wav")
    (folder / "a" / "b" / "up").symlink_to(folder)
    (folder / "a" / "self").symlink_to(folder / "a")
    (folder / "link to a").symlink_to("a")
    (folder / "to itself").symlink_to("to itself")
    assert verdicts(folder) == {"a/b/x.wav": ""}


@contextmanager
def an_ordinary_person():
    """Root may read everything; become somebody who may not."""
    if os.geteuid():
        yield
        return
    os.setresuid(65534, 65534, 0)
    try:
        yield
    finally:
        os.setresuid(0, 0, 0)


@pytest.fixture
def open_folder(write_sound):
    """A folder with one good sound in a place that everybody may enter, which pytest's own is not."""
    if os.name == "nt" or not hasattr(os, "setresuid"):
        pytest.skip("permissions work differently here")
    with tempfile.TemporaryDirectory() as place:
        os.chmod(place, 0o755)
        write_sound(Path(place) / "good.wav", seed=99)
        yield Path(place)


def test_what_may_not_be_read_is_said(open_folder, write_sound):
    write_sound(open_folder / "secret.wav").chmod(0)
    write_sound(open_folder / "shut" / "x.wav").parent.chmod(0)
    write_sound(open_folder / "list only" / "x.wav").parent.chmod(0o744)
    with an_ordinary_person():
        found = verdicts(open_folder)
    (open_folder / "shut").chmod(0o755)
    (open_folder / "list only").chmod(0o755)
    if not os.geteuid():  # the owner of a folder that is 0o744 may still enter it
        assert found.pop("list only/x.wav") == "no permission to read it"
    found.pop("list only/x.wav", None)
    assert found == {"secret.wav": "no permission to read it", "shut": "no permission to read this folder"}


def test_a_folder_that_may_not_be_read_is_said(open_folder):
    (open_folder / "shut" / "inside").mkdir(parents=True)
    (open_folder / "shut").chmod(0)
    for folder in [open_folder / "shut", open_folder / "shut" / "inside"]:
        with an_ordinary_person(), pytest.raises(DatasetError, match="no permission to read"):
            scan(folder)
    (open_folder / "shut").chmod(0o755)


# ---- what is nothing at all


def test_a_folder_that_is_none(tmp_path):
    for missing in [tmp_path / "missing", tmp_path / ("x" * 5000), tmp_path / "nul\0"]:
        with pytest.raises(DatasetError, match="There is no folder or file"):
            scan(missing)


def test_a_folder_without_sounds(tmp_path):
    (tmp_path / "notes.txt").write_text("no sound")
    with pytest.raises(DatasetError, match="No sounds in") as caught:
        scan(tmp_path)
    assert "WAV" in caught.value.hint


def test_a_folder_of_unusable_sounds_names_them(tmp_path):
    for number in range(5):
        (tmp_path / f"{number}.wav").touch()
    with pytest.raises(DatasetError) as caught:
        scan(tmp_path)
    assert "(0.wav: it is empty, 1.wav: it is empty, 2.wav: it is empty, and 2 more)" in caught.value.message


# ---- while it runs


def test_the_search_tells_how_many_it_has_found_and_ends_at_once(shared_sounds_folder):
    """In a folder of thousands it said nothing, and heard no cancel, until all were listed."""
    told, asked = [], []

    def should_stop():
        asked.append(len(told))
        return bool(told)

    with pytest.raises(Stopped):
        scan(shared_sounds_folder, on_event=told.append, should_stop=should_stop)
    assert told == [JobProgress(Phase.SCAN, 1, 0)]
    assert asked[-1] == 1
    assert asked.count(1) == 1, "the next file already was one too many"
    events = []
    dataset = scan(shared_sounds_folder, on_event=events.append)
    assert [event.total for event in events] == sorted(event.total for event in events)
    assert (dataset.total_duration_s, dataset.whole_seconds) == (
        pytest.approx(sum(file.duration_s for file in dataset.files)),
        sum(math.ceil(file.duration_s) for file in dataset.files),
    )
    fewer = dataset.without([dataset.files[0].name])
    assert fewer.total_duration_s == pytest.approx(dataset.total_duration_s - dataset.files[0].duration_s)


def test_progress_ends_at_the_total(shared_sounds_folder):
    events = []
    scan(shared_sounds_folder, on_event=events.append)
    assert events[-1] == JobProgress(Phase.SCAN, 6, 6)


@pytest.mark.parametrize("calls", range(8))
def test_it_stops_when_asked(shared_sounds_folder, calls):
    asked = []

    def should_stop():
        asked.append(None)
        return len(asked) > calls

    with pytest.raises(Stopped):
        scan(shared_sounds_folder, should_stop=should_stop)
    assert len(asked) == calls + 1


def test_what_vanishes_during_the_scan_is_skipped(folder, write_sound):
    for name in ["sub/x.wav", "z.wav"]:
        write_sound(folder / name)
    steps = iter(range(99))

    def should_stop():
        if next(steps) == 0:  # the top folder has just been listed
            shutil.rmtree(folder / "sub")
            (folder / "z.wav").unlink()
        return False

    dataset = scan(folder, should_stop=should_stop)
    assert names(dataset) == ["good.wav"]
    assert dataset.skipped == (
        SkippedFile("sub", "it could not be listed"),
        SkippedFile("z.wav", "it is gone, or a link to what is gone"),
    )


def test_the_folder_itself_may_vanish(folder):
    def should_stop():
        shutil.rmtree(folder, ignore_errors=True)
        return False

    with pytest.raises(DatasetError, match="No usable sound"):
        scan(folder, should_stop=should_stop)


# ---- after the scan


def chunks_of(files, on_event=ignore, should_stop=never):
    progress = ProgressReporter(Phase.READ, len(files), on_event)
    return list(read_chunks(files, GEOMETRY, progress, 0, on_event, should_stop))


def test_chunks_are_those_of_each_file_in_order_with_one_gain_a_file(shared_sounds_folder):
    files = scan(shared_sounds_folder).files
    waveforms = [read_mono(file.path, 48_000, file.channel) for file in files]
    expected = [
        torch.nn.functional.pad(waveform_T / waveform_T.abs().max(), (0, -len(waveform_T) % 48_000)).view(-1, 48_000)
        for waveform_T in waveforms
    ]
    torch.testing.assert_close(torch.cat(chunks_of(files)), torch.cat(expected))


def test_a_long_file_comes_in_parts_and_can_be_stopped(folder, write_sound):
    write_sound(folder / "good.wav", seconds=70, rate=8_000)
    files = scan(folder).files
    assert [len(chunks_NT) for chunks_NT in chunks_of(files)] == pytest.approx([33, 33, 4], abs=2)
    asked = []
    with pytest.raises(Stopped):
        chunks_of(files, should_stop=lambda: len(asked) > 2 or asked.append(None))


def changed(path, tone):
    soundfile.write(path, tone(seed=77, channels=1), 48_000)


def not_a_number(path, tone):
    soundfile.write(path, tone() * np.nan, 48_000, subtype="FLOAT")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda path, tone: path.unlink(), "it is gone"),
        (lambda path, tone: path.write_text("no sound"), "it is text, and no sound"),
        (not_a_number, "not numbers"),
        (changed, "it has changed since the folder was scanned"),
    ],
)
def test_a_file_that_changes_after_the_scan_is_skipped_and_named(folder, tone, change, reason):
    write(folder, "x.wav", np.hstack([0.5 * tone(), -tone(), 0.5 * tone()]))
    files = scan(folder).files
    assert files[1].channel == 1  # which the changed file does not have
    change(folder / "x.wav", tone)
    with pytest.raises(UnreadableSoundError, match=reason):
        check_unchanged(files[1])
    events = []
    assert len(torch.cat(chunks_of(files, events.append))) == 1
    assert [event.name for event in events if isinstance(event, SkippedFile)] == ["x.wav"]
    with pytest.raises(DatasetError, match="changed or vanished"):
        chunks_of(files[1:])


# ---- the split


def files_of(groups):
    """Return a file a letter; the same letter is the same sound."""
    return tuple(
        AudioFile(f"{index}.wav", f"{index}.wav", 1.0, 48_000, 1, letter) for index, letter in enumerate(groups)
    )


def most_that_fits(sizes, wanted):
    reachable = {0}
    for size in sizes:
        reachable |= {total + size for total in reachable}
    return max(total for total in reachable if total <= wanted)


@SETTINGS
@given(
    letters=st.lists(st.sampled_from("abcdefghijklmnop"), min_size=2, max_size=24),
    fraction=st.floats(0.01, 0.99),
    seed=st.integers(0, 2**32),
)
def test_split_counts_covers_and_keeps_copies_together(letters, fraction, seed):
    files = files_of(letters)
    train, validation = split_files(files, fraction, seed)
    wanted = min(len(files) - 1, max(1, round(len(files) * fraction)))
    assert len(validation) == wanted
    assert sorted([*train, *validation], key=files.index) == list(files)
    assert [*train] == sorted(train, key=files.index)
    assert (train, validation) == split_files(files, fraction, seed)
    torn = {file.digest for file in train} & {file.digest for file in validation}
    fits = most_that_fits([letters.count(letter) for letter in set(letters)], wanted) == wanted
    assert not torn if fits else len(torn) == 1


def test_copies_stay_together_even_if_the_first_choice_does_not_add_up():
    for seed in range(50):
        _, validation = split_files(files_of("aaabbcc"), 4 / 7, seed)
        assert sorted(file.digest for file in validation) == list("bbcc")


def test_another_seed_is_another_split():
    files = files_of(map(str, range(20)))
    assert len({split_files(files, 0.2, seed)[1] for seed in range(20)}) > 15


def test_splitting_thousands_of_files_is_quick():
    files = files_of(map(str, range(20_000)))
    train, validation = split_files(files, 0.2, 0)
    assert (len(train), len(validation)) == (16_000, 4_000)


def test_one_file_cannot_be_split():
    with pytest.raises(DatasetError, match="One sound"):
        split_files(files_of("a"), 0.2, 0)


def test_durations_tell_how_many_chunks_there_are(shared_sounds_folder):
    files = scan(shared_sounds_folder).files
    assert sum(map(len, chunks_of(files))) == sum(math.ceil(file.duration_s - 1e-3) for file in files)
