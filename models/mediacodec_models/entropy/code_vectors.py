"""Vectors for codes from nothing but the codes: those that co-occur with like codes lie near.

Imported networks keep their codebooks in graphs, each in its own way, and some have none (their codes are numbers of
grid points, or indices behind a projection). What the fit of tables needs is only which codes foretell alike, and that
the codes themselves tell: correspondence analysis of how often each code stands behind, or above, each other one.

It tells more than the codebooks do. Six codebooks of speech-1, bits a frame on 3.7 minutes of development speech:

    learned from     its codebooks   code vectors   random vectors   (all codes as likely: 60)
    1 minute              51.34          50.83            51.21
    5 minutes             49.17          48.32            48.98
    18 minutes            48.00          46.79            47.87

With 64 dimensions instead of 16 all three are within 0.1 of that; with RARE at 0 a minute of speech gives 51.37.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mediacodec_models.entropy.code_tables import Codes, candidates, pairs

DIM = 16
ROUNDS = 5  # of subspace iteration
RARE = 20.0  # observations at which a code's vector has half its length: rare co-occurrence is chance


def code_vectors(clips: Codes, size: int) -> NDArray[np.float32]:
    """[books, size, DIM] for codes of codebooks of `size` entries; clips: [books, frames] each."""
    random = np.random.default_rng(0)
    dim = min(DIM, size)
    return np.stack([_vectors(clips, k, size, dim, random) for k in range(len(clips[0]))])


def _vectors(clips: Codes, k: int, size: int, dim: int, random: np.random.Generator) -> NDArray[np.float32]:
    """Principal coordinates of the codes of one codebook, by its candidate contexts, [size, dim]."""
    tables = []
    for candidate in candidates(k):
        context, code = pairs(clips, k, *candidate)
        together = np.bincount(context.astype(np.int64) * size + code, minlength=size * size)
        tables.append(together.reshape(size, size).astype(np.float32))
    count = np.sum([table.sum(0) for table in tables], axis=0)
    for table in tables:
        table /= np.sqrt(np.maximum(table.sum(1), 1))[:, None] * np.sqrt(np.maximum(count, 1))
    axes = random.standard_normal((size, dim)).astype(np.float32)
    for _ in range(ROUNDS):
        axes = np.linalg.qr(np.sum([table.T @ (table @ axes) for table in tables], axis=0))[0]
    strength = np.sqrt(np.sum([((table @ axes) ** 2).sum(0) for table in tables], axis=0))
    share = np.sqrt(np.maximum(count, 1) / max(1.0, float(count.sum())))
    trust = np.sqrt(count / (count + RARE))
    return np.asarray(axes * strength * (trust / share)[:, None], dtype=np.float32)
