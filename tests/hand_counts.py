"""What the tests share that count by hand: the networks that are counted, and operators they are made of."""

from torch import nn

from mpt.transformer.network import Architecture
from networks import architecture


def counted_architecture(kind: str) -> Architecture:
    """Return the architecture of the network of this kind that is counted."""
    return architecture(kind, encoder_lookback=3, decoder_lookback=2, frames=6, dimension=16, feedforward=24)


class Call(nn.Module):
    """Any function as a module."""

    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, *inputs):
        return self.function(*inputs)


def softmax(rows: int, length: int) -> int:
    """Maximum, subtraction, exponential, sum, division."""
    return rows * ((length - 1) + length + length + (length - 1) + length)


def layer_norm(rows: int, length: int) -> int:
    """Mean; centring; mean of squares; + ε, root, reciprocal; scaling."""
    return rows * ((length - 1) + 1 + length + length + (length - 1) + 1 + 3 + length)
