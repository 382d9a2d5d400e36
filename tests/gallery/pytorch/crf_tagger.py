import torch
from fixtures import ids
from torch import nn


class Rnn(nn.Module):
    def __init__(self, inputs, h):
        super().__init__()
        self.input = nn.Linear(inputs, h)
        self.hidden = nn.Linear(h, h, bias=False)

    def forward(self, x, h):
        return torch.tanh(self.input(x) + self.hidden(h))


class Tagger(nn.Module):
    def __init__(self, vocab, width, tags):
        super().__init__()
        self.width = width
        self.words = nn.Embedding(vocab, width)
        self.ahead = Rnn(width, width)
        self.back = Rnn(width, width)
        self.emissions = nn.Linear(2 * width, tags)
        self.transitions = nn.Parameter(torch.empty(tags, tags))

    def emit(self, words):
        ahead, back = [], []
        h = torch.zeros(1, self.width)
        for x in self.words(words):
            h = self.ahead(x[None], h)
            ahead.append(h)
        h = torch.zeros(1, self.width)
        for x in self.words(words).flip(0):
            h = self.back(x[None], h)
            back.append(h)
        return self.emissions(torch.cat([torch.cat(ahead), torch.cat(back[::-1])], 1))

    def sentence(self, words, tags):
        scores = self.emit(words)
        score = scores[0, tags[0]]
        alpha = scores[0]
        for t in range(1, len(words)):
            score = score + self.transitions[tags[t - 1], tags[t]] + scores[t, tags[t]]
            alpha = torch.logsumexp(alpha[:, None] + self.transitions, 0) + scores[t]
        return torch.logsumexp(alpha, 0) - score


def example():
    """One sentence at a time, without padding: the padded batch of ours must give the same."""
    words, tags = ids("words", 11, [3, 6]), ids("tags", 4, [3, 6])

    def loss(model):
        return sum(model.sentence(words[i, :n], tags[i, :n]) for i, n in enumerate([6, 3, 5])) / 3

    return Tagger(11, 6, 4), loss
