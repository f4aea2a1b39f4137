"""AdamW (Loshchilov and Hutter 2019, arXiv:1711.05101) by torch's function of that name.

torch's class of that name does the same, but imports torch.compile when it is made: most of a second, as long
as a short training takes.
"""

from collections.abc import Iterable

import torch
from torch.optim.adamw import adamw

_EPSILON = 1e-8


class AdamW:
    """Steps of parameters along their gradients; the learning rate is that of each step."""

    def __init__(self, parameters: Iterable[torch.Tensor], betas: tuple[float, float], weight_decay: float):
        """Begin without moments."""
        self._parameters = list(parameters)
        self._betas, self._weight_decay = betas, weight_decay
        self._means, self._squares = (
            [torch.zeros_like(each, requires_grad=False) for each in self._parameters] for _ in range(2)
        )
        self._steps = [torch.zeros((), device=each.device) for each in self._parameters]

    def zero_grad(self) -> None:
        """Forget all gradients."""
        for parameter in self._parameters:
            parameter.grad = None

    @torch.no_grad()
    def step(self, rate: float) -> None:
        """Move all parameters, each of which has a gradient."""
        gradients: list = [parameter.grad for parameter in self._parameters]
        adamw(
            self._parameters,
            gradients,
            self._means,
            self._squares,
            [],
            self._steps,
            fused=True,
            amsgrad=False,
            beta1=self._betas[0],
            beta2=self._betas[1],
            lr=rate,
            weight_decay=self._weight_decay,
            eps=_EPSILON,
            maximize=False,
        )

    def state_dict(self) -> dict[str, list[torch.Tensor]]:
        """Return all that later steps depend on, besides the parameters."""
        return {"means": self._means, "squares": self._squares, "steps": self._steps}

    @torch.no_grad()
    def load_state_dict(self, state: dict[str, list[torch.Tensor]]) -> None:
        """Go on from a state."""
        for name, kept in self.state_dict().items():
            for tensor, value in zip(kept, state[name], strict=True):
                tensor.copy_(value)
