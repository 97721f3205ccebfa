"""Encode a recording, write it to a file, read it back, and say what it cost.

python examples/roundtrip.py [IN.wav] [OUT.wav]
"""

import sys
from pathlib import Path

import soundfile

import mediacodec

source = sys.argv[1] if len(sys.argv) > 1 else Path(__file__).with_name("speech.wav")
target = sys.argv[2] if len(sys.argv) > 2 else "decoded.wav"

samples, rate = soundfile.read(source, dtype="float32", always_2d=True)
data = mediacodec.encode(samples.T, sample_rate=rate, codec="speech", bit_rate=3000)
audio = mediacodec.decode(data)
soundfile.write(target, audio.samples.T, audio.sample_rate)

stream = mediacodec.info(data).streams[0]
print(f"{stream.duration:.2f} s at {stream.bit_rate / 1000:.2f} kbit/s in {len(data)} bytes, decoded to {audio}")
