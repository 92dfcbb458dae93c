"""A convolutional denoising autoencoder."""

import numpy as np
import torch
import torch.nn as nn
from torch.utils.data import ConcatDataset, DataLoader, Subset, TensorDataset, random_split

from numpy_start import start


class Autoencoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder = nn.Sequential(
            nn.Conv2d(1, 4, 3, stride=2, padding=1),
            nn.ReLU(),
            nn.Conv2d(4, 8, 3, stride=2, padding=1),
        )
        self.decoder = nn.Sequential(
            nn.ReLU(),
            nn.ConvTranspose2d(8, 4, 3, stride=2, padding=1, output_padding=1),
            nn.ReLU(),
            nn.ConvTranspose2d(4, 1, 3, stride=2, padding=1, output_padding=1),
            nn.Sigmoid(),
        )

    def forward(self, x):
        return self.decoder(self.encoder(x))


rng = np.random.default_rng(10)
i, j = np.mgrid[:8, :8]
slopes = rng.uniform(-1, 1, (40, 2, 1, 1))
clean = (np.sin(slopes[:, :1] * i + slopes[:, 1:] * j) > 0).astype(np.float32)
noisy = (clean + 0.2 * rng.standard_normal(clean.shape)).astype(np.float32)

dataset = TensorDataset(torch.from_numpy(noisy), torch.from_numpy(clean))
whole = ConcatDataset([Subset(dataset, range(20)), Subset(dataset, range(20, 40))])
train_set, val_set = random_split(whole, [32, 8], generator=torch.Generator().manual_seed(42))
assert len(train_set) == 32 and len(val_set) == 8
loader = DataLoader(whole, batch_size=10)

model = start(Autoencoder())
criterion = nn.MSELoss()
optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2, weight_decay=1e-5)
scheduler = torch.optim.lr_scheduler.OneCycleLR(
    optimizer, max_lr=0.02, steps_per_epoch=len(loader), epochs=4
)
losses = []
for epoch in range(4):
    for noisy_batch, clean_batch in loader:
        loss = criterion(model(noisy_batch), clean_batch)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_value_(model.parameters(), clip_value=0.05)
        optimizer.step()
        scheduler.step()
        losses.append(loss.item())
losses += model.encoder(torch.from_numpy(noisy[:1])).flatten().tolist()
