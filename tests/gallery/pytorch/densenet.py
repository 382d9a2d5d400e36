import torch
import torch.nn.functional as F
from fixtures import ids, images
from torch import nn


class Layer(nn.Module):
    def __init__(self, inputs, growth):
        super().__init__()
        self.norm = nn.BatchNorm2d(inputs)
        self.squeeze = nn.Conv2d(inputs, 4 * growth, 1, bias=False)
        self.squeezed_norm = nn.BatchNorm2d(4 * growth)
        self.grow = nn.Conv2d(4 * growth, growth, 3, padding=1, bias=False)

    def forward(self, x):
        h = self.squeeze(F.relu(self.norm(x)))
        return torch.cat([x, self.grow(F.relu(self.squeezed_norm(h)))], 1)


class DenseBlock(nn.Module):
    def __init__(self, inputs, growth):
        super().__init__()
        self.first = Layer(inputs, growth)
        self.second = Layer(inputs + growth, growth)
        self.third = Layer(inputs + 2 * growth, growth)

    def forward(self, x):
        return self.third(self.second(self.first(x)))


class DenseNet(nn.Module):
    def __init__(self, growth, classes):
        super().__init__()
        self.stem = nn.Conv2d(3, 2 * growth, 3, padding=1, bias=False)
        self.first = DenseBlock(2 * growth, growth)
        self.transition_norm = nn.BatchNorm2d(5 * growth)
        self.transition = nn.Conv2d(5 * growth, 2 * growth, 1, bias=False)
        self.second = DenseBlock(2 * growth, growth)
        self.norm = nn.BatchNorm2d(5 * growth)
        self.head = nn.Linear(5 * growth, classes)

    def forward(self, images):
        x = self.first(self.stem(images))
        x = F.avg_pool2d(self.transition(F.relu(self.transition_norm(x))), 2)
        x = F.relu(self.norm(self.second(x)))
        return self.head(x.mean((2, 3)))


def example():
    return DenseNet(4, 5), lambda m: F.cross_entropy(m(images("images", [6, 8, 8, 3])), ids("labels", 5, [6]))
