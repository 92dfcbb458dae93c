"""Save a training to a file, go on from it in a new model, keep the best: early stopping."""

import copy
import os
import tempfile

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F

from numpy_start import start


class TheModelClass(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv1d(2, 4, 3)
        self.pool = nn.MaxPool1d(2, 2)
        self.fc1 = nn.Linear(4 * 4, 1)
        self.register_buffer("steps", torch.tensor(0))

    def forward(self, x):
        self.steps += 1
        x = self.pool(F.relu(self.conv1(x)))
        return self.fc1(x.reshape(-1, 4 * 4))


rng = np.random.default_rng(12)
x = torch.from_numpy(rng.normal(size=(24, 2, 10)).astype(np.float32))
y = x[:, 0].mean(dim=1, keepdim=True) - x[:, 1].amax(dim=1, keepdim=True)

model = start(TheModelClass())
optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
scheduler = torch.optim.lr_scheduler.ExponentialLR(optimizer, gamma=0.9)
losses = []


def train(model, optimizer, scheduler, epochs):
    for _ in range(epochs):
        optimizer.zero_grad()
        loss = F.smooth_l1_loss(model(x), y)
        loss.backward()
        optimizer.step()
        scheduler.step()
        losses.append(loss.item())
    return loss


loss = train(model, optimizer, scheduler, 4)
folder = tempfile.mkdtemp()
PATH = os.path.join(folder, "model.tar")
torch.save(
    {
        "epoch": 4,
        "model_state_dict": model.state_dict(),
        "optimizer_state_dict": optimizer.state_dict(),
        "scheduler_state_dict": scheduler.state_dict(),
        "loss": loss.item(),
    },
    PATH,
)
train(model, optimizer, scheduler, 3)

model = TheModelClass()
optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
scheduler = torch.optim.lr_scheduler.ExponentialLR(optimizer, gamma=0.9)
checkpoint = torch.load(PATH, weights_only=True, map_location="cpu")
model.load_state_dict(checkpoint["model_state_dict"])
optimizer.load_state_dict(checkpoint["optimizer_state_dict"])
scheduler.load_state_dict(checkpoint["scheduler_state_dict"])
losses += [checkpoint["epoch"], checkpoint["loss"], model.steps.item()]
model.train()
train(model, optimizer, scheduler, 3)
assert losses[-3:] == losses[4:7]

best, patience, wait, best_state = float("inf"), 2, 0, None
for epoch in range(20):
    train(model, optimizer, scheduler, 1)
    model.eval()
    with torch.inference_mode():
        validation = F.l1_loss(model(x[:8]), y[:8]).item()
    model.train()
    if validation < best:
        best, wait, best_state = validation, 0, copy.deepcopy(model.state_dict())
    else:
        wait += 1
        if wait >= patience:
            break
torch.save(best_state, os.path.join(folder, "weights.pt"))
best_model = TheModelClass()
best_model.load_state_dict(torch.load(os.path.join(folder, "weights.pt"), weights_only=True))
best_model.eval()
losses += [epoch, best, F.l1_loss(best_model(x[:8]), y[:8]).item()]
for param_tensor in best_model.state_dict():
    print(param_tensor, "\t", best_model.state_dict()[param_tensor].size())
