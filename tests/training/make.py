#!/usr/bin/env python3
"""Writes gradients.json beside this file: what PyTorch computes in float64 for one step of training each
network of the family, with batch statistics and label smoothing.

Tensors are compared by two numbers: the root of the sum of their squares, and the sum of their elements times
numbers drawn from a seed. Inputs are drawn in the same way (SplitMix64, as in ir/src/random.rs).

Needs: pip install torch torchvision timm onnx onnxscript safetensors
Usage: make.py
"""

import importlib.util
import json
import pathlib

import numpy as np
import onnx
import torch
import torch.nn as nn
import torch.nn.functional as F
from safetensors.torch import load_file

HERE = pathlib.Path(__file__).parent
FIXTURES = HERE.parent / "fixtures"
LABELS = [1, 7, 4]
SMOOTHING = 0.1
# An odd size where the network has a part for it.
SIZES = {"resnet_d": 33}


def module(path, name):
    spec = importlib.util.spec_from_file_location(name, path)
    found = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(found)
    return found


def drawn(seed, count):
    """Multiples of 2^-23 from -1 to 1."""
    with np.errstate(over="ignore"):
        z = np.uint64(seed) + np.arange(1, count + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z = z ^ (z >> np.uint64(31))
    return (z >> np.uint64(40)).astype(np.float64) * 2.0**-23 - 1.0


def numbers(tensor):
    flat = tensor.detach().double().reshape(-1).numpy()
    return [float(np.sqrt(np.sum(flat * flat))), float(np.sum(flat * drawn(1, flat.size)))]


def step(name, model):
    size = SIZES.get(name, 32)
    model = model.double().eval()
    for m in model.modules():
        if isinstance(m, nn.BatchNorm2d):
            m.train()
    x = torch.from_numpy(2 * drawn(2, len(LABELS) * 3 * size * size)).reshape(len(LABELS), 3, size, size)
    loss = F.cross_entropy(model(x), torch.tensor(LABELS), label_smoothing=SMOOTHING)
    loss.backward()
    changed = {k: v for k, v in model.state_dict().items() if "running" in k}
    result = {
        "name": name,
        "size": size,
        "loss": loss.item(),
        "gradients": {k: numbers(p.grad) for k, p in model.named_parameters()},
        "statistics": {k: numbers(v) for k, v in changed.items()},
    }
    print(f"{name:24} loss {loss.item():.4f}, {len(result['gradients'])} parameters")
    return result


def exported():
    make = module(FIXTURES / "make.py", "exported")
    for name, (build, _, exporter) in make.MODELS.items():
        if exporter == "ts":
            stored = onnx.load(FIXTURES / name / "model.onnx").graph.initializer
            weights = {t.name: torch.from_numpy(onnx.numpy_helper.to_array(t).copy()) for t in stored}
            model = build()
            known = model.state_dict()
            model.load_state_dict({k: v for k, v in weights.items() if k in known}, strict=False)
            missing = [k for k in known if k not in weights and not k.endswith("num_batches_tracked")]
            assert not missing, (name, missing)
            yield name, model


def described():
    make = module(FIXTURES / "family" / "make.py", "described")
    for name, (build, _) in make.MODELS.items():
        model = build()
        model.load_state_dict(load_file(FIXTURES / "family" / name / "weights.safetensors"), strict=False)
        yield name, model


if __name__ == "__main__":
    torch.manual_seed(0)
    found = [step(name, model) for name, model in [*exported(), *described()]]
    (HERE / "gradients.json").write_text(json.dumps(found, indent=0).replace("[\n", "[").replace(",\n-", ", -") + "\n")
