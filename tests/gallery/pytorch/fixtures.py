"""Writes ../fixtures/MODEL.safetensors: the loss of every model of this directory and its gradients, in f64, at weights that depend on
names alone (`uniform_values` of ../src/lib.rs). Needs torch, numpy and safetensors: python fixtures.py [MODEL ..]"""

import importlib
import pathlib
import sys

import numpy as np
import torch
from safetensors.numpy import save_file
from torch import nn

HERE = pathlib.Path(__file__).parent
NORMS = (nn.LayerNorm, nn.BatchNorm2d, nn.RMSNorm)
CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.ConvTranspose2d)


def bits(name, count):
    start = 0xCBF29CE484222325
    for byte in name.encode():
        start = ((start ^ byte) * 0x100000001B3) % 2**64
    with np.errstate(over="ignore"):
        z = np.uint64(start) + np.arange(1, count + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return z ^ (z >> np.uint64(31))


def uniform(name, shape):
    values = (bits(name, int(np.prod(shape))) >> np.uint64(11)).astype(np.float64) * 2.0**-53 * 2 - 1
    return torch.from_numpy(values.reshape(shape))


def images(name, shape):
    """[B, H, W, C] as the [B, C, H, W] of PyTorch."""
    return uniform(name, shape).permute(0, 3, 1, 2)


def ids(name, below, shape):
    return torch.from_numpy((bits(name, int(np.prod(shape))) % np.uint64(below)).astype(np.int64).reshape(shape))


def channels_last(x):
    return x.permute(0, *range(2, x.dim()), 1) if x.dim() > 2 else x


def named(model):
    """The parameters by the names that ours have: a norm's weight is a gain."""
    gains = {f"{name}.weight" for name, module in model.named_modules() if isinstance(module, NORMS)}
    convolutions = {f"{name}.weight" for name, module in model.named_modules() if isinstance(module, CONVOLUTIONS)}
    for name, parameter in model.named_parameters():
        yield name.removesuffix("weight") + "gain" if name in gains else name, parameter, name in convolutions


def initialize(model):
    for name, parameter, convolution in named(model):
        shape = channels_last(parameter).shape if convolution else parameter.shape
        values = uniform(name, shape)
        values = 1 + 0.2 * values if name.endswith("gain") else values * 1.5 / np.prod(shape[1:]) ** 0.5
        if convolution:
            values = values.permute(0, values.dim() - 1, *range(1, values.dim() - 1))
        with torch.no_grad():
            parameter.copy_(values)


def write(name):
    model, loss = importlib.import_module(name).example()
    initialize(model)
    loss = loss(model)
    loss.backward()
    gradients = {"loss": loss.detach().numpy().reshape(1)}
    for ours, parameter, convolution in named(model):
        if parameter.requires_grad:
            gradient = parameter.grad if parameter.grad is not None else torch.zeros_like(parameter)
            gradient = channels_last(gradient) if convolution else gradient
            gradients[ours] = np.ascontiguousarray(gradient.numpy())
    save_file(gradients, HERE.parent / "fixtures" / f"{name}.safetensors")
    print(f"{name}: loss {loss.item():.6f}, {len(gradients) - 1} gradients")


if __name__ == "__main__":
    torch.set_default_dtype(torch.float64)
    sys.modules["fixtures"] = sys.modules["__main__"]
    every = sorted(path.stem for path in HERE.glob("*.py") if path.stem != "fixtures")
    for name in sys.argv[1:] or every:
        write(name)
