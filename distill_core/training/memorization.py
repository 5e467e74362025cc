"""When a prior copies rather than learns."""

from __future__ import annotations


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
