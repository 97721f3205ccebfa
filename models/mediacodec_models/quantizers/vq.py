"""One large codebook: a single token a frame.

Ji et al., "WavTokenizer: an Efficient Acoustic Discrete Codec Tokenizer for Audio Language Modeling", 2024: k-means to
begin with, moving averages, and dead entries that awake on latents of the batch keep a large codebook in use.
"""

from mediacodec_models.quantizers.rvq import ResidualVQ


class LargeVQ(ResidualVQ):
    """One codebook of `codebook_size` vectors in `dim` dimensions.

    A batch has far fewer frames than there are entries: averages are longer, and an entry counts as dead earlier.
    """

    decay = 0.995
    restart_below = 0.1
    iterations = 4  # of 16384 entries, 4 s each on one core

    def __init__(self, num_codebooks: int, codebook_size: int, dim: int) -> None:
        if num_codebooks != 1:
            raise ValueError(f"vq has one codebook, not {num_codebooks}; rvq has several")
        super().__init__(num_codebooks, codebook_size, dim)
