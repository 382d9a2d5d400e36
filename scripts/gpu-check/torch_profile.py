"""Runs a peer's script under PyTorch's profiler and prints its kernels, those that take longest first; the script's own line of JSON before them.

usage: torch_profile.py SCRIPT ARGUMENTS. Times are those of all steps, warm-up included; only what the GPU does is recorded.
"""

import runpy
import sys

import torch
from torch.profiler import ProfilerActivity, profile

cuda = torch.cuda.is_available()
sys.argv = sys.argv[1:]
with profile(activities=[ProfilerActivity.CUDA if cuda else ProfilerActivity.CPU]) as recorded:
    runpy.run_path(sys.argv[0], run_name="__main__")
order = "self_device_time_total" if cuda else "self_cpu_time_total"
print(recorded.key_averages().table(sort_by=order, row_limit=60, max_name_column_width=90))
