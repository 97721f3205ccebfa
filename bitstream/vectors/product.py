"""The product's packet coders, as the makers of packet vectors and the tests use them: the only file that names them.

What `*_read` and `read` return are the integers of packets in the terms of vectors (codecs/README.md).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import formulas
import numpy as np
from arrays import Array

from mediacodec.audio_coding.codebook_settings import CodebookSettings
from mediacodec.codecs.conditional.coefficient_order import CoefficientOrder
from mediacodec.codecs.conditional.conditioning import empty_memory
from mediacodec.codecs.conditional.entropy_state import EntropyState
from mediacodec.codecs.conditional.frame_syntax import INTER, FrameHead, FrameSyntax
from mediacodec.codecs.conditional.frame_walk import FrameWalk
from mediacodec.codecs.conditional.networks import Kind, Networks, PriorOutput
from mediacodec.codecs.conditional.packet import pack_frame, parse_frame
from mediacodec.codecs.conditional.settings import ConditionalSettings, FrameGeometry
from mediacodec.codecs.conditional.tables import ConditionalTables
from mediacodec.codecs.inr.decoder import InrDecoder
from mediacodec.codecs.inr.network import Network
from mediacodec.codecs.inr.packet import CodedGroup, pack_group
from mediacodec.codecs.inr.packet import pack_frame as pack_embedding
from mediacodec.codecs.inr.settings import InrTables
from mediacodec.codecs.inr.tensors import TensorCoding, weight_blocks
from mediacodec.codecs.overfit.latents import LatentGrids
from mediacodec.codecs.overfit.packet import INTER as OVERFIT_INTER
from mediacodec.codecs.overfit.packet import OverfitFrame, OverfitFrameCoder, ReferenceFrame
from mediacodec.codecs.overfit.settings import OverfitGeometry, OverfitModel
from mediacodec.codecs.overfit.weight_updates import WeightUpdate
from mediacodec.codecs.rvq.entropy import open_entropy
from mediacodec.codecs.rvq.packet import RvqCodeReader
from mediacodec.codecs.segment.packet import HEAD, SegmentCodeReader
from mediacodec.codecs.segment.packet import symbols as segment_symbols
from mediacodec.codecs.segment.settings import SegmentSettings
from mediacodec.entropy_coding.code_tables import encode_codes
from mediacodec.manifest import Manifest
from mediacodec.video_coding.adaptive_quantization import inherit_offsets
from mediacodec.video_coding.concealment import is_inter
from mediacodec.video_coding.motion.compensate import compensate
from mediacodec_bitstream import Packet, StreamHeader, seal, symbol_crc

# rvq1


def rvq_packed(
    model: Manifest, codes: Array, *, crc_size: int, context: bool = False, most: int | None = None
) -> bytes:
    """most: the number of codebooks that a counted packet's number is of."""
    settings = CodebookSettings(model)
    entropy = open_entropy("context" if context else "static", model, settings)
    return seal(entropy.encode(codes.astype(np.uint16), max_codebooks=most), symbol_crc(codes), crc_size)


def rvq_read(model: Manifest, header: StreamHeader, packets: list[Packet]) -> list[dict[str, Any]]:
    reader = RvqCodeReader(model, header)
    return [{"codes": reader.read(packet)} for packet in packets]


# sgmt


def segment_packed(model: Manifest, segments: list[tuple[Array, float]], *, crc_size: int) -> bytes:
    settings = SegmentSettings(model)
    heads = b"".join(HEAD.pack(settings.segment_frames - codes.shape[1], scale) for codes, scale in segments)
    codes = np.concatenate([codes for codes, _ in segments], axis=1).astype(np.uint16)
    coded = encode_codes(codes, settings.tables(model))
    return seal(heads + coded, symbol_crc(segment_symbols(heads, codes)), crc_size)


def segment_read(model: Manifest, header: StreamHeader, packets: list[Packet]) -> list[dict[str, Any]]:
    reader = SegmentCodeReader(model, header)
    found = [reader.segments(packet) for packet in packets]
    return [{"codes": [s.codes for s in segments], "loudness": [s.scale for s in segments]} for segments in found]


