import torch
import torch.nn.functional as F
from fixtures import ids
from torch import nn


class Gru(nn.Module):
    def __init__(self, inputs, h):
        super().__init__()
        self.input = nn.Linear(inputs, 3 * h)
        self.hidden = nn.Linear(h, 3 * h)

    def forward(self, x, h):
        return torch.gru_cell(x, h, self.input.weight, self.hidden.weight, self.input.bias, self.hidden.bias)


class Translator(nn.Module):
    def __init__(self, vocab, width):
        super().__init__()
        self.tokens = nn.Embedding(vocab, width)
        self.encoder = Gru(width, width)
        self.decoder = Gru(2 * width, width)
        self.head = nn.Linear(width, vocab)
        self.width = width

    def loss(self, source, shifted, targets):
        summary = torch.zeros(len(source), self.width)
        for step in self.tokens(source).unbind(1):
            summary = self.encoder(step, summary)
        h, states = summary, []
        for step in self.tokens(shifted).unbind(1):
            h = self.decoder(torch.cat([step, summary], 1), h)
            states.append(h)
        return F.cross_entropy(self.head(torch.stack(states, 1)).flatten(0, 1), targets.flatten())


def example():
    source, shifted, targets = ids("source", 11, [3, 6]), ids("shifted", 11, [3, 5]), ids("targets", 11, [3, 5])
    return Translator(11, 8), lambda m: m.loss(source, shifted, targets)
