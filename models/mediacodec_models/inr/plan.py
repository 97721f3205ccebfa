"""How large a group's network is, and how long it is fitted, from what is asked of the encoder."""

from dataclasses import dataclass

from mediacodec.codecs.fitting.protocol import FitTask
from mediacodec.codecs.inr.network import MAX_OPERATIONS, MAX_PARAMETERS, Network
from mediacodec.codecs.inr.settings import ArchitectureSettings

EPOCHS = (4, 10, 20, 40, 75, 150, 300, 600, 1200)  # of a key group, by preset level
PREDICTED_SHARE = 0.5  # of the epochs and the bits of a key group, for a group that is predicted from the one before
REFERRING_SHARE = 0.75  # of the bits of a key group, for one that is predicted from an earlier clip
GROUP_FRAMES = 128  # in a group, where no gop is asked for
KEY_INTERVAL = 4  # groups from key group to key group, likewise
DEFAULT_CRF = 30.0
BITS_PER_WEIGHT = 4.0
WEIGHTS_PER_PIXEL = 0.013  # at the default crf; it halves every 6 levels
MIN_WEIGHTS = 3000  # less is not worth its side information
FRAME_OVERHEAD = 6  # bytes of a packet beside its embedding, framing included
STRIDE_PLANS = ((5, 4, 4, 2), (5, 4, 2, 2), (5, 4, 2), (5, 2, 2), (4, 2), (2, 2), (2,))


def strides_for(height: int, width: int) -> tuple[int, ...]:
    """Choose the strides of the stages for frames of a size: the smallest features have about two rows or columns."""
    for strides in STRIDE_PLANS:
        factor = 2
        for stride in strides:
            factor *= stride
        if 2 * factor <= 1.15 * min(height, width):
            return strides
    return STRIDE_PLANS[-1]


def network_for(
    architecture: str, settings: ArchitectureSettings, height: int, width: int, *, group: int, parameters: int
) -> Network:
    """Choose the widths of a network.

    Args:
        architecture: one of `mediacodec.codecs.inr.network.ARCHITECTURES`.
        settings: of the architecture.
        height: of the frames, in pixels.
        width: of the frames, in pixels.
        group: frames in the group.
        parameters: weights and embeddings together, to come close to.

    Returns:
        The network that comes closest.
    """
    strides = strides_for(height, width)

    def of_width(first: int) -> Network:
        widths = [first]
        for _ in strides:
            widths.append(max(min(settings.narrowest, first), round(widths[-1] / settings.reduce)))
        return Network(architecture, height, width, group, settings.embedding, strides, tuple(widths))

    def total(network: Network) -> int:
        channels, rows, columns = network.embedding_shape
        return network.summary.parameters + group * channels * rows * columns

    low, high = 4, 1024
    while low < high:  # the widest that does not exceed it
        middle = (low + high + 1) // 2
        network = of_width(middle)
        fits = total(network) <= parameters and network.summary.parameters <= MAX_PARAMETERS
        if fits and network.summary.operations <= MAX_OPERATIONS:
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
    """What a key group may take.

    Attributes:
        parameters: weights and embeddings together.
        bits: for both.
    """

    parameters: int
    bits: float


def budget_for(task: FitTask, group: int) -> Budget:
    """Find what a key group of so many frames may take, from the bit rate or the quality level."""
    if task.options.bit_rate is not None:
        bits = task.options.bit_rate * group / float(task.video.frame_rate) - 8 * FRAME_OVERHEAD * group
        return Budget(max(MIN_WEIGHTS, round(bits / BITS_PER_WEIGHT)), max(bits, BITS_PER_WEIGHT * MIN_WEIGHTS / 2))
    crf = DEFAULT_CRF if task.options.crf is None else task.options.crf
    density = WEIGHTS_PER_PIXEL * 2 ** ((DEFAULT_CRF - crf) / 6)
    parameters = max(MIN_WEIGHTS, round(density * task.video.width * task.video.height * group))
    return Budget(parameters, BITS_PER_WEIGHT * parameters)


def group_sizes(task: FitTask) -> tuple[int, int]:
    """Find how a stream is divided.

    Args:
        task: of the encoder.

    Returns:
        Frames in a group, and groups from key group to key group.
    """
    most = min(GROUP_FRAMES, task.max_buffered_frames)
    if task.options.gop is None:
        return most, KEY_INTERVAL
    groups = -(-task.options.gop // max(most, min(task.options.gop, 2 * GROUP_FRAMES, task.max_buffered_frames)))
    return -(-task.options.gop // groups), groups
