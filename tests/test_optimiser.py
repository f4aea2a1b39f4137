"""AdamW by the function, against torch's class."""

import subprocess
import sys

import pytest
import torch

from conftest import SOURCES
from mpt.transformer.optimiser import AdamW

BETAS, WEIGHT_DECAY = (0.9, 0.98), 0.03
SHAPES = [(3, 4), (5,), (2, 2, 2)]


def parameters(dtype):
    generator = torch.Generator().manual_seed(1)
    return [torch.nn.Parameter(torch.randn(shape, generator=generator, dtype=dtype)) for shape in SHAPES]


def descend(optimiser, moved, steps, rate_of):
    for number in steps:
        optimiser.zero_grad()
        sum((parameter - number).pow(4).sum() for parameter in moved).backward()
        rate_of(number)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_steps_are_those_of_torchs_class(dtype):
    moved, expected = parameters(dtype), parameters(dtype)
    ours = AdamW(moved, BETAS, WEIGHT_DECAY)
    theirs = torch.optim.AdamW(expected, lr=1.0, betas=BETAS, weight_decay=WEIGHT_DECAY, fused=True)

    def step(number):
        theirs.param_groups[0]["lr"] = 0.1 / (1 + number)
        theirs.step()

    descend(ours, moved, range(7), lambda number: ours.step(0.1 / (1 + number)))
    descend(theirs, expected, range(7), step)
    assert all(map(torch.equal, moved, expected))
    assert not torch.equal(moved[0], parameters(dtype)[0])


def test_it_goes_on_from_a_state():
    whole, halves = parameters(torch.float32), parameters(torch.float32)
    first = AdamW(whole, BETAS, WEIGHT_DECAY)
    descend(first, whole, range(6), lambda number: first.step(0.1))
    begun = AdamW(halves, BETAS, WEIGHT_DECAY)
    descend(begun, halves, range(3), lambda number: begun.step(0.1))
    resumed = AdamW(halves, BETAS, WEIGHT_DECAY)
    resumed.load_state_dict(begun.state_dict())
    descend(resumed, halves, range(3, 6), lambda number: resumed.step(0.1))
    assert all(map(torch.equal, whole, halves))


def test_nothing_of_torchs_compiler_is_imported():
    """Neither by the optimiser nor by what makes torch deterministic: that took longer than most jobs."""
    program = f"""
import sys
sys.path.insert(0, {str(SOURCES)!r})
import torch
from mpt.transformer.devices import set_up
from mpt.transformer.optimiser import AdamW
set_up("cpu", 1)
parameter = torch.nn.Parameter(torch.ones(2))
optimiser = AdamW([parameter], (0.9, 0.98), 0.01)
parameter.sum().backward()
optimiser.step(0.1)
assert torch.are_deterministic_algorithms_enabled()
assert "torch._dynamo" not in sys.modules and "torch._inductor" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", program], check=True)
