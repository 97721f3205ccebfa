"""Vector quantizers: one a file, QUANTIZERS the only table of them, `base` what each of them offers."""

from mediacodec_models.quantizers.base import Quantizer
from mediacodec_models.quantizers.fsq import FiniteScalar
from mediacodec_models.quantizers.rvq import ResidualVQ
from mediacodec_models.quantizers.simvq import SimVQ

QUANTIZERS: dict[str, type[Quantizer]] = {
    "rvq": ResidualVQ,
    "fsq": FiniteScalar,
    "simvq": SimVQ,
}
