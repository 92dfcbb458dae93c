"""A residual network of two blocks: warm-up, groups of parameters, accumulated gradients."""

from typing import Callable, Optional, Type

import numpy as np
import torch
import torch.nn as nn
from torch import Tensor

from numpy_start import start


def conv3x3(in_planes: int, out_planes: int, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(in_planes, out_planes, kernel_size=3, stride=stride, padding=1, bias=False)


class BasicBlock(nn.Module):
    expansion: int = 1

    def __init__(
        self,
        inplanes: int,
        planes: int,
        stride: int = 1,
        downsample: Optional[nn.Module] = None,
        norm_layer: Optional[Callable[..., nn.Module]] = None,
    ) -> None:
        super().__init__()
        if norm_layer is None:
            norm_layer = nn.BatchNorm2d
        self.conv1 = conv3x3(inplanes, planes, stride)
        self.bn1 = norm_layer(planes)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = conv3x3(planes, planes)
        self.bn2 = norm_layer(planes)
        self.downsample = downsample

    def forward(self, x: Tensor) -> Tensor:
        identity = x
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        if self.downsample is not None:
            identity = self.downsample(x)
        out += identity
        return self.relu(out)


class ResNet(nn.Module):
    def __init__(self, block: Type[BasicBlock], layers: list, num_classes: int = 3) -> None:
        super().__init__()
        self.inplanes = 4
        self.conv1 = nn.Conv2d(3, self.inplanes, kernel_size=3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(self.inplanes)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(kernel_size=3, stride=2, padding=1)
        self.layer1 = self._make_layer(block, 4, layers[0])
        self.layer2 = self._make_layer(block, 8, layers[1], stride=2)
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.fc = nn.Linear(8 * block.expansion, num_classes)
        for m in self.modules():
            if isinstance(m, nn.Conv2d):
                nn.init.kaiming_normal_(m.weight, mode="fan_out", nonlinearity="relu")
            elif isinstance(m, (nn.BatchNorm2d, nn.GroupNorm)):
                nn.init.constant_(m.weight, 1)
                nn.init.constant_(m.bias, 0)

    def _make_layer(self, block, planes: int, blocks: int, stride: int = 1) -> nn.Sequential:
        downsample = None
        if stride != 1 or self.inplanes != planes * block.expansion:
            downsample = nn.Sequential(
                nn.Conv2d(self.inplanes, planes, kernel_size=1, stride=stride, bias=False),
                nn.BatchNorm2d(planes),
            )
        layers = [block(self.inplanes, planes, stride, downsample)]
        self.inplanes = planes * block.expansion
        for _ in range(1, blocks):
            layers.append(block(self.inplanes, planes))
        return nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        x = self.layer2(self.layer1(x))
        x = torch.flatten(self.avgpool(x), 1)
        return self.fc(x)


rng = np.random.default_rng(17)
targets = torch.from_numpy(rng.integers(0, 3, 24))
images = torch.from_numpy(rng.normal(size=(24, 3, 10, 10)).astype(np.float32))
images = images + torch.eye(3)[targets].view(-1, 3, 1, 1)

model = start(ResNet(BasicBlock, [1, 1]))
decay, no_decay = [], []
for name, param in model.named_parameters():
    (no_decay if param.ndim == 1 or name.endswith(".bias") else decay).append(param)
optimizer = torch.optim.SGD(
    [{"params": decay, "weight_decay": 1e-3}, {"params": no_decay}], lr=0.05, momentum=0.9
)
warmup = torch.optim.lr_scheduler.LinearLR(optimizer, start_factor=0.2, total_iters=3)
criterion = nn.CrossEntropyLoss()
accumulation_steps = 2

losses = []
model.train()
for epoch in range(3):
    optimizer.zero_grad()
    for i, (x, y) in enumerate(zip(images.split(6), targets.chunk(4))):
        loss = criterion(model(x), y) / accumulation_steps
        loss.backward()
        if (i + 1) % accumulation_steps == 0:
            optimizer.step()
            optimizer.zero_grad(set_to_none=False)
        losses.append(loss.item() * accumulation_steps)
    warmup.step()
    for param_group in optimizer.param_groups:
        param_group["lr"] *= 0.9
model.eval()
with torch.no_grad():
    top1 = (model(images).argmax(dim=1) == targets).float().mean().item()
losses += [top1, model.bn1.running_mean.sum().item(), model.bn1.num_batches_tracked.item()]
