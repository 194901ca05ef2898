"""A timm model with weights that make its outputs tell something, and its ONNX file."""

import timm
import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

SIZES = [64, 128]


def exported(name, batch, path, exporter):
    """The model and an input of the smallest size at which it runs and is exported; its ONNX file is at `path`.

    The batch is open, or 1 if the exporter does not allow that.
    """
    torch.manual_seed(0)
    model = timm.create_model(name, pretrained=False).eval()
    randomize(model)
    own = timm.get_pretrained_cfg(name).input_size[-1]
    sizes = sorted({size for size in SIZES if size < own} | {own})
    for size, is_open in [*((size, True) for size in sizes), (sizes[0], False), (own, False)]:
        x = torch.randn(batch if is_open else 1, 3, size, size)
        try:
            calibrate(model, x)
            export(model, x, path, exporter, is_open)
            return model, x
        except Exception as error:
            # Some have parts that are made for one size, such as an embedding of positions.
            last = error
    raise last


def randomize(model):
    """No gain is 0 or 1 and no shift 0, as after training; many are initialized so that a branch has no effect."""
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
    """Statistics of batch normalizations: those of these pictures and more, disturbed.

    So activations neither die nor grow. In the deepest networks they would grow for other pictures.
    """

    def measure(norm, operands):
        (value, *_) = operands
        axes = [axis for axis in range(value.ndim) if axis != 1]
        variance, mean = torch.var_mean(value, axes, correction=0)
        # Of a few points only, a variance may be tiny.
        variance += 0.01 * variance.mean() + 1e-6
        norm.running_mean.copy_(mean + 0.2 * variance.sqrt() * torch.randn_like(mean))
        norm.running_var.copy_(variance * torch.empty_like(variance).uniform_(0.7, 1.5))

    norms = [module for module in model.modules() if isinstance(module, _BatchNorm) and module.track_running_stats]
    hooks = [norm.register_forward_pre_hook(measure) for norm in norms]
    try:
        with torch.no_grad():
            model(torch.cat([x, torch.randn(4 - len(x), *x.shape[1:])]))
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
    """The output in f64, where the model allows it, and PyTorch's own error in f32."""
    with torch.no_grad():
        single = model(x).double()
        double = nn.Module.double(model)(x.double()).double()
    return double, ((single - double).abs().max() / double.abs().max()).item()
