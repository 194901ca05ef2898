#!/usr/bin/env python3
"""Writes traces.json beside this file: the losses of a ResNet-20 in 20 steps of training, and a norm of what it
has learned after them, computed by PyTorch in float64 for each optimizer.

Needs: pip install torch torchvision timm onnx onnxscript safetensors
Usage: make_traces.py
"""

import json
import pathlib

import torch
import torch.nn.functional as F

from make import FIXTURES, drawn, module, numbers

HERE = pathlib.Path(__file__).parent
STEPS, BATCH, SIZE = 20, 4, 10


def weights(model):
    """Uniform numbers with the variance of He et al. (2015), drawn for each tensor from its position by name."""
    state = model.state_dict()
    for i, name in enumerate(sorted(k for k in state if state[k].is_floating_point())):
        shape = state[name].shape
        if len(shape) > 1:
            values = drawn(100 + i, shape.numel()) * (6.0 / (shape.numel() // shape[0])) ** 0.5
            state[name] = torch.from_numpy(values).float().reshape(shape)
        elif name == "fc.bias":
            state[name] = torch.zeros(shape)
    model.load_state_dict(state)
    return model.double().train()


def batch(step):
    """Pictures that are brighter in one of ten columns, which is their class, in a fixed order."""
    x = torch.from_numpy(drawn(1000 + step, BATCH * 3 * SIZE * SIZE)).reshape(BATCH, 3, SIZE, SIZE)
    labels = torch.tensor([(3 * step + 7 * i) % 10 for i in range(BATCH)])
    for image, label in zip(x, labels):
        image[:, :, label] += 1.0
    return x, labels


def groups(model, decay, everything):
    """Weight decay for convolutions and dense layers, or for everything."""
    shrinks = lambda p: everything or p.dim() > 1
    parameters = list(model.parameters())
    return [
        {"params": [p for p in parameters if shrinks(p)], "weight_decay": decay},
        {"params": [p for p in parameters if not shrinks(p)], "weight_decay": 0.0},
    ]


OPTIMIZERS = {
    "sgd": lambda m: torch.optim.SGD(groups(m, 0.0, False), lr=0.05),
    "momentum": lambda m: torch.optim.SGD(groups(m, 1e-4, True), lr=0.05, momentum=0.9),
    "nesterov": lambda m: torch.optim.SGD(groups(m, 5e-4, False), lr=0.05, momentum=0.9, nesterov=True),
    "adam_w": lambda m: torch.optim.AdamW(groups(m, 0.05, False), lr=0.002),
}


def trace(name, optimizer):
    model = weights(module(FIXTURES / "make.py", "exported").Cifar(3, "A", width=16))
    optimizer = optimizer(model)
    rates = [group["lr"] for group in optimizer.param_groups]
    losses = []
    for step in range(STEPS):
        # The rate falls by half in the middle.
        for group, rate in zip(optimizer.param_groups, rates):
            group["lr"] = rate * (0.5 if step >= STEPS // 2 else 1.0)
        x, labels = batch(step)
        loss = F.cross_entropy(model(x), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    print(f"{name:10} {losses[0]:.4f} to {losses[-1]:.4f}")
    tensors = {k: numbers(v) for k, v in model.state_dict().items() if v.is_floating_point()}
    return {"optimizer": name, "losses": losses, "tensors": tensors}


if __name__ == "__main__":
    found = [trace(name, optimizer) for name, optimizer in OPTIMIZERS.items()]
    (HERE / "traces.json").write_text(json.dumps(found, indent=0) + "\n")
