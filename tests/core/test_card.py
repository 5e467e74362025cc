"""A model's card: what it tells, and that no stranger's text breaks out of it."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner, Result

from distill_core import read_summary
from distill_core.cli import app
from distill_core.files.archive import read_archive
from distill_core.models.metadata import licence_obstacle
from distill_core.models.persistence import save_metadata
from distill_core.models.summary import ModelSummary
from distill_core.papers.card import card_facts
from distill_core.papers.card_words import card_keys, card_markdown
from distill_core.papers.licences import licence_keys
from distill_core.papers.markdown import code, escaped, front_matter
from tests.core.test_text import fill_with_wild_text

DATA = Path(__file__).parents[1] / "data"
REFERENCE = DATA / "ref_small_prior.distill"
DEMO = Path(__file__).parents[2] / "resources" / "demo" / "demo.distill"
HUB_KEYS = {"license", "license_name", "library_name", "pipeline_tag", "tags", "model-index"}
AUDIT = {
    "verdict": "close_relatives",
    "copy_rate": 0.02,
    "copy_rate_interval": [0.005, 0.07],
    "z": -1.25,
    "samples": 96,
    "date": "2026-12-01T10:00:00+00:00",
    "settings": {"temperature": 1.0, "top_p": 0.95, "dataset": "/home/me/secret kicks"},
}
WILD = "---\n| x |\n```\n# <script>alert(1)</script> \u202egpj.exe [a](http://x) *b* `c` & &amp; www.x.com me@x.com"


def _card(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["card", *map(str, arguments)])


@pytest.fixture(scope="module")
def trained(shared_tiny_model: Path, shared_sounds_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model with a prior that learned from six sounds; leave it as it is."""
    model = Path(shutil.copy(shared_tiny_model, tmp_path_factory.mktemp("trained") / "drums.distill"))
    flags = ["--epochs", "1", "--hidden-size", "32", "--layers", "1", "--heads", "2"]
    run = CliRunner().invoke(app, ["train-prior", "--no-audit", str(model), str(shared_sounds_folder), *flags])
    assert run.exit_code == 0, run.output
    return model


def _keys_of(card: str) -> tuple[list[str], str]:
    """Return the top keys of the block before a card, and the Markdown below."""
    begin, block, body = card.split("---\n", 2)
    assert begin == ""
    return [line.partition(":")[0] for line in block.splitlines() if line[0] not in " -"], body


def test_a_card_tells_what_the_model_learned_from_and_how_well(trained: Path, tmp_path: Path) -> None:
    path = tmp_path / "card.md"
    run = _card(trained, "-o", path)
    assert run.exit_code == 0, run.output
    card = path.read_text(encoding="utf-8")
    keys, body = _keys_of(card)
    assert set(keys) == {"library_name", "pipeline_tag", "tags", "model-index"}
    assert "### The prior, which makes new sound\n\n6 sounds, 8.75 s, 3 of them held out. From `sounds`.\n" in body
    assert body.count("- `sound ") == 6
    summary = read_summary(trained)
    for sound in (summary.prior_metadata or {})["sounds"]:
        assert sound["digest"] in body
    assert f"Perplexity on held-out sounds: {summary.perplexity:.4g}" in body
    assert "- `hidden_size`: `32`" in body
    assert "Distill" in body


def test_anonymous_tells_hashes_alone(trained: Path, shared_sounds_folder: Path) -> None:
    run = _card(trained, "--anonymous")
    assert run.exit_code == 0
    assert "hashes of their content alone" in run.stdout
    assert "`sounds`" not in run.stdout
    assert not any(path.stem in run.stdout for path in shared_sounds_folder.iterdir())
    assert run.stdout.count(", content `") == 6
    told = json.loads(_card(trained, "--anonymous", "--json").stdout)
    assert "sound 0" not in json.dumps(told)
    assert told["is_anonymous"]
    assert told["sounds_of_prior"]["count"] == 6


def test_the_card_of_a_model_trained_anonymously_is_anonymous_unasked(tiny_model: Path, sounds_folder: Path) -> None:
    flags = ["--epochs", "1", "--hidden-size", "32", "--layers", "1", "--heads", "2", "--anonymous"]
    assert (
        CliRunner().invoke(app, ["train-prior", "--no-audit", str(tiny_model), str(sounds_folder), *flags]).exit_code
        == 0
    )
    card = _card(tiny_model).stdout
    assert "hashes of their content alone" in card
    assert not any(path.stem in card for path in sounds_folder.iterdir())


