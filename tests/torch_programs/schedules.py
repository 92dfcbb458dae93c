"""The learning rates of schedules, and a training whose rate warms up and restarts."""

import numpy as np
import torch
from torch import nn, optim
from torch.optim.lr_scheduler import (
    CosineAnnealingLR,
    CosineAnnealingWarmRestarts,
    CyclicLR,
    ExponentialLR,
    LambdaLR,
    LinearLR,
    MultiplicativeLR,
    MultiStepLR,
    OneCycleLR,
    PolynomialLR,
    SequentialLR,
    StepLR,
)

losses = []


def rates(make, steps=12, lr=0.1):
    parameter = torch.zeros(1, requires_grad=True)
    optimizer = optim.SGD([parameter], lr=lr, momentum=0.9)
    scheduler = make(optimizer)
    for _ in range(steps):
        optimizer.step()
        losses.append(optimizer.param_groups[0]["lr"])
        scheduler.step()


rates(lambda o: StepLR(o, step_size=4, gamma=0.5))
rates(lambda o: MultiStepLR(o, milestones=[3, 7], gamma=0.1))
rates(lambda o: ExponentialLR(o, 0.9))
rates(lambda o: LambdaLR(o, lr_lambda=lambda epoch: 1 / (1 + epoch)))
rates(lambda o: MultiplicativeLR(o, lr_lambda=lambda epoch: 0.95))
rates(lambda o: CosineAnnealingLR(o, T_max=10))
rates(lambda o: CosineAnnealingWarmRestarts(o, T_0=3, T_mult=2, eta_min=0.001))
rates(lambda o: LinearLR(o, start_factor=0.25, total_iters=4))
rates(lambda o: PolynomialLR(o, total_iters=8, power=2.0))
rates(lambda o: CyclicLR(o, base_lr=0.01, max_lr=0.1, step_size_up=3))
rates(lambda o: OneCycleLR(o, max_lr=0.1, total_steps=12, pct_start=0.25))
rates(
    lambda o: SequentialLR(
        o, [LinearLR(o, 0.1, total_iters=3), ExponentialLR(o, 0.8)], milestones=[3]
    )
)

rng = np.random.default_rng(15)
x = torch.tensor(rng.normal(size=(20, 3)), dtype=torch.float32)
y = (x.sum(dim=1, keepdim=True) > 0).float()
for make in (optim.NAdam, optim.RAdam, optim.Adadelta, optim.Rprop):
    model = nn.Linear(3, 1)
    nn.init.constant_(model.weight, 0.1)
    nn.init.zeros_(model.bias)
    optimizer = make(model.parameters(), lr=0.05)
    scheduler = CosineAnnealingWarmRestarts(optimizer, T_0=4)
    for _ in range(8):
        optimizer.zero_grad()
        loss = nn.functional.binary_cross_entropy_with_logits(model(x), y)
        loss.backward()
        optimizer.step()
        scheduler.step()
        losses.append(loss.item())
