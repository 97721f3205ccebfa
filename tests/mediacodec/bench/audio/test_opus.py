"""Opus through PyAV: rates, lengths, and a decoded signal that lies where the original does."""

import numpy as np
import pytest

from mediacodec.bench.audio.opus import OpusEntry
from mediacodec.errors import ParameterError
from mediacodec.metrics.audio import align, si_sdr

RATE = 16_000


@pytest.mark.parametrize("bit_rate", [6_000, 9_000, 12_000, 24_000])
def test_the_payload_is_near_the_nominal_rate_and_the_file_above_it(speech, bit_rate):
    result = OpusEntry(bit_rate).run(speech, RATE)
    payload = result.payload_bits * RATE / speech.size
    assert 0.6 * bit_rate < payload < 1.4 * bit_rate
    assert 0 < 8 * result.file_bytes - result.payload_bits < 8 * 1500
    assert result.encode_seconds > 0
    assert result.decode_seconds > 0


@pytest.mark.parametrize("length", [48_000, 47_999, 31_337, 320, 1])
def test_priming_is_gone_and_the_length_is_exact(speech, length):
    decoded = OpusEntry(24_000).run(speech[:length], RATE).decoded
    assert decoded.shape == (length,)
    assert decoded.dtype == np.float32


def test_the_decoded_signal_lies_where_the_original_does(speech):
    decoded = OpusEntry(32_000).run(speech, RATE).decoded
    reference, lined_up, shift = align(speech, decoded, RATE)
    assert abs(shift) <= 1
    assert si_sdr(reference, lined_up) > 8.0


def test_more_bits_audio_better(speech):
    decoded = [OpusEntry(rate).run(speech, RATE).decoded for rate in (6_000, 16_000, 48_000)]
    ratios = [si_sdr(*align(speech, x, RATE)[:2]) for x in decoded]
    assert ratios == sorted(ratios)


def test_impossible_rates_are_refused(speech):
    with pytest.raises(ParameterError, match="not 5999"):
        OpusEntry(5_999)
    with pytest.raises(ParameterError, match="not 44100"):
        OpusEntry(6_000).run(speech, 44_100)


def test_the_name_states_the_rate():
    assert OpusEntry(6_000).name == "opus@6k"
    assert OpusEntry(9_600).name == "opus@9.6k"
