"""Which language is a name from: a recurrent network written out, updated by hand."""

import string

import numpy as np
import torch
import torch.nn as nn

from numpy_start import start

all_letters = string.ascii_lowercase
n_letters = len(all_letters)
names = {
    "Italian": ["rossi", "bianchi", "ferrari", "romano"],
    "Scottish": ["smith", "brown", "wilson", "campbell"],
    "Polish": ["nowak", "kowalski", "wisniewski", "kaminski"],
}
categories = list(names)


def line_to_tensor(line):
    tensor = torch.zeros(len(line), 1, n_letters)
    for li, letter in enumerate(line):
        tensor[li][0][all_letters.find(letter)] = 1
    return tensor


class RNN(nn.Module):
    def __init__(self, input_size, hidden_size, output_size):
        super().__init__()
        self.hidden_size = hidden_size
        self.i2h = nn.Linear(input_size + hidden_size, hidden_size)
        self.h2o = nn.Linear(hidden_size, output_size)
        self.softmax = nn.LogSoftmax(dim=1)

    def forward(self, input, hidden):
        combined = torch.cat((input, hidden), 1)
        hidden = torch.tanh(self.i2h(combined))
        output = self.softmax(self.h2o(hidden))
        return output, hidden

    def initHidden(self):
        return torch.zeros(1, self.hidden_size)


rnn = start(RNN(n_letters, 16, len(categories)))
criterion = nn.NLLLoss()
learning_rate = 0.05


def train(category_tensor, line_tensor):
    hidden = rnn.initHidden()
    rnn.zero_grad()
    for i in range(line_tensor.size()[0]):
        output, hidden = rnn(line_tensor[i], hidden)
    loss = criterion(output, category_tensor)
    loss.backward()
    for p in rnn.parameters():
        p.data.add_(p.grad.data, alpha=-learning_rate)
    return output, loss.item()


def category_from_output(output):
    top_n, top_i = output.topk(1)
    return categories[top_i[0].item()], top_i[0].item()


rng = np.random.default_rng(4)
losses = []
confusion = torch.zeros(len(categories), len(categories))
for _ in range(60):
    c = int(rng.integers(len(categories)))
    name = names[categories[c]][int(rng.integers(4))]
    output, loss = train(torch.tensor([c], dtype=torch.long), line_to_tensor(name))
    guess, guess_i = category_from_output(output)
    confusion[c][guess_i] += 1
    losses.append(loss)

for i in range(len(categories)):
    confusion[i] = confusion[i] / confusion[i].sum()
losses += confusion.view(-1).tolist()
