"""The contract of a prior architecture: all that training, sampling, the file and the window ask of one.

A prior architecture is one file or folder that implements it, and one row of `PRIORS`. Codes come time first,
`[W, H, Q]`; the architecture itself makes one sequence `[T]` of them.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple, TypeAlias

import torch
from torch import Tensor, nn
from torch.nn import functional

if TYPE_CHECKING:
    from typing import Self

    from distill_core.audio.geometry import Geometry
    from distill_core.files.tensor_facts import Shape
    from distill_core.models.value_reader import ValueReader

# The codes of a sound: in chunks, each with a gain of its own (the ancestor's way), or in one row with one gain.
Layout: TypeAlias = Literal["chunks", "rows"]

LONGEST_SEQUENCE = 16_384
IGNORED = -100  # a target that the cross-entropy leaves out
SIZE_RANGES = {"hidden_size": (16, 4096), "num_layers": (1, 64), "num_heads": (1, 4096)}
SIZE_RANGES |= {"seq_len": (1, LONGEST_SEQUENCE), "num_quantizers": (1, 32)}


def flatten_codes(codes_NSQ: Tensor, order_S: Tensor | None = None) -> Tensor:
    """Return `[N, S·Q]`: position by position in the given order (None: as they are), level inside position."""
    ordered = codes_NSQ if order_S is None else codes_NSQ[:, order_S]
    return ordered.flatten(1)


def unflatten_codes(codes_NT: Tensor, num_quantizers: int, order_S: Tensor | None = None) -> Tensor:
    """Return `[N, T/Q, Q]`, the inverse of `flatten_codes` with the same order."""
    codes_NSQ = codes_NT.reshape(len(codes_NT), -1, num_quantizers)
    return codes_NSQ if order_S is None else codes_NSQ[:, order_S.argsort()]


@dataclass(frozen=True, slots=True)
class Windows:
    """Parts of rows or chunks `[B, W, H, Q]` as a prior sees them.

    `counted_BW` marks steps that are no padding, `begins_B` the windows at the beginning of their sound, `ends_B` those
    whose last counted step is their sound's last.
    """

    codes_BWHQ: Tensor
    counted_BW: Tensor
    begins_B: Tensor
    ends_B: Tensor

    def __len__(self) -> int:
        return len(self.counted_BW)

    def __getitem__(self, part: slice) -> Windows:
        return Windows(self.codes_BWHQ[part], self.counted_BW[part], self.begins_B[part], self.ends_B[part])

    @property
    def count(self) -> int:
        """The number of codes that are no padding."""
        return int(self.counted_BW.sum()) * math.prod(self.codes_BWHQ.shape[2:])

    def to(self, device: torch.device) -> Windows:
        """Return the windows on a device."""
        parts = (self.codes_BWHQ, self.counted_BW, self.begins_B, self.ends_B)
        return Windows(*(part.to(device) for part in parts))

    def targets(self) -> Tensor:
        """Return the codes `[B, W, H, Q]` with `IGNORED` in the place of padding."""
        return self.codes_BWHQ.where(self.counted_BW[:, :, None, None], IGNORED)

    def end_targets(self) -> Tensor:
        """Return `[B, W]`: True for steps after which their sound ends."""
        goes_on_BW = functional.pad(self.counted_BW[:, 1:], (0, 1), value=False)
        return self.counted_BW & ~goes_on_BW & self.ends_B[:, None]


class PriorLoss(NamedTuple):
    """A loss in nats a code: `shown` is that of codes alone, `learned` has gradients and may ask for more."""

    shown: Tensor
    learned: Tensor


def never_ending(codes_BT: Tensor) -> Tensor:
    """Return the logits `[B]` that sounds end, of sounds that never do."""
    return codes_BT.new_full((len(codes_BT),), -math.inf, dtype=torch.float64)


class Decoder(ABC):
    """A decoder of sequences code by code, each a sound from its beginning, in the architecture's own order."""

    @abstractmethod
    def logits(self, codes_BT: Tensor, index: int) -> Tensor:
        """Return logits `[B, K]` of the code at `index`, given those before it.

        The levels of a position follow one another; whole steps before it may have been left out, and are taken in now.
        """

    def end_logits(self, codes_BT: Tensor, index: int) -> Tensor:
        """Return the logits `[B]` that the sound ends before `index`, after a whole step whose logits were asked for.

        By default, a sound never ends.
        """
        return never_ending(codes_BT)


