"""Tags and chapters as text: whatever is in it, reading gives some, and what was written comes back."""

import random

import pytest

from mediacodec_bitstream import ParameterError, join_chapters, join_tags, split_chapters, split_tags
from mediacodec_bitstream.tag_text import is_tag_key

TAGS = {"genre": "Speech", "a b": "", "lyrics": "one\ntwo\r\n\\n is no line", "x": "=\\", "語": "é\u2028"}


def test_tags_come_back() -> None:
    assert split_tags(join_tags(TAGS)) == TAGS
    assert split_tags(join_tags({})) == {}


def test_lines_that_are_no_tags_are_passed_over() -> None:
    assert split_tags("a=1\nnothing\n=2\na=3\nb\x1b=4\nc=\\") == {"a": "1", "c": "\\"}


def test_chapters_come_back() -> None:
    chapters = [(0, 0, ""), (0, 5, "a\nb\\"), (5, 10**15 - 1, " spaces ")]
    assert split_chapters(join_chapters(chapters)) == chapters


@pytest.mark.parametrize("line", ["", "1", "1 ", "-1 2", "2 1", "1 1" + "0" * 15, "a 2 b", "\uff11 \uff12", "0 1"])
def test_lines_that_are_no_chapters_are_passed_over(line: str) -> None:
    assert split_chapters(f"5 6 first\n{line}\n7 8") == [(5, 6, "first"), (7, 8, "")]


@pytest.mark.parametrize("key", ["", "a=b", "a\n", "\x7f", "é" * 128])
def test_keys_that_are_none(key: str) -> None:
    assert not is_tag_key(key)
    with pytest.raises(ParameterError):
        join_tags({key: "x"})


@pytest.mark.parametrize("chapters", [[(2, 1, "")], [(5, 6, ""), (4, 6, "")], [(0, 10**15, "")], [(0, 1, "\0")]])
def test_chapters_that_are_none(chapters: list[tuple[int, int, str]]) -> None:
    with pytest.raises(ParameterError):
        join_chapters(chapters)


def test_any_text_can_be_read() -> None:
    rng = random.Random(5)
    for _ in range(300):
        text = "".join(rng.choice("0123456789 =\\\n\rabé\x00\x1b") for _ in range(rng.randrange(60)))
        assert all(is_tag_key(key) for key in split_tags(text))
        starts = [start for start, end, _ in split_chapters(text) if start <= end]
        assert starts == sorted(starts)
