"""mediacodec doctor: does everything work here, and on what"""

from __future__ import annotations

import platform
import sys
from collections.abc import Callable, Iterator
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version

import click

from mediacodec.cli.parsing import options
from mediacodec.cli.parsing.command import Verb
from mediacodec.cli.ui.console import Console, printable

NEEDED = ("numpy", "av", "soundfile", "onnxruntime", "click", "platformdirs")
EXTRAS = {
    "bench": ("pesq", "pystoi", "visqol", "matplotlib"),
    "train": ("torch", "onnx", "onnxscript"),
}
REMEDIES = {"cuda": " (pip uninstall onnxruntime; pip install 'onnxruntime-gpu[cuda,cudnn]')"}
Check = Iterator[tuple[str, bool]]  # a line, and whether all is well


@click.command(cls=Verb, usage="", example="mediacodec doctor", short_help="Check this installation.")
@options.quietness
@click.pass_obj
def doctor(console: Console) -> int:
    """Show versions, devices, coder, extras and models, and send a second of audio there and back.

    Exit code 0 when this machine can encode and decode.
    """
    healthy = True
    checks: dict[str, Callable[[], Check]] = {
        "program": _program, "packages": _packages, "devices": _devices, "coder": _coder,
        "extras": _extras, "models": _models, "self test": _self_test,
    }  # fmt: skip
    for title, check in checks.items():
        label = title
        try:
            for line, well in check():
                click.echo(printable(f"{label:10} {'' if well else 'PROBLEM: '}{line}"))
                healthy, label = healthy and well, ""
        except Exception as error:  # a diagnosis goes on, whatever is broken
            console.trace(error)
            click.echo(printable(f"{label:10} PROBLEM: {type(error).__name__}: {error}"))
            healthy = False
    if not healthy:
        console.error("this installation has problems; see above")
    return 0 if healthy else 1


def _program() -> Check:
    from mediacodec import __version__
    from mediacodec_bitstream.header import MAJOR, MINOR

    yield f"mediacodec {__version__}, format {MAJOR}.{MINOR}", True
    yield f"Python {platform.python_version()} on {platform.system()} {platform.machine()}", sys.version_info >= (3, 11)


def _packages() -> Check:
    for name in NEEDED:
        try:
            import_module(name)
            yield f"{name} {_version(name)}", True
        except ImportError as error:
            yield f"{name} cannot be imported ({error}); pip install {name}", False


def _devices() -> Check:
    import onnxruntime

    from mediacodec.session import PROVIDERS

    offered = onnxruntime.get_available_providers()
    for device, provider in PROVIDERS.items():
        there = provider in offered
        yield f"{device}: {'offered' if there else 'not offered' + REMEDIES.get(device, '')}", there or device != "cpu"
    both = [name for name in ("onnxruntime", "onnxruntime-gpu") if _version(name)]
    if len(both) > 1:
        yield "onnxruntime and onnxruntime-gpu spoil each other; uninstall both, then install one", False


def _coder() -> Check:
    from mediacodec_bitstream import backend_name

    name = backend_name()
    hint = "" if name == "constriction" else ", which is slower; pip install 'constriction~=0.5.0' where it has a wheel"
    yield f"range coder: {name}{hint}", True


def _extras() -> Check:
    from importlib.util import find_spec

    for extra, modules in EXTRAS.items():
        absent = [name for name in modules if find_spec(name) is None]
        state = "installed" if not absent else f"without {', '.join(absent)}; pip install 'mediacodec[{extra}]'"
        yield f"{extra}: {state}", True


def _models() -> Check:
    from mediacodec.cli.verbs.models import _found

    found, broken = _found(None)
    for model in found:
        problems = model.verify()
        yield f"{model.name}: {'; '.join(problems) or 'whole'} ({model.folder})", not problems
    for problem in broken:
        yield problem, False
    if not found:
        yield "none found; reinstall mediacodec, or set MEDIACODEC_CACHE to a folder that holds some", False


def _self_test() -> Check:
    import time

    import numpy as np

    import mediacodec

    seconds = np.arange(16_000) / 16_000
    samples = (0.1 * np.sin(2 * np.pi * 200 * seconds) * np.sin(2 * np.pi * 3 * seconds)).astype(np.float32)
    began = time.perf_counter()
    data = mediacodec.encode(samples, sample_rate=16_000)
    chunk = mediacodec.decode(data)
    took = time.perf_counter() - began
    well = chunk.duration_seconds == 1.0 and bool(np.isfinite(chunk.samples).all())
    yield f"1 s of audio: {len(data)} bytes and back in {took:.2f} s{'' if well else ', but it came back wrong'}", well


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""
