"""The networks by name."""

from dataclasses import fields

from mpt.transformer import geometric, plain
from mpt.transformer.network import Architecture, Network

PLAIN, GEOMETRIC = "plain", "geometric"
NETWORKS: dict[str, type[Network]] = {PLAIN: plain.Transformer, GEOMETRIC: geometric.Transformer}


def own_sizes(name: str) -> tuple[str, ...]:
    """Return the fields of a network's Architecture that not every network has."""
    shared = {field.name for field in fields(Architecture)}
    return tuple(field.name for field in fields(NETWORKS[name].Architecture) if field.name not in shared)


def make_network(architecture: Architecture, replicates: int, seed: int = 0) -> Network:
    """Return an untrained network of this architecture."""
    kind = next(kind for kind in NETWORKS.values() if type(architecture) is kind.Architecture)
    return kind(architecture, replicates, seed)


def name_of(network: Network) -> str:
    """Return the name of a network's class in NETWORKS."""
    return next(name for name, kind in NETWORKS.items() if type(network) is kind)
