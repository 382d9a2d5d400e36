import torch.nn.functional as F
from fixtures import ids, uniform
from torch import nn


class Expert(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.up = nn.Linear(width, 2 * width)
        self.down = nn.Linear(2 * width, width)

    def forward(self, x):
        return self.down(F.relu(self.up(x)))


class Switch(nn.Module):
    def __init__(self, width, experts):
        super().__init__()
        self.router = nn.Linear(width, experts)
        self.experts = nn.ModuleList(Expert(width) for _ in range(experts))

    def forward(self, x):
        probabilities = self.router(x).softmax(1)
        chosen = F.one_hot(probabilities.argmax(1), len(self.experts)).double()
        gates = probabilities * chosen
        y = sum(gates[:, i : i + 1] * expert(x) for i, expert in enumerate(self.experts))
        return y, len(self.experts) * (chosen.mean(0) * probabilities.mean(0)).sum()


class Classifier(nn.Module):
    def __init__(self, inputs, width, experts, classes):
        super().__init__()
        self.embed = nn.Linear(inputs, width)
        self.switch = Switch(width, experts)
        self.head = nn.Linear(width, classes)

    def loss(self, x, labels):
        x = self.embed(x)
        y, balance = self.switch(x)
        return F.cross_entropy(self.head(x + y), labels) + 0.01 * balance


def example():
    return Classifier(5, 8, 3, 4), lambda m: m.loss(uniform("x", [12, 5]), ids("labels", 4, [12]))
