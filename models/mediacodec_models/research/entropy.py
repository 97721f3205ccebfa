"""What each way of entropy coding takes on the development speakers, or on recordings in a folder, by codebook.

`python -m mediacodec_models.research.entropy (--data PACK | --clips DIR) --model ZOO/NAME --books 8 16`

Packets of a second, each by itself, as in files; bits are the information content a code, and the last column, bits a
frame, counts the bytes of real payloads.
"""

import argparse
from pathlib import Path

import numpy as np

from mediacodec.audio_coding.codebook_settings import CodebookSettings
from mediacodec.codecs.rvq.analysis import backtrack
from mediacodec.codecs.rvq.entropy import ENTROPY, open_entropy
from mediacodec.manifest import read_manifest
from mediacodec_models.audio.data import read_mono
from mediacodec_models.entropy.train_context import Clips, encoder_paths, paths_of


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--data", type=Path, help="folder made by mediacodec_models.audio.data.pack")
    source.add_argument("--clips", type=Path, help="folder of recordings")
    parser.add_argument("--model", type=Path, required=True, help="zoo folder of the codec")
    parser.add_argument("--books", type=int, nargs="+", required=True, help="numbers of codebooks")
    parser.add_argument("--packet", type=int, default=50, help="frames")
    args = parser.parse_args()
    model = read_manifest(args.model)
    settings = CodebookSettings(model)
    fixed = (settings.codebook_size - 1).bit_length()
    if args.clips:
        files = sorted(path for path in args.clips.iterdir() if path.is_file())
        clips: Clips = [paths_of(model, read_mono(path, settings.sample_rate)) for path in files]
    else:
        clips = encoder_paths(model, args.data, dev=True)
    frames = sum(clip.shape[1] for clip in clips)
    print(f"{len(clips)} clips, {frames} frames; {fixed} bits a code where each takes the same")
    for count in args.books:
        codes = [backtrack(clip, count) for clip in clips]
        packets = [c[:, t : t + args.packet] for c in codes for t in range(0, c.shape[1], args.packet)]
        for name in ENTROPY:
            entropy = open_entropy(name, model, settings)
            mean = np.sum([entropy.lengths(packet) for packet in packets], axis=0) / frames
            payload = sum(8 * len(entropy.encode(packet)) for packet in packets) / frames
            saved = 1 - payload / (fixed * count)
            by_book = " ".join(f"{bits:.2f}" for bits in mean)
            print(f"{count} codebooks, {name}: {by_book}; {payload:.2f} bits a frame, {saved:.1%} saved")


if __name__ == "__main__":
    main()
