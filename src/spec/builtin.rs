//! The networks of the papers, by name.

use super::Block::{Basic, Bottleneck};
use super::{Block, InputSpec, Shortcut, Spec, Stem, StrideIn};

/// One network for ImageNet: 224x224 pictures, 1000 classes, four stages.
struct ImageNet {
    name: &'static str,
    block: Block,
    layers: [usize; 4],
    groups: usize,
    width_per_group: usize,
    shortcut: Shortcut,
}

impl ImageNet {
    const fn new(name: &'static str, block: Block, layers: [usize; 4]) -> Self {
        ImageNet { name, block, layers, groups: 1, width_per_group: 64, shortcut: Shortcut::B }
    }

    const fn plain(name: &'static str, layers: [usize; 4]) -> Self {
        ImageNet { shortcut: Shortcut::None, ..ImageNet::new(name, Basic, layers) }
    }

    const fn wide(
        name: &'static str,
        layers: [usize; 4],
        groups: usize,
        width_per_group: usize,
    ) -> Self {
        ImageNet { groups, width_per_group, ..ImageNet::new(name, Bottleneck, layers) }
    }

    fn spec(&self) -> Spec {
        Spec {
            name: self.name.into(),
            block: self.block,
            layers: self.layers.into(),
            channels: vec![64, 128, 256, 512],
            groups: self.groups,
            width_per_group: self.width_per_group,
            shortcut: self.shortcut,
            stride_in: StrideIn::Second,
            classes: 1000,
            norm_epsilon: 1e-5,
            input: InputSpec::default(),
            stem: Stem::default(),
        }
    }
}

/// Bottlenecks carry the stride in the 3x3 convolution, as torchvision's do.
const IMAGENET: &[ImageNet] = &[
    ImageNet::new("resnet18", Basic, [2, 2, 2, 2]),
    ImageNet::new("resnet34", Basic, [3, 4, 6, 3]),
    ImageNet::new("resnet50", Bottleneck, [3, 4, 6, 3]),
    ImageNet::new("resnet101", Bottleneck, [3, 4, 23, 3]),
    ImageNet::new("resnet152", Bottleneck, [3, 8, 36, 3]),
    ImageNet::plain("plain18", [2, 2, 2, 2]),
    ImageNet::plain("plain34", [3, 4, 6, 3]),
    ImageNet::wide("resnext50_32x4d", [3, 4, 6, 3], 32, 4),
    ImageNet::wide("resnext101_32x8d", [3, 4, 23, 3], 32, 8),
    ImageNet::wide("resnext101_64x4d", [3, 4, 23, 3], 64, 4),
    ImageNet::wide("wide_resnet50_2", [3, 4, 6, 3], 1, 128),
    ImageNet::wide("wide_resnet101_2", [3, 4, 23, 3], 1, 128),
];

/// The networks for CIFAR: name, blocks in each of three stages (the depth is six times that plus 2), shortcut.
const CIFAR: &[(&str, usize, Shortcut)] = &[
    ("cifar_resnet20", 3, Shortcut::A),
    ("cifar_resnet32", 5, Shortcut::A),
    ("cifar_resnet44", 7, Shortcut::A),
    ("cifar_resnet56", 9, Shortcut::A),
    ("cifar_resnet110", 18, Shortcut::A),
    ("cifar_resnet1202", 200, Shortcut::A),
    ("cifar_plain20", 3, Shortcut::None),
    ("cifar_plain56", 9, Shortcut::None),
];

fn cifar(name: &str, blocks: usize, shortcut: Shortcut) -> Spec {
    Spec {
        name: name.into(),
        block: Basic,
        layers: vec![blocks; 3],
        channels: vec![16, 32, 64],
        groups: 1,
        width_per_group: 64,
        shortcut,
        stride_in: StrideIn::Second,
        classes: 10,
        norm_epsilon: 1e-5,
        input: InputSpec { channels: 3, height: 32, width: 32 },
        stem: Stem { channels: 16, kernel: 3, stride: 1, max_pool: false },
    }
}

impl Spec {
    /// The built-in network of this name.
    pub fn builtin(name: &str) -> Option<Self> {
        let imagenet = IMAGENET.iter().find(|n| n.name == name).map(ImageNet::spec);
        let small =
            || CIFAR.iter().find(|n| n.0 == name).map(|&(name, blocks, s)| cifar(name, blocks, s));
        imagenet.or_else(small)
    }

    /// The names of all built-in networks.
    pub fn builtin_names() -> impl Iterator<Item = &'static str> {
        IMAGENET.iter().map(|n| n.name).chain(CIFAR.iter().map(|n| n.0))
    }
}