# cond


class FormulaNetworks(Networks):
    """The integer networks are the formulas of `formulas.NETWORKS`; there are no others."""

    def __init__(self) -> None:
        pass  # nothing is loaded

    def prior(self, _kind: Kind, hyper: Array, memory: Array, quality: Array) -> PriorOutput:
        index, hidden, inputs = formulas.prior_first(hyper.astype(np.float32), memory[0], int(quality[0]))
        return PriorOutput(index[None], hidden[None], inputs[None])

    def prior_second(self, _kind: Kind, prior: PriorOutput, symbols: Array, _quality: Array) -> Array:
        return formulas.prior_second(symbols[0], prior.hidden[0])[None]

    def update_memory(self, _kind: Kind, prior: PriorOutput, symbols: Array, _quality: Array) -> Array:
        return formulas.memory_update(symbols[0], prior.inputs[0])[None]


class ConditionalStream:
    """Frames one after the other, each with what the one before left."""

    def __init__(self, model: Manifest, width: int, height: int) -> None:
        self.settings = ConditionalSettings(model)
        self.geometry = FrameGeometry(width, height, self.settings.block)
        self.order = CoefficientOrder(self.settings, self.geometry)
        self.walk = FrameWalk(ConditionalTables(model, self.settings), self.order)
        self.networks = FormulaNetworks()
        self.previous: EntropyState | None = None

    def pack(self, frame: dict[str, Any]) -> bytes:
        """frame: quality, inter, refresh, filter, motion, skip, levels, and hyper and symbols where something is coded;
        symbols where the scale index is 0 count as 0."""
        head = FrameHead(frame["quality"], frame["inter"], frame["refresh"])
        motion, skip = frame.get("motion"), frame.get("skip")
        syntax = FrameSyntax(head, frame["levels"].astype(np.int8), frame["filter"], motion, skip)
        if "hyper" in frame:
            syntax = self._with_coefficients(syntax, frame["hyper"], frame["symbols"])
        return pack_frame(syntax, self.previous, self.walk)

    def _with_coefficients(self, syntax: FrameSyntax, hyper: Array, symbols: Array) -> FrameSyntax:
        kind: Kind = "inter" if syntax.head.inter else "key"
        left = self.previous if syntax.head.inter else None
        memory = empty_memory(self.settings, self.geometry) if left is None else left.memory
        quality = np.array([syntax.head.quality], np.int64)
        hyper = (hyper * self.order.coded_cells(syntax.skip)).astype(np.int8)
        prior = self.networks.prior(kind, hyper, memory, quality)
        coded = np.zeros(prior.scale_index.shape, np.int32)
        places = self.order.coded(prior.scale_index, syntax.skip, second=False)
        coded.flat[places] = symbols.flat[places]
        index = self.networks.prior_second(kind, prior, coded.astype(np.float32), quality)
        places = self.order.coded(index, syntax.skip, second=True)
        coded.flat[places] = symbols.flat[places]
        index = np.where(self.order.first_pass, prior.scale_index, index)
        return replace(syntax, hyper=hyper, symbols=coded, scale_index=index)

    def inherited(self, motion: Array) -> Array:
        """The levels that a frame has unless it says others."""
        assert self.previous is not None
        return inherit_offsets(self.previous.aq_offsets, motion)

    def read(self, packet: Packet) -> dict[str, Any]:
        is_inter(packet, INTER)  # as its chunk says
        parsed = parse_frame(packet.data, self.previous, self.walk, self.networks)
        self.previous, found = parsed.entropy, parsed.syntax
        result = {
            "quality": found.head.quality, "inter": found.head.inter, "refresh": found.head.refresh,
            "filter": found.filter_id, "motion": found.motion,
            "skip": None if found.skip is None else found.skip.astype(np.uint8),
            "levels": found.aq_offsets, "hyper": found.hyper, "memory": parsed.entropy.memory[0].astype(np.int64),
            "symbols": None if found.symbols is None else found.symbols[0],
            "index": None if found.scale_index is None else found.scale_index[0],
        }  # fmt: skip
        return {name: value for name, value in result.items() if value is not None}


