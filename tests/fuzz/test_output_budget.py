"""Mutated files decoded through networks, their symbol CRCs not looked at: errors are ours, and output is bounded.

An attacker can make every checksum right, those of symbols too. What comes out is at most 60 s and twice what packets
say they hold, whatever times they claim.
"""

from __future__ import annotations

import io
from collections import Counter
from typing import Any

import pytest
from support.media import make_speech
from support.mutations import mutated

import mediacodec
from mediacodec.codecs.rvq import packet as rvq_packet
from mediacodec.errors import MediaCodecError
from mediacodec.mcx.fill_budget import FILL_SECONDS
from mediacodec_bitstream import Reader

CASES = 150
RATE = 16_000
LONGEST_PACKET = 10  # seconds


@pytest.fixture(scope="module")
def files() -> list[bytes]:
    samples = make_speech(1.0, RATE)
    options: list[dict[str, Any]] = [{"packet_duration": 0.1}, {"packet_duration": 0.5}, {"codec": "token"}]
    return [mediacodec.encode(samples, sample_rate=RATE, **chosen) for chosen in options]


def test_output_is_bounded_by_what_is_coded(files: list[bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rvq_packet, "check_symbols", lambda *_: None)
    outcomes: Counter[str] = Counter()
    for number in range(CASES):
        data = mutated(number, files, resealed=True)
        try:
            with mediacodec.open(data) as file:
                rate = file.audio.sample_rate
                samples = sum(chunk.num_samples for chunk in file.audio.blocks())
                outcomes["gaps" if file.gaps else "good"] += 1
        except MediaCodecError as error:  # anything else is a failure of this test
            outcomes[type(error).__name__] += 1
            continue
        coded = sum(min(packet.duration, LONGEST_PACKET * rate) for packet in Reader(io.BytesIO(data)))
        assert samples <= FILL_SECONDS * rate + 2 * coded, number
    assert outcomes["gaps"] > CASES // 4, outcomes
    assert outcomes["good"] > 0, outcomes
