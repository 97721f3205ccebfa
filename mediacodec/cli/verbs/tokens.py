"""mediacodec tokens: audio or .mcx -> integer codes (npz, jsonl, parquet), and codes -> audio or .mcx"""

from __future__ import annotations

import tempfile
from typing import TYPE_CHECKING, BinaryIO, cast

import click

from mediacodec.cli.parsing import options
from mediacodec.cli.parsing.command import Spelt, Verb
from mediacodec.cli.parsing.groups import Files, Machine, Overwriting
from mediacodec.cli.parsing.values import BIT_RATE
from mediacodec.cli.ui.console import Console

if TYPE_CHECKING:
    from mediacodec.tokens.codes import Tokens

EXAMPLE = """
mediacodec tokens talk.wav -b:a 1.5k -o codes.npz
mediacodec tokens codes.npz -o talk.wav
"""


@click.command(cls=Verb, usage="IN [options] -o OUT", example=EXAMPLE, short_help="Audio to integer codes, and back.")
@options.one_file
@click.option("-o", "target", metavar="OUT", help="npz, jsonl or parquet for codes; else audio or .mcx.")
@click.option("-c:a", "-codec:a", "-acodec", "codec", cls=Spelt, metavar="NAME",
              help="Codec of audio that is encoded (default: speech).")  # fmt: skip
@click.option("-b:a", "bit_rate", type=BIT_RATE, metavar="RATE", help="At most so much. Default: its best.")
@options.overwriting
@options.machine
@options.quietness
@click.pass_obj
def tokens(
    console: Console,
    /,
    *,
    files: Files,
    target: str | None,
    codec: str | None,
    bit_rate: float | None,
    overwriting: Overwriting,
    machine: Machine,
) -> int:
    """Write the codes of IN (audio, or an .mcx) into a file, or make audio or an .mcx of a file of codes.

    A file of codes holds `codes` [1, codebooks, frames] and what decodes them: model, hashes, rates, length.
    """
    from mediacodec.cli.parsing.outputs import may_overwrite
    from mediacodec.errors import UsageError
    from mediacodec.media import open_output
    from mediacodec.tokens.formats import FORMATS, format_of

    source = files.only()
    if target is None:
        raise UsageError("no output: name one with -o")
    if "-" in (source, target):
        raise UsageError("codes go through files: the suffix says what is in them")
    from_codes, to_codes = format_of(source) is not None, format_of(target)
    if to_codes is None and not from_codes:
        raise UsageError(f"neither {source!r} nor {target!r} holds codes; those are {', '.join(FORMATS)}")
    if (codec or bit_rate) and (from_codes or source.lower().endswith(".mcx")):
        raise UsageError(f"-c:a and -b:a are for audio that is encoded, and {source!r} is coded already")
    overwrite = may_overwrite(console, source, target, overwriting)
    found = _read(console, source, codec or "speech", bit_rate, machine)
    with open_output(target, overwrite=overwrite) as file:
        if to_codes is not None:
            to_codes.write(found, cast("BinaryIO", file))
        elif target.lower().endswith(".mcx"):
            found.write_mcx(cast("BinaryIO", file), models=machine.models)
        else:
            _decode(console, found, target, cast("BinaryIO", file), machine)
    _, books, frames = found.codes.shape
    codebooks = "1 codebook" if books == 1 else f"{books} codebooks"
    console.info(f"{codebooks} of {found.codebook_size} entries of {found.model}, {frames} frames")
    return 0


def _read(console: Console, source: str, codec: str, bit_rate: float | None, machine: Machine) -> Tokens:
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
            return read_mcx(file, models=machine.models)
    return _encode(console, source, codec, bit_rate, machine)


def _encode(console: Console, source: str, codec: str, bit_rate: float | None, machine: Machine) -> Tokens:
    """The codes of audio, by way of an .mcx that nobody sees."""
    from mediacodec.cli.ui.monitor import Monitor
    from mediacodec.codecs.options import AudioOptions
    from mediacodec.errors import InputError
    from mediacodec.tokens.codes import read_mcx
    from mediacodec.transcode.encode import encode_file
    from mediacodec.transcode.options import EncodeOptions

    settings = EncodeOptions(
        audio_codec=codec,
        audio=AudioOptions(bit_rate=bit_rate),
        video=None,
        device=machine.device,
        threads=machine.threads,
        models=machine.models,
    )
    with tempfile.TemporaryFile() as spool, Monitor(console) as monitor:
        report = encode_file(source, spool, settings, progress=monitor)
        console.notes(report.notes)
        if not report.seconds:
            raise InputError(f"there is no audio in '{source}'")
        spool.seek(0)
        return read_mcx(spool, models=machine.models)


def _decode(console: Console, found: Tokens, target: str, file: BinaryIO, machine: Machine) -> None:
    """Codes as audio, by the same way."""
    from mediacodec.cli.ui.monitor import Monitor
    from mediacodec.transcode.decode import decode_file
    from mediacodec.transcode.formats import output_format
    from mediacodec.transcode.options import DecodeOptions

    settings = DecodeOptions(
        format=output_format(target),
        video=False,
        device=machine.device,
        threads=machine.threads,
        models=machine.models,
    )
    with tempfile.TemporaryFile() as spool, Monitor(console) as monitor:
        found.write_mcx(cast("BinaryIO", spool), models=machine.models)
        spool.seek(0)
        console.notes(decode_file(cast("BinaryIO", spool), file, settings, progress=monitor).notes)
