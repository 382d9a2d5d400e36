"""What `cargo bench -p ivon-cli --bench images` does, by torchvision and Pillow.

python images.py FOLDER [--size PIXELS --batch N --pictures N --rounds N --workers N]
python images.py FOLDER --photos FROM     makes 300 photographs of 500 x 375 out of the images of FROM (a folder with train/CLASS/*)
"""

import argparse
import os
import time

import numpy as np
import torch
from PIL import Image
from torchvision import datasets, transforms


def make_photos(folder, source, count=300):
    """Large blurred images with smaller ones and noise over them: as many bytes as photographs of that size have."""
    random = np.random.RandomState(0)
    files = datasets.ImageFolder(os.path.join(source, "train")).samples
    for part in ["train", "val"]:
        for i in range(count if part == "train" else 10):
            def one():
                return Image.open(files[random.randint(len(files))][0])
            photo = one().resize((500, 375), Image.BICUBIC)
            for _ in range(12):
                side = random.randint(40, 160)
                photo.paste(one().resize((side, side), Image.BICUBIC), (random.randint(460), random.randint(340)))
            pixels = np.asarray(photo).astype(np.float32) + random.normal(0, 9, (375, 500, 3))
            place = os.path.join(folder, part, f"class{i % 2}")
            os.makedirs(place, exist_ok=True)
            Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(os.path.join(place, f"{i:04}.jpg"), quality=92)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("folder")
    parser.add_argument("--photos")
    parser.add_argument("--size", type=int)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--pictures", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--workers", type=int, default=2)
    flags = parser.parse_args()
    if flags.photos:
        return make_photos(flags.folder, flags.photos)
    torch.set_num_threads(1)
    plain = datasets.ImageFolder(os.path.join(flags.folder, "train"))
    small = max(plain[0][0].size) <= 64
    size = flags.size or (plain[0][0].size[0] if small else 224)
    crop = transforms.RandomCrop(size, 4) if small else transforms.RandomResizedCrop(size)
    see = transforms.Compose([
        crop, transforms.RandomHorizontalFlip(), transforms.ToTensor(),
        transforms.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]),
    ])
    seen = datasets.ImageFolder(os.path.join(flags.folder, "train"), see)
    count = min(flags.pictures, len(plain))
    plain, seen = (torch.utils.data.Subset(s, range(count)) for s in (plain, seen))
    loader = torch.utils.data.DataLoader(seen, flags.batch, shuffle=True, num_workers=flags.workers, persistent_workers=True)
    best = [0, 0, 0]
    for _ in range(flags.rounds):
        for i, work in enumerate([plain, seen, loader]):
            start = time.perf_counter()
            if work is loader:
                for _ in loader:
                    pass
            else:
                for index in range(count):
                    work[index]
            best[i] = max(best[i], count / (time.perf_counter() - start))
    for name, rate in zip(["decoded by one process", "decoded and cropped by one", f"DataLoader, {flags.workers} workers"], best):
        print(f"{name:<30} {rate:>10.0f} /s")


main()
