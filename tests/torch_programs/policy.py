"""REINFORCE on a small walk, its actions drawn by NumPy from the policy's distribution."""

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
import torch.optim as optim
from torch.distributions import Categorical, Normal

from numpy_start import start


class Policy(nn.Module):
    def __init__(self):
        super().__init__()
        self.affine1 = nn.Linear(3, 12)
        self.affine2 = nn.Linear(12, 2)
        self.saved_log_probs = []
        self.rewards = []

    def forward(self, x):
        x = F.relu(self.affine1(x))
        return F.softmax(self.affine2(x), dim=1)


policy = start(Policy())
optimizer = optim.Adam(policy.parameters(), lr=1e-2)
eps = np.finfo(np.float32).eps.item()
rng = np.random.default_rng(16)
losses = []


def select_action(state):
    state = torch.from_numpy(state).float().unsqueeze(0)
    probs = policy(state)
    m = Categorical(probs)
    assert m.sample().shape == (1,)
    action = torch.tensor([int(rng.random() < probs[0, 1].item())])
    policy.saved_log_probs.append(m.log_prob(action) + 0.01 * m.entropy())
    return action.item()


def finish_episode():
    R = 0
    policy_loss = []
    returns = []
    for r in policy.rewards[::-1]:
        R = r + 0.9 * R
        returns.insert(0, R)
    returns = torch.tensor(returns)
    returns = (returns - returns.mean()) / (returns.std() + eps)
    for log_prob, R in zip(policy.saved_log_probs, returns):
        policy_loss.append(-log_prob * R)
    optimizer.zero_grad()
    policy_loss = torch.cat(policy_loss).sum()
    policy_loss.backward()
    optimizer.step()
    del policy.rewards[:]
    del policy.saved_log_probs[:]
    return policy_loss.item()


for i_episode in range(6):
    state = np.zeros(3)
    for t in range(8):
        action = select_action(state)
        state = 0.9 * state + (action - 0.5)
        policy.rewards.append(float(state[0] - 0.1 * t))
    losses.append(finish_episode())

mu = torch.tensor([0.5, -1.0], requires_grad=True)
log_sigma = torch.zeros(2, requires_grad=True)
normal = Normal(mu, log_sigma.exp())
assert normal.rsample().requires_grad and normal.sample((3,)).shape == (3, 2)
prior = Normal(torch.zeros(2), torch.ones(2))
kl = torch.distributions.kl_divergence(normal, prior).sum()
loss = kl - normal.log_prob(torch.tensor([1.0, 1.0])).sum() - normal.entropy().sum()
loss.backward()
losses += [loss.item()] + mu.grad.tolist() + log_sigma.grad.tolist()
