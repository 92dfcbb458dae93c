"""Looking into a model while it trains: hooks, norms, names, and the usual metrics."""

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.nn.utils import parameters_to_vector, vector_to_parameters

from numpy_start import start

rng = np.random.default_rng(14)
X = torch.from_numpy(rng.normal(size=(50, 5)).astype(np.float32))
y = torch.from_numpy((X.numpy() @ rng.normal(size=5) + 0.2 > 0).astype(np.int64))


class Residual(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(width, width) for _ in range(2)])
        self.gates = nn.ParameterList([nn.Parameter(torch.ones(1)) for _ in range(2)])
        self.acts = nn.ModuleDict({"elu": nn.ELU(), "tanh": nn.Tanh()})
        self.scale = nn.Parameter(torch.tensor(0.5))

    def forward(self, x):
        for layer, gate in zip(self.layers, self.gates):
            x = x + gate * self.acts["elu"](layer(x))
        return self.scale * self.acts["tanh"](x)

    def extra_repr(self):
        return "width=5"


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.block = Residual(5)
        self.head = nn.Linear(5, 2)

    def forward(self, x):
        return self.head(self.block(x))


model = start(Net())
print(model)
assert [name for name, _ in model.named_children()] == ["block", "head"]
assert len(list(model.modules())) == 10 and len(list(model.children())) == 2
assert isinstance(model.get_submodule("block.layers.1"), nn.Linear)

activation, gradients, calls = {}, {}, []


def get_activation(name):
    def hook(module, input, output):
        activation[name] = output.detach()

    return hook


def backward_hook(module, grad_input, grad_output):
    gradients["head"] = grad_output[0].detach()


model.block.register_forward_hook(get_activation("block"))
model.head.register_forward_pre_hook(lambda module, input: calls.append(input[0].shape))
handle = model.head.register_full_backward_hook(backward_hook)

weights = torch.tensor([1.0, 2.0])
criterion = nn.CrossEntropyLoss(weight=weights, reduction="none")
optimizer = torch.optim.Adamax(model.parameters(), lr=0.02, foreach=False)
losses = []
for epoch in range(6):
    optimizer.zero_grad()
    logits = model(X)
    per_example = criterion(logits, y)
    l2 = sum(p.pow(2.0).sum() for p in model.parameters())
    l1 = torch.stack([p.abs().sum() for p in model.parameters()]).sum()
    loss = per_example.mean() + 1e-3 * l2 + 1e-4 * l1
    loss.backward()
    total_norm = torch.norm(
        torch.stack([torch.norm(p.grad.detach(), 2) for p in model.parameters()]), 2
    )
    optimizer.step()
    losses += [loss.item(), total_norm.item(), activation["block"].mean().item()]
    losses.append(gradients["head"].abs().sum().item())
handle.remove()
assert len(calls) == 6 and calls[0] == torch.Size([50, 5])

model.eval()
with torch.no_grad():
    probabilities = F.softmax(model(X), dim=1)
confidence, predicted = probabilities.max(dim=1)
tp = ((predicted == 1) & (y == 1)).sum().item()
fp = ((predicted == 1) & (y == 0)).sum().item()
fn = torch.logical_and(predicted == 0, y == 1).sum().item()
precision, recall = tp / (tp + fp), tp / (tp + fn)
losses += [
    confidence.mean().item(),
    precision,
    recall,
    2 * precision * recall / (precision + recall),
]
confusion = torch.zeros(2, 2, dtype=torch.int64)
for t, p in zip(y.view(-1), predicted.view(-1)):
    confusion[t.long(), p.long()] += 1
losses += confusion.flatten().tolist()
top_p, top_class = probabilities.topk(1, dim=1)
equals = top_class == y.view(*top_class.shape)
losses.append(torch.mean(equals.type(torch.FloatTensor)).item())

vector = parameters_to_vector(model.parameters())
vector_to_parameters(vector * 0.5, model.parameters())
losses += [vector.norm().item(), model.head.bias.sum().item(), len(vector)]
model.zero_grad()
model.requires_grad_(False)
model.double()
losses.append(model(X.double()).mean().item())
