"""The .mcx format: range coder, tables, packets and container. Needs numpy and nothing else.

`SPEC.md` is normative; this package follows it.
"""

from .backends import backend_name, open_decoder, open_encoder
from .container import End, Gap, Reader, ScanResult, StreamEnd, StreamScan, Writer, scan
from .errors import (
    BitstreamError,
    CorruptError,
    DesyncError,
    MediaCodecError,
    NotAnMcxError,
    ParameterError,
    ParameterTypeError,
    TruncatedError,
    UnsupportedFeatureError,
    UnsupportedVersionError,
)
from .fields import FIELDS, Fields
from .header import MAGIC, FileHeader
from .modelhash import canonical_hash
from .packet import Packet, drop_layers, join_layers, seal, split_layers, unseal
from .rangecoder import RangeDecoder, RangeEncoder
from .stream_header import BIT_PACKED, OPAQUE, RC24, AudioParameters, StreamHeader, VideoParameters
from .symbols import (
    bits_per_symbol,
    check_symbol_crc,
    check_symbols,
    decode_grouped,
    encode_grouped,
    group_by_table,
    pack_bits,
    symbol_crc,
    unpack_bits,
)
from .tables import TableFamily, TableRow
from .tag_text import is_tag_key, join_chapters, join_tags, split_chapters, split_tags

__all__ = [
    "BIT_PACKED",
    "FIELDS",
    "MAGIC",
    "OPAQUE",
    "RC24",
    "AudioParameters",
    "BitstreamError",
    "CorruptError",
    "DesyncError",
    "End",
    "Fields",
    "FileHeader",
    "Gap",
    "MediaCodecError",
    "NotAnMcxError",
    "Packet",
    "ParameterError",
    "ParameterTypeError",
    "RangeDecoder",
    "RangeEncoder",
    "Reader",
    "ScanResult",
    "StreamEnd",
    "StreamHeader",
    "StreamScan",
    "TableFamily",
    "TableRow",
    "TruncatedError",
    "UnsupportedFeatureError",
    "UnsupportedVersionError",
    "VideoParameters",
    "Writer",
    "backend_name",
    "bits_per_symbol",
    "canonical_hash",
    "check_symbol_crc",
    "check_symbols",
    "decode_grouped",
    "drop_layers",
    "encode_grouped",
    "group_by_table",
    "is_tag_key",
    "join_chapters",
    "join_layers",
    "join_tags",
    "open_decoder",
    "open_encoder",
    "pack_bits",
    "scan",
    "seal",
    "split_chapters",
    "split_layers",
    "split_tags",
    "symbol_crc",
    "unpack_bits",
    "unseal",
]
