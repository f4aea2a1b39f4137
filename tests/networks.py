"""Small networks of either kind, and scenes for them: what the tests of networks share."""

import torch

from mpt.transformer.network import Architecture, Network
from mpt.transformer.networks import GEOMETRIC, NETWORKS, PLAIN, make_network

FRAMES, SEQUENCES = 7, 3
SIZES = {"dimension": 8, "heads": 2, "encoder_layers": 2, "decoder_layers": 2, "feedforward": 12}
OWN_SIZES = {
    GEOMETRIC: {"pointers": 2, "without": "nothing"},
    PLAIN: {"head": "displacement", "time_embedding": "learned"},
}


def architecture(
    kind: str, particles: int = 2, encoder_lookback: int = 4, decoder_lookback: int = 3, **changes
) -> Architecture:
    """Return the architecture of a small network of this kind, with any other sizes changed."""
    lookbacks = {"encoder_lookback": encoder_lookback, "decoder_lookback": decoder_lookback}
    sizes = {"particles": particles, "frames": FRAMES, **lookbacks, **SIZES, **OWN_SIZES[kind], **changes}
    return NETWORKS[kind].Architecture(**sizes)


def scattered(size: Architecture, replicates: int = 1, seed: int = 0) -> Network:
    """Return a network of which every parameter is far from where it is initialised."""
    network = make_network(size, replicates, seed)
    generator = torch.Generator().manual_seed(100 + seed)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter += 0.3 * torch.randn(parameter.shape, generator=generator)
        network.length_scale.uniform_(0.5, 2.0, generator=generator)
    return network


def make_scene(particles: int = 2, replicates: int = 1, seed: int = 0, frames: int = FRAMES):
    """Return positions z (R, B, T, N, 2) and starts (R, B, N, 2), all within a few units of each other."""
    generator = torch.Generator().manual_seed(seed)
    shape = (replicates, SEQUENCES, frames, particles, 2)
    z = 2 * torch.randn(shape, generator=generator, dtype=torch.float64)
    start = 2 * torch.randn((*shape[:2], particles, 2), generator=generator, dtype=torch.float64)
    return z + 5, start + 5
