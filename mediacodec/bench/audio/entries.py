"""What the bench asks of a codec: turn samples into samples and say what it cost."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Result:
    """One clip through one codec.

    Attributes:
        decoded: float32 [m] at the rate of the input, priming removed.
        payload_bits: what the codec itself wrote, in bits.
        file_bytes: the whole file, container included.
        encode_seconds, decode_seconds: wall time of the whole clip, start-up excluded.
    """

    decoded: NDArray[np.float32]
    payload_bits: int
    file_bytes: int
    encode_seconds: float
    decode_seconds: float


class Entry(Protocol):
    """A codec at one setting, as one line of the bench."""

    @property
    def name(self) -> str:
        """Unique, "CODEC@SETTING"; entries with the same CODEC share a curve in the plot."""

    def run(self, samples: NDArray[np.float32], sample_rate: int) -> Result:
        """Encode and decode a clip.

        Args:
            samples: float32 [n] in [-1, 1], mono.
            sample_rate: Hz.
        """
