"""Files that are sound as archives, and whose tensors or settings attack the reader or are not those of a model."""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import torch

from distill_core.files.archive import read_archive
from distill_core.models import schema, vqvae
from distill_core.models.frames import FramesPrior
from distill_core.models.prior import SIZE_RANGES
from tests.soak.specimen import CODES, LEVELS, SEQ_LEN

Change = Callable[[dict[str, Any]], object]
WEIGHT = "encoder.proj.bias"


def put(*keys: str, to: Any) -> Change:
    """Return the change that puts a value under keys, each within the dict under the one before."""

    def change(values: dict[str, Any]) -> None:
        for key in keys[:-1]:
            values = values[key]
        values[keys[-1]] = to

    return change


def drop(*keys: str) -> Change:
    """Return the change that takes the last of such keys out."""

    def change(values: dict[str, Any]) -> None:
        for key in keys[:-1]:
            values = values[key]
        del values[keys[-1]]

    return change


def _weight(tensor: Any) -> Change:
    return put("model_state_dict", WEIGHT, to=tensor)


def _extra(make: Callable[[], Any]) -> Change:
    return lambda values: values.update(extra=make())


def _tensors() -> dict[str, Change]:
    one = torch.ones(1)
    return {
        "sparse tensor": _weight(one.to_sparse()),
        "sparse tensor beside the weights": _extra(lambda: torch.ones(3, 3).to_sparse()),
        "compressed sparse tensor": _extra(lambda: torch.eye(3).to_sparse_csr()),
        "stride-0 expansion to a thousand million": _extra(lambda: torch.ones(1).expand(10**9)),
        "stride-0 expansion of a weight": _weight(one.expand(1)[:, None].expand(1, 10**6)),
        "windows that overlap": _extra(lambda: torch.ones(10_000).as_strided((5000, 5000), (1, 1))),
        "a thousand views of one storage": _extra(lambda: _views(1000)),
        "weights of int32": _weight(torch.ones(1, dtype=torch.int32)),
        "weights of float64": _weight(torch.ones(1, dtype=torch.float64)),
        "weights of half precision": _weight(torch.ones(1, dtype=torch.float16)),
        "complex weights": _weight(torch.ones(1, dtype=torch.complex64)),
        "weights of 8-bit floats": _weight(torch.ones(1).to(torch.float8_e4m3fn)),
        "weights that are NaN": _weight(torch.full((1,), torch.nan)),
        "weights that are infinite": _weight(torch.full((1,), torch.inf)),
        "weights of another shape": _weight(torch.ones(2)),
        "a weight that is a number": _weight(1.0),
        "a weight that is missing": drop("model_state_dict", WEIGHT),
        "a weight too many": put("model_state_dict", "more", to=one),
        "weights under numbers": put("model_state_dict", to={0: one}),
        "weights in a list": put("model_state_dict", to=[one]),
        "codebooks that were never trained": put(
            "model_state_dict", "quantizer.rvq.layers.0._codebook.initted", to=torch.tensor([False])
        ),
        "a codebook that is NaN": put(
            "model_state_dict", "quantizer.rvq.layers.0._codebook.embed", to=torch.full((1, 2, 1), torch.nan)
        ),
        "a variance below zero": put("model_state_dict", "encoder.convs.1.running_var", to=torch.full((32,), -1.0)),
        "a mask that hides nothing": put(
            "prior_state_dict", "causal_mask", to=torch.zeros(SEQ_LEN, SEQ_LEN, dtype=torch.bool)
        ),
        "a quantized tensor": _extra(lambda: torch.quantize_per_tensor(torch.ones(2), 0.1, 0, torch.qint8)),
        "a tensor on no device": _extra(lambda: torch.ones(2, device="meta")),
        "a negated view": _extra(lambda: torch.ones(2, dtype=torch.complex64).conj().imag),
    }


def _views(count: int) -> list[torch.Tensor]:
    numbers = torch.ones(10**6)
    return [numbers.view(1000, 1000) for _ in range(count)]


def _kinds() -> dict[str, Change]:
    versions = {f"version {version!r}": version for version in (99, 3, 1, 0, -1, True, "2", 2.0, None, 2**63, [2])}
    kinds: dict[str, Change] = {name: put("version", to=version) for name, version in versions.items()}
    for key in ("format", "version", "model_type", "model_state_dict", "vqvae_config", "spectrogram_config"):
        kinds[f"no {key}"] = drop(key)
    for key in ("metadata", "training_config", "prior_state_dict", "prior_config"):
        kinds[f"no {key}"] = drop(key)
        kinds[f"{key} is a list"] = put(key, to=[1])
    kinds["the older kind"] = put("format", to="sda_model")
    kinds["another kind"] = put("format", to="cake")
    kinds["no codec"] = put("model_type", to="gan")
    kinds["has_prior is a word"] = put("has_prior", to="yes")
    kinds["history is a number"] = put("loss_curve_history", to=1)
    return kinds