class ScriptableDecoder(nn.Module, Decoder):
    """A decoder that TorchScript can compile: a model whose prior has one can be exported as a plugin's."""

    @abstractmethod
    def begin(self, batch: int) -> None:
        """Begin `batch` new sounds; none of them gives the memory free."""

    @abstractmethod
    def in_steps(self, codes_BT: Tensor, bands: int) -> Tensor:
        """Return `[B, W, H, Q]`, as `Prior.in_steps` does."""


class Prior(nn.Module):
    """A network that predicts each code of a sound from the codes before it.

    `layout` is that of the codes that it learns from; `bands` is 1 if the network knows none; `seq_len` is its context
    in codes. `learns_end`: it also tells whether a sound ends after a step. The weights are float32 and on one device.
    """

    __jit_unused_properties__ = ("name_in_files",)  # TorchScript compiles all others
    architecture: ClassVar[str]
    layout: ClassVar[Layout]
    learns_end: bool = False
    codebook_size: int
    num_quantizers: int
    bands: int
    seq_len: int

    # Its settings and weights in a file

    @classmethod
    def complete_config(cls, config: Mapping[str, Any], state: Mapping[str, Any]) -> dict[str, Any]:
        """Return the settings of a file, completed from the shapes of its weights."""
        return dict(config)

    @classmethod
    def network_facts(cls, config: Mapping[str, Any]) -> dict[str, int]:
        """Return the sizes of a file's network that people are shown, by the names of their settings."""
        return {}

    @classmethod
    def has_ends(cls, config: Mapping[str, Any]) -> bool | None:
        """Tell whether a file's prior learned where sounds end, None for an architecture that cannot."""
        return None

    @property
    def name_in_files(self) -> str:
        """The architecture's name in a file: another one where an older Distill must not take it for what it knows."""
        return self.architecture

    @classmethod
    @abstractmethod
    def check_config(cls, config: Mapping[str, Any], reader: ValueReader, geometry: Geometry | None) -> None:
        """Check the complete settings of a file; `geometry` is its codec's, None if unknown.

        Raises:
            ModelFileError: an impossible setting.
        """

    @classmethod
    @abstractmethod
    def shapes(cls, config: Mapping[str, Any], codebook_size: int) -> dict[str, Shape]:
        """Return shape and type of each weight, from a file's `prior_config`, without building a network."""

    @classmethod
    def check_numbers(cls, state: Mapping[str, Any], reader: ValueReader) -> None:
        """Check the weights, which are finite.

        Raises:
            ModelFileError: a number that training cannot have left.
        """

    @classmethod
    @abstractmethod
    def from_state(cls, config: Mapping[str, Any], codebook_size: int, state: Mapping[str, Tensor]) -> Self:
        """Build the prior with given weights, in eval mode, without drawing from the global random generator."""

    @abstractmethod
    def sizes(self) -> dict[str, Any]:
        """Return the settings that a file needs to build these shapes again."""

    # Its beginning and its cost

    @classmethod
    def check_geometry(cls, geometry: Geometry, name: str) -> None:
        """Check that a prior for the codec of the model `name` can be saved.

        Raises:
            ModelFileError: it cannot.
        """

    @classmethod
    @abstractmethod
    def begin(cls, geometry: Geometry, codebook_size: int, settings: Mapping[str, Any], context_steps: int) -> Self:
        """Build an untrained prior; `context_steps` is the wanted context.

        `settings` may have `learns_end`: False for a training of an older Distill that goes on.
        """

    @classmethod
    @abstractmethod
    def cost(cls, settings: Mapping[str, Any], codebook_size: int, levels: int) -> float:
        """Return the multiplications of a forward pass per code."""

    # Its learning

    @abstractmethod
    def in_order(self, codes_BWHQ: Tensor) -> Tensor:
        """Return `[B, T]`: the codes as the sequence that the network learns."""

    @abstractmethod
    def in_steps(self, values_BT: Tensor, bands: int) -> Tensor:
        """Return `[B, W, H, Q]`, the inverse of `in_order`, for codes or their losses."""

    def context_steps(self, bands: int) -> int:
        """Return the context in steps, for a codec of `bands` bands."""
        return self.seq_len // (bands * self.num_quantizers)

    def code_count(self, steps: int, counted: int, bands: int) -> int:
        """Return the number of codes up to the last that is no padding, in a window with `counted` of `steps` steps."""
        return counted * bands * self.num_quantizers

    @abstractmethod
    def logits_and_targets(self, windows: Windows, heard_BWHQ: Tensor) -> tuple[Tensor, Tensor]:
        """Return logits `[B, T, K]` of the windows' codes, each given those before it in `heard_BWHQ`, and the codes.

        The codes `[B, T]` are in the architecture's order, with `IGNORED` in the place of padding.
        """

    def loss(self, windows: Windows, heard_BWHQ: Tensor) -> PriorLoss:
        """Return the mean cross-entropy in nats of the windows' codes, each given those before it in `heard_BWHQ`."""
        loss = mean_loss(*self.logits_and_targets(windows, heard_BWHQ))
        return PriorLoss(shown=loss, learned=loss)

    def learned_count(self, windows: Windows) -> int:
        """Return the number of codes that the loss of windows is the mean of."""
        return windows.count

    @abstractmethod
    def losses(self, logits_BTK: Tensor, targets_BT: Tensor, windows: Windows) -> Tensor:
        """Return each code's cross-entropy in nats `[B, W, H, Q]`, NaN for padding and for a window's first code.

        Logits and targets are those of the windows, from `logits_and_targets`.
        """

    def matrices(self) -> list[nn.Parameter]:
        """Return the weights for Muon; AdamW takes the others."""
        return []

    @abstractmethod
    def decoder(self, batch: int) -> Decoder:
        """Return a decoder for `batch` sequences."""


