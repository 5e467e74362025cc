"""Everything that people drop, sorted."""

from __future__ import annotations

import os
import platform
import shutil
import threading
from pathlib import Path
from urllib.parse import quote

import pytest
from PySide6.QtCore import QMimeData, QUrl
from pytestqt.qtbot import QtBot

from app.flows import drops
from app.flows.commands import Commands
from app.flows.drops import MOST_AT_ONCE, ONLY_FILES, DragLooks, Drop, LastDrag, Refusal, is_gone, route, sort
from app.session import Session
from tests.app.driving import WAIT_MS, settle_session

NOT_A_MODEL, NOT_A_SOUND = "is not a Distill model. Models end in .distill.", "is not a sound. Drop sounds, or folders"
ONE_MODEL = ("model", "Drop one model at a time.")
FOLDERS = ("kicks", "snares", "bundle.wav", "archive.zip")
FILES = (
    "a.wav", "b.FLAC", "take.m4a", "clip.mov", "film.MP4", "recording", "odd.xyz", "drums.distill", "old.SDA",
    "pack.zip", "more.tar.gz", "cover.jpg", "song.mid", "manual.pdf", "n.txt", "project.als", "weights.pt",
    "drums.distill.bak", ".kick.wav.icloud", ".DS_Store", "._a.wav", ".secret.wav",
)  # fmt: skip


@pytest.fixture
def here(tmp_path: Path) -> Path:
    for name in FOLDERS:
        (tmp_path / name).mkdir()
    for name in FILES:
        (tmp_path / name).write_bytes(b"x")
    return tmp_path


def _urls(folder: Path, names: str) -> list[QUrl]:
    return [QUrl.fromLocalFile(str(folder / name)) for name in names.split()]


def _names(folder: Path, paths: tuple[Path, ...]) -> str:
    assert all(path.parent == folder for path in paths)
    return " ".join(path.name for path in paths)


@pytest.mark.parametrize("target", ["model", "sounds", "window"])
@pytest.mark.parametrize(
    ("names", "model", "sounds", "passed_over"),
    [
        ("drums.distill", "drums.distill", "", ""),
        ("old.SDA", "old.SDA", "", ""),
        ("gone.distill", "gone.distill", "", ""),  # opening it says so
        ("kicks", "", "kicks", ""),
        ("kicks snares", "", "kicks snares", ""),
        ("bundle.wav archive.zip", "", "bundle.wav archive.zip", ""),  # folders, whatever they are called
        ("a.wav", "", "a.wav", ""),
        ("a.wav b.FLAC take.m4a", "", "a.wav b.FLAC take.m4a", ""),
        ("clip.mov film.MP4", "", "clip.mov film.MP4", ""),
        ("snares a.wav kicks", "", "snares a.wav kicks", ""),
        ("a.wav recording odd.xyz", "", "a.wav recording odd.xyz", ""),
        ("drums.distill kicks", "drums.distill", "kicks", ""),
        ("kicks b.FLAC drums.distill snares", "drums.distill", "kicks b.FLAC snares", ""),
        ("recording drums.distill", "drums.distill", "recording", ""),
        ("a.wav cover.jpg pack.zip manual.pdf", "", "a.wav", "cover.jpg pack.zip manual.pdf"),
        ("kicks n.txt drums.distill", "drums.distill", "kicks", "n.txt"),
        ("a.wav ._a.wav .DS_Store .kick.wav.icloud", "", "a.wav", "._a.wav .DS_Store .kick.wav.icloud"),
        ("a.wav gone.wav", "", "a.wav", "gone.wav"),
        ("a.wav a.wav", "", "a.wav", ""),
    ],
)
def test_what_is_taken_wherever_it_falls(
    here: Path, target: str, names: str, model: str, sounds: str, passed_over: str
) -> None:
    drop = route(_urls(here, names), target)
    assert drop.model == (here / model if model else None)
    assert _names(here, drop.sounds) == sounds
    assert _names(here, drop.passed_over) == passed_over
    assert drop.refusals == ()
    assert route(_urls(here, names), target).is_taken


