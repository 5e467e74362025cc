"""Files of the KLT codec, sound as archives, whose settings or weights are not those of one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch

from distill_core.files.archive import read_archive
from distill_core.models import klt, schema
from distill_core.models.vqvae import CONFIG_KEYS, ConvVQVAE
from tests.soak.specimen import KLT_CONFIG
from tests.soak.value_attacks import Change, drop, makers_of, put, wild_ranges, wild_values

_SIZES = ("num_quantizers", "codebook_size", "step_frames", "band_mels", "components", "refiner_width")
_LARGEST = {"codebook_size": 65_536, "num_quantizers": 32, "step_frames": 256, "band_mels": 512}
_LARGEST |= {"components": 1024, "refiner_width": 1024, "refiner_depth": 64}


def _settings() -> dict[str, Change]:
    changes = wild_ranges({"vqvae_config": schema.CODEC_RANGES | klt.RANGES})
    odd = [("rate_weight", wild) for wild in (-1e-9, 1.1e6, 10**400, float("nan"), float("inf"), "5", True, None)]
    odd += [("step_frames", 18), ("band_mels", 34), ("architecture", "KLT"), ("architecture", "klt\0")]
    changes |= wild_values([("vqvae_config", key, wild) for key, wild in odd])
    changes |= {f"vqvae_config without {key}": drop("vqvae_config", key) for key in KLT_CONFIG}
    # Other sizes than those of the weights, alone and in pairs, and the greatest of all together.
    changes |= {f"{key} doubled": _doubled(key) for key in _SIZES}
    changes |= {f"{key} doubled, {other} halved": _doubled(key, other) for key in _SIZES for other in _SIZES[1:4]}
    changes |= {f"the largest {key}": put("vqvae_config", key, to=size) for key, size in _LARGEST.items()}
    changes["the largest codec, announced"] = lambda values: values["vqvae_config"].update(_LARGEST)
    changes["no layer, announced"] = put("vqvae_config", "refiner_depth", to=0)
    return changes


def _doubled(key: str, halved: str = "") -> Change:
    """Return the change of one size, or of two whose product stays."""

    def change(values: dict[str, dict[str, int]]) -> None:
        config = values["vqvae_config"]
        config[key] *= 2
        if halved not in ("", key):
            config[halved] //= 2

    return change


def _weights(state: dict[str, torch.Tensor]) -> dict[str, Change]:
    changes: dict[str, Change] = {}
    for key, weight in state.items():
        for name, wrong in {
            "NaN": _with_one(weight, torch.nan),
            "infinite": _with_one(weight, -torch.inf),
            "of float64": weight.double(),
            "of half precision": weight.half(),
            "whole numbers": weight.long(),
            "complex": weight.to(torch.complex64),
            "one number": weight.sum(),
            "without numbers": weight[:0],
            "longer": torch.cat([weight, weight]),
            "with an axis more": weight[None],
            "one number, repeated": torch.zeros(()).expand(weight.shape),
            "sparse": weight.to_sparse(),
            "a list": weight.tolist(),
        }.items():
            changes[f"{key} is {name}"] = put("model_state_dict", key, to=wrong)
        changes[f"{key} is missing"] = drop("model_state_dict", key)
    basis_DC, bits_QK, books_QKC = (state[key] for key in ("basis_DC", "bits_QK", "books_QKC"))
    others = {"basis_DC": basis_DC.T, "books_QKC": books_QKC.transpose(1, 2), "bits_QK": bits_QK.T}
    changes |= {f"{key} is turned": put("model_state_dict", key, to=wrong) for key, wrong in others.items()}
    changes["a first entry that is not silence"] = put("model_state_dict", "books_QKC", to=books_QKC + 1e-30)
    changes["a code of less than no bits"] = put("model_state_dict", "bits_QK", to=bits_QK - bits_QK.max() - 1e-3)
    changes["a layer too many"] = put("model_state_dict", "refiner.blocks.1.up.bias", to=torch.zeros(4))
    changes["a weight of another name"] = put("model_state_dict", "mean_D", to=torch.zeros(basis_DC.shape[0]))
    return changes


def _with_one(weight: torch.Tensor, number: float) -> torch.Tensor:
    changed = weight.clone()
    changed.view(-1)[-1] = number
    return changed


def _other_codecs() -> dict[str, Change]:
    sizes = {"codebook_dim": 1, "codebook_size": 2, "num_quantizers": 1}

    def of_vqvae(values: dict[str, dict[str, object]]) -> None:
        values["model_state_dict"] = dict(ConvVQVAE(**sizes).state_dict())

    def settings_of_vqvae(values: dict[str, object]) -> None:
        of_rest = dict.fromkeys(CONFIG_KEYS, 0.5)
        values["vqvae_config"] = of_rest | sizes | {"architecture": "klt"}

    return {
        "an unknown codec": put("vqvae_config", "architecture", to="klt2"),
        "without a name": drop("vqvae_config", "architecture"),
        "under the VQ-VAE's name": put("vqvae_config", "architecture", to="v2"),
        "with the VQ-VAE's weights": of_vqvae,
        "with the VQ-VAE's settings": settings_of_vqvae,
    }


def klt_attacks(path: Path) -> dict[str, Callable[[], bytes]]:
    """Return makers of files by name, each the model at `path`, a KLT codec, saved by torch after one change."""
    values, _ = read_archive(path)
    return makers_of(path, _settings() | _weights(values["model_state_dict"]) | _other_codecs())
