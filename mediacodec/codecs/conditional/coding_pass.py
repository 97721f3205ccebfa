"""Coding passes: a target is quantized and reconstructed, and what is better skipped is skipped."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from mediacodec.codecs.conditional.candidates import CodingPass, EncodeTarget
from mediacodec.codecs.conditional.coefficient_order import CoefficientOrder, Index
from mediacodec.codecs.conditional.conditioning import Floats
from mediacodec.codecs.conditional.frame_syntax import ScaleIndex
from mediacodec.codecs.conditional.networks import Kind, Networks
from mediacodec.codecs.conditional.rate_distortion import Errors, block_errors, rate_lambda, zero_bits
from mediacodec.codecs.conditional.rdo_quantization import quantise
from mediacodec.codecs.conditional.skip_decision import keep_cells, paste
from mediacodec.codecs.conditional.tables import ConditionalTables
from mediacodec.entropy_coding.signed_golomb import Int32s
from mediacodec.video_coding.motion.skip_map import SkipMap


class PassCoder:
    """Runs coding passes of one stream.

    Args:
        networks: of the model.
        tables: of the model.
        order: which coefficients are coded when.
    """

    def __init__(self, networks: Networks, tables: ConditionalTables, order: CoefficientOrder) -> None:
        self._networks, self._tables, self._order = networks, tables, order

    def run(self, target: EncodeTarget, skip: SkipMap | None) -> CodingPass:
        """Quantize and reconstruct.

        Args:
            target: what is to be coded.
            skip: blocks to leave as predicted, bool [h, w]; None in keyframes.
        """
        networks, conditioning = self._networks, target.conditioning
        kind: Kind = "inter" if conditioning.inter else "key"
        latent, quality = target.latent.reshape(-1), conditioning.quality
        limit = self._tables.settings.hyper_limit
        hyper = np.clip(np.rint(target.hyper[0]), -limit, limit).astype(np.int8)
        hyper *= self._order.coded_cells(skip)
        prior = networks.prior(kind, hyper, conditioning.memory, quality)
        symbols = np.zeros(prior.scale_index.shape, np.int32)
        flat = symbols.reshape(-1)
        places = self._order.coded(prior.scale_index, skip, second=False)
        flat[places] = self._quantised(target, latent[places], prior.scale_index, places)
        first = symbols.astype(np.float32)
        mean = networks.worker.start(lambda: networks.conditional_mean(conditioning, first))
        index_second = networks.prior_second(kind, prior, first, quality)
        conditional_mean = mean.result()
        places = self._order.coded(index_second, skip, second=True)
        values = latent[places] - conditional_mean.reshape(-1)[places]
        flat[places] = self._quantised(target, values, index_second, places)
        scale_index = np.where(self._order.first_pass, prior.scale_index, index_second)
        both = symbols.astype(np.float32)
        reconstruction = networks.synthesise(conditioning, both, conditional_mean, skip)
        memory = networks.worker.start(lambda: networks.update_memory(kind, prior, both, quality))
        return CodingPass(hyper, symbols, scale_index, conditional_mean, skip, memory, reconstruction)

    def with_skips(self, target: EncodeTarget, coded: CodingPass) -> tuple[CodingPass, SkipMap | None]:
        """The pass with every block skipped that is better so, as far as its hyper-latents allow.

        Symbols and tables stay: a block without symbols gives the others no information, whether it is skipped or not.

        Args:
            target: what was to be coded.
            coded: the outcome.

        Returns:
            The pass; and all that should be skipped, where hyper-latents stand in the way of that, else None.
        """
        assert coded.skip is not None
        assert target.conditioning.predicted is not None
        delta = self._skip_delta(target, coded)
        wanted = skip = coded.skip | (delta < 0)
        if not wanted.all():
            skip = keep_cells(wanted, delta, coded.hyper, coded.skip)
        planes = paste(coded.reconstruction.planes, target.conditioning.predicted, skip & ~coded.skip)
        settled = replace(coded, skip=skip, reconstruction=replace(coded.reconstruction, planes=planes))
        return settled, None if skip is wanted else wanted

    def _quantised(self, target: EncodeTarget, values: Floats, scale_index: ScaleIndex, places: Index) -> Int32s:
        weight = (target.weight / target.conditioning.step_factors[0, 0] ** 2).reshape(-1)
        rows = self._order.rows(scale_index, places)
        return quantise(values, rows, self._tables.costs, weight=weight[places % len(weight)])

    def _skip_delta(self, target: EncodeTarget, coded: CodingPass) -> Errors:
        """The RD-cost delta of skipping each block, in squared error: below 0 where that is the better bargain, [h, w].

        Blocks with a symbol cannot be skipped: infinite.
        """
        assert target.skip_errors is not None
        delta = target.skip_errors - block_errors(target.planes, coded.reconstruction.planes)
        delta -= rate_lambda(target.conditioning.level) * target.weight * zero_bits(coded.scale_index, self._tables)
        delta[coded.symbols[0].any(axis=0)] = np.inf
        return delta
