"""The integer codes of a file, for those who train language models on them: no network runs.

python examples/tokens.py [IN.mcx]
"""

import sys
from io import BytesIO
from pathlib import Path

import soundfile

import mediacodec

if len(sys.argv) > 1:
    source = sys.argv[1]
else:
    samples, rate = soundfile.read(Path(__file__).with_name("speech.wav"), dtype="float32")
    source = BytesIO(mediacodec.encode(samples, sample_rate=rate, bit_rate=1500))

with mediacodec.open(source) as file:
    codes = file.audio.codes()  # [batch, codebooks, frames]
print(f"{codes.dtype} {list(codes.shape)}, first frame {codes[0, :, 0].tolist()}")
