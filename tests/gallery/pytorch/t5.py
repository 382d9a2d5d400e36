import math

import torch
import torch.nn.functional as F
from fixtures import ids
from torch import nn


class Attention(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.query = nn.Linear(width, width, bias=False)
        self.key = nn.Linear(width, width, bias=False)
        self.value = nn.Linear(width, width, bias=False)
        self.out = nn.Linear(width, width, bias=False)

    def forward(self, x, memory, bias=None):
        b, t, width = x.shape
        q = self.query(x).view(b, t, self.heads, -1).transpose(1, 2)
        k = self.key(memory).view(b, memory.shape[1], self.heads, -1).transpose(1, 2)
        v = self.value(memory).view(b, memory.shape[1], self.heads, -1).transpose(1, 2)
        attended = F.scaled_dot_product_attention(q, k, v, attn_mask=bias, scale=1.0)
        return self.out(attended.transpose(1, 2).reshape(b, t, width))


class Mlp(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.up = nn.Linear(width, 4 * width, bias=False)
        self.down = nn.Linear(4 * width, width, bias=False)

    def forward(self, x):
        return self.down(F.relu(self.up(x)))


class Encoder(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.attention_norm = nn.RMSNorm(width, 1e-6)
        self.attention = Attention(width, heads)
        self.mlp_norm = nn.RMSNorm(width, 1e-6)
        self.mlp = Mlp(width)

    def forward(self, x, bias):
        h = self.attention_norm(x)
        x = x + self.attention(h, h, bias)
        return x + self.mlp(self.mlp_norm(x))


class Decoder(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.attention_norm = nn.RMSNorm(width, 1e-6)
        self.attention = Attention(width, heads)
        self.cross_norm = nn.RMSNorm(width, 1e-6)
        self.cross = Attention(width, heads)
        self.mlp_norm = nn.RMSNorm(width, 1e-6)
        self.mlp = Mlp(width)

    def forward(self, x, memory, bias):
        h = self.attention_norm(x)
        x = x + self.attention(h, h, bias)
        x = x + self.cross(self.cross_norm(x), memory)
        return x + self.mlp(self.mlp_norm(x))


class T5(nn.Module):
    def __init__(self, vocab, width, heads, layers, buckets):
        super().__init__()
        self.buckets = buckets
        self.tokens = nn.Embedding(vocab, width)
        self.encoder_bias = nn.Embedding(buckets, heads)
        self.encoder = nn.ModuleList(Encoder(width, heads) for _ in range(layers))
        self.encoder_norm = nn.RMSNorm(width, 1e-6)
        self.decoder_bias = nn.Embedding(buckets, heads)
        self.decoder = nn.ModuleList(Decoder(width, heads) for _ in range(layers))
        self.decoder_norm = nn.RMSNorm(width, 1e-6)
        self.head = nn.Linear(width, vocab, bias=False)

    def bucket(self, length, causal):
        """The buckets of transformers' T5Attention, with a largest distance of 128."""
        place = torch.arange(length)
        relative = place - place[:, None]
        count, first = self.buckets, 0
        if causal:
            relative = -relative.clamp(max=0)
        else:
            count //= 2
            first = (relative > 0) * count
            relative = relative.abs()
        exact = count // 2
        far = exact + (torch.log(relative / exact) / math.log(128 / exact) * (count - exact)).nan_to_num(neginf=0).long()
        return first + torch.where(relative < exact, relative, far.clamp(max=count - 1))

    def loss(self, source, shifted, targets):
        bias = self.encoder_bias(self.bucket(source.shape[1], False)).permute(2, 0, 1)
        memory = self.tokens(source)
        for block in self.encoder:
            memory = block(memory, bias)
        memory = self.encoder_norm(memory)

        t = shifted.shape[1]
        later = torch.ones(t, t).triu(1).bool()
        bias = self.decoder_bias(self.bucket(t, True)).permute(2, 0, 1).masked_fill(later, -1e9)
        x = self.tokens(shifted)
        for block in self.decoder:
            x = block(x, memory, bias)
        return F.cross_entropy(self.head(self.decoder_norm(x)).flatten(0, 1), targets.flatten())


def example():
    source, shifted, targets = ids("source", 13, [2, 6]), ids("shifted", 13, [2, 5]), ids("targets", 13, [2, 5])
    return T5(13, 12, 3, 2, 8), lambda m: m.loss(source, shifted, targets)
