"""Sentences of different lengths: embeddings, a packed bidirectional GRU, one logit each."""

import numpy as np
import torch
from torch import nn, optim
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence, pad_sequence
from torch.utils.data import DataLoader, Dataset

from numpy_start import start


class Reviews(Dataset):
    def __init__(self, n, seed):
        rng = np.random.default_rng(seed)
        self.texts = [rng.integers(1, 20, rng.integers(3, 9)) for _ in range(n)]
        self.labels = [float((text < 8).sum() > (text > 12).sum()) for text in self.texts]

    def __len__(self):
        return len(self.texts)

    def __getitem__(self, idx):
        return torch.tensor(self.texts[idx], dtype=torch.int64), self.labels[idx]


def collate(batch):
    batch.sort(key=lambda pair: len(pair[0]), reverse=True)
    texts, labels = zip(*batch)
    lengths = torch.tensor([len(t) for t in texts])
    padded = pad_sequence(texts, batch_first=True, padding_value=0)
    return padded, lengths, torch.tensor(labels)


class Classifier(nn.Module):
    def __init__(self, vocab, dim, hidden):
        super().__init__()
        self.embedding = nn.Embedding(vocab, dim, padding_idx=0)
        self.gru = nn.GRU(dim, hidden, batch_first=True, bidirectional=True, dropout=0.0)
        self.fc = nn.Linear(2 * hidden, 1)

    def forward(self, text, lengths):
        embedded = self.embedding(text)
        packed = pack_padded_sequence(embedded, lengths, batch_first=True)
        packed_output, hidden = self.gru(packed)
        output, _ = pad_packed_sequence(packed_output, batch_first=True)
        hidden = torch.cat((hidden[-2, :, :], hidden[-1, :, :]), dim=1)
        return self.fc(hidden).squeeze(1), output


def binary_accuracy(preds, y):
    rounded = torch.round(torch.sigmoid(preds))
    return (rounded == y).float().mean()


loader = DataLoader(Reviews(48, 5), batch_size=16, collate_fn=collate, drop_last=True)
model = start(Classifier(20, 6, 8))
optimizer = optim.RMSprop(model.parameters(), lr=0.01)
criterion = nn.BCEWithLogitsLoss()

losses = []
for epoch in range(4):
    for text, lengths, labels in loader:
        optimizer.zero_grad()
        predictions, output = model(text, lengths)
        loss = criterion(predictions, labels)
        loss.backward()
        optimizer.step()
        losses += [loss.item(), binary_accuracy(predictions, labels).item(), output.shape[1]]
