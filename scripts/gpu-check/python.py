"""What this Python has of what the peers' scripts need: a kind and a finding a line.

usage: python.py FOLDER OF FURTHER PACKAGES
"""

import importlib.util
import os
import shutil
import sys

if os.path.isdir(sys.argv[1]):
    sys.path.append(sys.argv[1])
try:
    import safetensors
    import torch
    import torchvision
    import transformers
except Exception as error:
    print(f"problem {sys.executable} cannot import what the peers need: {error!r}"[:300])
    sys.exit()

print("version", f"Python {sys.version.split()[0]}, PyTorch {torch.__version__}, transformers {transformers.__version__}")
if torch.cuda.is_available():
    print("gpu", torch.cuda.get_device_name(), "cuDNN", torch.backends.cudnn.version())
else:
    print("no GPU PyTorch sees no GPU")
compiler = shutil.which(os.environ.get("CC", "cc")) or shutil.which("gcc")
lacking = [] if compiler else ["a C compiler"]
lacking += [] if importlib.util.find_spec("triton") else ["Triton"]
if lacking:
    print("uncompiled", "torch.compile lacks " + " and ".join(lacking))
if importlib.util.find_spec("ivon"):
    print("ivon", importlib.util.find_spec("ivon").origin)
