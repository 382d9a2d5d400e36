import torch
import torch.nn.functional as F
from fixtures import uniform
from torch import nn


class Vae(nn.Module):
    def __init__(self, pixels, hidden, latent):
        super().__init__()
        self.encoder = nn.Linear(pixels, hidden)
        self.mean = nn.Linear(hidden, latent)
        self.log_variance = nn.Linear(hidden, latent)
        self.decoder = nn.Linear(latent, hidden)
        self.pixels = nn.Linear(hidden, pixels)

    def decode(self, z):
        return self.pixels(torch.tanh(self.decoder(z)))

    def loss(self, x, noise):
        h = torch.tanh(self.encoder(x))
        mean, log_variance = self.mean(h), self.log_variance(h)
        logits = self.decode(mean + torch.exp(0.5 * log_variance) * noise)
        reconstruction = F.binary_cross_entropy_with_logits(logits, x, reduction="none").sum(1)
        divergence = 0.5 * (mean**2 + log_variance.exp() - log_variance - 1).sum(1)
        return (reconstruction + divergence).mean()


def example():
    return Vae(20, 12, 3), lambda m: m.loss(uniform("pixels", [8, 20]), uniform("noise", [8, 3]))
