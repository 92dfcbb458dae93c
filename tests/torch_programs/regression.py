"""Linear regression four ways: by hand, with autograd, with nn, with LBFGS."""

import numpy as np
import torch
import torch.nn.functional as F
from torch.autograd import Variable

rng = np.random.default_rng(7)
x_data = rng.uniform(-1, 1, (32, 2)).astype(np.float32)
y_data = x_data @ np.array([[2.0], [-3.4]], np.float32) + 4.2
y_data += 0.01 * rng.standard_normal(y_data.shape).astype(np.float32)
losses = []

# The gradient by hand.
x, y = torch.from_numpy(x_data), torch.from_numpy(y_data)
w, b = torch.zeros(2, 1), torch.zeros(1)
for t in range(5):
    error = torch.mm(x, w) + b - y
    losses.append((error**2).mean().item())
    w -= 0.1 * 2 * x.t().mm(error) / len(x)
    b -= 0.1 * 2 * error.mean(dim=0)

# The same with autograd.
w = torch.zeros((2, 1), requires_grad=True)
b = torch.zeros(1, requires_grad=True)
for t in range(5):
    y_pred = x.matmul(w).add(b)
    loss = (y_pred - y).pow(2).mean()
    loss.backward()
    losses.append(loss.item())
    with torch.no_grad():
        w -= 0.1 * w.grad
        b -= 0.1 * b.grad
        w.grad.zero_()
        b.grad = None

# With nn.Linear, Variable as in old tutorials, and the parameters of a named tuple.
model = torch.nn.Linear(2, 1)
torch.nn.init.zeros_(model.weight)
torch.nn.init.constant_(model.bias, 0.0)
optimizer = torch.optim.SGD(model.parameters(), lr=1e-1)
inputs, targets = Variable(x), Variable(y)
for t in range(5):
    prediction = model(inputs)
    loss = F.mse_loss(prediction, targets)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    losses.append(loss.data.item())
weight, bias = list(model.parameters())
losses += [weight.data.numpy()[0, 0].item(), bias.item(), model.weight.grad.norm().item()]

# All examples at once, with a closure.
torch.nn.init.zeros_(model.weight)
torch.nn.init.zeros_(model.bias)
optimizer = torch.optim.LBFGS(model.parameters(), lr=0.5, max_iter=5)


def closure():
    optimizer.zero_grad()
    loss = F.mse_loss(model(x), y)
    loss.backward()
    return loss


for t in range(2):
    losses.append(float(optimizer.step(closure)))

# A polynomial of the sine, its coefficients found with torch.optim.
t = torch.linspace(-np.pi, np.pi, 50)
target = torch.sin(t)
powers = torch.tensor([1, 2, 3])
xx = t.unsqueeze(-1).pow(powers)
poly = torch.nn.Sequential(torch.nn.Linear(3, 1), torch.nn.Flatten(0, 1))
with torch.no_grad():
    poly[0].weight.fill_(0.05)
    poly[0].bias.zero_()
loss_fn = torch.nn.MSELoss(reduction="sum")
optimizer = torch.optim.RMSprop(poly.parameters(), lr=1e-3)
for step in range(20):
    loss = loss_fn(poly(xx), target)
    poly.zero_grad()
    loss.backward()
    optimizer.step()
    losses.append(loss.item())
linear_layer = poly[0]
print(f"y = {linear_layer.bias.item():.3f} + {linear_layer.weight[:, 0].item():.3f} x + …")
