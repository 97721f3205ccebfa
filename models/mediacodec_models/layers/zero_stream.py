"""Causal convolutions over streams that begin as if zeros had come before, in steps of whole frames, as ONNX nodes.

Where there are few positions and many channels, a convolution over rows [positions, channels] is a product with one
matrix: measured with two positions and 8 million weights, that takes a fifth of the time of a Conv node.
"""

from __future__ import annotations

from mediacodec_models.layers.graph_layers import Conv, GraphLayers


class ZeroStream(GraphLayers):
    """Over the next frames of a stream, padded on the left alone by what came before: zeros at first."""

    def conv(self, x: str, layer: Conv) -> str:
        pad = layer.padding
        if not pad:
            return self._convolved("Conv", x, layer)
        g = self.graph
        history = g.state(1, layer.weight.shape[1], pad)
        x = g.op("Concat", history, x, axis=2)
        g.keep(history, g.cut(x, -pad))
        return self._convolved("Conv", x, layer)

    def transposed(self, x: str, layer: Conv) -> str:
        """With a kernel of two strides: each output comes from two inputs, of which the earlier one is a state."""
        stride = two_strides(layer)
        g = self.graph
        before = g.state(1, layer.weight.shape[0], 1)
        x = g.op("Concat", before, x, axis=2)
        g.keep(before, g.cut(x, -1))
        return g.cut(self._convolved("ConvTranspose", x, layer), stride, -stride)

    def conv_rows(self, x: str, layer: Conv) -> str:
        """[positions * stride, channels] to [positions, channels], with a kernel of whole strides."""
        g = self.graph
        outputs, inputs, kernel = layer.weight.shape
        blocks, rest = divmod(kernel, layer.stride)
        if rest or layer.dilation != 1:
            raise ValueError(f"{layer.name}: not a convolution whose kernel is whole strides")
        x = g.op("Reshape", x, g.ints(-1, layer.stride * inputs))
        if blocks > 1:
            history = g.state(blocks - 1, layer.stride * inputs)
            x = self._beside(g.op("Concat", history, x, axis=0), blocks, history)
        matrix = layer.weight.transpose(2, 1, 0).reshape(-1, outputs)
        bias = g.weight(f"{layer.name}.bias", layer.bias)
        return str(g.op("Add", g.op("MatMul", x, g.weight(f"{layer.name}.weight", matrix)), bias))

    def transposed_rows(self, x: str, layer: Conv) -> str:
        """[positions, channels] to [positions * stride, channels], with a kernel of two strides."""
        g, stride = self.graph, two_strides(layer)
        inputs, outputs, _ = layer.weight.shape
        before = g.state(1, inputs)
        x = self._beside(g.op("Concat", before, x, axis=0), 2, before)
        by_age = layer.weight.reshape(inputs, outputs, 2, stride)[:, :, ::-1]  # the earlier input comes first
        matrix = by_age.transpose(2, 0, 3, 1).reshape(2 * inputs, stride * outputs)
        y = g.op("MatMul", x, g.weight(f"{layer.name}.weight", matrix))
        y = g.op("Reshape", y, g.ints(-1, outputs))
        return str(g.op("Add", y, g.weight(f"{layer.name}.bias", layer.bias)))

    def _beside(self, x: str, count: int, history: str) -> str:
        """Each row with the count - 1 before it on its left; the last ones are kept as `history`."""
        g = self.graph
        g.keep(history, g.cut(x, 1 - count, axis=0))
        shifted = [g.cut(x, i, i + 1 - count if i + 1 < count else None, axis=0) for i in range(count)]
        return str(g.op("Concat", *shifted, axis=1))


def two_strides(layer: Conv) -> int:
    """The stride of a transposed convolution whose kernel is twice as long."""
    if layer.weight.shape[2] != 2 * layer.stride or layer.dilation != 1:
        raise ValueError(f"{layer.name}: not a transposed convolution whose kernel is two strides")
    return layer.stride
