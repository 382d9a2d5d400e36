import torch
import torch.nn.functional as F
from fixtures import ids, images
from torch import nn


def norm(layer, x):
    return layer(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class Block(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.depthwise = nn.Conv2d(width, width, 7, padding=3, groups=width)
        self.norm = nn.LayerNorm(width)
        self.up = nn.Linear(width, 4 * width)
        self.down = nn.Linear(4 * width, width)
        self.scale = nn.Parameter(torch.empty(width))

    def forward(self, x):
        h = self.norm(self.depthwise(x).permute(0, 2, 3, 1))
        return x + (self.scale * self.down(F.gelu(self.up(h)))).permute(0, 3, 1, 2)


class ConvNext(nn.Module):
    def __init__(self, width, layers, classes):
        super().__init__()
        self.stem = nn.Conv2d(3, width, 4, 4)
        self.stem_norm = nn.LayerNorm(width)
        self.blocks = nn.ModuleList(Block(width) for _ in range(layers))
        self.down_norm = nn.LayerNorm(width)
        self.down = nn.Conv2d(width, 2 * width, 2, 2)
        self.last_blocks = nn.ModuleList(Block(2 * width) for _ in range(layers))
        self.norm = nn.LayerNorm(2 * width)
        self.head = nn.Linear(2 * width, classes)

    def forward(self, images):
        x = norm(self.stem_norm, self.stem(images))
        for block in self.blocks:
            x = block(x)
        x = self.down(norm(self.down_norm, x))
        for block in self.last_blocks:
            x = block(x)
        return self.head(self.norm(x.mean((2, 3))))


def example():
    model = ConvNext(8, 1, 5)
    return model, lambda m: F.cross_entropy(m(images("images", [4, 16, 16, 3])), ids("labels", 5, [4]))
