"""The next letter of a text: an encoder of two layers with a causal mask."""

import math

import torch
import torch.nn as nn
import torch.nn.functional as F

from numpy_start import start

text = "the quick brown fox jumps over the lazy dog and the dog sleeps on while the fox runs "
chars = sorted(set(text))
stoi = {ch: i for i, ch in enumerate(chars)}
itos = dict(enumerate(chars))
data = torch.tensor([stoi[c] for c in text], dtype=torch.long)


class PositionalEncoding(nn.Module):
    def __init__(self, d_model, dropout=0.0, max_len=32):
        super().__init__()
        self.dropout = nn.Dropout(p=dropout)
        position = torch.arange(max_len).unsqueeze(1)
        div_term = torch.exp(torch.arange(0, d_model, 2) * (-math.log(10000.0) / d_model))
        pe = torch.zeros(max_len, 1, d_model)
        pe[:, 0, 0::2] = torch.sin(position * div_term)
        pe[:, 0, 1::2] = torch.cos(position * div_term)
        self.register_buffer("pe", pe)

    def forward(self, x):
        x = x + self.pe[: x.size(0)]
        return self.dropout(x)


class TransformerModel(nn.Module):
    def __init__(self, ntoken, d_model=16, nhead=2, d_hid=32, nlayers=2, dropout=0.0):
        super().__init__()
        self.model_type = "Transformer"
        self.pos_encoder = PositionalEncoding(d_model, dropout)
        encoder_layers = nn.TransformerEncoderLayer(d_model, nhead, d_hid, dropout)
        self.transformer_encoder = nn.TransformerEncoder(encoder_layers, nlayers)
        self.embedding = nn.Embedding(ntoken, d_model)
        self.d_model = d_model
        self.linear = nn.Linear(d_model, ntoken)

    def forward(self, src, src_mask=None):
        src = self.embedding(src) * math.sqrt(self.d_model)
        src = self.pos_encoder(src)
        if src_mask is None:
            src_mask = nn.Transformer.generate_square_subsequent_mask(len(src))
        return self.linear(self.transformer_encoder(src, src_mask))


class Head(nn.Module):
    """One head of self-attention, written out."""

    def __init__(self, n_embd, head_size, block_size):
        super().__init__()
        self.key = nn.Linear(n_embd, head_size, bias=False)
        self.query = nn.Linear(n_embd, head_size, bias=False)
        self.value = nn.Linear(n_embd, head_size, bias=False)
        self.register_buffer("tril", torch.tril(torch.ones(block_size, block_size)))

    def forward(self, x):
        B, T, C = x.shape
        k, q, v = self.key(x), self.query(x), self.value(x)
        wei = q @ k.transpose(-2, -1) * k.shape[-1] ** -0.5
        wei = wei.masked_fill(self.tril[:T, :T] == 0, float("-inf"))
        return F.softmax(wei, dim=-1) @ v


bptt, batch = 10, 4
model = start(TransformerModel(len(chars)))
head = start(Head(len(chars), 8, bptt), 5)
criterion = nn.CrossEntropyLoss()
optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda epoch: 0.95**epoch)
losses = []
columns = data[: len(data) // batch * batch].view(batch, -1).t().contiguous()
for epoch in range(3):
    for i in range(0, columns.size(0) - 1 - bptt, bptt):
        source = columns[i : i + bptt]
        targets = columns[i + 1 : i + 1 + bptt].reshape(-1)
        output = model(source)
        loss = criterion(output.view(-1, len(chars)), targets)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 0.5)
        optimizer.step()
        losses.append(loss.item())
    scheduler.step()
losses.append(math.exp(losses[-1]))

one_hot = F.one_hot(columns[:bptt].t(), num_classes=len(chars)).float()
losses += head(one_hot)[0, -1].tolist()
model.eval()
with torch.no_grad():
    idx = data[:5].unsqueeze(1)
    for _ in range(4):
        logits = model(idx)[-1]
        idx = torch.cat((idx, logits.argmax(dim=-1, keepdim=True).view(1, 1)), dim=0)
print("".join(itos[i] for i in idx[:, 0].tolist()))
losses += idx[:, 0].tolist()
