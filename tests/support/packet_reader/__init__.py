"""A second reader of codec packets, written from bitstream/codecs/*.md and SPEC.md alone, in plain Python and NumPy.

It imports nothing of the product; its range decoder is that of bitstream/vectors/reference. Names and steps are those
of the documents, so that both can be read side by side.
"""
