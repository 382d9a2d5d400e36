import torch
import torch.nn.functional as F
from fixtures import ids, uniform
from torch import nn


class LoraLinear(nn.Module):
    def __init__(self, inputs, outputs, rank, alpha=16.0):
        super().__init__()
        self.base = nn.Linear(inputs, outputs).requires_grad_(False)
        self.down = nn.Linear(inputs, rank, bias=False)
        self.up = nn.Linear(rank, outputs, bias=False)
        self.scale = alpha / rank

    def forward(self, x):
        return self.base(x) + self.scale * self.up(self.down(x))


class Classifier(nn.Module):
    def __init__(self, inputs, hidden, rank, classes):
        super().__init__()
        self.hidden = LoraLinear(inputs, hidden, rank)
        self.out = LoraLinear(hidden, classes, rank)

    def forward(self, x):
        return self.out(torch.tanh(self.hidden(x)))


def example():
    return Classifier(6, 12, 2, 4), lambda m: F.cross_entropy(m(uniform("x", [10, 6])), ids("labels", 4, [10]))
