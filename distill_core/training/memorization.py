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
    is_memorizing = val_perplexity < memorization_limit(dataset_file_count)
    return is_memorizing, _warning(val_perplexity, dataset_file_count) if is_memorizing else ""


def check_gap(val_perplexity: float, train_perplexity: float, dataset_file_count: int) -> str:
    """Return what to say of a `frames` prior: "" unless it counts as memorizing and training is three times as low.

    The fixed limits were set for `flat`; `frames` also gets below them by understanding, and then both fall together.
    """
    ratio = val_perplexity / train_perplexity
    if not (val_perplexity < memorization_limit(dataset_file_count) and ratio >= SUSPICIOUS_RATIO):
        return ""
    gap = f", and {ratio:.1f} times the training perplexity ({train_perplexity:.2f})"
    return _warning(val_perplexity, dataset_file_count, gap)


def _warning(val_perplexity: float, dataset_file_count: int, gap: str = "") -> str:
    sounds = "1 sound" if dataset_file_count == 1 else f"{dataset_file_count} sounds"
    limit = memorization_limit(dataset_file_count)
    compared = f"Validation perplexity {val_perplexity:.2f} is below {limit:.1f}, the limit for {sounds}{gap}."
    return f"{compared} New audio may copy them. Stopping now keeps the best epoch so far."
