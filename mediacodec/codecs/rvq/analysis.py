"""Networks that find the codes of audio: samples in pieces of any size in, frames of codes out.

What `model.json` calls the `network` of a model says which of them it has (NETWORKS). What a network finds for a frame
are integers from which the codes of any number of codebooks follow; only the network knows how (`codes`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from mediacodec.audio_coding.codebook_settings import CodebookSettings
from mediacodec.audio_coding.queues import Queue
from mediacodec.codecs.base import LIVE_BELOW
from mediacodec.codecs.options import Runtime
from mediacodec.errors import ModelError
from mediacodec.frames import Codes, Samples
from mediacodec.manifest import Manifest
from mediacodec.session import StepGraph, shared_graph

Found = NDArray[np.integer]  # what a network found, its second axis the frames


class Analysis(Protocol):
    """Samples to found frames.

    Attributes:
        algorithmic_delay: samples from a sample to the end of what its reconstruction waits for, encoder and decoder.
    """

    algorithmic_delay: int

    def push(self, samples: Samples) -> list[Found]:
        """Take samples [channels, n]; return the frames that are known by now."""
        ...

    def drain(self, frames: int) -> list[Found]:
        """The next `frames` frames or more, with zeros behind the last sample as far as they are needed."""
        ...

    def codes(self, found: Found, num_codebooks: int) -> Codes:
        """Codes of found frames.

        Args:
            found: frames that a network found.
            num_codebooks: how many are wanted.

        Returns:
            uint16 [num_codebooks, frames].
        """
        ...


class StepNetwork(Protocol):
    """A network with a state that takes a step at a time.

    Attributes:
        in_fixed_steps: whether steps must all have the same length; else the last one may be shorter.
    """

    in_fixed_steps: bool

    def run(self, samples: Samples) -> Found:
        """One step over samples [channels, n]."""
        ...

    def codes(self, found: Found, num_codebooks: int) -> Codes:
        """See `Analysis.codes`."""
        ...


class SearchNetwork:
    """A network whose graph ends in a beam search of residual codebooks.

    The graph takes `samples` [1, n] and gives `entries` and `parents`, int32 [1, frames, stages, width] (`backtrack`).
    """

    in_fixed_steps = True

    def __init__(self, graph: StepGraph) -> None:
        self._graph, self._state = graph, graph.initial_state()

    def run(self, samples: Samples) -> Found:
        """See `StepNetwork.run`."""
        outputs, self._state = self._graph.step({"samples": samples}, self._state)
        return np.stack([outputs["entries"][0], outputs["parents"][0]])

    def codes(self, found: Found, num_codebooks: int) -> Codes:
        """See `Analysis.codes`."""
        return backtrack(found, num_codebooks)


class CodeNetwork:
    """A streaming network that gives codes, as published codecs have them.

    The graph takes `samples` [1, channels, n] and gives `codes` [1, codebooks, frames], of all codebooks or, where it
    takes their number, of as many as are wanted or more. What it does at the start of a stream instead of looking back
    (reflection, repetition) hangs on its state, so that one graph serves start, middle and end.

    Args:
        num_codebooks: how many codebooks are wanted.
    """

    in_fixed_steps = False

    def __init__(self, graph: StepGraph, settings: CodebookSettings, num_codebooks: int) -> None:
        self._graph, self._state = graph, graph.initial_state()
        self._frame_size, self._num_codebooks = settings.frame_size, num_codebooks
        self._wanted = settings.wanted(num_codebooks)

    def run(self, samples: Samples) -> Found:
        """See `StepNetwork.run`."""
        count = self._num_codebooks
        outputs, self._state = self._graph.step({"samples": samples[None], **self._wanted}, self._state)
        codes = outputs["codes"][0, :count]
        if codes.shape != (count, -(-samples.shape[1] // self._frame_size)):
            raise ModelError(f"the encoder graph gave codes {codes.shape} for samples {samples.shape}")
        return np.asarray(codes, dtype=np.uint16)

    def codes(self, found: Found, num_codebooks: int) -> Codes:
        """See `Analysis.codes`."""
        return np.asarray(found[:num_codebooks], dtype=np.uint16)


class StepAnalysis:
    """Runs a network step by step; see `Analysis`.

    The length of a step is fixed when a stream opens, a frame where packets are short and else a packet: a network run
    over another number of frames differs in the last bit. The first step is longer where the network looks ahead when
    it begins.
    """

    def __init__(self, network: StepNetwork, settings: CodebookSettings, packet_frames: int) -> None:
        self._network, self._settings = network, settings
        live = packet_frames < LIVE_BELOW * settings.frame_rate
        self._step_frames = 1 if live else packet_frames
        self._waiting: Queue[np.float32] = Queue()
        self._begun = False
        self.algorithmic_delay = settings.algorithmic_delay

    @property
    def _step_size(self) -> int:
        """Samples that the network takes next."""
        frames = self._step_frames if self._begun else max(self._step_frames, self._settings.start_frames)
        return frames * self._settings.frame_size

    def push(self, samples: Samples) -> list[Found]:
        """See `Analysis.push`."""
        self._waiting.put(samples)
        found = []
        while len(self._waiting) >= (size := self._step_size):
            found.append(self._network.run(self._waiting.take(size)))
            self._begun = True
        self._waiting.own()
        return found

    def drain(self, frames: int) -> list[Found]:
        """See `Analysis.drain`."""
        s, found, left = self._settings, list[Found](), frames
        while left > 0:
            if self._network.in_fixed_steps:
                more = self.push(np.zeros((s.channels, self._step_size), dtype=np.float32))
            else:  # the last step is as long as what is left: a ragged one the network fills by itself
                self._waiting.put(np.zeros((s.channels, s.pre_skip), dtype=np.float32))
                rest = self._waiting.take(len(self._waiting))
                short = 0 if s.ragged else -rest.shape[1] % s.frame_size
                more = [self._network.run(np.pad(rest, ((0, 0), (0, short))))]
            found += more
            left -= sum(part.shape[1] for part in more)
            if not self._network.in_fixed_steps:
                break
        return found

    def codes(self, found: Found, num_codebooks: int) -> Codes:
        """See `Analysis.codes`."""
        return self._network.codes(found, num_codebooks)


def backtrack(paths: Found, num_codebooks: int) -> Codes:
    """The codes of the best candidate after `num_codebooks` stages of a beam search.

    Args:
        paths: integers [2, frames, stages, width]: the entry that candidate w of a stage chose, and which candidate of
            the stage before it extends; candidates are sorted, best first.
        num_codebooks: how many stages count.

    Returns:
        uint16 [num_codebooks, frames].
    """
    entries, parents = paths
    frames = np.arange(len(entries))
    chosen = np.zeros(len(entries), dtype=np.int64)
    codes = np.empty((num_codebooks, len(entries)), dtype=np.uint16)
    for stage in range(num_codebooks - 1, -1, -1):
        codes[stage] = entries[frames, stage, chosen]
        chosen = parents[frames, stage, chosen]
    return codes


def open_search(model: Manifest, settings: CodebookSettings, frames: int, _: int, runtime: Runtime) -> Analysis:
    """Open a network that searches; see `Opener` for the arguments."""
    return StepAnalysis(SearchNetwork(encoder_graph(model, runtime)), settings, frames)


def open_step(model: Manifest, settings: CodebookSettings, frames: int, books: int, runtime: Runtime) -> Analysis:
    """Open a streaming network that gives codes; see `Opener` for the arguments."""
    return StepAnalysis(CodeNetwork(encoder_graph(model, runtime), settings, books), settings, frames)


def encoder_graph(model: Manifest, runtime: Runtime) -> StepGraph:
    """The encoder graph of a model.

    Args:
        model: that has it.
        runtime: what it runs on.
    """
    return shared_graph(
        model.graph_path("encoder"), model.graph("encoder"), device=runtime.device, threads=runtime.threads_for(1)
    )


# opens with: model, settings, frames of a packet, number of codebooks, runtime
Opener = Callable[[Manifest, CodebookSettings, int, int, Runtime], Analysis]
STEP_NETWORKS: Mapping[str, Opener] = {"search": open_search, "step": open_step}
