"""The integer codes of a stretch of audio and what is needed to decode them: for language models, and back from them.

No network runs here: codes come out of the packets of an .mcx file and go back into packets.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np
from numpy.typing import NDArray

from mediacodec import manifest, memory_errors
from mediacodec.arguments import as_folder, as_instance, as_integer, as_positive, check_fields, quoted
from mediacodec.codecs.registry import code_reader, code_writer
from mediacodec.errors import InputError, ParameterError
from mediacodec.frames import as_sample_rate
from mediacodec.manifest import Manifest
from mediacodec.mcx.output import OpenOutput
from mediacodec.mcx.passthrough import CopyReader
from mediacodec.mcx.probe import Source, opened
from mediacodec.mcx.reader import FileReader
from mediacodec_bitstream import FileHeader, TruncatedError, Writer

MAX_ENTRIES = 0xFFFF  # of a codebook: codes are 16 bits, and one more number stands for no code
MAX_CODES = 1 << 27  # of one file: ten hours with all of 70 codebooks


@dataclass(frozen=True, kw_only=True)
class Tokens:
    """Codes of one stream.

    Attributes:
        codes: uint16 [1, codebooks, frames]; codebook_size in a codebook means no code.
        model: its name.
        sample_rate: of the audio, Hz.
        frame_rate: frames a second.
        codebook_size: entries of a codebook.
        num_samples: per channel at sample_rate; None for all that the codes stand for.
        weights_sha256, tables_sha256: canonical hashes of the model in hexadecimal, "" where only the name is known.

    Raises:
        ParameterError: a field is out of range.
        ParameterTypeError: a field is of the wrong kind.
    """

    codes: NDArray[np.uint16] = field(repr=False)
    model: str
    sample_rate: int
    frame_rate: float
    codebook_size: int
    num_samples: int | None = None
    weights_sha256: str = ""
    tables_sha256: str = ""

    def __post_init__(self) -> None:
        check_fields(
            self,
            codes=lambda name, value: as_instance(name, value, np.ndarray),
            model=lambda name, value: as_instance(name, value, str),
            sample_rate=as_sample_rate,
            frame_rate=lambda name, value: as_positive(name, value, "frames a second"),
            codebook_size=lambda name, value: as_integer(name, value, 1, MAX_ENTRIES),
            num_samples=lambda name, value: as_integer(name, value, 0),
            weights_sha256=_digest,
            tables_sha256=_digest,
        )
        if self.codes.ndim != 3 or self.codes.shape[0] != 1 or self.codes.dtype != np.uint16:
            raise ParameterError(
                f"codes must be uint16 [1, codebooks, frames], not {self.codes.dtype} {list(self.codes.shape)}"
            )

    @memory_errors.named
    def find_model(self, models: Path | None = None) -> Manifest:
        """The model that the codes are of; by its hashes where they are known.

        Args:
            models: a folder to look for models in first.

        Raises:
            ModelNotFoundError: it is not here.
            ModelMismatchError: the name stands for other weights or tables.
        """
        models = as_folder("models", models)
        if self.weights_sha256 and self.tables_sha256:
            hashes = bytes.fromhex(self.weights_sha256), bytes.fromhex(self.tables_sha256)
            return manifest.find_by_hash(*hashes, self.model, models)
        return manifest.find_by_name(self.model, models)

    @memory_errors.named
    def write_mcx(self, file: BinaryIO, *, models: Path | None = None) -> None:
        """Write the codes as an .mcx file into an open binary file.

        Args:
            file: gets it, and is not closed.
            models: a folder to look for models in first.

        Raises:
            ModelNotFoundError, ModelMismatchError: the model is not here.
            ParameterError: they are not codes of the model.
            UnsupportedFeatureError: packets of the model hold more than codes.
            ParameterTypeError: it is no file open for writing.
        """
        output = OpenOutput(file)
        model = self.find_model(models)
        packets = code_writer(model, self.codes[0])
        header = packets.header
        reader = code_reader(header, models=models)
        ours = (self.sample_rate, round(self.frame_rate, 3), self.codebook_size)
        theirs = (int(1 / header.time_base), round(reader.frame_rate, 3), reader.codebook_size)
        if ours != theirs:
            raise ParameterError(
                f"these codes have {ours[0]} Hz, {ours[1]} frames a second and {ours[2]} entries, "
                f"those of {model.name} {theirs[0]}, {theirs[1]} and {theirs[2]}"
            )
        length = packets.num_samples if self.num_samples is None else self.num_samples
        if length > packets.num_samples:
            raise ParameterError(f"{self.num_samples} samples are more than the codes hold, {packets.num_samples}")
        writer = Writer(cast("BinaryIO", output.file), FileHeader((header,)))
        for packet in packets.packets():
            writer.write(packet)
        writer.close({header.stream_id: length})


def _digest(name: str, value: object) -> str:
    text = as_instance(name, value, str)
    if text and (len(text) != 64 or any(c not in "0123456789abcdef" for c in text)):
        raise ParameterError(f"{name} must be 64 hexadecimal digits, not {quoted(text)}")
    return text


@memory_errors.named
def read_mcx(source: Source, *, models: Path | None = None) -> Tokens:
    """Read the codes of the first audio stream of an .mcx file.

    Args:
        source: a path, bytes, or an open file.
        models: a folder to look for models in first.

    Raises:
        BitstreamError: the file is damaged, in one of its kinds: codes with holes would decode to something shorter.
        InputError: there is no audio, or it was copied from another codec.
        UnsupportedFeatureError: the codes of this codec need its networks.
        ModelNotFoundError, ModelMismatchError: the model of the stream is not here.
    """
    with opened(source, "source") as handle, FileReader(handle, models=models, strict=True) as file:
        stream = file.audio
        if isinstance(stream, CopyReader):
            raise InputError("the audio of this file was copied from another codec: it has no codes")
        header = stream.header
        reader = code_reader(header, models=as_folder("models", models))
        codes = stream.codes()
        if file.truncated:
            raise TruncatedError("the file ends before its end chunk: there may be codes missing")
        return Tokens(
            codes=codes,
            model=str(header.fields.get("model_name", "")),
            weights_sha256=header.model_hash.hex() if header.model_hash else "",
            tables_sha256=header.tables_hash.hex() if header.tables_hash else "",
            sample_rate=stream.sample_rate,
            frame_rate=reader.frame_rate,
            codebook_size=reader.codebook_size,
            num_samples=stream.num_samples,
        )
