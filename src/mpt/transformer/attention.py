"""Which keys tokens see, and attention block by block.

Tokens are in the order of their frames, and a token sees the keys of a run of frames about its own. So the
tokens of a few frames see keys of few frames more; the other weights need not be computed.

Training, where gradients are recorded, goes block by block, or on one processor thread by compiled kernels
(compiled_attention.py). Tracking goes through one mask: it encodes few frames at a time anyway. So do the
passes whose operations are counted, which is attention as it is commonly written.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
import torch

# Of fewer keys, torch's own attention is as fast as the kernels.
_FEWEST_KEYS = 64
# Fewer frames are more calls, more frames more pairs of tokens that are masked.
_FRAMES_OF_A_BLOCK = 32


class Block(NamedTuple):
    """A run of tokens, a run of keys with all that they see, and a mask (tokens, keys); None: all is seen."""

    tokens: slice
    keys: slice
    mask: torch.Tensor | None


@dataclass(frozen=True)
class Sight:
    """Tokens see the keys from `back` frames before their own to `ahead` frames after it.

    times (L,) are the frames of the tokens, which are equally many in each of `frames`; key_times (keys,) and
    key_frames the same of the keys.
    """

    times: torch.Tensor
    frames: range
    key_times: torch.Tensor
    key_frames: range
    back: int
    ahead: int = 0

    @cached_property
    def mask(self) -> torch.Tensor | None:
        """Whether a token sees a key (L, keys); None: the future too is seen, and all of it."""
        all_seen = self._sees_all(self.frames, self.key_frames)
        return None if self.ahead and all_seen else self._seen(slice(None), slice(None))

    @cached_property
    def runs(self) -> np.ndarray:
        """The first of the keys that each token sees, and the one after the last: (L, 2)."""
        frames = np.array(self.frames)
        first = np.maximum(frames - self.back, self.key_frames.start)
        end = np.minimum(frames + self.ahead + 1, self.key_frames.stop)
        particles = len(self.times) // len(frames)
        runs = (np.stack([first, end], 1) - self.key_frames.start) * particles
        return runs.repeat(particles, 0)

    @cached_property
    def blocks(self) -> list[Block]:
        """The tokens in blocks, in order."""
        if self._sees_all(self.frames, self.key_frames):
            return [Block(slice(None), slice(None), None)]
        particles = len(self.times) // len(self.frames)
        blocks = []
        for begin in range(0, len(self.frames), _FRAMES_OF_A_BLOCK):
            frames = self.frames[begin : begin + _FRAMES_OF_A_BLOCK]
            first = max(self.key_frames.start, frames[0] - self.back)
            seen = range(first, min(self.key_frames.stop, frames[-1] + self.ahead + 1))
            tokens, keys = (
                slice((run[0] - whole[0]) * particles, (run[-1] + 1 - whole[0]) * particles)
                for run, whole in ((frames, self.frames), (seen, self.key_frames))
            )
            blocks.append(
                Block(tokens, keys, None if self._sees_all(frames, seen) else self._seen(tokens, keys))
            )
        return blocks

    def _sees_all(self, frames: range, key_frames: range) -> bool:
        return key_frames[0] >= frames[-1] - self.back and key_frames[-1] <= frames[0] + self.ahead

    def _seen(self, tokens: slice, keys: slice) -> torch.Tensor:
        age = self.times[tokens, None] - self.key_times[keys]
        return (age >= -self.ahead) & (age <= self.back)


def attend_in_blocks(attend: Callable, blocks: list[Block], queries, keys, values) -> torch.Tensor:
    """Return attend(queries, keys, values, mask) (..., L, n) of all tokens, joined from that of each block.

    queries (..., L, m), keys (..., K, m), values (..., K, n).
    """
    parts = [
        attend(queries[..., tokens, :], keys[..., near, :], values[..., near, :], mask)
        for tokens, near, mask in blocks
    ]
    return torch.cat(parts, -2)


def suits_kernels(keys: torch.Tensor) -> bool:
    """Tell whether attention to keys (S, K, ·) is possible by compiled kernels, and fastest."""
    single = keys.device.type == "cpu" and keys.dtype == torch.float32
    return single and keys.shape[1] >= _FEWEST_KEYS and torch.get_num_threads() == 1


def attend_by_kernels(queries, keys, values, heads: int, seen: Sight, scale: float) -> torch.Tensor:
    """As compiled_attention.attend, of tokens that see what `seen` says."""
    # Numba is imported where it serves: that takes a fifth of a second.
    from mpt.transformer.compiled_attention import attend

    return attend(queries, keys, values, heads, seen.runs, scale)
