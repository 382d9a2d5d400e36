"""The table of `conv.rs` for PyTorch, channels last: python conv.py [NETWORK [BATCH [ROUNDS]]], with OMP_NUM_THREADS set."""
import os, re, sys, time
import torch

net = sys.argv[1] if len(sys.argv) > 1 else "resnet50"
batch = int(sys.argv[2]) if len(sys.argv) > 2 else (128 if net == "resnet20" else 8)
rounds = int(sys.argv[3]) if len(sys.argv) > 3 else 7
source = open(os.path.join(os.path.dirname(__file__), "..", "conv.rs")).read()
table = re.search(f"const {net.upper()}:.*?=\\s*&\\[(.*?)\\];", source, re.S).group(1)
layers = [tuple(map(int, row.split(","))) for row in re.findall(r"\[([\d, ]+)\]", table)]

def best(f):
    f()
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        f()
        times.append(time.perf_counter() - start)
    return min(times)

print(f"PyTorch {torch.__version__}, {torch.get_num_threads()} threads, batch {batch}, best of {rounds}")
totals = [0.0] * 3
for count, size, inputs, outputs, kernel, stride in layers:
    last = torch.channels_last
    x = torch.randn(batch, inputs, size, size).to(memory_format=last)
    groups = 1 if net.startswith("resnet") else inputs
    w = torch.randn(outputs, inputs // groups, kernel, kernel).to(memory_format=last)
    p = kernel // 2
    y = torch.nn.functional.conv2d(x, w, stride=stride, padding=p, groups=groups)
    dy = torch.randn_like(y, memory_format=torch.preserve_format)
    grad = lambda mask: torch.ops.aten.convolution_backward(dy, x, w, None, [stride] * 2, [p] * 2, [1, 1], False, [0, 0], groups, mask)
    times = [best(lambda: torch.nn.functional.conv2d(x, w, stride=stride, padding=p, groups=groups)),
             best(lambda: grad([True, False, False])) if inputs > 3 else 0.0, best(lambda: grad([False, True, False]))]
    work = 2 * y.numel() * inputs // groups * kernel * kernel / 1e9
    cells = [f"{1e3 * t:.2f} ms {work / t:4.0f}" if t else "" for t in times]
    print(f"{f'{count} x {kernel}x{kernel}/{stride} {inputs}-{outputs} @{size}':<28} {cells[0]:>18} {cells[1]:>18} {cells[2]:>18}")
    totals = [a + 1e3 * count * t for a, t in zip(totals, times)]
print(f"{'the network':<28} {totals[0]:>15.1f} ms {totals[1]:>15.1f} ms {totals[2]:>15.1f} ms")
