"""Streams of a file decoded between two times: one alone, or several in one pass, so that a pipe can be read too."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Protocol, TypeVar

from mediacodec import memory_errors
from mediacodec.arguments import as_seconds
from mediacodec.errors import ParameterError
from mediacodec_bitstream import Packet

Item = TypeVar("Item")
Given = TypeVar("Given", covariant=True)
MAX_WAITING = 32 << 20  # bytes of packets that wait for those of another stream


class Run(Protocol[Given]):
    """One pass over a stream between two times: packets in, items out.

    Attributes:
        position: pts, on the coded timeline, near which packets are needed first.
        done: nothing more will come, whatever is pushed.
    """

    position: int
    done: bool

    def push(self, packet: Packet) -> Iterator[Given]:
        """What a packet gives."""
        ...

    def finish(self) -> Iterator[Given]:
        """What is left when there are no more packets."""
        ...


def checked_times(start: object, stop: object) -> tuple[float, float | None]:
    """Two times in seconds, as callers give them.

    Args:
        start: the first moment that is wanted.
        stop: the moment behind the last one; None for the end.

    Raises:
        ParameterTypeError: one is no number.
        ParameterError: they do not satisfy 0 <= start <= stop.
    """
    begin, end = as_seconds("start", start), None if stop is None else as_seconds("stop", stop)
    if end is not None and end < begin:
        raise ParameterError(f"times must satisfy 0 <= start <= stop, got {start}, {stop}")
    return begin, end


@memory_errors.named
def through(packets: Iterable[Packet], run: Run[Item]) -> Iterator[Item]:
    """All that a run gives for the packets of its stream.

    Args:
        packets: of that stream, in the order of the file.
        run: what they are pushed into.
    """
    for packet in packets:
        yield from run.push(packet)
        if run.done:
            return
    yield from run.finish()


@memory_errors.named
def in_time_order(
    packets: Iterable[Packet], runs: Mapping[int, Run[Item]], seconds: Callable[[Packet], float]
) -> Iterator[Item]:
    """What the runs of several streams give, their packets taken in the order of time.

    Packets wait as they are, undecoded. Where a file holds its streams so far apart that too much would wait, the order
    of time is given up.

    Args:
        packets: of all streams, in the order of the file; those of streams without a run are dropped.
        runs: by stream id.
        seconds: when a packet is presented.
    """
    source = iter(packets)
    queues: dict[int, deque[Packet]] = {stream_id: deque() for stream_id in runs}
    waiting, ended = 0, False
    while going := [stream_id for stream_id, run in runs.items() if not run.done]:
        while not ended and waiting <= MAX_WAITING and not all(queues[stream_id] for stream_id in going):
            packet = next(source, None)
            ended = packet is None
            if packet is not None and packet.stream_id in going:
                queues[packet.stream_id].append(packet)
                waiting += len(packet.data)
        ready = [stream_id for stream_id in going if queues[stream_id]]
        if not ready:
            break
        first = min(ready, key=lambda stream_id: seconds(queues[stream_id][0]))
        packet = queues[first].popleft()
        waiting -= len(packet.data)
        yield from runs[first].push(packet)
        if runs[first].done:
            waiting -= sum(len(left.data) for left in queues[first])
            queues[first].clear()
    for run in runs.values():
        if not run.done:
            yield from run.finish()
