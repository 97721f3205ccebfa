"""A packet duration is honoured or refused, in every family."""

import pytest

from mediacodec.audio_coding.packet_size import whole_number
from mediacodec.codecs.streaming import AudioEncoder
from mediacodec.errors import ParameterError


@pytest.mark.parametrize(("wanted", "unit", "count"), [
    (0.02, 0.02, 1), (0.04, 0.02, 2), (0.1, 0.02, 5), (0.0133, 1 / 75, 1), (1.0, 0.08, 12), (2.0, 0.08, 25),
    (0.1, 0.099, 1), (1.0, 0.99, 1), (1.0, 0.7, 1), (1.0, 512 / 44_100, 86), (10, 0.02, 500), (1.0, 1.3, 1),
])  # fmt: skip
def test_whole_numbers(wanted: float, unit: float, count: int) -> None:
    assert whole_number(wanted, unit, 10) == count


@pytest.mark.parametrize(("wanted", "unit", "words"), [
    (0.03, 0.02, "take 0.02 or 0.04 s"), (0.05, 0.02, "0.04 or 0.06"), (1.5, 0.99, "take 0.99 or 1.98 s"),
    (0.02, 1 / 75, "0.0133333 or 0.0266667"), (0.01, 0.02, "not in 0.02..10"), (11, 0.02, "not in"),
    (float("nan"), 0.02, "not in"), (9.5, 3, "take 9 s"),
])  # fmt: skip
def test_others_are_refused(wanted: float, unit: float, words: str) -> None:
    with pytest.raises(ParameterError, match=words):
        whole_number(wanted, unit, 10)


@pytest.mark.parametrize("codec", ["speech", "token"])
def test_encoders(codec: str) -> None:
    with pytest.raises(ParameterError, match=r"packet_duration 0.03 s is no whole number of frames"):
        AudioEncoder(codec, packet_duration=0.03)
    header = AudioEncoder(codec, packet_duration=0.06).header
    assert header.packet_duration * header.time_base == pytest.approx(0.06)
