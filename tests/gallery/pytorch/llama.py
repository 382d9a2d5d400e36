import torch
import torch.nn.functional as F
from fixtures import ids
from torch import nn


def rotary(x):
    """Rotates halves, as transformers' Llama does."""
    t, half = x.shape[-2], x.shape[-1] // 2
    angles = torch.arange(t)[:, None] * 10000.0 ** (-torch.arange(half) / half)
    cos, sin = angles.cos().repeat(1, 2), angles.sin().repeat(1, 2)
    first, second = x[..., :half], x[..., half:]
    return x * cos + torch.cat([-second, first], -1) * sin


class Attention(nn.Module):
    def __init__(self, width, heads, group):
        super().__init__()
        self.heads, self.group = heads, group
        self.query = nn.Linear(width, width, bias=False)
        self.key = nn.Linear(width, width // group, bias=False)
        self.value = nn.Linear(width, width // group, bias=False)
        self.out = nn.Linear(width, width, bias=False)

    def forward(self, x):
        b, t, width = x.shape
        q = rotary(self.query(x).view(b, t, self.heads, -1).transpose(1, 2))
        k = rotary(self.key(x).view(b, t, self.heads // self.group, -1).transpose(1, 2))
        v = self.value(x).view(b, t, self.heads // self.group, -1).transpose(1, 2)
        attended = F.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=True)
        return self.out(attended.transpose(1, 2).reshape(b, t, width))


class SwiGlu(nn.Module):
    def __init__(self, width, hidden):
        super().__init__()
        self.gate = nn.Linear(width, hidden, bias=False)
        self.up = nn.Linear(width, hidden, bias=False)
        self.down = nn.Linear(hidden, width, bias=False)

    def forward(self, x):
        return self.down(F.silu(self.gate(x)) * self.up(x))


class Block(nn.Module):
    def __init__(self, width, heads, group, hidden):
        super().__init__()
        self.attention_norm = nn.RMSNorm(width, 1e-6)
        self.attention = Attention(width, heads, group)
        self.mlp_norm = nn.RMSNorm(width, 1e-6)
        self.mlp = SwiGlu(width, hidden)

    def forward(self, x):
        x = x + self.attention(self.attention_norm(x))
        return x + self.mlp(self.mlp_norm(x))


class Llama(nn.Module):
    def __init__(self, vocab, width, heads, group, hidden, layers):
        super().__init__()
        self.tokens = nn.Embedding(vocab, width)
        self.blocks = nn.ModuleList(Block(width, heads, group, hidden) for _ in range(layers))
        self.norm = nn.RMSNorm(width, 1e-6)
        self.head = nn.Linear(width, vocab, bias=False)

    def loss(self, tokens, targets):
        x = self.tokens(tokens)
        for block in self.blocks:
            x = block(x)
        return F.cross_entropy(self.head(self.norm(x)).flatten(0, 1), targets.flatten())


def example():
    return Llama(11, 16, 4, 2, 24, 2), lambda m: m.loss(ids("tokens", 11, [3, 6]), ids("targets", 11, [3, 6]))
