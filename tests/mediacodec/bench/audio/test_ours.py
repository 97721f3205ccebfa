"""Our codec as an entry of the bench: the public functions and the entry must tell the same story."""

import pytest

import mediacodec
import mediacodec.codecs
from mediacodec.bench.audio.ours import OurEntry
from mediacodec.errors import ParameterError
from mediacodec.metrics.audio import align

RATE = 16_000


def test_the_entry_gives_what_encode_and_decode_give(speech):
    result = OurEntry(3_000).run(speech, RATE)
    data = mediacodec.encode(speech, sample_rate=RATE, codec="speech", bit_rate=3_000)
    assert result.file_bytes == len(data)
    assert result.payload_bits == 8 * mediacodec.info(data).payload_bytes
    assert (result.decoded == mediacodec.decode(data).samples[0]).all()
    assert result.encode_seconds > 0
    assert result.decode_seconds > 0


def test_the_decoded_signal_has_the_length_and_place_of_the_original(speech):
    decoded = OurEntry(6_000).run(speech[:-77], RATE).decoded
    assert decoded.size == speech.size - 77
    assert abs(align(speech[:-77], decoded, RATE)[2]) <= 16


def test_a_rate_below_the_lowest_is_refused(speech):
    with pytest.raises(ParameterError, match="too low"):
        OurEntry(1).run(speech, RATE)


def test_the_name_states_the_rate():
    assert OurEntry(1_500).name == "speech@1.5k"
