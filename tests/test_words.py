"""Words that were given up for the field's own do not come back; GLOSSARY.md has the terms that are used.

WORDS are looked for in all text, identifiers included (they are taken apart at underscores and capitals); NAMES only
among identifiers of code and in backticks; FILES among the parts of paths. What is good English in another sense is
refused in the retired sense alone: as a name, in a phrase, or in the rooms where it meant that.
"""

from __future__ import annotations

import io
import re
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatch
from functools import cache
from pathlib import Path

import pytest
from support.paths import ROOT

FOLDERS = ("mediacodec", "bitstream", "models", "tests", "examples", "benchmarks")
SUFFIXES = (".py", ".md", ".toml")
ITSELF = "tests/test_words.py"


@dataclass(frozen=True)
class Rule:
    """A retired word.

    Attributes:
        retired: regular expression; of words in small letters with spaces for underscores, or of a whole identifier.
        instead: the field's term.
        where: regular expression of paths to which it is confined; everywhere without one.
    """

    retired: str
    instead: str
    where: str = ""

    def concerns(self, path: str) -> bool:
        """Whether it holds in a file."""
        return re.search(self.where, path) is not None


VIDEO = r"codecs/conditional/|video_coding/|mediacodec_models/video/"
CONTEXT = r"rvq/context|entropy/(train_)?context|rvq/test_context|packet_reader/rvq|codecs/rvq\.md|recipes/"

WORDS = (
    Rule(r"sounds?", "audio"),
    Rule(r"films?", "video, clip"),
    Rule(r"pictures?", "frame; a JPEG is a still image"),
    Rule(r"hear[ds]", "presented; of networks: depends on"),
    Rule(r"shown", "presented, reconstructed, printed"),
    Rule(r"trails?", "entropy state"),
    Rule(r"trials?", "candidate"),
    Rule(r"drafts?", "coding pass"),
    Rule(r"recall(s|ed)?", "update memory"),
    Rule(r"regrets?", "RD-cost delta"),
    Rule(r"wish(es|ed)?", "adaptive quantization (AQ)"),
    Rule(r"local (levels?|steps?)", "adaptive quantization (AQ)"),
    Rule(r"unseen", "early skip"),
    Rule(r"lattices?", "scan order"),
    Rule(r"efforts?", "search preset"),
    Rule(r"nudge[sd]?", "refinement"),
    Rule(r"class(es)?\b[^.;\n]*\bmembers?", "coarse and fine symbol", CONTEXT),
    Rule(r"company", "co-occurrence"),
    Rule(r"best paths?", "beam search; `backtrack`"),
    Rule(r"outlets?|inlets?", "mux session, demux session"),
    Rule(r"growing|of `?inr`? (that )?grows?", "append"),
    Rule(r"bridges?", "avio: AvioFile"),
    Rule(r"c:v live|live-\d|codecs[/.]live", "conditional"),
    Rule(r"(famil(y|ies)|codecs?|models?) [`'\"]?live", "conditional"),
    Rule(r"live[`'\"]? (famil(y|ies)|codecs?|models?|networks?|frame coder)", "conditional"),
)
NAMES = (
    Rule(r"Shown", "Reconstruction"),
    Rule(r"Known", "Conditioning"),
    Rule(r"Prior", "PriorOutput"),
    Rule(r"Integers", "FrameSyntax"),
    Rule(r"Target", "EncodeTarget", r"codecs/|video_coding/|models/"),
    Rule(r"Coded", "CodedFrame, CodedStream"),
    Rule(r"look", "extract_context"),
    Rule(r"(Key|Inter)?Shift|(key|inter)_shift", "conditional_mean"),
    Rule(r"seen", "context", VIDEO),
    Rule(r"worth|[a-z_]+_worth", "perceptual_weight"),
    Rule(r"still|is_still", "early skip", r"codecs/conditional/|video_coding/|vectors/packets_conditional"),
    Rule(r"Field", "MotionVectors", r"codecs/|video_coding/|models/"),
    Rule(r"[Pp]orts?", "SymbolEncoder, SymbolDecoder, SymbolCounter"),
    Rule(r"Writing|Reading|Counting", "SymbolEncoder, SymbolDecoder, SymbolCounter"),
    Rule(r"coarse", "hierarchical search", r"video_coding/motion/"),
    Rule(r"[Oo]ffers?", "candidates"),
    Rule(r"turns", "passes", VIDEO + r"|codecs/fitting/"),
    Rule(r"escapes", "signed Exp-Golomb; of places: escaped"),
    Rule(r"members?|member_[a-z]+", "fine symbol", CONTEXT),
    Rule(r"_?copied", "stream copy"),
    Rule(r"[Aa]rchive", "append; the file that is appended to", r"mcx/|codecs/|/inr/|cli/test_fitting"),
    Rule(r"[Bb]ases", "reference keyframes"),
    Rule(r"([A-Z][a-z]+)?Changes|changes", "weight updates", r"/overfit/|codecs/overfit\.md"),
    Rule(r"[Mm]oves", "RDO quantization"),
    Rule(r"_?Beside", "worker"),
    Rule(r"one_pass", "interleave"),
    Rule(r"live_(decoder|local|packet|picture|quantise|rate|rows|scene|settings|skip|state|symbols)", "conditional"),
)
FILES = (
    Rule(r"live_.*|live", "conditional", r"^(mediacodec|models)/|^tests/(mediacodec|models)/"),
    Rule(r"shown|known|seen|look|shift|still|rows|beside|coarse", "see the names"),
    Rule(r"field|ports?|offers?|escapes|copied|archive|bases|changes|moves|one_pass", "see the names"),
    Rule(r"memory", "oneshot", r"^mediacodec/"),
    Rule(r"shape", "ffmpeg_syntax", r"/cli/"),
)


