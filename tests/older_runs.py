"""Unfinished trainings as earlier releases left them."""

from __future__ import annotations

from pathlib import Path

DATA = Path(__file__).parent / "data"


def leave_older_run(model: Path, version: int) -> None:
    """Leave one where such a release kept this model's, as if it had been trained for it.

    The codebooks that k-means finds for a test's model differ in their last bits from computer to computer.
    """
    import torch

    from distill_core.models.persistence import read_codec_digest
    from distill_core.training.kinds import prior_runs

    folder = prior_runs(model).folder
    folder.mkdir(parents=True)
    for file in (DATA / f"run-format-{version}").iterdir():
        values = torch.load(file, weights_only=True)
        metadata = values["prior_metadata"] | {"codec_digest": read_codec_digest(model)}
        own = {"codec_digest": read_codec_digest(model), "model_path": str(model)} if version >= 3 else {}
        torch.save(values | own | {"prior_metadata": metadata}, folder / file.name)
