"""Vector quantizers: one a file, QUANTIZERS the only table of them."""

from mediacodec_models.quantizers.rvq import ResidualVQ

QUANTIZERS = {"rvq": ResidualVQ}
