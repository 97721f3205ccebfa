"""The conditional video codec: each frame is coded given a motion-compensated prediction of it."""
