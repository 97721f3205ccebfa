"""The names that other people's programs use: there, documented, and no others by accident."""

from __future__ import annotations

import inspect
import pkgutil
from collections.abc import Iterator
from importlib import import_module
from typing import Any

import pytest

import mediacodec
import mediacodec_bitstream

PUBLIC = [name for name in mediacodec.__all__ if not name.startswith("__")]


def test_all_is_sorted_and_complete() -> None:
    names = mediacodec.__all__
    assert names == sorted(names)
    assert len(names) == len(set(names))
    assert set(names) == {*mediacodec._HOMES, "__version__"}
    assert dir(mediacodec) == sorted(names)


def test_these_names_are_promised() -> None:
    """Removing one breaks programs: that takes a new major version and an edit here."""
    assert {"open", "encode", "decode", "info", "decoder_for", "Packet"} <= set(PUBLIC)
    assert {"AudioChunk", "VideoFrame", "AudioOptions", "VideoOptions"} <= set(PUBLIC)
    assert {"AudioEncoder", "AudioDecoder", "VideoEncoder", "VideoDecoder"} <= set(PUBLIC)
    assert {"MediaCodecError", "BitstreamError"} <= set(PUBLIC)


@pytest.mark.parametrize("name", PUBLIC)
def test_every_name_exists_where_it_is_said_to_live(name: str) -> None:
    value = getattr(mediacodec, name)
    assert value is getattr(import_module(mediacodec._HOMES[name]), name)


def test_what_type_checkers_see_is_what_there_is() -> None:
    """The names under TYPE_CHECKING and the table of homes are two lists: they must agree."""
    block = inspect.getsource(mediacodec).split("if TYPE_CHECKING:\n")[1].split("\n\n")[0]
    seen: dict[str, str] = {}
    for line in block.splitlines():
        _, home, _, names = line.strip().split(" ", 3)
        seen |= dict.fromkeys(names.split(", "), home)
    assert seen == mediacodec._HOMES


def test_unknown_names() -> None:
    with pytest.raises(AttributeError, match="'mediacodec' has no attribute 'transmogrify'"):
        _ = mediacodec.transmogrify


def test_version_is_that_of_the_distribution() -> None:
    from pathlib import Path
    from tomllib import loads

    project = loads((Path(__file__).parents[1] / "pyproject.toml").read_text())["project"]
    assert mediacodec.__version__ == project["version"]


def members(owner: Any) -> Iterator[tuple[str, Any]]:
    """Public methods and properties that a class itself defines."""
    for name, value in vars(owner).items():
        if not name.startswith("_") and (inspect.isfunction(value) or isinstance(value, (property, classmethod))):
            yield f"{owner.__name__}.{name}", value


OBVIOUS = {"codec", "kind", "sample_rate", "channels", "payload_bytes", "close", "header"}  # the name says all


@pytest.mark.parametrize("name", PUBLIC)
def test_every_public_thing_has_a_docstring(name: str) -> None:
    value = getattr(mediacodec, name)
    assert inspect.getdoc(value), name
    if inspect.isclass(value):
        for path, member in members(value):
            assert inspect.getdoc(member) or path.rpartition(".")[2] in OBVIOUS, path


@pytest.mark.parametrize("package", [mediacodec, mediacodec_bitstream], ids=lambda package: package.__name__)
def test_every_module_says_what_it_is_for(package: Any) -> None:
    for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        if not module.name.endswith("__main__"):
            assert (import_module(module.name).__doc__ or "").strip(), module.name


def test_options_are_keyword_only() -> None:
    """Positions freeze an order for ever: only what a call is about has one."""
    for call, positional in ((mediacodec.encode, 1), (mediacodec.decode, 1), (mediacodec.info, 1)):
        parameters = inspect.signature(call).parameters.values()
        assert sum(p.kind is p.POSITIONAL_OR_KEYWORD for p in parameters) == positional, call


def test_the_readme_example_runs() -> None:
    """What the package's own docstring shows."""
    import numpy as np

    samples = 0.1 * np.sin(np.arange(8000) / 20)
    scope = {"mediacodec": mediacodec, "samples": samples}
    for line in (mediacodec.__doc__ or "").splitlines():
        if line.startswith(">>> "):
            exec(line[4:], scope)  # noqa: S102 - our own text
    assert scope["chunk"].samples.shape == (1, 8000)
