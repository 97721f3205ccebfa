"""Audio codecs: a network and its config dataclass a file."""
