"""mediacodec models: which models are here, are they whole, and making others"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mediacodec.cli.parsing import options
from mediacodec.cli.parsing.command import SETTINGS, Verb, VerbGroup
from mediacodec.cli.ui.console import Console, printable
from mediacodec.cli.verbs.calibrate import calibrate

if TYPE_CHECKING:
    from mediacodec.manifest import Manifest

MODEL_AT_FAULT = 5  # exit code


@click.group(cls=VerbGroup, context_settings=SETTINGS, short_help="List, show, verify, import and calibrate models.")
def models() -> None:
    """The models that encode and decode, and where they are looked for."""


models.add_command(calibrate)


folder = click.option("-models", "folder", type=options.FOLDER, metavar="DIR", help="Look for models here first.")


@models.command("list", cls=Verb, usage="[options]", example="mediacodec models list", short_help="All models here.")
@folder
@options.json_or_text
@options.quietness
@click.pass_obj
def list_models(console: Console, folder: Path | None, output_format: str) -> int:
    """List every model on the search path, and the path itself."""
    from mediacodec.manifest import search_path

    found, broken = _found(folder)
    places = search_path(folder)
    if output_format == "json":
        entries = [as_json(model) for model in found]
        click.echo(json.dumps({"models": entries, "broken": broken, "search_path": list(map(str, places))}, indent=2))
        return 0
    names = [model.name if model.name == model.alias else f"{model.name} ({model.alias})" for model in found]
    width = max(map(len, names), default=0)
    for name, model in zip(names, found, strict=True):
        click.echo(printable(f"{name:{width}}  {model.description}"))
    if not found:
        click.echo("no models")
    for problem in broken:
        console.warning(problem)
    click.echo("\nsearched in this order:")
    for place in places:
        click.echo(printable(f"  {place}{'' if place.is_dir() else ' (not there)'}"))
    return 0


@models.command("show", cls=Verb, usage="NAME [options]", example="mediacodec models show speech",
                short_help="All about one model.")  # fmt: skip
@click.argument("name")
@folder
@options.json_or_text
@options.quietness
@click.pass_obj
def show_model(_: Console, name: str, folder: Path | None, output_format: str) -> int:
    """Show what a model is, where it lies, and its hashes. NAME is a model or an alias."""
    from mediacodec.cli.ui.monitor import amount
    from mediacodec.manifest import find_by_name

    model = find_by_name(name, folder)
    if output_format == "json":
        click.echo(json.dumps(as_json(model), indent=2))
        return 0
    lines = {
        "name": f"{model.name} (newest of {name})" if name != model.name else model.name,
        "family": model.family,
        "about": model.description,
        "licence": model.licence,
        "folder": str(model.folder),
        "size": amount(_size(model)),
        "weights": model.weights_sha256,
        "tables": model.tables_sha256,
    }
    for key, value in {**lines, **_audio(model)}.items():
        click.echo(printable(f"{key:8} {value}"))
    for key, value in model.settings.items():
        if isinstance(value, (int, float, str)) and key != "parity":
            click.echo(printable(f"{'':8} {key} = {value}"))
    return 0


@models.command("verify", cls=Verb, usage="[NAME] [options]", example="mediacodec models verify",
                short_help="Check the files of models.")  # fmt: skip
@click.argument("name", required=False)
@folder
@options.quietness
@click.pass_obj
def verify_models(console: Console, name: str | None, folder: Path | None) -> int:
    """Check every file of one model, or of all, against its manifest."""
    from mediacodec.errors import ModelError
    from mediacodec.manifest import find_by_name

    found, broken = ([find_by_name(name, folder)], []) if name else _found(folder)
    for model in found:
        problems = model.verify()
        try:
            _ = model.arrays, model.context_arrays if model.context else None
        except ModelError as error:
            problems.append(str(error))
        broken += problems
        click.echo(printable(f"{model.name}: {'broken' if problems else 'whole'} ({model.folder})"))
    for problem in broken:
        console.error(problem)
    if not found and not broken:
        console.error("no models to verify")
    return MODEL_AT_FAULT if broken or not found else 0


@models.command("import", cls=Verb, usage="CHECKPOINT [options]", short_help="Make a model of a checkpoint.",
                example="mediacodec models import encodec_24khz-d7cc33bc.th -name encodec24")  # fmt: skip
@click.argument("checkpoint", type=click.Path(path_type=Path))
@click.option("-name", metavar="NAME", help="What it is to be called. Default: as the file.")
@click.option("-models", "folder", type=click.Path(file_okay=False, path_type=Path), metavar="DIR",
              help="Put it here. Default: MEDIACODEC_CACHE, or your data folder.")  # fmt: skip
@click.option("-y", "yes", is_flag=True, help="Replace a model of that name.")
@options.quietness
@click.pass_obj
def import_checkpoint(console: Console, checkpoint: Path, name: str | None, folder: Path | None, yes: bool) -> int:
    """Make a model of the weights that the authors of a codec published.

    CHECKPOINT is a file (.safetensors, .pt, .pth, .th, .bin) or a Hugging Face folder. Nothing in it is executed.
    """
    from mediacodec.codecs.fitting.training_extra import load
    from mediacodec.errors import OutputExistsError

    import_model = load("import_model", "reading a checkpoint")
    try:
        model = import_model(checkpoint, name=name, folder=folder, overwrite=yes)
    except OutputExistsError as error:
        raise OutputExistsError(f"{error}; -y replaces it, -name gives another name") from error
    console.info(f"{model.name}: {model.description} ({model.folder})")
    return 0


def _audio(model: Manifest) -> dict[str, str]:
    """What an audio model's settings come to, in units for people; nothing where they make no sense."""
    s = model.settings
    try:
        channels, rate, size = s.get("channels", 1), s["sample_rate"], s["frame_size"]
        kilobits = [bits * rate / size / 1000 for bits in (s["bits_per_frame"][0], s["bits_per_frame"][-1])]
        lines = {
            "audio": f"{rate / 1000:g} kHz, {channels} channel{'s' if channels > 1 else ''}",
            "rates": f"{kilobits[0]:.3g} to {kilobits[1]:.3g} kbit/s, packets' checks not counted",
            "delay": f"{1000 * s['algorithmic_delay'] / rate:.1f} ms",
        }
        if s.get("start_frames", 1) > 1:
            lines["delay"] += f"; the first packet comes after {1000 * s['start_frames'] * size / rate:.1f} ms"
    except (LookupError, TypeError, ValueError, ArithmeticError):
        return {}
    return lines | ({"parity": s["parity"]} if "parity" in s else {})


