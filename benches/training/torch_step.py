"""Steps of training in PyTorch, timed on request.

Started by steps.py. Reads a number of steps from each line of its input, runs as many, and prints their median in
milliseconds and the peak memory of the process in bytes.
"""

import argparse
import resource
import statistics
import sys
import time

import torch
import torch.nn.functional as F
from torch import nn


class Basic(nn.Module):
    expansion = 1

    def __init__(self, inputs, planes, stride, option):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, planes, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(planes)
        self.conv2 = nn.Conv2d(planes, planes, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(planes)
        self.shortcut = Shortcut(inputs, planes, stride, option)

    def forward(self, x):
        y = F.relu(self.bn1(self.conv1(x)))
        return F.relu(self.bn2(self.conv2(y)) + self.shortcut(x))


class Bottleneck(nn.Module):
    expansion = 4

    def __init__(self, inputs, planes, stride, option):
        super().__init__()
        outputs = 4 * planes
        self.conv1 = nn.Conv2d(inputs, planes, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(planes)
        self.conv2 = nn.Conv2d(planes, planes, 3, stride, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(planes)
        self.conv3 = nn.Conv2d(planes, outputs, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(outputs)
        self.shortcut = Shortcut(inputs, outputs, stride, option)

    def forward(self, x):
        y = F.relu(self.bn1(self.conv1(x)))
        y = F.relu(self.bn2(self.conv2(y)))
        return F.relu(self.bn3(self.conv3(y)) + self.shortcut(x))


class Shortcut(nn.Module):
    """Option A: zeros for new channels. Option B: a 1x1 convolution where the shape changes."""

    def __init__(self, inputs, outputs, stride, option):
        super().__init__()
        self.stride, self.new, self.projection = stride, outputs - inputs, None
        if option == "B" and (stride != 1 or self.new):
            conv = nn.Conv2d(inputs, outputs, 1, stride, bias=False)
            self.projection = nn.Sequential(conv, nn.BatchNorm2d(outputs))

    def forward(self, x):
        if self.projection is not None:
            return self.projection(x)
        if self.stride == 1 and not self.new:
            return x
        before = self.new // 2
        return F.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, before, self.new - before))


def network(block, layers, channels, stem, option, inputs, classes):
    first = [nn.Conv2d(inputs, channels[0], *stem[:2], stem[0] // 2, bias=False), nn.BatchNorm2d(channels[0]), nn.ReLU()]
    if stem[2]:
        first.append(nn.MaxPool2d(3, 2, 1))
    blocks, width = [], channels[0]
    for stage, (count, planes) in enumerate(zip(layers, channels)):
        for i in range(count):
            blocks.append(block(width, planes, 2 if stage > 0 and i == 0 else 1, option))
            width = planes * block.expansion
    return nn.Sequential(*first, *blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, classes))


SMALL = dict(block=Basic, channels=[16, 32, 64], stem=(3, 1, False), option="A", inputs=1, classes=10)
LARGE = dict(channels=[64, 128, 256, 512], stem=(7, 2, True), option="B", inputs=3, classes=1000)
NETWORKS = {
    "resnet20": (dict(SMALL, layers=[3, 3, 3]), 28),
    "resnet56": (dict(SMALL, layers=[9, 9, 9]), 28),
    "resnet18": (dict(LARGE, block=Basic, layers=[2, 2, 2, 2]), 224),
    "resnet50": (dict(LARGE, block=Bottleneck, layers=[3, 4, 6, 3]), 224),
}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("network", choices=NETWORKS)
    parser.add_argument("--batch", type=int, required=True)
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--channels-last", action="store_true")
    args = parser.parse_args()
    torch.manual_seed(0)
    torch.set_num_threads(args.threads)
    form, size = NETWORKS[args.network]
    layout = torch.channels_last if args.channels_last else torch.contiguous_format
    model = network(**form).to(memory_format=layout)
    decayed = [p for p in model.parameters() if p.dim() > 1]
    others = [p for p in model.parameters() if p.dim() == 1]
    groups = [{"params": decayed, "weight_decay": 1e-4}, {"params": others, "weight_decay": 0.0}]
    optimizer = torch.optim.SGD(groups, lr=0.0, momentum=0.9, foreach=True)
    images = torch.randn(args.batch, form["inputs"], size, size).to(memory_format=layout)
    labels = torch.randint(form["classes"], (args.batch,))

    def step():
        optimizer.zero_grad(set_to_none=True)
        F.cross_entropy(model(images), labels).backward()
        optimizer.step()

    for _ in range(2):
        step()
    print("ready", flush=True)
    for line in sys.stdin:
        times = []
        for _ in range(int(line)):
            begin = time.perf_counter()
            step()
            times.append(time.perf_counter() - begin)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        print(1e3 * statistics.median(times), peak, flush=True)


main()
