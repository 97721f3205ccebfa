"""Vector quantizers: one a file, QUANTIZERS the only table of them, `base` what each of them offers."""

from mediacodec_models.quantizers.base import Quantizer
from mediacodec_models.quantizers.bsq import BinarySpherical
from mediacodec_models.quantizers.crossscale import CrossScaleVQ
from mediacodec_models.quantizers.factorised import FactorisedVQ
from mediacodec_models.quantizers.fsq import FiniteScalar
from mediacodec_models.quantizers.group import GroupVQ
from mediacodec_models.quantizers.masked import MaskedVQ
from mediacodec_models.quantizers.multiscale import MultiScaleVQ
from mediacodec_models.quantizers.rvq import ResidualVQ
from mediacodec_models.quantizers.simvq import SimVQ
from mediacodec_models.quantizers.vq import LargeVQ

QUANTIZERS: dict[str, type[Quantizer]] = {
    "rvq": ResidualVQ,
    "factorised": FactorisedVQ,
    "group": GroupVQ,
    "masked": MaskedVQ,
    "multiscale": MultiScaleVQ,
    "crossscale": CrossScaleVQ,
    "vq": LargeVQ,
    "fsq": FiniteScalar,
    "bsq": BinarySpherical,
    "simvq": SimVQ,
}
