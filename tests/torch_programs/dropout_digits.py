"""A training whose numbers are drawn by the library: it must learn, not repeat a number."""

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.utils.data import DataLoader, TensorDataset, WeightedRandomSampler, random_split

torch.manual_seed(1)
torch.set_num_threads(1)
if torch.backends.mps.is_available():
    device = torch.device("mps")
else:
    device = torch.device("cuda:0" if torch.cuda.is_available() else "cpu")
torch.backends.cudnn.deterministic = True
torch.backends.cudnn.benchmark = False
if device.type == "cuda":
    torch.cuda.manual_seed_all(1)

means = torch.normal(0.0, 2.0, size=(4, 10))
labels = torch.randint(0, 4, (600,))
inputs = means[labels] + torch.normal(mean=torch.zeros(600, 10), std=torch.ones(600, 10))
inputs = inputs * torch.bernoulli(torch.full_like(inputs, 0.9))
inputs += torch.empty(600, 10).uniform_(-0.1, 0.1)
train_set, test_set = random_split(TensorDataset(inputs, labels), [0.8, 0.2])
counts = torch.bincount(labels, minlength=4)
weights = 1.0 / counts[labels[train_set.indices]].float()
sampler = WeightedRandomSampler(weights, num_samples=len(weights), replacement=True)
train_loader = DataLoader(train_set, batch_size=32, sampler=sampler, worker_init_fn=None)
test_loader = DataLoader(test_set, batch_size=64, shuffle=True, drop_last=False)

model = nn.Sequential(
    nn.Linear(10, 32), nn.BatchNorm1d(32), nn.ReLU(), nn.Dropout(0.3), nn.Linear(32, 4)
)


@torch.no_grad()
def init_weights(m):
    if type(m) is nn.Linear:
        torch.nn.init.xavier_uniform_(m.weight, gain=nn.init.calculate_gain("relu"))
        m.bias.data.fill_(0.01)
    elif isinstance(m, nn.BatchNorm1d):
        m.weight.data.uniform_(0.9, 1.1)
        m.bias.data.normal_(0, 0.01)


model.apply(init_weights)
model.to(device)
optimizer = torch.optim.Adam(model.parameters(), lr=1e-2, fused=False)
for epoch in range(5):
    model.train()
    for x, y in train_loader:
        optimizer.zero_grad()
        loss = F.cross_entropy(model(F.dropout(x, p=0.1, training=model.training)), y)
        loss.backward()
        optimizer.step()


@torch.no_grad()
def evaluate(model):
    model.eval()
    correct = 0
    for x, y in test_loader:
        correct += (model(x).argmax(1) == y).type(torch.float).sum().item()
    return correct / len(test_loader.dataset)


accuracy = evaluate(model)
with torch.inference_mode():
    probabilities = torch.softmax(model(inputs[:3]), dim=-1)
    drawn = torch.multinomial(probabilities, num_samples=2)
    noise = torch.randn_like(probabilities) + torch.rand_like(probabilities)
assert drawn.shape == torch.Size([3, 2]) and drawn.dtype == torch.int64
assert noise.shape == (3, 4) and torch.is_tensor(noise) and not noise.requires_grad
assert torch.randperm(5).sort()[0].tolist() == [0, 1, 2, 3, 4]
assert accuracy > 0.85, accuracy
losses = [float(accuracy > 0.85)]
