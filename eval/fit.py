"""The training loop that the classifier, the patch classifier and the realness student share."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn


def fit(
    module: nn.Module,
    steps: int,
    loss_of_step: Callable[[], Tensor],
    *,
    learning_rate: float,
    weight_decay: float,
    warm_up: float | None = None,
    advance: Callable[..., None] = lambda *args, **kwargs: None,
) -> None:
    """`steps` of AdamW on what `loss_of_step` gives (it draws its own batch).

    With `warm_up` (a share of the steps) the rate follows one cycle, else it stays.
    """
    optimiser = torch.optim.AdamW(_trained(module), lr=learning_rate, weight_decay=weight_decay)
    schedule = (
        None
        if warm_up is None
        else torch.optim.lr_scheduler.OneCycleLR(
            optimiser, learning_rate, total_steps=steps + 1, pct_start=warm_up
        )
    )
    for _ in range(steps):
        loss = loss_of_step()
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        if schedule is not None:
            schedule.step()
        advance()


def _trained(module: nn.Module) -> Iterable[nn.Parameter]:
    return (parameter for parameter in module.parameters() if parameter.requires_grad)
