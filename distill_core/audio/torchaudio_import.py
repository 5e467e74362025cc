"""The import of torchaudio, which works also beside a torch that its compiled extension was not built for.

The wheel's extension is linked against CUDA and refuses a CPU-only torch. Distill uses only mel and resampling, and
as a rival of its own way back Griffin-Lim: plain Python on top of torch, which does without the extension.
"""

from __future__ import annotations

import sys
from types import ModuleType


def _extension_stub() -> ModuleType:
    stub = ModuleType("torchaudio._extension")
    stub.__dict__.update(
        _IS_TORCHAUDIO_EXT_AVAILABLE=False,
        _IS_ALIGN_AVAILABLE=False,
        fail_if_no_align=lambda function: function,
    )
    return stub


def _import_without_extension() -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "torchaudio"]:
        del sys.modules[name]
    sys.modules["torchaudio._extension"] = _extension_stub()
    import torchaudio  # noqa: F401


try:
    import torchaudio  # noqa: F401
except (OSError, RuntimeError, ImportError):
    _import_without_extension()

from torchaudio.transforms import GriffinLim, InverseMelScale, MelSpectrogram, Resample  # noqa: E402

__all__ = ["GriffinLim", "InverseMelScale", "MelSpectrogram", "Resample"]
