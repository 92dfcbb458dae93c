"""Are two pictures of one kind: a siamese network with the contrastive and the triplet loss."""

import random

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch import optim
from torch.utils.data import DataLoader, Dataset

from numpy_start import start

random.seed(8)


class Pairs(Dataset):
    def __init__(self, n, transform=None):
        rng = np.random.default_rng(8)
        self.kind = rng.integers(0, 3, n)
        self.pictures = rng.normal(size=(n, 8)) + np.eye(3, 8)[self.kind] * 3
        self.transform = transform

    def __getitem__(self, index):
        other = random.randrange(len(self))
        x0, x1 = self.pictures[index], self.pictures[other]
        if self.transform is not None:
            x0, x1 = self.transform(x0), self.transform(x1)
        different = int(self.kind[index] != self.kind[other])
        return x0, x1, torch.from_numpy(np.array([different], dtype=np.float32))

    def __len__(self):
        return len(self.pictures)


class SiameseNetwork(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Sequential(
            nn.Linear(8, 16), nn.ReLU(inplace=True), nn.Linear(16, 8), nn.Sigmoid(), nn.Linear(8, 2)
        )

    def forward_once(self, x):
        return self.fc(x.view(x.size()[0], -1))

    def forward(self, input1, input2):
        return self.forward_once(input1), self.forward_once(input2)


class ContrastiveLoss(torch.nn.Module):
    def __init__(self, margin=2.0):
        super().__init__()
        self.margin = margin

    def forward(self, output1, output2, label):
        distance = F.pairwise_distance(output1, output2, keepdim=True)
        return torch.mean(
            (1 - label) * torch.pow(distance, 2)
            + label * torch.pow(torch.clamp(self.margin - distance, min=0.0), 2)
        )


def to_tensor(x):
    return torch.tensor(x).float().mul_(0.5).sub_(0.1)


loader = DataLoader(Pairs(48, transform=to_tensor), shuffle=False, batch_size=12)
net = start(SiameseNetwork())
criterion = ContrastiveLoss()
optimizer = optim.Adam(net.parameters(), lr=0.005, amsgrad=True)
losses = []
for epoch in range(5):
    for i, data in enumerate(loader, 0):
        x0, x1, label = data
        optimizer.zero_grad()
        output1, output2 = net(x0, x1)
        loss = criterion(output1, output2, label)
        loss.backward()
        optimizer.step()
    losses.append(loss.item())

triplet = nn.TripletMarginLoss(margin=1.0, p=2)
cosine = nn.CosineEmbeddingLoss(margin=0.2)
for x0, x1, label in loader:
    optimizer.zero_grad()
    anchor, positive = net(x0, x0 + 0.1)
    negative = net.forward_once(x1)
    loss = triplet(anchor, positive, negative)
    loss = loss + cosine(anchor, negative, 1 - 2 * label.squeeze(1))
    loss.backward()
    optimizer.step()
    losses.append(loss.item())
similarity = F.cosine_similarity(anchor.detach(), negative.detach(), dim=1)
losses += similarity.cpu().numpy().tolist()
