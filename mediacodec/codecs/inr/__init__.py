"""Video codecs that send fitted networks (implicit neural representations), a network a group of frames."""
