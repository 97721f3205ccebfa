"""How large a group's network is, and how long it is fitted, from what is asked of the encoder."""

from dataclasses import dataclass

from mediacodec.codecs.fitting.protocol import FitOptions
from mediacodec.codecs.inr.network import MAX_OPERATIONS, MAX_PARAMETERS, Network

EPOCHS = (4, 10, 20, 40, 75, 150, 300, 600, 1200)  # of a key group, by effort
FOLLOWING = 0.5  # of the epochs and the bits of a key group, for a group that goes on from one
REFERRING = 0.75  # of the bits of a key group, for one that goes on from an earlier clip
GROUP = 128  # pictures
KEY_EVERY = 4  # groups
DEFAULT_CRF = 30.0
BITS = 4.0  # a weight
DENSITY = 0.013  # weights a pixel at the default crf; it halves every 6 levels
FEWEST = 3000  # weights: less is not worth its side information
PICTURE_BYTES = 6  # of a packet beside its embedding, framing included
PLANS = ((5, 4, 4, 2), (5, 4, 2, 2), (5, 4, 2), (5, 2, 2), (4, 2), (2, 2), (2,))


@dataclass(frozen=True)
class Shape:
    """What a recipe says of an architecture: channels of an embedding, by how much each stage is narrower than the one
    before, and the narrowest."""

    embedding: int = 16
    reduce: float = 1.2
    narrowest: int = 8


def strides_for(height: int, width: int) -> tuple[int, ...]:
    """The factors of the stages: the smallest features have about two rows or columns."""
    for strides in PLANS:
        factor = 2
        for stride in strides:
            factor *= stride
        if 2 * factor <= 1.15 * min(height, width):
            return strides
    return PLANS[-1]


def network_for(architecture: str, shape: Shape, height: int, width: int, *, group: int, parameters: int) -> Network:
    """The network whose weights and embeddings together come closest to `parameters`."""
    strides = strides_for(height, width)

    def of_width(first: int) -> Network:
        widths = [first]
        for _ in strides:
            widths.append(max(min(shape.narrowest, first), round(widths[-1] / shape.reduce)))
        return Network(architecture, height, width, group, shape.embedding, strides, tuple(widths))

    def total(network: Network) -> int:
        channels, rows, columns = network.embedding_shape
        return network.counted.parameters + group * channels * rows * columns

    low, high = 4, 1024
    while low < high:  # the widest that does not exceed it
        middle = (low + high + 1) // 2
        network = of_width(middle)
        fits = total(network) <= parameters and network.counted.parameters <= MAX_PARAMETERS
        if fits and network.counted.operations <= MAX_OPERATIONS:
            low = middle
        else:
            high = middle - 1
    wider = of_width(low + 1)
    if low < 1024 and total(wider) - parameters < parameters - total(of_width(low)):
        wider.check()
        return wider
    return of_width(low)


@dataclass(frozen=True)
class Budget:
    """What a key group may take: weights and embeddings together, and bits for both."""

    parameters: int
    bits: float


def budget_for(options: FitOptions, group: int) -> Budget:
    """From the bit rate, or the quality level."""
    if options.bit_rate is not None:
        bits = options.bit_rate * group / float(options.frame_rate) - 8 * PICTURE_BYTES * group
        return Budget(max(FEWEST, round(bits / BITS)), max(bits, BITS * FEWEST / 2))
    crf = DEFAULT_CRF if options.crf is None else options.crf
    density = DENSITY * 2 ** ((DEFAULT_CRF - crf) / 6)
    parameters = max(FEWEST, round(density * options.width * options.height * group))
    return Budget(parameters, BITS * parameters)


def group_sizes(options: FitOptions) -> tuple[int, int]:
    """(pictures in a group, groups from key group to key group)."""
    most = min(GROUP, options.max_buffered_frames)
    if options.gop is None:
        return most, KEY_EVERY
    groups = -(-options.gop // max(most, min(options.gop, 2 * GROUP, options.max_buffered_frames)))
    return -(-options.gop // groups), groups
