"""Three classes of points in the plane: an MLP, mini-batches, accuracy on a test set."""

import numpy as np
import torch
import torch.nn as nn
import torch.optim as optim
from torch.utils.data import DataLoader, TensorDataset

from numpy_start import start

torch.manual_seed(0)
device = torch.device("cuda" if torch.cuda.is_available() else "cpu")

rng = np.random.default_rng(1)
labels = rng.integers(0, 3, 240)
points = rng.normal(size=(240, 2)) + 2.0 * np.stack([np.cos(2 * labels), np.sin(2 * labels)], 1)
X = torch.tensor(points, dtype=torch.float32)
y = torch.from_numpy(labels).long()
train_loader = DataLoader(
    TensorDataset(X[:180], y[:180]), batch_size=32, shuffle=False, num_workers=0, pin_memory=False
)
test_loader = DataLoader(TensorDataset(X[180:], y[180:]), batch_size=60)


class Net(nn.Module):
    def __init__(self, inputs, hidden, classes):
        super().__init__()
        self.fc1 = nn.Linear(inputs, hidden)
        self.fc2 = nn.Linear(hidden, hidden)
        self.out = nn.Linear(hidden, classes)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x):
        x = self.relu(self.fc1(x))
        x = torch.tanh(self.fc2(x))
        return self.out(x)


model = start(Net(2, 16, 3)).to(device)
criterion = nn.CrossEntropyLoss()
optimizer = optim.SGD(model.parameters(), lr=0.1, momentum=0.9, weight_decay=1e-4)

losses = []
for epoch in range(5):
    model.train()
    running_loss = 0.0
    for i, (inputs, targets) in enumerate(train_loader, 0):
        inputs, targets = inputs.to(device), targets.to(device)
        optimizer.zero_grad()
        outputs = model(inputs)
        loss = criterion(outputs, targets)
        loss.backward()
        optimizer.step()
        running_loss += loss.item() * inputs.size(0)
    losses.append(running_loss / len(train_loader.dataset))

    model.eval()
    correct = total = 0
    with torch.no_grad():
        for inputs, targets in test_loader:
            outputs = model(inputs.to(device, non_blocking=True))
            _, predicted = torch.max(outputs.data, 1)
            total += targets.size(0)
            correct += (predicted == targets).sum().item()
    losses.append(correct / total)
    print(f"epoch {epoch + 1}: loss {losses[-2]:.4f}, accuracy {100 * correct / total:.1f} %")

print(f"{sum(p.numel() for p in model.parameters() if p.requires_grad)} parameters")
