"""What CONTRIBUTING.md says of the code is so: rooms, files, functions, modules and their options exist."""

from __future__ import annotations

import ast
import re
import tomllib
from functools import cache
from pathlib import Path

import pytest

from mediacodec.codecs.registry import CODECS

ROOT = Path(__file__).parents[1]
ROOTS = [ROOT / folder for folder in (".", "mediacodec", "bitstream/mediacodec_bitstream", "models/mediacodec_models")]
TEXT = (ROOT / "CONTRIBUTING.md").read_text()
LIMIT = 250  # lines; whoever needs more writes a document of its own


def section(title: str) -> str:
    """What stands below a heading, up to the next one."""
    found: str = TEXT.partition(f"\n## {title}\n")[2].partition("\n## ")[0]
    assert found, title
    return found


def place(name: str) -> Path | None:
    """Where a path of the text lies, from any of the roots."""
    return next((root / name for root in ROOTS if (root / name).exists()), None)


@cache
def names_in(path: Path) -> frozenset[str]:
    """Functions, classes, methods (CLASS.METHOD) and module variables that a file defines."""
    found: set[str] = set()
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            found.add(node.name)
        if isinstance(node, ast.ClassDef):
            found |= {f"{node.name}.{part.name}" for part in node.body if isinstance(part, ast.FunctionDef)}
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        found |= {target.id for target in targets if isinstance(target, ast.Name)}
    return frozenset(found)


WALK = [line for line in section("One chunk of audio, one frame of video").splitlines() if line.startswith("| ")]
STEPS = [line for line in WALK if not line.startswith("| room")]
ROOMS = ("cli", "transcode", "media", "mcx", "codecs", "session", "audio_coding", "video_coding", "entropy_coding")


@pytest.mark.parametrize("step", STEPS, ids=range(len(STEPS)))
def test_the_walk_meets_what_is_there(step: str) -> None:
    room, text = step.strip("| ").split(" | ")
    assert room in (*ROOMS, "bitstream")
    file: Path | None = None
    checked = 0
    for token in re.findall(r"`([^`]+)`", text):
        if token.endswith(".py"):
            file = place(token)
            assert file is not None, f"there is no {token}"
        else:
            assert file is not None, f"{token}: of which file?"
            assert token in names_in(file), f"{file.relative_to(ROOT)} has no {token}"
            checked += 1
    assert checked


def test_each_room_is_visited_once_a_journey() -> None:
    journeys = "\n".join(WALK).split("| room | what happens |")[1:]
    assert len(journeys) == 4
    for journey in journeys:
        visited = re.findall(r"^\| (\w+) \|", journey, re.MULTILINE)
        assert len(visited) == len(set(visited))
        assert {"mcx", "codecs", "session", "entropy_coding", "bitstream", "media"} <= set(visited)


@pytest.mark.parametrize("title", ["Where is ...?", "Recipes"])
def test_names_beside_a_file_are_in_it(title: str) -> None:
    text = section(title)
    pairs = re.findall(r"`([\w/]+\.py)` `([\w.]+)`", text)
    pairs += [(file, name) for name, file in re.findall(r"`([\w.]+)` \(`([\w/]+\.py)`\)", text)]
    assert len(pairs) > 4
    for file, name in pairs:
        path = place(file)
        assert path is not None, file
        assert name in names_in(path), f"{file} has no {name}"


def test_every_path_exists() -> None:
    prose = re.sub(r"```.*?```", "", TEXT, flags=re.DOTALL)
    paths = [token for token in re.findall(r"`([\w./-]+)`", prose) if "/" in token or token.endswith((".py", ".md"))]
    # of whoever trains, not of the tree
    paths = [path for path in paths if not path.startswith(("recordings/", "run/"))]
    assert len(paths) > 60
    assert [path for path in paths if place(path) is None] == []


def test_the_drawing_has_the_rooms_in_their_order() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    layers = next(contract["layers"] for contract in contracts if "rooms" in contract["name"])
    drawing = re.findall(r"```\n(.*?)```", section("Rooms and arrows"), re.DOTALL)[0]
    inside = drawing.partition("never torch\n")[2].partition("          |\n")[0]
    drawn = [re.split(r"  +", line.strip())[0] for line in inside.splitlines()]
    assert drawn == [layer.replace("mediacodec.", "") for layer in layers]


@pytest.mark.parametrize("family", CODECS)
def test_families_share_their_grammar(family: str) -> None:
    folder = ROOT / "mediacodec" / "codecs" / family
    assert {"encoder", "decoder", "packet", "settings"} <= {path.stem for path in folder.glob("*.py")}


COMMANDS = [line for block in re.findall(r"```bash\n(.*?)```", TEXT, re.DOTALL) for line in block.splitlines()]
MODULES = [line for line in COMMANDS if line.startswith("python -m ")]


@pytest.mark.parametrize("command", MODULES, ids=lambda command: command.split()[2])
def test_programs_have_the_options_that_are_said(command: str) -> None:
    words = command.split()
    path = ROOT / "models" / (words[2].replace(".", "/") + ".py")
    assert path.is_file()
    source = path.read_text()
    for option in (word for word in words[3:] if word.startswith("-")):
        assert f'"{option}"' in source, f"{path.name} has no option {option}"
    for recipe in (word for word in words if word.startswith("models/recipes/")):
        assert (ROOT / recipe).is_file()


def test_it_stays_short() -> None:
    assert len(TEXT.splitlines()) <= LIMIT
