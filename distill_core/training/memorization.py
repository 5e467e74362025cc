"""When a prior copies rather than learns."""

from __future__ import annotations

SUSPICIOUS_RATIO = 3.0


def memorization_limit(dataset_file_count: int) -> float:
    """Return the validation perplexity below which a prior counts as memorizing."""
    if dataset_file_count <= 20:
        return 2.0
    return 3.0 if dataset_file_count <= 100 else 5.0


def check_memorization(val_perplexity: float, codebook_size: int, dataset_file_count: int) -> tuple[bool, str]:
    """Return whether the perplexity lies strictly below the limit for so many usable files, and a sentence or "".

    `codebook_size` is reserved.
    """
    limit = memorization_limit(dataset_file_count)
    if not val_perplexity < limit:
        return False, ""
    sounds = "1 sound" if dataset_file_count == 1 else f"{dataset_file_count} sounds"
    message = (
        f"Validation perplexity {val_perplexity:.2f} is below {limit:.1f}, the limit for {sounds}. "
        "New audio may copy them. Stopping now keeps the best epoch so far."
    )
    return True, message


def gap_warning(val_perplexity: float, train_perplexity: float, message: str) -> str:
    """Return what to say of a memorizing `frames` prior: "" unless validation is three times training's perplexity.

    The fixed limits were set for `flat`; `frames` also gets below them by understanding, and then both fall together.
    """
    ratio = val_perplexity / train_perplexity
    if not message or not ratio >= SUSPICIOUS_RATIO:
        return ""
    return f"It is also {ratio:.1f} times the training perplexity ({train_perplexity:.2f}). {message}"
