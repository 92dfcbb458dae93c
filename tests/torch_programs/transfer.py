"""Fine-tuning: a trained body is frozen, its head replaced, the body thawed at a lower rate."""

import copy
from collections import OrderedDict

import numpy as np
import torch
import torch.nn as nn
import torch.optim as optim
from torch.optim import lr_scheduler

from numpy_start import start


def body():
    return nn.Sequential(
        OrderedDict(
            [
                ("fc1", nn.Linear(6, 12)),
                ("norm1", nn.BatchNorm1d(12)),
                ("act1", nn.ReLU()),
                ("fc2", nn.Linear(12, 12)),
                ("norm2", nn.LayerNorm(12)),
                ("act2", nn.GELU()),
            ]
        )
    )


class Classifier(nn.Module):
    def __init__(self, classes):
        super().__init__()
        self.features = body()
        self.fc = nn.Linear(12, classes)

    def forward(self, x):
        return self.fc(self.features(x))


rng = np.random.default_rng(11)
X = torch.tensor(rng.normal(size=(80, 6)), dtype=torch.float32)
coarse = (X[:, 0] * X[:, 1] > 0).long()
fine = coarse + (X[:, 2] > 0.5).long()
losses = []


def train(model, optimizer, targets, steps, scheduler=None):
    best_model_wts = copy.deepcopy(model.state_dict())
    best_acc = 0.0
    criterion = nn.CrossEntropyLoss(label_smoothing=0.1)
    for step in range(steps):
        with torch.set_grad_enabled(True):
            outputs = model(X)
            _, preds = torch.max(outputs, 1)
            loss = criterion(outputs, targets)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        if scheduler is not None:
            scheduler.step()
        acc = torch.sum(preds == targets.data).double() / len(X)
        losses.extend([loss.item(), acc.item()])
        if acc > best_acc:
            best_acc = acc
            best_model_wts = copy.deepcopy(model.state_dict())
    model.load_state_dict(best_model_wts)
    return model


pretrained = start(Classifier(2), 1)
train(pretrained, optim.Adagrad(pretrained.parameters(), lr=0.05), coarse, 8)

model_ft = Classifier(3)
weights = {k: v for k, v in pretrained.state_dict().items() if not k.startswith("fc.")}
missing, unexpected = model_ft.load_state_dict(weights, strict=False)
assert missing == ["fc.weight", "fc.bias"] and not unexpected
for param in model_ft.parameters():
    param.requires_grad = False
num_ftrs = model_ft.fc.in_features
model_ft.fc = start(nn.Linear(num_ftrs, 3), 2)
trainable = [name for name, p in model_ft.named_parameters() if p.requires_grad]
assert trainable == ["fc.weight", "fc.bias"]
frozen = model_ft.features.fc1.weight.clone()

optimizer_ft = optim.SGD(
    filter(lambda p: p.requires_grad, model_ft.parameters()), lr=0.1, momentum=0.9, nesterov=True
)
exp_lr_scheduler = lr_scheduler.StepLR(optimizer_ft, step_size=3, gamma=0.1)
train(model_ft, optimizer_ft, fine, 6, exp_lr_scheduler)
assert torch.equal(model_ft.features.fc1.weight, frozen)

for param in model_ft.features.parameters():
    param.requires_grad_(True)
optimizer = optim.Adam(
    [
        {"params": model_ft.features.parameters(), "lr": 1e-3},
        {"params": model_ft.fc.parameters()},
    ],
    lr=1e-2,
    weight_decay=1e-4,
)
scheduler = lr_scheduler.CosineAnnealingLR(optimizer, T_max=6, eta_min=1e-5)
train(model_ft, optimizer, fine, 6, scheduler)
losses += [group["lr"] for group in optimizer.param_groups]
