"""Draw a moving disc, write it to a file, read it back frame by frame, and say what each one cost.

python examples/video.py [OUT.mcx]
"""

import sys
from fractions import Fraction

import numpy as np

import mediacodec

WIDTH, HEIGHT, COUNT = 160, 96, 10  # pixels, pixels, frames
RATE = Fraction(25)  # frames a second


def draw(index: int) -> mediacodec.VideoFrame:
    """A ball that rolls over a panning ground, 8-bit 4:2:0: luma of full size, two planes of colour of half."""
    row, column = np.mgrid[:HEIGHT, :WIDTH]
    ground = 110 + 40 * np.sin((column + 2 * index) / 9) * np.cos(row / 7)
    ball = np.hypot(column - 30 - 5 * index, row - HEIGHT / 2) < HEIGHT / 5
    luma = np.where(ball, 200, ground)
    blue = 128 + 30 * np.sin((column[::2, ::2] + 2 * index) / 25)
    red = np.where(ball[::2, ::2], 170, 120)
    y, u, v = (np.rint(plane).astype(np.uint8) for plane in (luma, blue, red))
    return mediacodec.VideoFrame(y, u, v, pts=index, time_base=1 / RATE)


target = sys.argv[1] if len(sys.argv) > 1 else "drawn.mcx"
frames = [draw(index) for index in range(COUNT)]

with mediacodec.open(target, "w", overwrite=True) as writer:
    stream = writer.add_video_stream("conditional", width=WIDTH, height=HEIGHT, frame_rate=RATE, crf=28)
    for frame in frames:
        writer.mux(stream.encode(frame))

with mediacodec.open(target) as reader:
    for frame, decoded in zip(frames, reader.video.frames(), strict=True):
        error = np.mean((frame.y.astype(float) - decoded.y) ** 2)
        psnr = 10 * np.log10(255**2 / error)
        print(f"{decoded.pts_seconds:.2f} s: {decoded.width}x{decoded.height}, luma {psnr:.1f} dB")

about = mediacodec.info(target)
raw = COUNT * WIDTH * HEIGHT * 3 // 2
bits = 8 * about.payload_bytes / (COUNT * WIDTH * HEIGHT)
print(f"{COUNT} frames in {about.file_bytes} bytes instead of {raw}, {bits:.3f} bits a pixel")
