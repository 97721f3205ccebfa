"""Vector quantizers: one a file, QUANTIZERS the only table of them."""

from mediacodec_models.quantizers.fsq import FiniteScalar
from mediacodec_models.quantizers.rvq import ResidualVQ
from mediacodec_models.quantizers.simvq import SimVQ

QUANTIZERS = {"rvq": ResidualVQ, "fsq": FiniteScalar, "simvq": SimVQ}
