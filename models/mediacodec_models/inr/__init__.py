"""The video codecs that are fitted networks (family `inr`): fitting in torch; decoding needs none of this."""
