import torch
import torch.nn.functional as F
from fixtures import ids
from torch import nn


class Block(nn.Module):
    def __init__(self, width, heads, window):
        super().__init__()
        self.heads, self.window = heads, window
        self.norm = nn.LayerNorm(width)
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        self.mlp_norm = nn.LayerNorm(width)
        self.up = nn.Linear(width, 4 * width)
        self.down = nn.Linear(4 * width, width)

    def attend(self, x):
        b, t, width = x.shape
        q, k, v = self.qkv(x).view(b, t, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        distance = torch.arange(t)[:, None] - torch.arange(t)
        slopes = 2.0 ** (-8.0 / self.heads * torch.arange(1, self.heads + 1))
        bias = -slopes[:, None, None] * distance
        bias = bias.masked_fill((distance < 0) | (distance >= self.window), float("-inf"))
        return F.scaled_dot_product_attention(q, k, v, attn_mask=bias).transpose(1, 2).reshape(b, t, width)

    def forward(self, x):
        x = x + self.out(self.attend(self.norm(x)))
        return x + self.down(F.gelu(self.up(self.mlp_norm(x))))


class Alibi(nn.Module):
    def __init__(self, vocab, width, heads, window, layers):
        super().__init__()
        self.tokens = nn.Embedding(vocab, width)
        self.blocks = nn.ModuleList(Block(width, heads, window) for _ in range(layers))
        self.norm = nn.LayerNorm(width)

    def loss(self, tokens, targets):
        x = self.tokens(tokens)
        for block in self.blocks:
            x = block(x)
        logits = self.norm(x) @ self.tokens.weight.T
        return F.cross_entropy(logits.flatten(0, 1), targets.flatten())


def example():
    return Alibi(11, 12, 3, 4, 2), lambda m: m.loss(ids("tokens", 11, [3, 7]), ids("targets", 11, [3, 7]))
