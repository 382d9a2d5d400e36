import torch.nn.functional as F
from fixtures import ids, images
from torch import nn


class Mlp(nn.Module):
    def __init__(self, width, hidden):
        super().__init__()
        self.up = nn.Linear(width, hidden)
        self.down = nn.Linear(hidden, width)

    def forward(self, x):
        return self.down(F.gelu(self.up(x)))


class Block(nn.Module):
    def __init__(self, patches, width):
        super().__init__()
        self.patch_norm = nn.LayerNorm(width)
        self.patches = Mlp(patches, 2 * patches)
        self.channel_norm = nn.LayerNorm(width)
        self.channels = Mlp(width, 4 * width)

    def forward(self, x):
        x = x + self.patches(self.patch_norm(x).transpose(1, 2)).transpose(1, 2)
        return x + self.channels(self.channel_norm(x))


class MlpMixer(nn.Module):
    def __init__(self, patch, grid, width, layers, classes):
        super().__init__()
        self.stem = nn.Conv2d(3, width, patch, patch)
        self.blocks = nn.ModuleList(Block(grid * grid, width) for _ in range(layers))
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, classes)

    def forward(self, images):
        x = self.stem(images).flatten(2).transpose(1, 2)
        for block in self.blocks:
            x = block(x)
        return self.head(self.norm(x).mean(1))


def example():
    model = MlpMixer(4, 2, 12, 2, 5)
    return model, lambda m: F.cross_entropy(m(images("images", [6, 8, 8, 3])), ids("labels", 5, [6]))
