//! The networks of the papers, by name.

use super::Block::{Basic, Bottleneck, Conv, Highway};
use super::{
    Attention, Block, Downsampling, Head, InputSpec, Norm, Order, Projection, Shortcut, Spec, Stem,
    StemPool, StrideIn, WeightStandardization,
};
use crate::nearest::nearest;

/// A name and the function that builds its spec.
type Entry = (&'static str, fn() -> Spec);

/// Numbers of blocks in each of four stages.
const D18: [usize; 4] = [2, 2, 2, 2];
const D50: [usize; 4] = [3, 4, 6, 3];
const D101: [usize; 4] = [3, 4, 23, 3];
const D152: [usize; 4] = [3, 8, 36, 3];
const D200: [usize; 4] = [3, 24, 36, 3];

/// For ImageNet: 224x224 images, 1000 classes, four stages. Bottlenecks have their stride in the
/// 3x3 convolution, as torchvision's do.
fn imagenet(block: Block, layers: [usize; 4]) -> Spec {
    Spec::new(block, layers, [64, 128, 256, 512])
}

/// The first paper's bottlenecks, which have their stride in the first 1x1 convolution.
fn v1(layers: [usize; 4]) -> Spec {
    Spec { stride_in: StrideIn::First, ..imagenet(Bottleneck, layers) }
}

fn shortcut(shortcut: Shortcut, spec: Spec) -> Spec {
    Spec { shortcut, ..spec }
}

/// ResNeXt and Wide ResNet.
fn grouped(layers: [usize; 4], groups: usize, width_per_group: usize) -> Spec {
    Spec { groups, width_per_group, ..imagenet(Bottleneck, layers) }
}

fn attention(attention: Attention, spec: Spec) -> Spec {
    Spec { attention, ..spec }
}

/// Pre-activation.
fn pre(spec: Spec) -> Spec {
    Spec { order: Order::Pre, ..spec }
}

/// A stem of three 3x3 convolutions (ResNet-C, -S and -T).
fn deep(first: [usize; 2], channels: usize, spec: Spec) -> Spec {
    let stem = Stem { channels, kernel: 3, stride: 2, deep: first.into(), pool: StemPool::Max };
    Spec { stem, ..spec }
}

/// The deep stem, and means before the projections (ResNet-D).
fn d(spec: Spec) -> Spec {
    Spec { projection: Projection::AveragePool, ..deep([32, 32], 64, spec) }
}

/// ResNet-RS: ResNet-D with squeeze and excitation to a quarter, and a convolution in place of the
/// stem's max-pooling.
fn rs(layers: [usize; 4]) -> Spec {
    let spec = attention(Attention::Se, d(imagenet(Bottleneck, layers)));
    let stem = Stem { pool: StemPool::Conv, ..spec.stem };
    Spec { attention_reduction: 4, stem, ..spec }
}

/// Group normalization, 32 groups.
fn group_norm(spec: Spec) -> Spec {
    Spec { norm: Norm::Group, ..spec }
}

/// Big Transfer: pre-activation, group normalization, standardized weights, and `width` times the
/// channels.
fn bit(layers: [usize; 4], width: usize) -> Spec {
    let channels = [64, 128, 256, 512].map(|channels| channels * width);
    let stem = Stem { channels: 64 * width, pool: StemPool::ZeroPaddedMax, ..Stem::default() };
    let weight_standardization = WeightStandardization::Channel;
    let spec = group_norm(pre(Spec::new(Bottleneck, layers, channels)));
    Spec { stem, weight_standardization, ..spec }
}

fn blurred(spec: Spec) -> Spec {
    Spec { downsampling: Downsampling::Blur, ..spec }
}

fn dilated(output_stride: usize, spec: Spec) -> Spec {
    Spec { output_stride: Some(output_stride), ..spec }
}

/// For CIFAR: 32x32 images, 10 classes, a stem of one 3x3 convolution to 16 channels.
fn small(block: Block, layers: [usize; 3], channels: [usize; 3]) -> Spec {
    Spec {
        classes: 10,
        input: InputSpec { channels: 3, height: 32, width: 32 },
        stem: Stem { channels: 16, kernel: 3, stride: 1, deep: Vec::new(), pool: StemPool::None },
        ..Spec::new(block, layers, channels)
    }
}

/// The paper's networks for CIFAR; the depth is six times the blocks of a stage, plus 2.
fn cifar(blocks: usize) -> Spec {
    shortcut(Shortcut::A, small(Basic, [blocks; 3], [16, 32, 64]))
}

fn cifar_plain(blocks: usize) -> Spec {
    shortcut(Shortcut::None, cifar(blocks))
}

/// Pre-activation networks for CIFAR, with projections where shapes change.
fn cifar_pre(block: Block, blocks: usize) -> Spec {
    pre(small(block, [blocks; 3], [16, 32, 64]))
}

/// Wide ResNets for CIFAR: WRN-d-k has (d - 4) / 6 blocks per stage and k times the channels.
fn wrn(depth: usize, k: usize) -> Spec {
    pre(small(Basic, [(depth - 4) / 6; 3], [16 * k, 32 * k, 64 * k]))
}

/// Highway layers in the shape of the networks for CIFAR; the paper gives depths but no widths.
fn highway(blocks: usize) -> Spec {
    Spec { norm: Norm::None, ..small(Highway, [blocks; 3], [16, 32, 64]) }
}

fn vgg(layers: [usize; 5], norm: Norm) -> Spec {
    Spec {
        norm,
        downsampling: Downsampling::MaxPool,
        head: Head { pool: 7, hidden: vec![4096, 4096] },
        ..Spec::new(Conv, layers, [64, 128, 256, 512, 512])
    }
}

const BUILTIN: &[Entry] = &[
    // He and others, Deep Residual Learning for Image Recognition.
    ("resnet18", || imagenet(Basic, D18)),
    ("resnet34", || imagenet(Basic, D50)),
    ("resnet50", || imagenet(Bottleneck, D50)),
    ("resnet101", || imagenet(Bottleneck, D101)),
    ("resnet152", || imagenet(Bottleneck, D152)),
    ("resnet50_v1", || v1(D50)),
    ("resnet101_v1", || v1(D101)),
    ("resnet152_v1", || v1(D152)),
    ("resnet18_a", || shortcut(Shortcut::A, imagenet(Basic, D18))),
    ("resnet34_a", || shortcut(Shortcut::A, imagenet(Basic, D50))),
    ("resnet34_c", || shortcut(Shortcut::C, imagenet(Basic, D50))),
    ("plain18", || shortcut(Shortcut::None, imagenet(Basic, D18))),
    ("plain34", || shortcut(Shortcut::None, imagenet(Basic, D50))),
    ("cifar_resnet20", || cifar(3)),
    ("cifar_resnet32", || cifar(5)),
    ("cifar_resnet44", || cifar(7)),
    ("cifar_resnet56", || cifar(9)),
    ("cifar_resnet110", || cifar(18)),
    ("cifar_resnet1202", || cifar(200)),
    ("cifar_plain20", || cifar_plain(3)),
    ("cifar_plain32", || cifar_plain(5)),
    ("cifar_plain44", || cifar_plain(7)),
    ("cifar_plain56", || cifar_plain(9)),
    ("cifar_plain110", || cifar_plain(18)),
    // The networks with which that paper compares.
    ("vgg11", || vgg([1, 1, 2, 2, 2], Norm::None)),
    ("vgg13", || vgg([2, 2, 2, 2, 2], Norm::None)),
    ("vgg16", || vgg([2, 2, 3, 3, 3], Norm::None)),
    ("vgg19", || vgg([2, 2, 4, 4, 4], Norm::None)),
    ("vgg11_bn", || vgg([1, 1, 2, 2, 2], Norm::Batch)),
    ("vgg13_bn", || vgg([2, 2, 2, 2, 2], Norm::Batch)),
    ("vgg16_bn", || vgg([2, 2, 3, 3, 3], Norm::Batch)),
    ("vgg19_bn", || vgg([2, 2, 4, 4, 4], Norm::Batch)),
    ("highway20", || highway(6)),
    ("highway32", || highway(10)),
    // Identity Mappings in Deep Residual Networks.
    ("resnetv2_18", || pre(imagenet(Basic, D18))),
    ("resnetv2_34", || pre(imagenet(Basic, D50))),
    ("resnetv2_50", || pre(imagenet(Bottleneck, D50))),
    ("resnetv2_101", || pre(imagenet(Bottleneck, D101))),
    ("resnetv2_152", || pre(imagenet(Bottleneck, D152))),
    ("resnetv2_50d", || pre(d(imagenet(Bottleneck, D50)))),
    ("resnetv2_101d", || pre(d(imagenet(Bottleneck, D101)))),
    ("resnetv2_200", || pre(imagenet(Bottleneck, D200))),
    ("cifar_preact110", || cifar_pre(Basic, 18)),
    ("cifar_preact164", || cifar_pre(Bottleneck, 18)),
    ("cifar_preact1001", || cifar_pre(Bottleneck, 111)),
    // Aggregated Residual Transformations; Wide Residual Networks.
    ("resnext50_32x4d", || grouped(D50, 32, 4)),
    ("resnext101_32x4d", || grouped(D101, 32, 4)),
    ("resnext101_32x8d", || grouped(D101, 32, 8)),
    ("resnext101_64x4d", || grouped(D101, 64, 4)),
    ("wide_resnet50_2", || grouped(D50, 1, 128)),
    ("wide_resnet101_2", || grouped(D101, 1, 128)),
    ("wrn_16_8", || wrn(16, 8)),
    ("wrn_28_10", || wrn(28, 10)),
    ("wrn_40_2", || wrn(40, 2)),
    // Bag of Tricks for Image Classification.
    ("resnet50c", || deep([32, 32], 64, imagenet(Bottleneck, D50))),
    ("resnet50s", || deep([64, 64], 128, imagenet(Bottleneck, D50))),
    ("resnet50t", || Spec {
        projection: Projection::AveragePool,
        ..deep([24, 32], 64, imagenet(Bottleneck, D50))
    }),
    ("resnet18d", || d(imagenet(Basic, D18))),
    ("resnet34d", || d(imagenet(Basic, D50))),
    ("resnet26d", || d(imagenet(Bottleneck, D18))),
    ("resnet50d", || d(imagenet(Bottleneck, D50))),
    ("resnet101d", || d(imagenet(Bottleneck, D101))),
    ("resnet152d", || d(imagenet(Bottleneck, D152))),
    ("resnet200d", || d(imagenet(Bottleneck, D200))),
    // Squeeze-and-Excitation Networks; ECA-Net.
    ("seresnet18", || attention(Attention::Se, imagenet(Basic, D18))),
    ("seresnet34", || attention(Attention::Se, imagenet(Basic, D50))),
    ("seresnet50", || attention(Attention::Se, imagenet(Bottleneck, D50))),
    ("seresnet101", || attention(Attention::Se, imagenet(Bottleneck, D101))),
    ("seresnet152", || attention(Attention::Se, imagenet(Bottleneck, D152))),
    ("seresnext50_32x4d", || attention(Attention::Se, grouped(D50, 32, 4))),
    ("seresnext101_32x4d", || attention(Attention::Se, grouped(D101, 32, 4))),
    ("ecaresnet50d", || attention(Attention::Eca, d(imagenet(Bottleneck, D50)))),
    ("ecaresnet101d", || attention(Attention::Eca, d(imagenet(Bottleneck, D101)))),
    // Group Normalization; Big Transfer.
    ("resnet50_gn", || group_norm(imagenet(Bottleneck, D50))),
    ("resnetv2_50d_gn", || group_norm(pre(d(imagenet(Bottleneck, D50))))),
    ("resnetv2_50x1_bit", || bit(D50, 1)),
    ("resnetv2_50x3_bit", || bit(D50, 3)),
    ("resnetv2_101x1_bit", || bit(D101, 1)),
    ("resnetv2_152x2_bit", || bit(D152, 2)),
    // Making Convolutional Networks Shift-Invariant Again; Revisiting ResNets; DeepLab.
    ("resnetblur18", || blurred(imagenet(Basic, D18))),
    ("resnetblur50", || blurred(imagenet(Bottleneck, D50))),
    ("resnetrs50", || rs(D50)),
    ("resnetrs101", || rs(D101)),
    ("resnetrs152", || rs(D152)),
    ("resnet50_os16", || dilated(16, imagenet(Bottleneck, D50))),
    ("resnet50_os8", || dilated(8, imagenet(Bottleneck, D50))),
    ("resnet101_os8", || dilated(8, imagenet(Bottleneck, D101))),
];

impl Spec {
    /// The built-in network of this name.
    pub fn builtin(name: &str) -> Option<Self> {
        let &(name, spec) = BUILTIN.iter().find(|entry| entry.0 == name)?;
        Some(Spec { name: name.into(), ..spec() })
    }

    /// Which built-in network may have been meant by an unknown name.
    pub(crate) fn builtin_hint(name: &str) -> String {
        match nearest(name, Spec::builtin_names()) {
            Some(near) => format!("did you mean {near}?"),
            None => format!(
                "{} networks are built in, resnet18, resnet50 and cifar_resnet20 among them",
                BUILTIN.len()
            ),
        }
    }

    /// The names of all built-in networks.
    pub fn builtin_names() -> impl Iterator<Item = &'static str> {
        BUILTIN.iter().map(|entry| entry.0)
    }
}
