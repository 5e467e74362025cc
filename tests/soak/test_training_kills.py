"""What a person would call lost or stuck is a violation of the harness of killed trainings."""

from __future__ import annotations

import random

import pytest

from tests import warm_python
from tests.soak import training_process
from tests.soak.training_kills import KLT_CODEC, Bench, KilledTraining

pytestmark = pytest.mark.skipif(not warm_python._is_possible(), reason="processes are forked by a warm one here")


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    return Bench(tmp_path_factory.mktemp("bench"))


def test_a_training_that_hangs_is_no_killed_one(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training_process, "_HUNG_S", 0.3)
    killed = KilledTraining(bench, KLT_CODEC, random.Random(0))
    killed.run("whole", 0)
    assert (killed.kills, killed.violations) == (0, ["a klt codec, after 0 kills: it hung"])
