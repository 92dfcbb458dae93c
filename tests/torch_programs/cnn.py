"""Small images of bars: the convolutional network of PyTorch's MNIST example, in small."""

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
import torch.optim as optim
from torch.optim.lr_scheduler import StepLR

from numpy_start import start


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 6, kernel_size=3, stride=1)
        self.bn1 = nn.BatchNorm2d(6)
        self.conv2 = nn.Conv2d(6, 8, 3, padding=1, bias=False)
        self.dropout1 = nn.Dropout(0.0)
        self.dropout2 = nn.Dropout2d(0.0)
        self.fc1 = nn.Linear(8 * 5 * 5, 16)
        self.fc2 = nn.Linear(16, 2)

    def forward(self, x):
        x = F.relu(self.bn1(self.conv1(x)), inplace=True)
        x = F.relu(self.conv2(x))
        x = F.max_pool2d(x, 2)
        x = self.dropout2(x)
        x = torch.flatten(x, 1)
        x = self.dropout1(F.relu(self.fc1(x)))
        x = self.fc2(x)
        return F.log_softmax(x, dim=1)


def images(rng, n):
    data = 0.3 * rng.normal(size=(n, 1, 12, 12)).astype(np.float32)
    target = rng.integers(0, 2, n)
    for i, upright in enumerate(target):
        place = rng.integers(2, 10)
        if upright:
            data[i, 0, :, place] += 1.0
        else:
            data[i, 0, place, :] += 1.0
    return torch.from_numpy(data), torch.from_numpy(target)


rng = np.random.default_rng(2)
data, target = images(rng, 64)
test_data, test_target = images(rng, 32)

model = start(Net())
optimizer = optim.Adadelta(model.parameters(), lr=2.0)
scheduler = StepLR(optimizer, step_size=1, gamma=0.7)

losses = []
for epoch in range(5):
    model.train()
    for batch_idx in range(4):
        batch = slice(16 * batch_idx, 16 * (batch_idx + 1))
        optimizer.zero_grad(set_to_none=True)
        output = model(data[batch])
        loss = F.nll_loss(output, target[batch])
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    scheduler.step()
    model.eval()
    with torch.no_grad():
        output = model(test_data)
        test_loss = F.nll_loss(output, test_target, reduction="sum").item() / len(test_data)
        pred = output.argmax(dim=1, keepdim=True)
        correct = pred.eq(test_target.view_as(pred)).sum().item()
    losses += [test_loss, correct / len(test_data), scheduler.get_last_lr()[0]]
    print(f"epoch {epoch + 1}: test loss {test_loss:.4f}, {correct} of {len(test_data)} right")