def moved(planes: list[Array], motion: Array, filter_id: int) -> list[Array]:
    """Motion compensation."""
    y, u, v = planes
    return list(compensate((y, u, v), motion, filter_id=filter_id))


# inr1


def inr_network(sizes: dict[str, Any], stream: dict[str, Any]) -> Network:
    return Network(sizes["architecture"], stream["height"], stream["width"], sizes["group"], sizes["embedding"],
                   tuple(sizes["strides"]), tuple(sizes["widths"]))  # fmt: skip


def inr_parts(network: Network) -> list[tuple[tuple[str, ...], int]]:
    return [(part.names, part.size) for part in weight_blocks(network)]


def inr_packed(
    model: Manifest,
    network: Network,
    group: dict[str, Any],
    embedding: Array,
    *,
    place: int = 0,
    key: bool = True,
    back: int = 0,
) -> bytes:
    """group: number, `weights` (an array a part), `codings` and `channels` (row or None, step, centre)."""
    codings, channels = ([TensorCoding(*entry) for entry in group[name]] for name in ("codings", "channels"))
    values = [array.astype(np.int32) for array in group["weights"]]
    coded, tables = CodedGroup(network, values, codings, channels), InrTables(model)
    if place:
        return pack_embedding(coded, group["number"], place, embedding.astype(np.int32), tables)
    return pack_group(coded, group["number"], embedding.astype(np.int32), tables, key=key, distance=back)


class InrStream:
    """Packets in any order, as the decoder takes them."""

    def __init__(self, model: Manifest, header: StreamHeader) -> None:
        self.decoder = InrDecoder(model, header)

    def read(self, packet: Packet) -> dict[str, Any] | None:
        """None where its group is lost."""
        found = self.decoder._read(packet)
        group = self.decoder._group
        if found is None or group is None:
            return None
        coded, (embedding, place) = group.coded, found
        planes = group.synthesis.frame(coded.embedding(embedding), place)
        result = {"embedding": embedding, "place": place, "planes": list(planes)}
        if packet.data[0] & 3 == 0:  # a frame of a group that came before
            return result
        weights = [
            (", ".join(part.names), values)
            for part, values in zip(weight_blocks(coded.network), coded.values, strict=True)
        ]
        return result | {"weights": dict(weights)}


# ovft


class OverfitStream:
    """Frames one after the other."""

    def __init__(self, model: Manifest, width: int, height: int) -> None:
        self.size = OverfitGeometry(width, height)
        self.coder, self.before = OverfitFrameCoder(OverfitModel(model), self.size), None

    def pack(self, frame: dict[str, Any]) -> bytes:
        """frame: quality, motion (None in keyframes), luma, chroma and low (grids), updates by tensor."""
        grids = LatentGrids.zeros(self.size)
        for name in ("luma", "chroma", "low"):
            for grid, values in zip(getattr(grids, "lowpass" if name == "low" else name), frame[name], strict=True):
                grid[:] = values
        updates = {
            name: WeightUpdate(values.astype(np.int32), shift, row)
            for name, (values, shift, row) in frame["updates"].items()
        }
        return self.coder.pack(OverfitFrame(frame["quality"], grids, updates, frame["motion"]), self.before)

    def read(self, packet: Packet) -> dict[str, Any]:
        is_inter(packet, OVERFIT_INTER)
        frame = self.coder.unpack(packet.data, self.before)
        self.before: ReferenceFrame | None = self.coder.reconstruct(frame, self.before)
        updates = {name: {"shift": c.shift, "values": c.values} for name, c in frame.updates.items()}
        grids = frame.grids
        result = {
            "quality": frame.quality,
            "updates": updates,
            "luma": grids.luma,
            "chroma": grids.chroma,
            "low": grids.lowpass,
        }
        motion = {} if frame.motion is None else {"motion": frame.motion}
        return result | motion | {"planes": list(self.before.planes)}
