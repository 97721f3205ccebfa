"""Fit the static tables of an RVQ codec's codes (read by `mediacodec.entropy_coding.code_tables`).

For each codebook every candidate context (the same codebook one frame before, a lower codebook of this frame) is
tried: its codes are clustered by what follows them, tables are counted on training speakers and drawn towards the one
without context, more or less, and what codes the development speakers in the fewest bits is kept.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mediacodec.entropy_coding.code_tables import CodeTables
from mediacodec_bitstream import TableFamily

# Classes of context: fewer for large codebooks, of which each class sees little. For one of 15360 entries and 218
# thousand frames 8 / 16 / 32 / 64 classes gave 11.33 / 11.30 / 11.32 / 11.34 bits on development speakers, none 12.09.
CLASSES, LARGE_CLASSES, LARGE = 32, 16, 4096
# Weights of the plain table in a class's table, in observations; the best on development speakers is taken
PRIORS = (800.0, 3200.0, 12800.0, 51200.0)
RESOLUTION = 64  # counts are multiplied by this before they become integers

Codes = Sequence[NDArray[np.integer]]  # clips, each [codebooks, frames]


def fit_tables(train: Codes, dev: Codes, vectors: NDArray[np.float32]) -> CodeTables:
    """Tables for codes with `vectors` [books, size, dim] of which near ones foretell alike, such as `code_vectors`."""
    books, size, _ = vectors.shape
    classes_of = LARGE_CLASSES if size > LARGE else CLASSES
    rows = np.zeros((books, 1 + classes_of, size), dtype=np.int64)
    classes = np.zeros((books, size), dtype=np.uint8)
    source, lag = np.zeros(books, dtype=np.uint8), np.ones(books, dtype=np.uint8)
    for k in range(books):
        best = np.inf
        for candidate in candidates(k):
            context, code = pairs(train, k, *candidate)
            groups = cluster(context, code, vectors[k], classes_of)
            context_dev, code_dev = pairs(dev, k, *candidate)
            for prior in PRIORS:
                counts = class_counts(groups[context], code, size, classes_of, prior)
                bits = cross_entropy(counts[1:][groups[context_dev], code_dev], counts[1:].sum(1)[groups[context_dev]])
                if bits < best:
                    best, rows[k], classes[k], (source[k], lag[k]) = bits, counts, groups, candidate
    frequencies = TableFamily.from_counts(rows.reshape(-1, size)).to_array()
    return CodeTables(frequencies, classes, source, lag)


def candidates(k: int) -> list[tuple[int, int]]:
    """(source, lag) that may be the context of codebook k."""
    return [(k, 1)] + ([(k - 1, 0)] if k else []) + ([(0, 0), (0, 1)] if k > 1 else [])


def pairs(clips: Codes, k: int, source: int, lag: int) -> tuple[NDArray[np.integer], NDArray[np.integer]]:
    """(context, code) over all frames that have the context."""
    context = np.concatenate([clip[source, : clip.shape[1] - lag] for clip in clips])
    return context, np.concatenate([clip[k, lag:] for clip in clips])


def cluster(
    context: NDArray[np.integer], code: NDArray[np.integer], book: NDArray[np.float32], classes: int
) -> NDArray[np.uint8]:
    """Class of each context code: k-means over the mean vector of the codes that follow it."""
    size = len(book)
    random = np.random.default_rng(0)
    count = np.bincount(context, minlength=size).astype(np.float64)
    sums = np.stack([np.bincount(context, book[code, d], minlength=size) for d in range(book.shape[1])], 1)
    mean = sums / np.maximum(count, 1)[:, None]
    chance = count + 1e-9  # a codebook may use fewer codes than there are classes
    centre = mean[random.choice(size, classes, replace=False, p=chance / chance.sum())]
    for _ in range(30):
        group = ((centre**2).sum(1) - 2 * mean @ centre.T).argmin(1)
        weight = np.bincount(group, count, minlength=classes)
        total = np.stack([np.bincount(group, count * mean[:, d], minlength=classes) for d in range(mean.shape[1])], 1)
        centre = np.where(weight[:, None] > 0, total / np.maximum(weight, 1)[:, None], centre)
    return group.astype(np.uint8)


def class_counts(
    group: NDArray[np.integer], code: NDArray[np.integer], size: int, classes: int, prior: float
) -> NDArray[np.int64]:
    """[1 + classes, size] integer counts: the plain row, then each class's, drawn towards the plain one."""
    plain = np.bincount(code, minlength=size) + 0.5
    plain /= plain.sum()
    seen = np.bincount(group.astype(np.int64) * size + code, minlength=classes * size).reshape(classes, size)
    table = np.concatenate([plain[None] * len(code), seen + prior * plain])
    return np.rint(table * RESOLUTION).astype(np.int64)


def cross_entropy(counts: NDArray[np.integer], totals: NDArray[np.integer]) -> float:
    """Mean bits a code, from the count of each code in its table and that table's sum."""
    return float(np.mean(np.log2(totals / np.maximum(counts, 0.5))))


def mean_bits(clips: Codes, tables: CodeTables) -> tuple[list[float], list[float]]:
    """Average bits a frame for the first 1, 2, … codebooks: of a packet's first frame, and of the others."""
    step = len(tables.frequencies) // len(tables.classes)
    first, later = np.zeros(len(tables.classes)), np.zeros(len(tables.classes))
    frames = 0
    for clip in clips:
        previous, now = clip[:, :-1], clip[:, 1:]
        for k in range(len(first)):
            context = (previous if tables.lag[k] else now)[tables.source[k]]
            row = 1 + tables.classes[k][context].astype(np.int64)
            later[k] += (24 - np.log2(tables.frequencies[k * step + row, now[k]])).sum()
            if tables.lag[k]:
                row[:] = 0
            first[k] += (24 - np.log2(tables.frequencies[k * step + row, now[k]])).sum()
        frames += now.shape[1]
    return (np.cumsum(first) / frames).tolist(), (np.cumsum(later) / frames).tolist()
