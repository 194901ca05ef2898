"""A timm model with weights that make its outputs meaningful, and its ONNX file."""

import timm
import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from families import own_size

SIZES = [64, 128]
# Half a unit in the last place of an f32.
ROUNDING = 2.0**-24


def exported(name, path, exporter, extent):
    """The model and an input at which it runs and is exported; its ONNX file is at `path`.

    At its own size with one image, or `reduced`: at the smallest size that works, with two. The batch is open, or 1 if
    the exporter does not allow that.
    """
    torch.manual_seed(0)
    model = timm.create_model(name, pretrained=False).eval()
    randomize(model)
    own = own_size(name)
    sizes = sorted({size for size in SIZES if size < own and extent == "reduced"} | {own})
    for size, is_open in [*((size, True) for size in sizes), *((size, False) for size in sorted({sizes[0], own}))]:
        x = torch.randn(2 if is_open and extent == "reduced" else 1, 3, size, size)
        try:
            calibrate(model, x)
            export(model, x, path, exporter, is_open)
            return model, x
        except Exception as error:
            # Some have parts for one size only, such as an embedding of positions.
            last = error
    raise last


def randomize(model):
    """Makes no gain 0 or 1 and no shift 0, as after training; many are initialized so that a branch has no effect."""
    for parameter in model.parameters():
        with torch.no_grad():
            if parameter.ndim > 1:
                if parameter.abs().max() == 0:
                    parameter.normal_(std=0.02)
            elif parameter.numel() and (parameter == parameter.flatten()[0]).all():
                zero = parameter.flatten()[0] == 0
                noise = torch.empty_like(parameter)
                parameter.add_(noise.uniform_(0.05, 0.3) if zero else noise.uniform_(-0.4, 0.4))


def calibrate(model, x):
    """Sets the statistics of batch normalizations to those of these images and more, perturbed.

    So activations neither vanish nor grow. In the deepest networks they would grow for other images.
    """

    def measure(norm, operands):
        (value, *_) = operands
        axes = [axis for axis in range(value.ndim) if axis != 1]
        variance, mean = torch.var_mean(value, axes, correction=0)
        # The variance of only a few points may be tiny.
        variance += 0.01 * variance.mean() + 1e-6
        if value[0, 0].numel() == 1:
            # Images of noise have almost the same average, so a gate's normalization would amplify tiny differences.
            variance += 0.1 * mean.square().mean()
        norm.running_mean.copy_(mean + 0.2 * variance.sqrt() * torch.randn_like(mean))
        norm.running_var.copy_(variance * torch.empty_like(variance).uniform_(0.7, 1.5))

    norms = [module for module in model.modules() if isinstance(module, _BatchNorm) and module.track_running_stats]
    if not norms:
        return
    hooks = [norm.register_forward_pre_hook(measure) for norm in norms]
    try:
        with torch.no_grad():
            model(torch.cat([x, torch.randn(2, *x.shape[1:])]))
    finally:
        for hook in hooks:
            hook.remove()


def export(model, x, path, exporter, is_open):
    common = dict(input_names=["x"], output_names=["y"])
    if exporter == "dynamo":
        shapes = ({0: torch.export.Dim("batch", min=1, max=64)},) if is_open else None
        torch.onnx.export(model, (x,), path, dynamo=True, dynamic_shapes=shapes, verbose=False, **common)
    else:
        axes = {"x": {0: "batch"}, "y": {0: "batch"}} if is_open else None
        torch.onnx.export(model, (x,), path, dynamo=False, opset_version=17, dynamic_axes=axes, **common)


def reference(model, x):
    """The output in f64, PyTorch's own error in f32, and how the network amplifies rounding.

    The last is the error in the output if each element of the input is rounded as in f32, and nothing else;
    it is a multiple of that rounding.
    """
    with torch.no_grad():
        single = model(x).double()
        double = nn.Module.double(model)(x.double()).double()
        signs = torch.randint(2, x.shape) * 2 - 1
        rounded = model(x.double() * (1 + ROUNDING * signs)).double()

    def apart(y):
        return ((y - double).abs().max() / double.abs().max()).item()

    return double, apart(single), apart(rounded) / ROUNDING
