"""An optimizer, a schedule, a layer, a loss and a sampler of one's own."""

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.optim.lr_scheduler import _LRScheduler
from torch.utils.data import DataLoader, Sampler, TensorDataset

from numpy_start import start


class MySGD(torch.optim.Optimizer):
    def __init__(self, params, lr=1e-2, momentum=0.9):
        if lr < 0.0:
            raise ValueError(f"Invalid learning rate: {lr}")
        super().__init__(params, dict(lr=lr, momentum=momentum))

    @torch.no_grad()
    def step(self, closure=None):
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is None:
                    continue
                state = self.state[p]
                if len(state) == 0:
                    state["step"] = 0
                    state["buffer"] = torch.zeros_like(p)
                state["step"] += 1
                state["buffer"].mul_(group["momentum"]).add_(p.grad)
                p.add_(state["buffer"], alpha=-group["lr"])
        return loss


class PolyLR(_LRScheduler):
    def __init__(self, optimizer, total, power=2, last_epoch=-1):
        self.total = total
        self.power = power
        super().__init__(optimizer, last_epoch)

    def get_lr(self):
        factor = (1 - self.last_epoch / self.total) ** self.power
        return [base_lr * factor for base_lr in self.base_lrs]


class MaskedLinear(nn.Linear):
    def __init__(self, in_features, out_features, bias=True):
        super().__init__(in_features, out_features, bias)
        self.register_buffer("mask", torch.ones(out_features, in_features))
        self.reset_mask()

    def reset_mask(self):
        self.mask.copy_(torch.tril(self.mask))

    def forward(self, input):
        return F.linear(input, self.weight * self.mask, self.bias)


class FocalLoss(nn.Module):
    def __init__(self, gamma=2.0):
        super().__init__()
        self.gamma = gamma

    def forward(self, logits, targets):
        bce = F.binary_cross_entropy_with_logits(logits, targets, reduction="none")
        pt = torch.exp(-bce)
        return ((1 - pt) ** self.gamma * bce).mean()


class EveryOther(Sampler):
    def __init__(self, data_source):
        self.data_source = data_source

    def __iter__(self):
        return iter(list(range(0, len(self.data_source), 2)))

    def __len__(self):
        return (len(self.data_source) + 1) // 2


rng = np.random.default_rng(21)
X = torch.tensor(rng.normal(size=(40, 4)), dtype=torch.float)
y = (X[:, :1] - X[:, 1:2] > 0).float()
dataset = TensorDataset(X, y)
loader = DataLoader(dataset, batch_size=5, sampler=EveryOther(dataset))

model = start(nn.Sequential(MaskedLinear(4, 4), nn.Tanh(), nn.Linear(4, 1)))
optimizer = MySGD(model.parameters(), lr=0.2)
scheduler = PolyLR(optimizer, total=20)
criterion = FocalLoss()
losses = []
for epoch in range(4):
    for xb, yb in loader:

        def closure():
            optimizer.zero_grad()
            loss = criterion(model(xb), yb)
            loss.backward()
            return loss

        losses.append(optimizer.step(closure).item())
        scheduler.step()
    losses.append(scheduler.get_last_lr()[0])
    if epoch == 1:
        state = optimizer.state_dict()
        optimizer = MySGD(model.parameters(), lr=0.1)
        optimizer.load_state_dict(state)
        scheduler.optimizer = optimizer
losses += [optimizer.state[p]["step"] for p in model.parameters()]
