import torch
import torch.nn.functional as F
from fixtures import ids
from torch import nn


class Attention(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(width, width)
        self.value = nn.Linear(width, width)
        self.out = nn.Linear(width, width)

    def forward(self, x, real):
        b, t, width = x.shape
        q, k, v = (f(x).view(b, t, self.heads, -1).transpose(1, 2) for f in (self.query, self.key, self.value))
        attended = F.scaled_dot_product_attention(q, k, v, attn_mask=real[:, None, None, :])
        return self.out(attended.transpose(1, 2).reshape(b, t, width))


class Block(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.attention = Attention(width, heads)
        self.attention_norm = nn.LayerNorm(width)
        self.up = nn.Linear(width, 4 * width)
        self.down = nn.Linear(4 * width, width)
        self.norm = nn.LayerNorm(width)

    def forward(self, x, real):
        x = self.attention_norm(x + self.attention(x, real))
        return self.norm(x + self.down(F.gelu(self.up(x))))


class Bert(nn.Module):
    def __init__(self, vocab, context, width, heads, layers):
        super().__init__()
        self.tokens = nn.Embedding(vocab, width)
        self.segments = nn.Embedding(2, width)
        self.positions = nn.Parameter(torch.empty(context, width))
        self.norm = nn.LayerNorm(width)
        self.blocks = nn.ModuleList(Block(width, heads) for _ in range(layers))
        self.transform = nn.Linear(width, width)
        self.transform_norm = nn.LayerNorm(width)
        self.bias = nn.Parameter(torch.empty(vocab))

    def forward(self, tokens, segments, lengths):
        t = tokens.shape[1]
        x = self.norm(self.tokens(tokens) + self.segments(segments) + self.positions[:t])
        real = torch.arange(t) < lengths[:, None]
        for block in self.blocks:
            x = block(x, real)
        return self.transform_norm(F.gelu(self.transform(x))) @ self.tokens.weight.T + self.bias


def example():
    masked = torch.arange(21).view(3, 7) % 3 == 0
    targets = ids("targets", 11, [3, 7])

    def loss(model):
        logits = model(ids("tokens", 11, [3, 7]), ids("segments", 2, [3, 7]), torch.tensor([7, 4, 6]))
        return F.cross_entropy(logits[masked], targets[masked])

    return Bert(11, 8, 12, 3, 2), loss
