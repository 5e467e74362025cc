"""The settings that every codec's training has, and the amount of sound that they follow from."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from distill_core.training.settings import EpochSettings

if TYPE_CHECKING:
    from distill_core.audio.dataset import AudioDataset


@dataclass(frozen=True, slots=True)
class SoundAmount:
    """The amount of usable sound: files, and seconds in all."""

    files: int
    seconds: float

    @classmethod
    def of(cls, dataset: AudioDataset) -> SoundAmount:
        """Return the amount of a scanned dataset."""
        return cls(len(dataset.files), dataset.total_duration_s)


class CodecSettings(EpochSettings):
    """The settings that every codec's training has.

    A codec's own class is a frozen dataclass with slots, whose fields are the settings that can be chosen. It inherits
    the values of all others from here, which suit a codec that is fitted in its only epoch. `codebook_size` and
    `num_quantizers` are fields of each.
    """

    __slots__ = ()
    codebook_size: int
    num_quantizers: int
    max_epochs: int = 1
    learning_rate: float = 1e-3
    weight_decay: float = 0.0
    gradient_clip_norm: float = 1.0
    batch_size: int = 32
    augmentation: int = 0
    time_limit_min: float = 0.0
    patience: int = 0
    val_fraction: float = 0.2
    device: str = "auto"
    seed: int = 0
    anonymous: bool = False

    def to_file(self) -> dict[str, Any]:
        """Return the settings under the names that the format's files use, without the codec's name."""
        chosen: Any = self
        return asdict(chosen)
