"""Encoders and decoders that work packet by packet, for any model: the classes that programs use.

>>> encoder = AudioEncoder("speech", bit_rate=3000, packet_duration=0.02)
>>> decoder = AudioDecoder(encoder.header)
>>> chunks = [decoder.push(packet) for packet in encoder.push(samples)]  # push(None) conceals a lost one
"""

from mediacodec.codecs.streaming.decoders import AudioDecoder, VideoDecoder, decoder_for
from mediacodec.codecs.streaming.encoders import AudioEncoder, VideoEncoder

__all__ = ["AudioDecoder", "AudioEncoder", "VideoDecoder", "VideoEncoder", "decoder_for"]
