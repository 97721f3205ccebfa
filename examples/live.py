"""A call: 20 ms of audio in, a packet out, some packets lost on the way, audio again at the other end.

python examples/live.py [IN.wav]
"""

import random
import sys
import time
from pathlib import Path

import numpy as np
import soundfile

import mediacodec
from mediacodec.media import resample_audio

source = sys.argv[1] if len(sys.argv) > 1 else Path(__file__).with_name("speech.wav")
samples, rate = soundfile.read(source, dtype="float32", always_2d=True)
speech = resample_audio(samples.mean(axis=1), rate, 16_000)

encoder = mediacodec.AudioEncoder("speech", bit_rate=6000, packet_duration=0.02)
decoder = mediacodec.AudioDecoder(encoder.header)  # the header is all that the other side needs to know

random.seed(1)
received, bits, slowest = [], 0, 0.0
for start in range(0, len(speech), 320):
    began = time.perf_counter()
    for packet in encoder.push(speech[start : start + 320]):
        lost = random.random() < 0.05
        received.append(decoder.push(None if lost else packet).samples)
        bits += 8 * len(packet.data)
    slowest = max(slowest, time.perf_counter() - began)

audio = np.concatenate(received, axis=1)
seconds = audio.shape[1] / 16_000
print(f"{seconds:.2f} s audio, {bits / len(speech) * 16:.2f} kbit/s, slowest step {slowest * 1e3:.1f} ms")