@pytest.mark.parametrize(
    ("names", "target", "card", "words"),
    [
        ("pack.zip", "sounds", "sounds", "“pack.zip” is an archive: unpack it first, then drop the folder."),
        ("pack.zip", "window", "sounds", "“pack.zip” is an archive: unpack it first, then drop the folder."),
        ("pack.zip", "model", "model", "“pack.zip” is an archive: unpack it first, then drop the model."),
        ("pack.zip more.tar.gz", "window", "sounds", "These 2 files are archives: unpack them first, then drop the fo"),
        ("pack.zip more.tar.gz", "model", "model", "These 2 files are archives: unpack them first, then drop the mode"),
        ("cover.jpg", "sounds", "sounds", f"“cover.jpg” {NOT_A_SOUND}"),
        ("song.mid", "window", "sounds", f"“song.mid” {NOT_A_SOUND}"),
        ("project.als", "window", "sounds", f"“project.als” {NOT_A_SOUND}"),
        ("manual.pdf", "model", "model", f"“manual.pdf” {NOT_A_MODEL}"),
        ("weights.pt", "window", "model", f"“weights.pt” {NOT_A_MODEL}"),
        ("weights.pt", "sounds", "sounds", f"“weights.pt” {NOT_A_SOUND}"),
        ("drums.distill.bak", "window", "model", f"“drums.distill.bak” {NOT_A_MODEL}"),
        ("recording", "model", "model", f"“recording” {NOT_A_MODEL}"),
        ("recording odd.xyz", "model", "model", "None of these 2 files is a Distill model. Models end in .distill."),
        ("cover.jpg recording", "model", "model", "None of these 2 files is a Distill model. Models end in .distill."),
        (
            "cover.jpg n.txt song.mid",
            "window",
            "sounds",
            "None of these 3 files is a sound. Drop sounds, or folders of",
        ),
        ("cover.jpg pack.zip", "sounds", "sounds", "None of these 2 files is a sound. Drop sounds, or folders of"),
        (".kick.wav.icloud", "sounds", "sounds", "“.kick.wav.icloud” is in iCloud only: download it first, then drop"),
        (".secret.wav", "window", "sounds", "“.secret.wav” is a hidden file, and those are passed over."),
        ("gone.wav", "window", "sounds", "“gone.wav” is not there any more."),
        ("gone.wav", "model", "model", "“gone.wav” is not there any more."),
        ("gone.wav gone", "sounds", "sounds", "These 2 files are not there any more."),
        ("a.wav/b.wav", "sounds", "sounds", "“b.wav” is not there any more."),
    ],
)
def test_what_is_not_taken_is_answered_on_its_card(here: Path, names: str, target: str, card: str, words: str) -> None:
    drop = route(_urls(here, names), target)
    assert (drop.model, drop.sounds, drop.passed_over) == (None, (), ())
    (refusal,) = drop.refusals
    assert refusal.target == card
    assert refusal.message.startswith(words)
    assert refusal.message.endswith(".")
    assert not route(_urls(here, names), target).is_taken


@pytest.mark.parametrize(
    ("names", "model", "sounds", "refusals"),
    [
        ("drums.distill old.SDA", "", "", [ONE_MODEL]),
        ("drums.distill old.SDA kicks a.wav", "", "kicks a.wav", [ONE_MODEL]),
        (
            "drums.distill old.SDA pack.zip",
            "",
            "",
            [ONE_MODEL, ("sounds", "“pack.zip” is an archive: unpack it first, then drop the folder.")],
        ),
        (
            "drums.distill cover.jpg",
            "drums.distill",
            "",
            [("sounds", "“cover.jpg” is not a sound. Drop sounds, or folders of sounds.")],
        ),
    ],
)
def test_what_can_be_taken_is_taken_and_the_rest_answered(
    here: Path, names: str, model: str, sounds: str, refusals: list[tuple[str, str]]
) -> None:
    for target in ("model", "sounds", "window"):
        drop = route(_urls(here, names), target)
        assert drop.model == (here / model if model else None)
        assert _names(here, drop.sounds) == sounds
        assert [(refusal.target, refusal.message) for refusal in drop.refusals] == refusals
        assert route(_urls(here, names), target).is_taken is bool(model or sounds)


def test_a_sample_folders_files_are_taken_without_the_150_that_are_no_sounds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sounds = [tmp_path / f"kick {number:03}.wav" for number in range(300)]
    others = [
        tmp_path / f"{name} {number}{suffix}"
        for number in range(30)
        for name, suffix in (("cover", ".jpg"), ("loop", ".asd"), ("groove", ".mid"), ("manual", ".pdf"), ("w", ".pkf"))
    ]  # fmt: skip
    paths = [path for number in range(300) for path in (*sounds[number : number + 1], *others[number : number + 1])]
    for path in paths:
        path.touch()
    asked, stat = [], Path.stat

    def counted(path: Path, **options: bool) -> os.stat_result:
        asked.append(path)
        return stat(path, **options)

    monkeypatch.setattr(Path, "stat", counted)
    drop = route([QUrl.fromLocalFile(str(path)) for path in paths], "window")
    assert drop == Drop(sounds=tuple(sounds), passed_over=tuple(others))
    assert len(asked) == 450  # the file system is asked once a file: it may be a slow one


@pytest.mark.parametrize(
    "name",
    ["a b.wav", "Kick #1.wav", "what?.wav", "100%.wav", "a%2Fb.wav", "a%23.wav", "Bass é ß 音.wav", "x&y;+=.wav"],
)
@pytest.mark.parametrize("host", ["", "localhost", "LOCALHOST", platform.node()])
def test_names_come_through_as_they_are(tmp_path: Path, host: str, name: str) -> None:
    path = tmp_path / name
    path.touch()
    assert sort([path], "window").sounds == (path,)
    assert route([QUrl(f"file://{host}{quote(str(path))}")], "window").sounds == (path,)


