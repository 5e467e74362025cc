"""Make the demo model: train `demo.distill` on the demo sounds.

    python resources/demo/make_demo.py                   # into resources/demo/demo.distill
    python resources/demo/make_demo.py some/model.distill

It takes some minutes; the same versions on the same machine give the same model. It has no prior: the demo trains one.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

from distill_core.audio.dataset import scan
from distill_core.training.codec.config import get_adaptive_vqvae_config
from distill_core.training.codec.events import VQVAEEpochMetrics, VQVAETrainingCompleteEvent, VQVAETrainingStartEvent
from distill_core.training.codec.train import train_codec
from distill_core.training.codec.trained import TrainedCodec

HERE = Path(__file__).parent
# Eighteen clean sounds of three instruments: there the small set's default dropout of 0.4 costs more than it gives, and
# smaller batches mean more steps an epoch.
SETTINGS = {
    "codebook_size": 128,
    "dropout": 0.0,
    "decay": 0.9,
    "learning_rate": 1e-3,
    "batch_size": 12,
    "max_epochs": 80,
    "device": "cpu",
    "seed": 0,
}
NAMES = {
    "name": "Demo: bells, plucks and drums",
    "description": "Trained on Distill's own eighteen demo sounds.",
    "dataset_name": "Distill demo sounds",
}


def show(event: object) -> None:
    match event:
        case VQVAETrainingStartEvent() | VQVAETrainingCompleteEvent():
            print(event)
        case VQVAEEpochMetrics():
            print(f"epoch {event.epoch}: error {event.val_l1:.3f}, loss {event.val_loss:.3f}", flush=True)


def train_demo() -> TrainedCodec:
    sounds = scan(HERE / "sounds")
    config = get_adaptive_vqvae_config(len(sounds.files), **SETTINGS)
    trained = train_codec(sounds, config, on_event=show)
    return replace(trained, metadata=trained.metadata | NAMES)


def main() -> None:
    path = train_demo().save(sys.argv[1] if len(sys.argv) > 1 else HERE / "demo.distill")
    print(f"{path.stat().st_size / 1e6:.2f} MB in {path}")


if __name__ == "__main__":
    main()
