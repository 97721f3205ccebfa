"""mediacodec tokens: sound or .mcx -> integer codes (npz, jsonl, parquet), and codes -> sound or .mcx"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, BinaryIO, cast

import click

from mediacodec.cli.parsing import options
from mediacodec.cli.parsing.command import Spelt, Verb
from mediacodec.cli.parsing.values import BIT_RATE
from mediacodec.cli.ui.console import Console

if TYPE_CHECKING:
    from mediacodec.tokens.codes import Tokens

EXAMPLE = """
mediacodec tokens talk.wav -b:a 1.5k -o codes.npz
mediacodec tokens codes.npz -o talk.wav
"""


@click.command(cls=Verb, usage="IN [options] -o OUT", example=EXAMPLE, short_help="Sound to integer codes, and back.")
@options.one_file
@click.option("-o", "target", metavar="OUT", help="npz, jsonl or parquet for codes; else sound or .mcx.")
@click.option("-c:a", "-codec:a", "-acodec", "codec", cls=Spelt, metavar="NAME",
              help="Codec of sound that is encoded (default: speech).")  # fmt: skip
@click.option("-b:a", "bit_rate", type=BIT_RATE, metavar="RATE", help="At most so much. Default: its best.")
@options.overwriting
@options.machine
@options.quietness
@click.pass_obj
def tokens(console: Console, /, **given: Any) -> int:
    """Write the codes of IN (sound, or an .mcx) into a file, or make sound or an .mcx of a file of codes.

    A file of codes holds `codes` [1, codebooks, frames] and what decodes them: model, hashes, rates, length.
    """
    from mediacodec.cli.parsing.outputs import may_overwrite
    from mediacodec.errors import UsageError
    from mediacodec.media import open_output
    from mediacodec.tokens.formats import FORMATS, format_of

    source, target = options.only_name(given), given["target"]
    if target is None:
        raise UsageError("no output: name one with -o")
    if "-" in (source, target):
        raise UsageError("codes go through files: the suffix says what is in them")
    from_codes, to_codes = format_of(source) is not None, format_of(target)
    if to_codes is None and not from_codes:
        raise UsageError(f"neither {source!r} nor {target!r} holds codes; those are {', '.join(FORMATS)}")
    if (given["codec"] or given["bit_rate"]) and (from_codes or source.lower().endswith(".mcx")):
        raise UsageError(f"-c:a and -b:a are for sound that is encoded, and {source!r} is coded already")
    overwrite = may_overwrite(console, source, target, yes=given["yes"], no=given["no"])
    found = _read(console, source, given)
    with open_output(target, overwrite=overwrite) as file:
        if to_codes is not None:
            to_codes.write(found, cast("BinaryIO", file))
        elif target.lower().endswith(".mcx"):
            found.write_mcx(cast("BinaryIO", file), models=given["models"])
        else:
            _decode(console, found, target, cast("BinaryIO", file), given)
    _, books, frames = found.codes.shape
    codebooks = "1 codebook" if books == 1 else f"{books} codebooks"
    console.info(f"{codebooks} of {found.codebook_size} entries of {found.model}, {frames} frames")
    return 0


def _read(console: Console, source: str, given: Mapping[str, Any]) -> Tokens:
    """The codes of a file of any kind."""
    from mediacodec.cli.parsing.inputs import opened_mcx
    from mediacodec.mcx.probe import open_path
    from mediacodec.tokens.codes import read_mcx
    from mediacodec.tokens.formats import format_of, read_tokens

    if format_of(source) is not None:
        with open_path(source) as codes:
            return read_tokens(codes, source)
    if source.lower().endswith(".mcx"):
        with opened_mcx(source) as (file, _):
            return read_mcx(file, models=given["models"])
    return _encode(console, source, given)


def _encode(console: Console, source: str, given: Mapping[str, Any]) -> Tokens:
    """The codes of sound, by way of an .mcx that nobody sees."""
    from mediacodec.cli.jobs import MACHINE
    from mediacodec.cli.ui.monitor import Monitor
    from mediacodec.codecs.options import AudioOptions
    from mediacodec.errors import InputError
    from mediacodec.tokens.codes import read_mcx
    from mediacodec.transcode.encode import encode_file
    from mediacodec.transcode.options import EncodeOptions

    machine = {name: given[name] for name in MACHINE}
    settings = EncodeOptions(
        audio_codec=given["codec"] or "speech", audio=AudioOptions(bit_rate=given["bit_rate"]), video=None, **machine
    )
    with tempfile.TemporaryFile() as spool, Monitor(console) as monitor:
        report = encode_file(source, spool, settings, progress=monitor)
        console.notes(report.notes)
        if not report.seconds:
            raise InputError(f"there is no sound in '{source}'")
        spool.seek(0)
        return read_mcx(spool, models=given["models"])


def _decode(console: Console, found: Tokens, target: str, file: BinaryIO, given: Mapping[str, Any]) -> None:
    """Codes as sound, by the same way."""
    from mediacodec.cli.jobs import MACHINE
    from mediacodec.cli.ui.monitor import Monitor
    from mediacodec.transcode.decode import decode_file
    from mediacodec.transcode.formats import output_format
    from mediacodec.transcode.options import DecodeOptions

    machine = {name: given[name] for name in MACHINE}
    settings = DecodeOptions(format=output_format(target), video=False, **machine)
    with tempfile.TemporaryFile() as spool, Monitor(console) as monitor:
        found.write_mcx(cast("BinaryIO", spool), models=given["models"])
        spool.seek(0)
        console.notes(decode_file(cast("BinaryIO", spool), file, settings, progress=monitor).notes)
