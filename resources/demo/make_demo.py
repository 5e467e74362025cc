"""Make the demo model: train `demo.distill` on the demo sounds, without a prior, which is the demo's own work.

    python resources/demo/make_demo.py                   # into resources/demo/demo.distill
    python resources/demo/make_demo.py some/model.distill

It takes some seconds; the same versions on the same machine give the same model.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

from distill_core.training.codec.events import CodecEpochMetrics, CodecTrainingCompleteEvent, CodecTrainingStartEvent
from distill_core.training.codec.train import train_codec
from distill_core.training.codec.trained import TrainedCodec

HERE = Path(__file__).parent
# Three instruments in eighteen sounds have little in common: six levels instead of two take a third off the error.
CODEC = {"band_mels": 16, "num_quantizers": 6, "max_epochs": 60, "device": "cpu", "seed": 0}
NAMES = {
    "name": "Demo: bells, plucks and drums",
    "description": "Trained on Distill's own eighteen demo sounds.",
    "dataset_name": "Distill demo sounds",
}


def show(event: object) -> None:
    match event:
        case CodecTrainingStartEvent() | CodecTrainingCompleteEvent():
            print(event)
        case CodecEpochMetrics():
            print(f"epoch {event.epoch}: error {event.val_l1:.3f}, loss {event.val_loss:.3f}", flush=True)


def train_demo_codec() -> TrainedCodec:
    trained = train_codec(HERE / "sounds", CODEC, architecture="klt", on_event=show)
    return replace(trained, metadata=trained.metadata | NAMES)


def main() -> None:
    path = train_demo_codec().save(sys.argv[1] if len(sys.argv) > 1 else HERE / "demo.distill")
    print(f"{path.stat().st_size / 1e6:.2f} MB in {path}")


if __name__ == "__main__":
    main()
