import torch
import torch.nn.functional as F
from fixtures import ids
from torch import nn


class Causal(nn.Conv1d):
    def forward(self, x):
        return super().forward(F.pad(x, (self.dilation[0], 0)))


class Block(nn.Module):
    def __init__(self, width, skip, dilation):
        super().__init__()
        self.filter = Causal(width, width, 2, dilation=dilation)
        self.gate = Causal(width, width, 2, dilation=dilation)
        self.residual = nn.Conv1d(width, width, 1)
        self.skip = nn.Conv1d(width, skip, 1)

    def forward(self, x):
        z = self.filter(x).tanh() * self.gate(x).sigmoid()
        return x + self.residual(z), self.skip(z)


class WaveNet(nn.Module):
    def __init__(self, levels, width, skip):
        super().__init__()
        self.samples = nn.Embedding(levels, width)
        self.causal = Causal(width, width, 2)
        self.first = Block(width, skip, 1)
        self.second = Block(width, skip, 2)
        self.third = Block(width, skip, 4)
        self.out = nn.Conv1d(skip, skip, 1)
        self.head = nn.Conv1d(skip, levels, 1)

    def forward(self, samples):
        x = self.causal(self.samples(samples).transpose(1, 2))
        x, first = self.first(x)
        x, second = self.second(x)
        x, third = self.third(x)
        return self.head(F.relu(self.out(F.relu(first + second + third))))


def example():
    return WaveNet(7, 6, 8), lambda m: F.cross_entropy(m(ids("samples", 7, [3, 12])), ids("next", 7, [3, 12]))