@dataclass(frozen=True)
class Allowed:
    """A place where a retired word stays.

    Attributes:
        paths: of the files, with wildcards.
        text: as it stands there.
        reason: why.
    """

    paths: str
    text: str
    reason: str


FROZEN = "stands in a committed vector, and those are never edited"
ALLOWED = (
    Allowed("*", "SoundStream", "a codec by this name (Zeghidour et al. 2021)"),
    Allowed("*", "soundfile.SoundFile", "a class of that package"),
    Allowed("pyproject.toml", "Sound/Audio", "a classifier of the package index"),
    Allowed("pyproject.toml", "visqol-python[lattice]", "an extra of that package"),
    Allowed("mediacodec/bench/audio/quality.py", "the lattice mapping", "what ViSQOL calls it"),
    Allowed("mediacodec/bench/audio/quality.py", "use_lattice_model", "a keyword of visqol-python"),
    Allowed("mediacodec/video_coding/gop.py", "group of pictures", "what GOP stands for"),
    Allowed("models/mediacodec_models/entropy/context.py", "member_map", "names a tensor in checkpoints of runs"),
    Allowed("bitstream/vectors/faulty.py", "as sound, in silence", FROZEN),
    Allowed("bitstream/vectors/faulty.py", "overwrites sound", FROZEN),
    Allowed("bitstream/vectors/faulty.py", "shows pictures in the wrong order", FROZEN),
    Allowed("bitstream/vectors/good.py", "keyframes every 10 pictures", FROZEN),
    Allowed("bitstream/vectors/good.py", "B pictures", FROZEN),
    Allowed("bitstream/vectors/formulas.py", "key_recall, inter_recall", FROZEN),
)


