import torch
import torch.nn.functional as F
from fixtures import ids
from torch import nn


class Lstm(nn.Module):
    def __init__(self, inputs, h):
        super().__init__()
        self.h = h
        self.input = nn.Linear(inputs, 4 * h)
        self.hidden = nn.Linear(h, 4 * h)

    def forward(self, x):
        h = c = torch.zeros(len(x), self.h)
        states = []
        for step in x.unbind(1):
            i, f, g, o = (self.input(step) + self.hidden(h)).chunk(4, 1)
            c = f.sigmoid() * c + i.sigmoid() * g.tanh()
            h = o.sigmoid() * c.tanh()
            states.append(h)
        return torch.stack(states, 1)


class LanguageModel(nn.Module):
    def __init__(self, vocab, width):
        super().__init__()
        self.tokens = nn.Embedding(vocab, width)
        self.first = Lstm(width, width)
        self.second = Lstm(width, width)
        self.head = nn.Linear(width, vocab)

    def loss(self, tokens, targets):
        logits = self.head(self.second(self.first(self.tokens(tokens))))
        return F.cross_entropy(logits.flatten(0, 1), targets.flatten())


def example():
    return LanguageModel(11, 8), lambda m: m.loss(ids("tokens", 11, [4, 9]), ids("targets", 11, [4, 9]))
