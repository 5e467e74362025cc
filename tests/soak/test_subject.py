"""The judges of struck saves and restores see what they are there to see."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path

import pytest

from tests.soak.subject import EARLIER, NEW, OLD, Subject, judge, judge_swap


def test_a_save_that_keeps_another_version_than_the_one_before_is_seen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    subject = Subject(tmp_path)
    subject.save(NEW)
    assert judge(subject, "saved", OLD, NEW) == []
    subject.put()
    monkeypatch.setattr("distill_core.files.archive_writer.keeping_previous", lambda path: nullcontext())
    subject.save(NEW)
    wrong = f"The backup is not the version before after “saved”: prior {EARLIER}"
    assert judge(subject, "saved", OLD, NEW) == [wrong]


def test_a_restore_that_loses_a_version_is_seen(tmp_path: Path) -> None:
    subject = Subject(tmp_path)
    subject.restore()
    assert judge_swap(subject, "saved") == []
    subject.put()
    assert judge_swap(subject, "begin") == []
    assert judge_swap(subject, "saved") == ["Told as restored, and they did not change places"]
    subject.backup.write_bytes(subject.path.read_bytes())
    assert "A version is lost" in judge_swap(subject, "begin")[0]
