"""A Wasserstein GAN with a gradient penalty, and a running average of its weights."""

import copy

import numpy as np
import torch
import torch.autograd as autograd
import torch.nn as nn

from numpy_start import start

rng = np.random.default_rng(20)


class Swish(nn.Module):
    def forward(self, x):
        return x * torch.sigmoid(x)


def mlp(sizes, act=Swish):
    layers = []
    for i in range(len(sizes) - 2):
        layers += [nn.Linear(sizes[i], sizes[i + 1]), act()]
    layers.append(nn.Linear(sizes[-2], sizes[-1]))
    return nn.Sequential(*layers)


def compute_gradient_penalty(D, real_samples, fake_samples):
    alpha = torch.FloatTensor(rng.random((real_samples.size(0), 1)))
    interpolates = (alpha * real_samples + (1 - alpha) * fake_samples).requires_grad_(True)
    d_interpolates = D(interpolates)
    fake = autograd.Variable(torch.ones(real_samples.shape[0], 1), requires_grad=False)
    gradients = autograd.grad(
        outputs=d_interpolates,
        inputs=interpolates,
        grad_outputs=fake,
        create_graph=True,
        retain_graph=True,
        only_inputs=True,
    )[0]
    gradients = gradients.view(gradients.size(0), -1)
    return ((gradients.norm(2, dim=1) - 1) ** 2).mean()


generator, discriminator = start(mlp([3, 16, 2]), 1), start(mlp([2, 16, 1]), 2)
average = copy.deepcopy(generator)
for p in average.parameters():
    p.requires_grad = False
optimizer_G = torch.optim.Adam(generator.parameters(), lr=2e-3, betas=(0.5, 0.9))
optimizer_D = torch.optim.RMSprop(discriminator.parameters(), lr=1e-3, alpha=0.9)

losses = []
for i in range(12):
    real = torch.from_numpy(rng.normal(size=(16, 2)).astype(np.float32)) * 0.1 + 1
    z = torch.tensor(rng.normal(0, 1, (16, 3)), dtype=torch.float32)
    optimizer_D.zero_grad()
    fake_imgs = generator(z).detach()
    gradient_penalty = compute_gradient_penalty(discriminator, real.data, fake_imgs.data)
    d_loss = -torch.mean(discriminator(real)) + torch.mean(discriminator(fake_imgs))
    d_loss = d_loss + 10 * gradient_penalty
    d_loss.backward()
    optimizer_D.step()
    losses += [d_loss.item(), gradient_penalty.item()]
    if i % 3 == 0:
        for p in discriminator.parameters():
            p.requires_grad_(False)
        optimizer_G.zero_grad()
        g_loss = -discriminator(generator(z)).mean()
        g_loss.backward()
        optimizer_G.step()
        for p in discriminator.parameters():
            p.requires_grad_(True)
        with torch.no_grad():
            for p, q in zip(average.parameters(), generator.parameters()):
                p.lerp_(q, 0.25)
                p.mul_(0.999).add_(q.data, alpha=0.001)
        losses.append(g_loss.item())
losses += [p.norm().item() for p in average.parameters()]