@pytest.mark.parametrize("path", [REFERENCE, DEMO])
def test_older_files_and_files_without_a_prior_have_a_card(path: Path) -> None:
    run = _card(path)
    assert run.exit_code == 0, run.output
    keys, body = _keys_of(run.stdout)
    assert set(keys) <= HUB_KEYS
    assert "## What it was trained on" in body


def test_a_prior_of_a_newer_distill_and_an_audit_are_told() -> None:
    summary = read_summary(REFERENCE)
    newer = replace(summary, prior_architecture="waves", prior_is_readable=False, prior_network={})
    assert "newer Distill" in card_markdown(card_facts(newer))
    audited = replace(summary, prior_metadata={**(summary.prior_metadata or {}), "audit": AUDIT})
    card = card_markdown(card_facts(audited))
    assert "- Takes: close relatives\n- Copy rate: 2.0 % (95 % interval 0.5 % to 7.0 %)\n- Takes compared: 96\n" in card
    assert "- Date: 2026-12-01T10:00:00+00:00\n- Settings: `temperature 1.0`, `top_p 0.95`\n" in card
    assert "secret" not in card
    assert card_keys(card_facts(audited))["model-index"][0]["results"][0]["metrics"][-1]["value"] == 0.02


def test_a_licence_line_is_saved_with_the_model_and_outlasts_a_new_prior(tiny_model: Path, sounds_folder: Path) -> None:
    before = read_archive(tiny_model)[0]
    run = _card(tiny_model, "--licence", " My own terms: ask me ")
    assert run.exit_code == 0, run.output
    assert 'license: "other"\nlicense_name: "my-own-terms-ask-me"' in run.stdout
    assert "Licence: My own terms: ask me" in run.stdout
    after = read_archive(tiny_model)[0]
    assert after["metadata"] == before["metadata"], "the ancestor knows no other keys there"
    assert after["training_config"] == before["training_config"] | {"licence": "My own terms: ask me"}
    flags = ["--epochs", "1", "--hidden-size", "32", "--layers", "1", "--heads", "2"]
    assert (
        CliRunner().invoke(app, ["train-prior", "--no-audit", str(tiny_model), str(sounds_folder), *flags]).exit_code
        == 0
    )
    assert read_summary(tiny_model).licence == "My own terms: ask me"
    assert _card(tiny_model, "--licence", "").exit_code == 0
    assert read_archive(tiny_model)[0]["training_config"] == before["training_config"]
    assert _card(tiny_model, "--licence", "two\nlines").exit_code == 2
    assert _card(tiny_model, "--licence", "x" * 201).exit_code == 2


def test_a_file_is_replaced_only_on_request(trained: Path, tmp_path: Path) -> None:
    path = tmp_path / "card.md"
    path.write_text("mine")
    assert _card(trained, "-o", path).exit_code == 4
    assert path.read_text() == "mine"
    assert _card(trained, "-o", path, "--force").exit_code == 0
    before = trained.read_bytes()
    assert _card(trained, "-o", trained, "--force", "--licence", "CC0").exit_code == 4
    assert trained.read_bytes() == before


@pytest.mark.parametrize(
    ("line", "keys"),
    [
        ("", {}),
        ("CC BY 4.0", {"license": "cc-by-4.0"}),
        ("MIT", {"license": "mit"}),
        ("Müller's terms", {"license": "other", "license_name": "muller-s-terms"}),
        ("私", {"license": "other"}),
    ],
)
def test_a_line_is_an_identifier_of_the_hub_or_a_name(line: str, keys: dict[str, str]) -> None:
    assert licence_keys(line) == keys
    assert licence_obstacle(line) == ""


# Strangers' texts


def _unquoted(text: str) -> str:
    """Return a YAML scalar in double quotes as text; JSON's escapes are YAML's."""
    value: str = json.loads(text)
    return value