def test_a_name_that_a_program_did_not_escape_is_found(tmp_path: Path) -> None:
    names = [b"Kick #1.wav", b"what?.wav", b"why?#2 #3.wav", b"\xe9t\xe9 #1.wav"]
    data = QMimeData()
    lines = [b"file://" + os.fsencode(tmp_path) + b"/" + name.replace(b"\xe9", b"%E9") for name in names]
    data.setData("text/uri-list", b"\r\n".join(lines))
    paths = [tmp_path / os.fsdecode(name) for name in names]
    for path in paths:
        path.touch()
    assert route(data.urls(), "window").sounds == tuple(paths)


def test_a_name_that_is_not_utf_8_is_found(tmp_path: Path) -> None:
    path = tmp_path / os.fsdecode(b"caf\xe9.wav")
    path.touch()
    assert route([QUrl("file://localhost" + quote(os.fsencode(path)))], "window").sounds == (path,)


@pytest.mark.parametrize(
    "url",
    [
        "https://example.org/m.distill", "ftp://x/y", "smb://server/kicks", "file://server/kicks", "trash:///a.wav",
        "", "file:", "file:a.wav", "a.wav",
    ],
)  # fmt: skip
def test_what_is_not_on_this_computer_is_refused(here: Path, monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.chdir(here)
    for target in ("model", "sounds", "window"):
        refused = Drop(refusals=(Refusal(target, ONLY_FILES),))
        assert route([QUrl(url)], target) == refused
        assert route([*_urls(here, "kicks"), QUrl(url)], target) == refused
        assert route([], target) == refused
        assert not route([QUrl(url)], target).is_taken


def test_a_name_with_a_null_byte_is_not_there() -> None:
    (refusal,) = route([QUrl("file:///tmp/a%00b.wav")], "sounds").refusals
    assert refusal.message == "“a\ufffdb.wav” is not there any more."


def test_what_the_system_does_not_answer_about_is_left_to_its_opening(tmp_path: Path) -> None:
    path = tmp_path / f"{'x' * 300}.wav"  # longer than a name can be: neither there nor gone
    assert route([QUrl.fromLocalFile(str(path))], "sounds").sounds == (path,)
    assert not is_gone(path)


def test_a_name_that_cannot_be_looked_at_is_refused_by_its_opening(
    qtbot: QtBot, session: Session, commands: Commands, tmp_path: Path
) -> None:
    sound, model = (tmp_path / f"{'x' * 300}{ending}" for ending in (".wav", ".distill"))
    commands.open_files(sound)
    settle_session(qtbot, session)
    assert session.state.open.sounds_refusal.startswith("There is no folder or file “")
    commands.open_recent(model)
    settle_session(qtbot, session)
    assert session.state.open.model_refusal
    assert session.state.problem is None


# Many files


def test_files_held_over_the_window_are_looked_at_once_and_not_all_of_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked: list[Path] = []
    stat = Path.stat
    monkeypatch.setattr(Path, "stat", lambda path, **named: (looked.append(path), stat(path, **named))[1])
    urls = [QUrl.fromLocalFile(str(tmp_path / f"{number}.wav")) for number in range(3000)]
    (tmp_path / "0.wav").touch()
    drag = LastDrag()
    for _ in range(4):
        assert drag.looks([*urls]) == DragLooks("none", "valid")
    assert len(looked) == MOST_AT_ONCE
    drag.looks(urls[:3])
    assert len(looked) == MOST_AT_ONCE + 3, "these are others"
    drag.forget()
    drag.looks(urls[:3])
    assert len(looked) == MOST_AT_ONCE + 6, "after a drop files may have changed"


def test_many_files_are_sorted_on_another_thread(
    qtbot: QtBot, session: Session, commands: Commands, tmp_path: Path, sounds_folder: Path, tiny_model: Path
) -> None:
    first = sorted(sounds_folder.iterdir())[0]
    many = [tmp_path / f"{number}.wav" for number in range(MOST_AT_ONCE)]
    for path in many:
        shutil.copy(first, path)
    (tmp_path / "read me.txt").touch()
    threads = set()
    sort = drops.sort
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(drops, "sort", lambda *given: (threads.add(threading.get_ident()), sort(*given))[1])
        urls = [QUrl.fromLocalFile(str(path)) for path in (*many, tiny_model, tmp_path / "read me.txt")]
        commands.take_drop(urls, "window")
        qtbot.waitUntil(lambda: session.state.open.is_ready, timeout=WAIT_MS)
    assert threads.isdisjoint({threading.get_ident()})
    settle_session(qtbot, session)
    assert session.state.open.real_path == tiny_model.resolve()
    assert len(session.state.open.scanned.files) + len(session.state.open.scanned.skipped) >= MOST_AT_ONCE
    assert session.state.open.scanned.passed_over.others == 1


def test_many_files_are_refused_at_once_while_nothing_can_be_opened(
    session: Session, commands: Commands, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commands, "can", lambda action: False)
    commands.take_drop([QUrl.fromLocalFile(f"/{number}.wav") for number in range(MOST_AT_ONCE + 1)], "window")
    assert session.state.open.sounds_refusal == commands.locked_text()
    assert not session.is_busy
