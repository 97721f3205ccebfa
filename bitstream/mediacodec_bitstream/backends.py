"""Which range coder runs: constriction where it can be imported, else the pure-Python one.

The environment variable MEDIACODEC_RANGE_CODER=python|constriction forces one. Both give the same bytes.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Sequence
from functools import cache
from typing import Any, Protocol

import numpy.typing as npt

from .errors import ParameterError
from .rangecoder import RangeDecoder, RangeEncoder, SymbolArray
from .tables import TableRow

VARIABLE = "MEDIACODEC_RANGE_CODER"


class Encoder(Protocol):
    """What every back end's encoder does; see `rangecoder.RangeEncoder`."""

    def encode(self, symbols: npt.ArrayLike, row: TableRow) -> None: ...
    def encode_one(self, symbol: int, row: TableRow) -> None: ...
    def encode_each(self, symbols: Sequence[int], rows: Sequence[TableRow]) -> None: ...
    def finish(self) -> bytes: ...


class Decoder(Protocol):
    """What every back end's decoder does; see `rangecoder.RangeDecoder`."""

    def decode(self, row: TableRow, count: int) -> SymbolArray: ...
    def decode_one(self, row: TableRow) -> int: ...
    def decode_each(self, rows: Sequence[TableRow]) -> list[int]: ...
    def finish(self) -> None: ...


def backend_name() -> str:
    """ "python" or "constriction": the coder that `open_encoder` and `open_decoder` use now.

    Raises ParameterError when the environment names an unknown coder or one that is not installed.
    """
    wanted = os.environ.get(VARIABLE, "")
    if wanted not in ("", "python", "constriction"):
        raise ParameterError(f"{VARIABLE}={wanted!r}; set it to python or constriction, or unset it")
    if wanted == "constriction" and not _constriction():
        remedy = "pip install 'constriction~=0.5.0'"
        raise ParameterError(f"{VARIABLE}=constriction, but it cannot be imported: {remedy}")
    return wanted or ("constriction" if _constriction() else "python")


def open_encoder() -> Encoder:
    """A new RC24 encoder of the current back end."""
    if backend_name() == "python":
        return RangeEncoder()
    encoder: type[Encoder] = _constriction()[0]
    return encoder()


def open_decoder(data: bytes) -> Decoder:
    """A decoder of one RC24 payload with the current back end."""
    if backend_name() == "python":
        return RangeDecoder(data)
    decoder: type[RangeDecoder] = _constriction()[1]
    return decoder(data)


@cache
def _constriction() -> tuple[Any, ...]:
    try:
        module = importlib.import_module("mediacodec_bitstream.rangecoder_constriction")
        version = importlib.import_module("importlib.metadata").version("constriction")
    except ImportError:
        return ()
    if not version.startswith("0.5."):  # another series may code other bytes, by the library's own policy
        return ()
    return module.ConstrictionEncoder, module.ConstrictionDecoder
