import torch
import torch.nn.functional as F
from fixtures import ids, uniform
from torch import nn


class Dlrm(nn.Module):
    def __init__(self, numbers, categories, rows, width):
        super().__init__()
        self.tables = nn.ModuleList(nn.Embedding(rows, width) for _ in range(categories))
        self.bottom = nn.Linear(numbers, 2 * width)
        self.bottom_out = nn.Linear(2 * width, width)
        self.top = nn.Linear(width + (categories + 1) * categories // 2, 2 * width)
        self.top_out = nn.Linear(2 * width, 1)

    def forward(self, numbers, categories):
        x = F.relu(self.bottom_out(F.relu(self.bottom(numbers))))
        looked_up = [table(categories[:, i]) for i, table in enumerate(self.tables)]
        vectors = torch.stack([x, *looked_up], 1)
        products = vectors @ vectors.transpose(1, 2)
        rows, columns = torch.tril_indices(len(self.tables) + 1, len(self.tables) + 1, offset=-1)
        both = torch.cat([x, products[:, rows, columns]], 1)
        return self.top_out(F.relu(self.top(both))).squeeze(1)


def example():
    def loss(model):
        logits = model(uniform("numbers", [8, 4]), ids("categories", 9, [8, 3]))
        return F.binary_cross_entropy_with_logits(logits, ids("clicked", 2, [8]).double())

    return Dlrm(4, 3, 9, 5), loss
