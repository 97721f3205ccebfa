""".mcx files as streams of audio and frames: reading, writing, probing, resuming, appending."""
