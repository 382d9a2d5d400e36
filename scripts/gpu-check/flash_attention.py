"""Times PyTorch's causal attention, forward and backward, through all layers: milliseconds by backend, as a line of JSON."""

import argparse
import json
import time

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.functional import scaled_dot_product_attention

p = argparse.ArgumentParser()
p.add_argument("--device", default="cuda")
for name in ("layers", "batch", "heads", "length", "size"):
    p.add_argument(f"--{name}", type=int, required=True)
a = p.parse_args()
cuda = a.device.startswith("cuda")
shape = (a.batch, a.heads, a.length, a.size)
q, k, v, d = (torch.randn(shape, device=a.device, dtype=torch.bfloat16, requires_grad=i < 3) for i in range(4))


def milliseconds(work):
    """Of as many calls as there are layers, on the GPU's own clock."""
    if not cuda:
        start = time.perf_counter()
        for _ in range(a.layers):
            work()
        return 1e3 * (time.perf_counter() - start)
    start, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
    start.record()
    for _ in range(a.layers):
        work()
    end.record()
    torch.cuda.synchronize()
    return start.elapsed_time(end)


def quickest(work, runs=20):
    return min(milliseconds(work) for _ in range(runs))


def attend():
    return scaled_dot_product_attention(q, k, v, is_causal=True)


result = {}
for name, backend in {"flash": SDPBackend.FLASH_ATTENTION, "cudnn": SDPBackend.CUDNN_ATTENTION}.items():
    try:
        with sdpa_kernel(backend):
            forward = quickest(attend)
            y = attend()
            backward = quickest(lambda: torch.autograd.grad(y, (q, k, v), d, retain_graph=True))
        result[name] = {"forward": round(forward, 4), "backward": round(backward, 4)}
    except RuntimeError as error:
        result[name] = None
        print(f"{name}: {error}")
print(json.dumps(result))