def _found(folder: Path | None) -> tuple[list[Manifest], list[str]]:
    """Every model on the search path that can be read, nearest first, and what is wrong with the others."""
    from mediacodec.errors import ModelError
    from mediacodec.manifest import read_manifest

    found: list[Manifest] = []
    broken: list[str] = []
    for path in _folders(folder):
        try:
            found.append(read_manifest(path))
        except ModelError as error:
            broken.append(str(error))
    return found, broken


def _folders(folder: Path | None) -> Iterator[Path]:
    from mediacodec.manifest import search_path

    seen: set[str] = set()
    for place in search_path(folder):
        for path in sorted(place.glob("*/model.json")):
            if path.parent.name not in seen:
                seen.add(path.parent.name)
                yield path.parent


def as_json(model: Manifest) -> dict[str, object]:
    """What programs may want to know of a model."""
    return {
        "name": model.name,
        "alias": model.alias,
        "aliases": list(model.aliases),
        "generation": model.generation,
        "family": model.family,
        "description": model.description,
        "licence": model.licence,
        "folder": str(model.folder),
        "size": _size(model),
        "weights_sha256": model.weights_sha256,
        "tables_sha256": model.tables_sha256,
        "settings": model.settings,
    }


def _size(model: Manifest) -> int:
    return sum(path.stat().st_size for path in model.folder.iterdir() if path.is_file())