@given(st.text(), st.lists(st.text(), min_size=1, max_size=3))
def test_no_text_breaks_out_of_the_keys(name: str, tags: list[str]) -> None:
    block = front_matter({"model-index": [{"name": name, "results": [{"value": 0.5}]}], "tags": tags})
    lines = block.split("\n")
    assert block.splitlines() == lines
    assert lines[:2] == ["---", "model-index:"]
    assert lines[2].startswith('- name: "')
    assert lines[3:6] == ["  results:", "  - value: 0.5", "tags:"]
    assert lines[-1] == "---"
    assert [line[:3] for line in lines[6:-1]] == ['- "'] * len(tags)
    for line in (lines[2].removeprefix("- name: "), *(line.removeprefix("- ") for line in lines[6:-1])):
        assert isinstance(_unquoted(line), str)
        assert re.fullmatch("[\x20-\x7e\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]*", line), "YAML may hold it"


@given(st.text())
def test_no_text_breaks_out_of_a_line_of_code(text: str) -> None:
    line = code(text)
    assert len(line.splitlines()) <= 1
    if line:
        fence = re.match("`+", line)
        assert fence is not None
        inner = line[fence.end() : -fence.end()]
        assert line.endswith(fence[0])
        assert fence[0] not in re.findall("`+", inner), "no run of backticks in it is as long"


@given(st.text(alphabet=st.sampled_from(list("`*_[]<>|&~$@^{}!#+-=.:/\\ \n\r\t\u2028\u202e123awW")), max_size=40))
def test_no_text_breaks_out_of_a_line(text: str) -> None:
    line = escaped(text)
    assert len(line.splitlines()) <= 1
    assert not re.search(r"(?<!\\)(?:\\\\)*[`*_\[\]<>|&~$@^{}]", line), "each of them has its backslash"
    assert not re.match(r"[#+\-=:!]|\d+[.)]", line)
    assert "://" not in line
    assert "\u202e" not in line


def test_wild_text_is_shown_and_does_nothing(tiny_model: Path) -> None:
    summary = read_summary(tiny_model)
    sounds = [{"digest": "ab", "duration_s": 1.0, "held_out": False, "name": WILD}]
    wild = replace(
        summary,
        name=WILD,
        metadata={**summary.metadata, "description": f"{WILD}\n{WILD}", "tags": [WILD, 5, None], "dataset_name": WILD},
        training_config={"sounds": sounds, "licence": WILD, WILD: 1, "architecture": WILD},
    )
    card = card_markdown(card_facts(wild))
    keys, body = _keys_of(card)
    assert set(keys) <= HUB_KEYS
    assert not re.search(r"^(---|\||```|# <)", body, re.MULTILINE)
    outside_code = re.sub(r"(?<!\\)(`+)(?!`).*?(?<!`)\1(?!`)", "", body)
    assert not re.search(r"(?<!\\)<script", outside_code)
    assert "\u202e" not in card


def test_any_strangers_file_has_a_card(tiny_model: Path) -> None:
    fill_with_wild_text(tiny_model)
    run = _card(tiny_model)
    assert run.exit_code == 0, run.output
    assert all(char.isprintable() or char in "\n\ufffd" for char in run.stdout)


@cache
def _reference() -> ModelSummary:
    return read_summary(REFERENCE)


_values = st.none() | st.booleans() | st.floats() | st.integers() | st.text() | st.lists(st.text(), max_size=3)


@given(st.dictionaries(st.sampled_from([*AUDIT, "sounds", "history", "verdict", "final_perplexity", "kept"]), _values))
def test_any_facts_of_a_prior_have_a_card(facts: dict[str, Any]) -> None:
    summary = _reference()
    card = card_markdown(card_facts(replace(summary, prior_metadata=facts | {"audit": facts}, training_config=facts)))
    assert set(_keys_of(card)[0]) <= HUB_KEYS
    json.dumps(card_facts(summary), allow_nan=False)


def test_a_licence_leaves_the_texts_as_they_are(tiny_model: Path) -> None:
    save_metadata(tiny_model, {"name": "Kicks", "description": "warm"})
    save_metadata(tiny_model, {"licence": "CC0"})
    summary = read_summary(tiny_model)
    assert (summary.name, summary.notes, summary.licence) == ("Kicks", "warm", "CC0")
