"""Which of timm's models are surveyed, and the family of each."""

from fnmatch import fnmatch

import timm

# The first row that matches determines the family. `None`: not a residual network of this kind.
FAMILIES = [
    ("vit_*", None),
    ("inception_resnet*", "Inception-ResNet"),
    ("dla*_res2ne*", "DLA (Res2Ne(X)t)"),
    ("legacy_se*", "SE (legacy)"),
    ("*resnet*_clip*", "CLIP ResNet"),
    ("cspresne*", "CSP-ResNe(X)t"),
    ("eca*resne*", "ECA-ResNe(X)t"),
    ("gcresne*", "GC-ResNe(X)t"),
    ("nf_*resnet*", "NF-ResNet"),
    ("lambda_resnet*", "Lambda-ResNet"),
    ("bat_resne*", "BAT-ResNeXt"),
    ("tresnet*", "TResNet"),
    ("res2ne*", "Res2Ne(X)t"),
    ("resnest*", "ResNeSt"),
    ("resnetv2_*_bit", "ResNetV2 (BiT)"),
    ("resnetv2*", "ResNetV2"),
    ("resnetrs*", "ResNet-RS"),
    ("resnetblur*", "ResNet-Blur"),
    ("*resnetaa*", "ResNet-AA"),
    ("*resnextaa*", "ResNet-AA"),
    ("skresne*", "SK-ResNe(X)t"),
    ("seresne*", "SE-ResNe(X)t"),
    ("wide_resnet*", "Wide ResNet"),
    ("resnext*", "ResNeXt"),
    ("resnet*", "ResNet"),
    ("test_resnet*", "ResNet"),
    ("repvgg*", "RepVGG"),
    ("vgg*", "VGG"),
]

# One of each kind is also exported with the exporter that traces with TorchDynamo.
DYNAMO = [
    "resnet18", "resnet50", "resnet50d", "resnext50_32x4d", "seresnet50", "ecaresnet50d", "skresnet50",
    "wide_resnet50_2", "resnetv2_50", "resnest50d", "res2net50_26w_4s", "repvgg_a0", "resnetrs50", "vgg11_bn",
    "resnetblur50", "gcresnet50t",
]  # fmt: skip


def family(name):
    return next((family for pattern, family in FAMILIES if fnmatch(name, pattern)), None)


def own_size(name):
    """The height and width of the images that a network is made for."""
    return timm.get_pretrained_cfg(name).input_size[-1]


def surveyed():
    """All names of the survey, each with the number of trained weights that timm has for it."""
    return {name: len(timm.list_pretrained(f"{name}.*")) for name in timm.list_models() if family(name)}
