from __future__ import annotations

from pathlib import Path

import pytest
from PySide6.QtCore import QUrl

from app.drops import can_accept, route


def _urls(*paths: Path) -> list[QUrl]:
    return [QUrl.fromLocalFile(str(path)) for path in paths]


@pytest.fixture
def places(tmp_path: Path) -> dict[str, Path]:
    kicks, other = tmp_path / "kicks", tmp_path / "other"
    kicks.mkdir()
    other.mkdir()
    files = {"a": kicks / "a.wav", "b": kicks / "b.flac", "model": tmp_path / "m.distill", "text": tmp_path / "n.txt"}
    for path in files.values():
        path.write_bytes(b"x")
    return {**files, "kicks": kicks, "other": other, "gone": tmp_path / "gone.txt", "old": tmp_path / "o.SDA"}


def test_models_and_folders_are_routed_by_kind_wherever_they_fall(places: dict[str, Path]) -> None:
    for target in ("model", "sounds", "window"):
        assert route(_urls(places["model"]), target).model == places["model"]
        assert route(_urls(places["old"]), target).model == places["old"]
        assert route(_urls(places["kicks"]), target).folder == places["kicks"]
        for order in (("model", "kicks"), ("kicks", "model")):
            both = route(_urls(*(places[name] for name in order)), target)
            assert (both.model, both.folder, both.refusal) == (places["model"], places["kicks"], None)


@pytest.mark.parametrize(
    ("names", "target", "card", "words", "offers"),
    [
        (("kicks", "other"), "window", "window", "one model, one folder, or one of each", False),
        (("model", "model", "kicks"), "model", "model", "one model, one folder, or one of each", False),
        (("a",), "sounds", "sounds", "Drop the folder these sounds are in.", True),
        (("a", "b"), "window", "sounds", "Drop the folder these sounds are in.", True),
        (("a",), "model", "model", "“a.wav” is not a Distill model", False),
        (("text",), "window", "model", "“n.txt” is not a Distill model. Models end in .distill.", False),
        (("text",), "sounds", "sounds", "“n.txt” is not a folder", False),
        (("gone",), "model", "model", "not there any more", False),
    ],
)
def test_wrong_drops_say_why(
    places: dict[str, Path], names: tuple[str, ...], target: str, card: str, words: str, offers: bool
) -> None:
    urls = _urls(*(places[name] for name in names))
    drop = route(urls, target)
    assert drop.refusal is not None
    assert drop.model is None
    assert drop.folder is None
    assert drop.refusal.target == card
    assert words in drop.refusal.message
    assert (drop.refusal.folder == places["kicks"]) is offers
    if target == "window":
        assert not can_accept(urls)


@pytest.mark.parametrize("url", ["https://example.org/m.distill", "ftp://x/y", ""])
def test_what_is_not_on_this_computer_is_refused(url: str) -> None:
    drop = route([QUrl(url)], "model")
    assert drop.refusal is not None
    assert drop.refusal.message == "Only files on this computer can be dropped."
    assert route([], "model").refusal is not None
