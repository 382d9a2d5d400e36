import torch
import torch.nn.functional as F
from fixtures import ids, uniform
from torch import nn


class Gcn(nn.Module):
    def __init__(self, features, hidden, classes):
        super().__init__()
        self.hidden = nn.Linear(features, hidden, bias=False)
        self.out = nn.Linear(hidden, classes, bias=False)

    def forward(self, edges, x):
        adjacency = edges + torch.eye(len(edges))
        degree = adjacency.sum(1, keepdim=True)
        normalized = adjacency / torch.sqrt(degree * degree.T)
        h = F.relu(normalized @ self.hidden(x))
        return normalized @ self.out(h)


def example():
    place = torch.arange(9)
    distance = (place[:, None] - place).abs()
    edges = ((distance == 1) | (distance == 8)).double()
    return Gcn(6, 8, 3), lambda m: F.cross_entropy(m(edges, uniform("features", [9, 6])), ids("labels", 3, [9]))
