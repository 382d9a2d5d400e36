import torch.nn.functional as F
from fixtures import ids, images
from torch import nn


class Bottleneck(nn.Module):
    def __init__(self, inputs, outputs, hidden, stride=1):
        super().__init__()
        self.expand = nn.Conv2d(inputs, hidden, 1, bias=False)
        self.expand_norm = nn.BatchNorm2d(hidden)
        self.depthwise = nn.Conv2d(hidden, hidden, 3, stride, 1, groups=hidden, bias=False)
        self.depthwise_norm = nn.BatchNorm2d(hidden)
        self.project = nn.Conv2d(hidden, outputs, 1, bias=False)
        self.project_norm = nn.BatchNorm2d(outputs)

    def forward(self, x):
        x = F.relu6(self.expand_norm(self.expand(x)))
        x = F.relu6(self.depthwise_norm(self.depthwise(x)))
        return self.project_norm(self.project(x))


class MobileNetV2(nn.Module):
    def __init__(self, width, layers, classes):
        super().__init__()
        self.stem = nn.Conv2d(3, width, 3, 2, 1, bias=False)
        self.stem_norm = nn.BatchNorm2d(width)
        self.down = Bottleneck(width, 2 * width, 4 * width, 2)
        self.blocks = nn.ModuleList(Bottleneck(2 * width, 2 * width, 8 * width) for _ in range(layers))
        self.head = nn.Linear(2 * width, classes)

    def forward(self, images):
        x = self.down(F.relu6(self.stem_norm(self.stem(images))))
        for block in self.blocks:
            x = x + block(x)
        return self.head(x.mean((2, 3)))


def example():
    model = MobileNetV2(4, 2, 5)
    return model, lambda m: F.cross_entropy(m(images("images", [6, 8, 8, 3])), ids("labels", 5, [6]))
