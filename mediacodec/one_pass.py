"""Several streams of a file in one reading, so that a pipe can be decoded too, and what comes of them in time order."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from typing import TypeVar

from mediacodec_bitstream import Packet

Item = TypeVar("Item")
MAX_WAITING = 32 << 20  # bytes of packets of one stream that wait while another is read


class OnePass:
    """Hands the packets of one iterator out by stream.

    Args:
        packets: of all streams, in the order of the file.
        stream_ids: those that are wanted; packets of others are dropped.
    """

    def __init__(self, packets: Iterable[Packet], stream_ids: Iterable[int]) -> None:
        self._packets = iter(packets)
        self._queues: dict[int, deque[Packet]] = {stream_id: deque() for stream_id in stream_ids}
        self._sizes = dict.fromkeys(self._queues, 0)

    def of(self, stream_id: int) -> Iterator[Packet]:
        """The packets of one stream; those of others that come before them wait."""
        queue = self._queues[stream_id]
        while True:
            if queue:
                packet = queue.popleft()
                self._sizes[stream_id] -= len(packet.data)
                yield packet
                continue
            following = next(self._packets, None)
            if following is None:
                return
            if following.stream_id in self._queues:
                self._queues[following.stream_id].append(following)
                self._sizes[following.stream_id] += len(following.data)

    def drop(self, stream_id: int) -> None:
        """Nobody takes packets of this stream any more."""
        self._queues.pop(stream_id, None)
        self._sizes.pop(stream_id, None)

    @property
    def crowded(self) -> int | None:
        """A stream of which so much waits that it must be taken next, whatever the time; None where all is well."""
        return next((stream_id for stream_id, size in self._sizes.items() if size > MAX_WAITING), None)


def in_time(one_pass: OnePass, runs: Mapping[int, Iterator[tuple[float, Item]]]) -> Iterator[Item]:
    """What runs of several streams give, in the order of time.

    runs: by stream id, iterators of (seconds, item) that take their packets from `one_pass`. Where a file holds its
    streams far apart the order of time is given up rather than memory.
    """
    heads: dict[int, tuple[float, Item]] = {}
    going = dict(runs)
    while going or heads:
        for stream_id in [each for each in going if each not in heads]:
            if one_pass.crowded not in (None, stream_id):
                continue
            head = next(going[stream_id], None)
            if head is None:
                del going[stream_id]
                one_pass.drop(stream_id)
            else:
                heads[stream_id] = head
        if heads:
            crowded = one_pass.crowded
            first = crowded if crowded in heads else min(heads, key=lambda each: heads[each][0])
            yield heads.pop(first)[1]
