"""The fit of the KLT codec in closed form: principal components, then codebooks level by level, then all together."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

import torch
from torch import Tensor

from distill_core.events import ShouldStop, stop_point, unless_stopped
from distill_core.models.codec import vectors_of
from distill_core.models.klt import search
from distill_core.models.klt.codec import KLTCodec
from distill_core.models.klt.patches import is_heard, patches_of

_MOST_VECTORS = 60_000
_LLOYD_ROUNDS = 12
_JOINT_ROUNDS = 3
_PRIOR_COUNT = 0.5  # of an entry that was not seen (Krichevsky and Trofimov 1981)
_ENOUGH = 20_000 * 256  # numbers; from some four minutes of sound on, patches in between help no more
_SHIFTS_IN_MELS = (0, 2, -2, 4, -4)
_CHUNKS_AT_ONCE = 64  # 3 MB
_PATCHES_AT_ONCE = 1024  # between two stop points, some 10 ms
_MOST_SOLVED = 1024  # numbers of a patch: of twice as many, all directions take two seconds that nothing can stop
_SPARE_DIRECTIONS, _TURNS = 32, 12
_FIRST_BITS = 1e-3  # of all entries but silence, until codes are counted: of entries that are alike, silence is chosen


def rounds_of(codec: KLTCodec) -> int:
    """Return the number of rounds of a fit."""
    return 1 + codec.num_quantizers + _JOINT_ROUNDS


@torch.no_grad()
def fit(codec: KLTCodec, loudness_NFM: Tensor, generator: torch.Generator, should_stop: ShouldStop) -> Iterator[int]:
    """Fit basis, codebooks and bits to the loudness of sounds, in place; yield the rounds done.

    Raises:
        Stopped: `should_stop()` turned true.
    """
    patches_ND = _heard_patches(codec, loudness_NFM, should_stop)
    chosen = torch.randperm(len(patches_ND), generator=generator)[:_MOST_VECTORS]
    patches_ND = patches_ND[chosen] if len(chosen) else patches_ND.new_zeros(1, patches_ND.shape[1])
    codec.basis_DC.copy_(_principal_components(patches_ND, codec.basis_DC.shape[1], generator, should_stop))
    yield 1
    vectors_NC = patches_ND @ codec.basis_DC
    left_NC = vectors_NC.clone()
    for level, book_KC in enumerate(codec.books_QKC):
        book_KC.copy_(_k_means(left_NC, len(book_KC), generator, should_stop))
        left_NC -= book_KC[_nearest(left_NC, book_KC, should_stop)]
        yield 2 + level
    codec.bits_QK.fill_(_FIRST_BITS)[:, 0] = 0
    for done in range(1, _JOINT_ROUNDS + 1):
        _fit_together(codec, vectors_NC, should_stop)
        yield 1 + codec.num_quantizers + done


def _shifted(loudness_NFM: Tensor, frames: int, mels: int, step_frames: int) -> Tensor:
    """Return the whole steps, or a part of one, of sounds that begin `frames` later and lie `mels` bands lower."""
    later_NFM = torch.nn.functional.pad(loudness_NFM, (0, 0, frames, 0))
    whole = later_NFM.shape[1] // step_frames * step_frames or later_NFM.shape[1]
    return torch.nn.functional.pad(later_NFM[:, :whole], (-mels, mels))


def _heard_patches(codec: KLTCodec, loudness_NFM: Tensor, should_stop: ShouldStop) -> Tensor:
    """Return the patches `[N, D]` that are no silence; of few sounds, as if they were later, and higher or lower, too.

    With these, notes that were not among the known ones have half the error and less; 15 drums have 15 % less.
    """
    step_frames, found = codec.step_frames, list[Tensor]()
    shifts_in_frames = range(0, step_frames, step_frames // 4)
    for frames, mels in unless_stopped(product(shifts_in_frames, _SHIFTS_IN_MELS), should_stop):
        for part_NFM in loudness_NFM.split(_CHUNKS_AT_ONCE):
            shifted_NFM = _shifted(part_NFM, frames, mels, step_frames)
            patches_ND = patches_of(shifted_NFM, step_frames, codec.band_mels).flatten(0, 2)
            found.append(patches_ND[is_heard(patches_ND)])
        if sum(each_ND.numel() for each_ND in found) >= _ENOUGH:
            break
    return torch.cat(found)


def _principal_components(
    patches_ND: Tensor, count: int, generator: torch.Generator, should_stop: ShouldStop
) -> Tensor:
    """Return `[D, count]`: the directions of largest power, not of variance, so that silence stays zero."""
    if patches_ND.shape[1] <= _MOST_SOLVED:
        return _directions_of(_power_of(patches_ND, should_stop), count)
    span_DC = _span_of(patches_ND, count + _SPARE_DIRECTIONS, generator, should_stop)
    return span_DC @ _directions_of(_power_of(patches_ND @ span_DC, should_stop), count)


def _power_of(patches_ND: Tensor, should_stop: ShouldStop) -> Tensor:
    power_DD = patches_ND.new_zeros(patches_ND.shape[1], patches_ND.shape[1])
    for part_ND in unless_stopped(patches_ND.split(_PATCHES_AT_ONCE), should_stop):
        power_DD += part_ND.T @ part_ND
    return power_DD / len(patches_ND)


def _directions_of(power_DD: Tensor, count: int) -> Tensor:
    # On the processor: not every card can, and so the directions of all devices are alike.
    directions_DC = torch.linalg.eigh(power_DD.cpu()).eigenvectors.flip(1)[:, :count].to(power_DD.device)
    return torch.nn.functional.pad(directions_DC, (0, count - directions_DC.shape[1]))


def _span_of(patches_ND: Tensor, count: int, generator: torch.Generator, should_stop: ShouldStop) -> Tensor:
    """Return `[D, C]`: orthonormal directions with nearly all of the power (subspace iteration, Halko et al. 2011)."""
    size = patches_ND.shape[1]
    span_DC = torch.randn(size, min(size, count), generator=generator).to(patches_ND.device)
    for _ in range(_TURNS):
        turned_DC = torch.zeros_like(span_DC)
        for part_ND in unless_stopped(patches_ND.split(_PATCHES_AT_ONCE), should_stop):
            turned_DC += part_ND.T @ (part_ND @ span_DC)
        span_DC = torch.linalg.qr(turned_DC.cpu()).Q.to(patches_ND.device)
    return span_DC


def _nearest(vectors_NC: Tensor, book_KC: Tensor, should_stop: ShouldStop) -> Tensor:
    found = []
    for part_NC in unless_stopped(search.parts_of(vectors_NC, len(book_KC)), should_stop):
        found.append((book_KC.square().sum(1) - 2 * part_NC @ book_KC.T).argmin(1))
    return torch.cat(found)


def _move_to_means(book_KC: Tensor, codes_N: Tensor, vectors_NC: Tensor) -> Tensor:
    """Give each entry the mean of its vectors, but the first one, which stays zero; return how many each has `[K]`."""
    counts_K = torch.bincount(codes_N, minlength=len(book_KC)).to(vectors_NC.dtype)
    sums_KC = torch.zeros_like(book_KC).index_add_(0, codes_N, vectors_NC)
    is_alive_K = counts_K > 0
    is_alive_K[0] = False
    book_KC[is_alive_K] = sums_KC[is_alive_K] / counts_K[is_alive_K, None]
    return counts_K


def _k_means(vectors_NC: Tensor, size: int, generator: torch.Generator, should_stop: ShouldStop) -> Tensor:
    """Return a book `[K, C]` whose first entry is zero; an entry that nothing is near moves to the worst vector."""
    first = torch.randperm(len(vectors_NC), generator=generator)[: size - 1]
    book_KC = vectors_NC.new_zeros(size, vectors_NC.shape[1])
    book_KC[1 : 1 + len(first)] = vectors_NC[first]
    for _ in range(_LLOYD_ROUNDS):
        codes_N = _nearest(vectors_NC, book_KC, should_stop)
        counts_K = _move_to_means(book_KC, codes_N, vectors_NC)
        _move_dead_entries(book_KC, counts_K, vectors_NC, codes_N)
    return book_KC


def _move_dead_entries(book_KC: Tensor, counts_K: Tensor, vectors_NC: Tensor, codes_N: Tensor) -> None:
    dead = [entry for entry in (counts_K == 0).nonzero().flatten().tolist() if entry > 0]
    errors_N = (vectors_NC - book_KC[codes_N]).square().sum(1)
    worst = errors_N.topk(min(len(dead), len(errors_N))).indices
    book_KC[dead[: len(worst)]] = vectors_NC[worst]


def _codes_of(codec: KLTCodec, vectors_NC: Tensor, should_stop: ShouldStop) -> Tensor:
    found = []
    for part_NC in unless_stopped(search.parts_of(vectors_NC, codec.codebook_size), should_stop):
        found.append(search.codes_of(part_NC, codec.books_QKC, codec.rate_weight * codec.bits_QK))
    return torch.cat(found)


def _fit_together(codec: KLTCodec, vectors_NC: Tensor, should_stop: ShouldStop) -> None:
    """Search the codes of all levels, then give each entry the mean of what the other levels leave to it."""
    codes_NQ = _codes_of(codec, vectors_NC, should_stop)
    for level, book_KC in enumerate(codec.books_QKC):
        stop_point(should_stop)
        codes_N = codes_NQ[:, level]
        left_NC = vectors_NC - vectors_of(codes_NQ, codec.books_QKC) + book_KC[codes_N]
        counts_K = _move_to_means(book_KC, codes_N, left_NC)
        shares_K = (counts_K + _PRIOR_COUNT) / (counts_K + _PRIOR_COUNT).sum()
        codec.bits_QK[level] = -shares_K.log2()