def transformer_facts(config: Mapping[str, Any]) -> dict[str, int]:
    """Return the sizes of a transformer that people are shown."""
    return {name: config[name] for name in ("num_layers", "num_heads", "hidden_size")}


def check_transformer(config: Mapping[str, Any], reader: ValueReader) -> None:
    """Check the sizes of a transformer in a file's settings.

    Raises:
        ModelFileError: an impossible size.
    """
    reader.integers(config, SIZE_RANGES)
    if "dropout" in config:  # the ancestor's readers do without it
        reader.number(config, "dropout", 0.0, 0.999)
    if config["hidden_size"] % config["num_heads"] or config["seq_len"] % config["num_quantizers"]:
        raise reader.refuse("its prior's sizes do not divide")


def mean_loss(logits_BTK: Tensor, targets_BT: Tensor) -> Tensor:
    """Return the mean cross-entropy in nats over all targets but `IGNORED` ones."""
    return functional.cross_entropy(logits_BTK.flatten(0, 1), targets_BT.flatten(), ignore_index=IGNORED)


def each_loss(logits_BTK: Tensor, targets_BT: Tensor) -> Tensor:
    """Return the cross-entropy in nats of each target `[B, T]`, NaN for `IGNORED` ones."""
    losses_BT = functional.cross_entropy(logits_BTK.transpose(1, 2), targets_BT, ignore_index=IGNORED, reduction="none")
    return losses_BT.masked_fill(targets_BT == IGNORED, math.nan)


def without_first(losses_BT: Tensor) -> Tensor:
    """Return `[B, T + 1]`: NaN for the first code, then the losses of the codes after it."""
    return functional.pad(losses_BT, (1, 0), value=math.nan)
