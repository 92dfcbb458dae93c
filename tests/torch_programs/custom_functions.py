"""Operations with a derivative of one's own, higher derivatives, and gradients looked at."""

import math

import numpy as np
import torch
from torch.autograd import Function, grad, gradcheck

losses = []


class LegendrePolynomial3(torch.autograd.Function):
    @staticmethod
    def forward(ctx, input):
        ctx.save_for_backward(input)
        return 0.5 * (5 * input**3 - 3 * input)

    @staticmethod
    def backward(ctx, grad_output):
        (input,) = ctx.saved_tensors
        return grad_output * 1.5 * (5 * input**2 - 1)


dtype = torch.float
device = torch.device("cpu")
x = torch.linspace(-math.pi, math.pi, 200, device=device, dtype=dtype)
y = torch.sin(x)
a = torch.full((), 0.0, device=device, dtype=dtype, requires_grad=True)
b = torch.full((), -1.0, device=device, dtype=dtype, requires_grad=True)
c = torch.full((), 0.0, device=device, dtype=dtype, requires_grad=True)
d = torch.full((), 0.3, device=device, dtype=dtype, requires_grad=True)
for t in range(20):
    P3 = LegendrePolynomial3.apply
    y_pred = a + b * P3(c + d * x)
    loss = (y_pred - y).pow(2).sum()
    losses.append(loss.item())
    loss.backward()
    with torch.no_grad():
        for p in (a, b, c, d):
            p -= 5e-6 * p.grad
            p.grad = None


class LinearFunction(Function):
    @staticmethod
    def forward(ctx, input, weight, bias=None):
        ctx.save_for_backward(input, weight, bias)
        output = input.mm(weight.t())
        if bias is not None:
            output += bias.unsqueeze(0).expand_as(output)
        return output

    @staticmethod
    def backward(ctx, grad_output):
        input, weight, bias = ctx.saved_tensors
        grad_input = grad_weight = grad_bias = None
        if ctx.needs_input_grad[0]:
            grad_input = grad_output.mm(weight)
        if ctx.needs_input_grad[1]:
            grad_weight = grad_output.t().mm(input)
        if bias is not None and ctx.needs_input_grad[2]:
            grad_bias = grad_output.sum(0)
        return grad_input, grad_weight, grad_bias


class GradientReversal(Function):
    @staticmethod
    def forward(ctx, x, alpha):
        ctx.alpha = alpha
        return x.view_as(x)

    @staticmethod
    def backward(ctx, grad_output):
        return grad_output.neg() * ctx.alpha, None


rng = np.random.default_rng(13)
X = torch.tensor(rng.normal(size=(5, 3)), requires_grad=True)
W = torch.tensor(rng.normal(size=(2, 3)), requires_grad=True)
v = torch.tensor(rng.normal(size=2), requires_grad=True)
assert gradcheck(LinearFunction.apply, (X, W, v), eps=1e-6, atol=1e-4)
out = GradientReversal.apply(LinearFunction.apply(X, W, v), 0.5)
out.sigmoid().sum().backward()
losses += W.grad.flatten().tolist() + v.grad.tolist()

# Second derivatives, and a penalty on the gradient.
s = torch.tensor([0.5, 1.0, 2.0], requires_grad=True)
(g,) = grad(torch.sum(s**3), s, create_graph=True)
(h,) = torch.autograd.grad(g, s, grad_outputs=torch.ones_like(g))
losses += h.tolist()
X.grad = None
score = (X @ W.t()).tanh().sum()
gradients = torch.autograd.grad(outputs=score, inputs=X, create_graph=True, retain_graph=True)[0]
penalty = ((gradients.norm(2, dim=1) - 1) ** 2).mean()
W.grad.zero_()
penalty.backward()
losses += [penalty.item()] + W.grad.view(-1).tolist()

# Hooks and the gradients of what lies between.
u = torch.tensor([1.0, 2.0], requires_grad=True)
seen = []
z = u * 2
z.retain_grad()
handle = u.register_hook(lambda grad: grad * 0.5)
z.register_hook(lambda grad: seen.append(grad.clone()))
(z**2).sum().backward(retain_graph=True)
losses += z.grad.tolist() + u.grad.tolist() + seen[0].tolist()
handle.remove()
assert z.grad_fn is not None and u.grad_fn is None and u.is_leaf and not z.is_leaf
J = torch.autograd.functional.jacobian(lambda q: q**2 * q.sum(), u.detach())
H = torch.autograd.functional.hessian(lambda q: (q**3).sum(), u.detach())
losses += J.flatten().tolist() + H.flatten().tolist()
with torch.autograd.set_detect_anomaly(True):
    (u.log() ** 2).sum().backward()