def plain(text: str) -> str:
    """Small letters, identifiers in single words; lines stay lines."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|_", " ", text).lower()


def identifiers(path: str, text: str) -> Iterator[tuple[int, str]]:
    """Line and name of all that code calls something, and of what stands in backticks."""
    if path.endswith(".py"):
        for token in tokenize.generate_tokens(io.StringIO(text).readline):
            if token.type == tokenize.NAME:
                yield token.start[0], token.string
    for number, line in enumerate(text.splitlines(), 1):
        for quoted in re.findall(r"`([^`]+)`", line):
            yield from ((number, name) for name in re.findall(r"\w+", quoted))


@cache
def rules_for(name: str) -> tuple[Rule, ...]:
    """Those of NAMES that an identifier breaks, wherever it stands."""
    return tuple(rule for rule in NAMES if re.fullmatch(rule.retired, name))


def retired_words(path: str, text: str) -> Iterator[tuple[Rule, re.Match[str]]]:
    """What breaks WORDS in a text in small letters; a phrase may go over the end of a line."""
    for rule in WORDS:
        if rule.concerns(path):
            pattern = rule.retired.replace(" ", r"[\s#]+")
            yield from ((rule, match) for match in re.finditer(rf"(?<![a-z])(?:{pattern})(?![a-z])", text))


def found_in(path: str, text: str) -> list[str]:
    """One line for each retired word in a file."""
    for allowed in ALLOWED:
        if fnmatch(path, allowed.paths):
            text = text.replace(allowed.text, "")
    found, small = [], plain(text)
    for rule, match in retired_words(path, small):
        found.append(f"{path}:{small.count(chr(10), 0, match.start()) + 1}: {match[0]!r}: {rule.instead}")
    for number, name in identifiers(path, text):
        found += [f"{path}:{number}: {name!r}: {rule.instead}" for rule in rules_for(name) if rule.concerns(path)]
    return found


def found_in_name(path: str) -> list[str]:
    """One line for each retired word in a path."""
    parts = [part.removeprefix("test_") for part in Path(path).with_suffix("").parts]
    rules = [rule for rule in FILES if rule.concerns(path)]
    found = [rule.instead for rule in rules for part in parts if re.fullmatch(rule.retired, part)]
    found += [rule.instead for rule, _ in retired_words(path, plain(path))]
    return [f"{path}: {instead}" for instead in found]


def files() -> dict[str, str]:
    """Texts by path: code, documents, recipes, what models say of themselves."""
    places = [path for folder in FOLDERS for path in (ROOT / folder).rglob("*") if path.suffix in SUFFIXES]
    places += [*ROOT.glob("*.md"), ROOT / "pyproject.toml", *ROOT.glob("mediacodec/zoo/*/model.json")]
    names = {path.relative_to(ROOT).as_posix(): path for path in places}
    return {name: path.read_text() for name, path in sorted(names.items()) if name != ITSELF}


FILES_BY_PATH = files()


def test_no_retired_word_is_used() -> None:
    found = [line for path, text in FILES_BY_PATH.items() for line in found_in(path, text)]
    assert not found, "\n".join(found)


def test_no_file_has_a_retired_name() -> None:
    found = [line for path in FILES_BY_PATH for line in found_in_name(path)]
    assert not found, "\n".join(found)


def test_the_glossary_has_words_that_stand_where_it_says() -> None:
    glossary = FILES_BY_PATH["GLOSSARY.md"]
    rows = re.findall(r"^\| (.+?) \| .+ \| `(\S+)` \|$", glossary, re.MULTILINE)
    assert len(rows) == glossary.count("\n| ") - glossary.count("\n| here |") > 50
    for words, path in rows:
        text = " ".join(plain(FILES_BY_PATH[path]).split())
        for word in words.split(", "):
            assert plain(word.strip("`")) in text, f"{path} has no {word}"


@pytest.mark.parametrize("allowed", ALLOWED, ids=lambda allowed: allowed.text)
def test_nothing_is_allowed_that_is_gone(allowed: Allowed) -> None:
    assert any(fnmatch(path, allowed.paths) and allowed.text in text for path, text in FILES_BY_PATH.items())


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("README.md", "Encode the sound of a film"),
        ("mediacodec/mcx/reader.py", "def push_picture(self): ..."),
        ("mediacodec/mcx/reader.py", "class SoundReader: ..."),
        ("mediacodec/mcx/reader.py", 'raise InputError("no picture is shown")'),
        ("models/cards/speech-1.md", "grouped by the company that codes\nkeep"),
        ("models/cards/conditional-1.md", "a card of the family `live`"),
        ("README.md", "mediacodec encode -i a.mp4 -c:v live a.mcx"),
        ("mediacodec/codecs/conditional/encoder.py", "class Trail: ..."),
        ("mediacodec/codecs/conditional/encoder.py", "best = Trial(frame)"),
        ("mediacodec/codecs/conditional/encoder.py", "class Target: ..."),
        ("mediacodec/codecs/conditional/frame_walk.py", "def walk(prior: Prior) -> Integers: ..."),
        ("mediacodec/codecs/conditional/networks.py", "context = graph.look(planes)"),
        ("mediacodec/codecs/conditional/skip_decision.py", "still = errors < limit"),
        ("mediacodec/video_coding/motion/search.py", "# on the lattice"),
        ("mediacodec/video_coding/motion/search.py", "def coarse(planes): ..."),
        ("mediacodec/video_coding/motion/search.py", "from mediacodec.motion.ports import Writing"),
        ("mediacodec/video_coding/adaptive_quantization.py", "the regret of a block"),
        ("mediacodec/entropy_coding/signed_golomb.py", "from mediacodec.codecs import escapes"),
        ("bitstream/codecs/rvq.md", "Each code is two symbols, a class and a member of it"),
        ("bitstream/codecs/overfit.md", "what `Changes` holds"),
        ("mediacodec/mcx/append.py", "with Archive(path) as archive: ..."),
        ("mediacodec/transcode/mux.py", "self.outlet = Outlet(sink)"),
    ],
)
def test_a_planted_word_is_found(path: str, text: str) -> None:
    assert found_in(path, text)


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("mediacodec/media/audio_source.py", "import soundfile  # a live recording, coded while it happens"),
        ("mediacodec/video_coding/gop.py", "# of the group of pictures, x264's look-ahead"),
        ("mediacodec/entropy_coding/signed_golomb.py", "shift, target, rows, known = 1, 2, 3, 4"),
        ("mediacodec/cli/parsing/command.py", "seen = set()  # fields of a header that still stand"),
        ("mediacodec/npz.py", "for member in archive: ...  # copied, and all that a bit is worth"),
        ("bitstream/codecs/motion.md", "A field of motion vectors, coded coarse to fine; large ones have an escape."),
        ("CHANGELOG.md", "`conditional-1` (also called `live`)"),
    ],
)
def test_other_senses_are_let_through(path: str, text: str) -> None:
    assert not found_in(path, text)


@pytest.mark.parametrize(
    "path",
    [
        "mediacodec/codecs/live/encoder.py",
        "mediacodec/codecs/live_packet.py",
        "mediacodec/cli/shape.py",
        "mediacodec/memory.py",
        "mediacodec/one_pass.py",
        "mediacodec/media/bridge.py",
        "mediacodec/video_coding/motion/lattice.py",
        "tests/recordings/test_real_sound.py",
        "models/mediacodec_models/overfit/moves.py",
    ],
)
def test_a_planted_file_is_found(path: str) -> None:
    assert found_in_name(path)
