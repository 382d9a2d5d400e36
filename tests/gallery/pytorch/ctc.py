import torch
import torch.nn.functional as F
from fixtures import uniform
from lstm import Lstm
from torch import nn


class Recognizer(nn.Module):
    def __init__(self, inputs, h, classes):
        super().__init__()
        self.recurrent = Lstm(inputs, h)
        self.out = nn.Linear(h, classes)

    def loss(self, x, frames, labels, lengths):
        p = F.log_softmax(self.out(self.recurrent(x)), 2).transpose(0, 1)
        return F.ctc_loss(p, labels, frames, lengths, reduction="sum") / len(x)


def example():
    labels = torch.tensor([[1, 2, 3], [2, 2, 1], [3, 1, 1]])
    frames, lengths = torch.tensor([8, 7, 5]), torch.tensor([3, 3, 1])
    return Recognizer(5, 8, 4), lambda m: m.loss(uniform("frames", [3, 8, 5]), frames, labels, lengths)
