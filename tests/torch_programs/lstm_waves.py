"""The next value of a sine wave: an LSTM that is given its first hidden state."""

import numpy as np
import torch
import torch.nn as nn
from torch.nn.utils import clip_grad_norm_

from numpy_start import start


class Sequence(nn.Module):
    def __init__(self, input_size=1, hidden_size=12, num_layers=2):
        super().__init__()
        self.hidden_size = hidden_size
        self.num_layers = num_layers
        self.lstm = nn.LSTM(input_size, hidden_size, num_layers, batch_first=True)
        self.linear = nn.Linear(hidden_size, 1)

    def forward(self, x):
        h0 = torch.zeros(self.num_layers, x.size(0), self.hidden_size).to(x.device)
        c0 = torch.zeros(self.num_layers, x.size(0), self.hidden_size, device=x.device)
        out, (h_n, c_n) = self.lstm(x, (h0.detach(), c0.detach()))
        return self.linear(out[:, -1, :])


rng = np.random.default_rng(3)
phase = rng.uniform(0, 2 * np.pi, (40, 1))
wave = np.sin(phase + 0.4 * np.arange(11)).astype("float32")
x = torch.from_numpy(wave[:, :-1]).unsqueeze(-1)
y = torch.from_numpy(wave[:, -1:])

model = start(Sequence())
criterion = nn.MSELoss(reduction="mean")
optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
scheduler = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, mode="min", patience=1)

losses = []
for epoch in range(12):
    pred = model(x)
    loss = criterion(pred, y)
    optimizer.zero_grad()
    loss.backward()
    norm = clip_grad_norm_(model.parameters(), max_norm=0.5)
    optimizer.step()
    scheduler.step(loss.item())
    losses += [loss.item(), float(norm), optimizer.param_groups[0]["lr"]]

with torch.no_grad():
    window = x[:1].clone()
    for _ in range(5):
        following = model(window)
        window = torch.cat((window[:, 1:], following.unsqueeze(1)), dim=1)
    losses.extend(window[0, -5:, 0].tolist())
