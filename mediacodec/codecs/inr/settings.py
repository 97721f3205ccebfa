"""What an `inr` model ships: integer tables for tensors, and how large the encoder makes its networks."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from mediacodec.entropy_coding.signed_golomb import Bits, EscapedTables
from mediacodec.errors import ModelError
from mediacodec.manifest import Manifest
from mediacodec_bitstream import TableFamily

FOURCC = "inr1"


class InrTables(EscapedTables):
    """The integer tables of a model.

    Args:
        model: of the family `inr`.

    Raises:
        ModelError: the tables are not for this family.
    """

    def __init__(self, model: Manifest) -> None:
        try:
            self.coefficients = TableFamily.from_array(model.arrays["tensors"])
        except (KeyError, ValueError, TypeError) as error:
            raise ModelError(f"model {model.name}: its tables are not for an `inr` codec: {error}") from error
        if len(self.coefficients) > 255 or not all(row.size >= 4 and row.size % 2 == 0 for row in self.coefficients):
            raise ModelError(f"model {model.name}: its tables do not fit an `inr` codec; reinstall it")

    @cached_property
    def min_bits(self) -> Bits:
        """The fewest bits that a symbol takes under each table, which bounds how many symbols a payload can hold."""
        least = [np.log2(float(1 << 24) / float(row.frequencies.max())) for row in self.rows]
        return np.array(least, np.float32)


@dataclass(frozen=True)
class ArchitectureSettings:
    """What a recipe says of an architecture; the number of weights decides the rest.

    Attributes:
        embedding: channels of a frame's embedding.
        reduce: by how much each stage is narrower than the one before.
        narrowest: channels that no stage goes below.
    """

    embedding: int = 16
    reduce: float = 1.2
    narrowest: int = 8


def read_architecture(model: Manifest, name: str | None = None) -> tuple[str, ArchitectureSettings]:
    """Read from a model's settings which architecture the encoder fits.

    Args:
        model: of the family `inr`.
        name: of an architecture; None for the model's own.

    Returns:
        The name of the architecture and its settings.

    Raises:
        ModelError: the model has no such settings.
    """
    name = str(model.settings.get("architecture")) if name is None else name
    try:
        return name, ArchitectureSettings(**model.settings["shapes"][name])
    except (KeyError, TypeError) as error:
        raise ModelError(f"model {model.name}: settings of an `inr` codec are missing: {error!r}") from error