def _ranges() -> dict[str, Change]:
    ranges = {
        "spectrogram_config": schema.SPECTROGRAM_RANGES,
        "vqvae_config": schema.CODEC_RANGES | vqvae.RANGES,
        "prior_config": SIZE_RANGES,
    }
    wilds = (
        ("spectrogram_config", "f_min", float("nan")),
        ("spectrogram_config", "f_max", -1.0),
        ("spectrogram_config", "f_max", 0.0),
        ("spectrogram_config", "f_min", 24_000.0),
        ("spectrogram_config", "power", float("inf")),
        ("spectrogram_config", "eighth", 1),
        ("vqvae_config", "dropout", 1.0),
        ("vqvae_config", "decay", 2),
        ("vqvae_config", "commitment_weight", float("nan")),
        ("vqvae_config", "threshold_ema_dead_code", -1),
        ("prior_config", "dropout", 1.0),
    )
    return wild_ranges(ranges) | wild_values(wilds)


def _architectures() -> dict[str, Change]:
    def frames(grid: Any) -> Change:
        return lambda values: values["prior_config"].update(architecture="frames", grid=grid)

    def unknown(tensor: Any) -> Change:
        def change(values: dict[str, Any]) -> None:
            values.update(prior_config={"architecture": "waves"}, prior_state_dict={"anything": tensor})

        return change

    def frames_of(bands: int, steps: int) -> Change:
        prior = FramesPrior(CODES, LEVELS, bands, steps, 16, 1, 1, 0.0)

        def change(values: dict[str, Any]) -> None:
            state = {key: tensor.detach() for key, tensor in prior.state_dict().items()}
            values.update(prior_state_dict=state, prior_config=prior.sizes() | {"architecture": "frames"})

        return change

    biggest = {"hidden_size": 4096, "num_layers": 64, "num_heads": 1, "seq_len": 16_384}
    return {
        "an unknown codec": put("vqvae_config", "architecture", to="wavelets"),
        "a codec whose name is a list": put("vqvae_config", "architecture", to=["flat"]),
        "a codec of a long name": put("vqvae_config", "architecture", to="x" * 10**6),
        "a prior whose name is a number": put("prior_config", "architecture", to=1),
        "a prior without a name": put("prior_config", "architecture", to=""),
        "the largest prior, announced": lambda values: values["prior_config"].update(biggest),
        "the largest codec, announced": lambda values: values["vqvae_config"].update(
            codebook_dim=1024, codebook_size=65_536
        ),
        "another number of layers": put("prior_config", "num_layers", to=2),
        "another length": put("prior_config", "seq_len", to=SEQ_LEN + 1),
        "a grid of words": frames(["8", "6"]),
        "a grid of zeros": frames([0, 48]),
        "a huge grid": frames([2**40, 2**40]),
        "frames without a grid": put("prior_config", "architecture", to="frames"),
        "frames with the other prior's weights": frames([8, 6]),
        "frames for another number of bands": frames_of(6, 8),
        "an unknown prior that is NaN": unknown(torch.full((2,), torch.nan)),
        "an unknown prior of complex numbers": unknown(torch.ones(2, dtype=torch.complex64)),
        "an unknown prior of words": unknown("text"),
        "a prior announced and empty": put("prior_state_dict", to={}),
        "a prior announced and None": put("prior_state_dict", to=None),
    }


def _copied(values: Any) -> Any:
    """Copy the dicts; the tensors in them are never changed, only exchanged."""
    return {key: _copied(value) for key, value in values.items()} if isinstance(values, dict) else values


def makers_of(path: Path, changes: dict[str, Change]) -> dict[str, Callable[[], bytes]]:
    """Return makers of files by name, each the model at `path` saved by torch after one change."""

    sound, _ = read_archive(path)

    def saved(change: Change) -> bytes:
        values, packed = _copied(sound), io.BytesIO()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch warns of kinds of tensors that it will give up
            change(values)
            torch.save(values, packed)
        return packed.getvalue()

    return {name: (lambda change=change: saved(change)) for name, change in changes.items()}


def wild_ranges(sections: Mapping[str, Mapping[str, tuple[int, int]]]) -> dict[str, Change]:
    """Return changes to one past either end of every range, and to what is no whole number at all."""
    changes: dict[str, Change] = {}
    for section, ranges in sections.items():
        for key, (low, high) in ranges.items():
            for wild in (low - 1, high + 1, -(2**40), 2**63, float(low), True, "1", None):
                changes[f"{section}: {key} is {wild!r}"] = put(section, key, to=wild)
    return changes


def wild_values(wilds: Iterable[tuple[str, str, Any]]) -> dict[str, Change]:
    """Return changes of single settings, each a section, a key and a value."""
    return {f"{section}: {key} is {wild!r}": put(section, key, to=wild) for section, key, wild in wilds}


def value_attacks(path: Path) -> dict[str, Callable[[], bytes]]:
    """Return makers of files by name, each the model at `path`, a VQ-VAE with a prior, after one change."""
    return makers_of(path, _tensors() | _kinds() | _ranges() | _architectures())
