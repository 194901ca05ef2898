//! Every condition of every pass: what is nearly rewritten, and the reason that is given.

use resnetc::passes::{Pass, Verify, run_pass};
use resnetc_ir::text::{parse, print};
use resnetc_ir::verify::verify;

use crate::examples::all;

/// A pass, a graph that it must leave as it is, and what it says; empty if it is not even near.
struct Refusal {
    pass: &'static str,
    graph: &'static str,
    reason: &'static str,
}

const REFUSALS: &[Refusal] = &[
    Refusal {
        pass: "fold_constants",
        graph: r#"
            %0 = constant fill=1 : f32[1000, 1]
            %1 = constant fill=1 : f32[1, 1000]
            %2 = matmul(%0, %1)
            output "y" = %2"#,
        reason: "too many for a constant",
    },
    Refusal {
        pass: "cse",
        graph: r#"
            %0 = constant [0] : f32[1]
            %1 = constant [-0] : f32[1]
            %2 = concat(%0, %1) axis=0
            output "y" = %2"#,
        reason: "",
    },
    Refusal {
        pass: "fold_batch_norm",
        graph: r#"
            %0 = input : f32[1, 1, 4, 4]
            %1 = constant [3, 5] : f32[2, 1, 1, 1]
            %2 = conv(%0, %1) kernel=[1, 1]
            %3 = constant [1, 2]
            %4 = batch_norm(%2, %3, %3, %3, %3)
            output "y" = %4
            output "z" = %2"#,
        reason: "the convolution has two users",
    },
    Refusal {
        pass: "fold_batch_norm",
        graph: r#"
            %0 = input : f32[1, 1, 4, 4]
            %1 = constant [3, 5] : f32[2, 1, 1, 1]
            %2 = conv(%0, %1) kernel=[1, 1] relu
            %3 = constant [1, 2]
            %4 = batch_norm(%2, %3, %3, %3, %3)
            output "y" = %4"#,
        reason: "an activation stands between",
    },
    Refusal {
        pass: "fold_batch_norm",
        graph: r#"
            %0 = input : f32[1, 2, 4, 4]
            %1 = constant [3, 5, 7, 9] : f32[2, 2, 1, 1]
            %2 = conv(%0, %1, %0) kernel=[1, 1] residual
            %3 = constant [1, 2]
            %4 = batch_norm(%2, %3, %3, %3, %3)
            output "y" = %4"#,
        reason: "a shortcut is added between",
    },
    Refusal {
        pass: "fold_batch_norm",
        graph: r#"
            %0 = input : f32[1, 1, 4, 4]
            %1 = input : f32[2, 1, 1, 1]
            %2 = conv(%0, %1) kernel=[1, 1]
            %3 = constant [1, 2]
            %4 = batch_norm(%2, %3, %3, %3, %3)
            output "y" = %4"#,
        reason: "the weights are not constant",
    },
    Refusal {
        pass: "fold_batch_norm",
        graph: r#"
            %0 = input : f32[1, 1, 4, 4]
            %1 = constant [3, 5] : f32[2, 1, 1, 1]
            %2 = conv(%0, %1) kernel=[1, 1]
            %3 = constant [1, 2]
            %4 = input : f32[2]
            %5 = batch_norm(%2, %3, %3, %3, %4)
            output "y" = %5"#,
        reason: "its parameters are not constants",
    },
    Refusal {
        pass: "fold_batch_norm",
        graph: r#"
            %0 = input : f32[1, 1, 4, 4]
            %1 = constant [3, 5] : f32[2, 1, 1, 1]
            %2 = conv(%0, %1) kernel=[1, 1]
            %3 = constant [1, 2]
            %4 = constant [1, 0]
            %5 = batch_norm(%2, %3, %3, %3, %4) epsilon=0
            output "y" = %5"#,
        reason: "its constants are not finite",
    },
    Refusal {
        pass: "fold_batch_norm",
        graph: r#"
            %0 = input : f32[1, 1, 4, 4]
            %1 = constant [3e38, 5] : f32[2, 1, 1, 1]
            %2 = conv(%0, %1) kernel=[1, 1]
            %3 = constant [4, 4]
            %4 = constant [1, 1]
            %5 = batch_norm(%2, %3, %3, %3, %4) epsilon=0
            output "y" = %5"#,
        reason: "the folded weights are not finite",
    },
    Refusal {
        pass: "fold_affine",
        graph: r#"
            %0 = input : f32[1, 1, 4, 4]
            %1 = constant [3, 5] : f32[2, 1, 1, 1]
            %2 = conv(%0, %1) kernel=[1, 1]
            %3 = constant [1, 0] : f32[2, 1, 1]
            %4 = div(%2, %3)
            output "y" = %4"#,
        reason: "it divides by zero",
    },
    Refusal {
        pass: "fold_affine",
        graph: r#"
            %0 = input : f32[1, 1, 4, 4]
            %1 = constant [3, 5] : f32[2, 1, 1, 1]
            %2 = conv(%0, %1) kernel=[1, 1]
            %3 = constant [1, 2] : f32[2, 1, 1]
            %4 = div(%3, %2)
            output "y" = %4"#,
        reason: "it divides by the value",
    },
    Refusal {
        pass: "fold_affine",
        graph: r#"
            %0 = input : f32[1, 1, 2, 2]
            %1 = constant [3, 5] : f32[2, 1, 1, 1]
            %2 = conv(%0, %1) kernel=[1, 1]
            %3 = constant [1, 2]
            %4 = add(%2, %3)
            output "y" = %4"#,
        reason: "its constant differs within a channel",
    },
    Refusal {
        pass: "fold_affine",
        graph: r#"
            %0 = input : f32[1, 1, 2, 2]
            %1 = constant [3] : f32[1, 1, 1, 1]
            %2 = conv(%0, %1) kernel=[1, 1]
            %3 = constant [1, 2] : f32[1, 2, 1, 1]
            %4 = add(%2, %3)
            output "y" = %4"#,
        reason: "its constant differs within a channel",
    },
    Refusal {
        pass: "fold_affine",
        graph: r#"
            %0 = input : f32[1, 1, 4, 4]
            %1 = constant [3, 5] : f32[2, 1, 1, 1]
            %2 = conv(%0, %1) kernel=[1, 1]
            %3 = constant [2]
            %4 = add(%2, %3)
            %5 = mul(%2, %3)
            output "y" = %4
            output "z" = %5"#,
        reason: "it has two users",
    },
    Refusal {
        pass: "fold_affine",
        graph: r#"
            %0 = input : f32[1, 2]
            %1 = constant [1, 2, 3, 4] : f32[2, 2]
            %2 = gemm(%0, %1)
            %3 = constant [2]
            %4 = add(%2, %3)
            output "y" = %4"#,
        reason: "the matrix product is not normalized",
    },
    Refusal {
        pass: "merge_affine",
        graph: r#"
            %0 = input : f32[1, 2, 4, 4]
            %1 = constant [3, 5] : f32[2, 1, 1]
            %2 = mul(%0, %1)
            %3 = add(%2, %1)
            output "y" = %3"#,
        reason: "",
    },
    Refusal {
        pass: "lower_batch_norm",
        graph: r#"
            %0 = input : f32[1, 2, 4, 4]
            %1 = input : f32[2]
            %2 = batch_norm(%0, %1, %1, %1, %1)
            output "y" = %2"#,
        reason: "its parameters are not constants",
    },
    Refusal {
        pass: "fuse_activation",
        graph: r#"
            %0 = input : f32[1, 1, 4, 4]
            %1 = constant [3, 5] : f32[2, 1, 1, 1]
            %2 = conv(%0, %1) kernel=[1, 1] "c"
            %3 = relu(%2)
            output "y" = %3
            output "z" = %2"#,
        reason: "conv c has two users",
    },
    Refusal {
        pass: "fuse_activation",
        graph: r#"
            %0 = input : f32[1, 1, 4, 4]
            %1 = constant [3, 5] : f32[2, 1, 1, 1]
            %2 = conv(%0, %1) kernel=[1, 1] clip=[-1, 1] "c"
            %3 = relu(%2)
            output "y" = %3"#,
        reason: "conv c has an activation",
    },
    Refusal {
        pass: "fuse_residual",
        graph: r#"
            %0 = input : f32[1, 2, 4, 4]
            %1 = constant [3, 5, 7, 9] : f32[2, 2, 1, 1]
            %2 = conv(%0, %1) kernel=[1, 1]
            %3 = add(%2, %2)
            output "y" = %3"#,
        reason: "it has two users",
    },
    Refusal {
        pass: "fuse_residual",
        graph: r#"
            %0 = input : f32[1, 2, 4, 4]
            %1 = constant [3, 5, 7, 9] : f32[2, 2, 1, 1]
            %2 = conv(%0, %1) kernel=[1, 1] relu
            %3 = add(%2, %0)
            output "y" = %3"#,
        reason: "an activation stands between",
    },
    Refusal {
        pass: "fuse_residual",
        graph: r#"
            %0 = input : f32[1, 2, 4, 4]
            %1 = constant [3, 5, 7, 9] : f32[2, 2, 1, 1]
            %2 = conv(%0, %1, %0) kernel=[1, 1] residual
            %3 = add(%2, %0)
            output "y" = %3"#,
        reason: "it has a shortcut",
    },
    Refusal {
        pass: "fuse_residual",
        graph: r#"
            %0 = input : f32[1, 2, 4, 4]
            %1 = constant [3, 5, 7, 9] : f32[2, 2, 1, 1]
            %2 = conv(%0, %1) kernel=[1, 1]
            %3 = global_average_pool(%0)
            %4 = add(%2, %3)
            output "y" = %4"#,
        reason: "the sum broadcasts",
    },
    Refusal {
        pass: "fuse_residual",
        graph: r#"
            %0 = input : f32[1, 1, 1, 1]
            %1 = constant [3, 5] : f32[2, 1, 1, 1]
            %2 = conv(%0, %1) kernel=[1, 1]
            %3 = constant [1, 2] : f32[1, 2, 1, 1]
            %4 = add(%2, %3)
            output "y" = %4"#,
        reason: "",
    },
    Refusal {
        pass: "fuse_projection",
        graph: r#"
            %0 = input : f32[1, 2, 4, 4]
            %1 = constant [3, 5, 7, 9] : f32[2, 2, 1, 1]
            %3 = conv(%0, %1) kernel=[1, 1] relu
            %4 = conv(%0, %1, %3) kernel=[1, 1] residual
            output "y" = %4"#,
        reason: "the projection has an activation",
    },
    Refusal {
        pass: "fuse_projection",
        graph: r#"
            %0 = input : f32[1, 2, 4, 4]
            %1 = constant [3, 5, 7, 9] : f32[2, 2, 1, 1]
            %3 = conv(%0, %1, %0) kernel=[1, 1] residual
            %4 = conv(%0, %1, %3) kernel=[1, 1] residual
            output "y" = %4"#,
        reason: "the projection has a shortcut of its own",
    },
    Refusal {
        pass: "fuse_projection",
        graph: r#"
            %0 = input : f32[1, 2, 4, 4]
            %1 = constant [3, 5, 7, 9] : f32[2, 2, 1, 1]
            %3 = conv(%0, %1) kernel=[1, 1]
            %4 = conv(%0, %1, %3) kernel=[1, 1] residual
            output "y" = %4
            output "z" = %3"#,
        reason: "the projection has two users",
    },
    Refusal {
        pass: "fuse_projection",
        graph: r#"
            %0 = input : f32[1, 2, 4, 4]
            %1 = constant [3, 5, 7, 9] : f32[2, 2, 1, 1]
            %2 = constant [3, 5] : f32[2, 1, 1, 1]
            %3 = conv(%0, %2) kernel=[1, 1] groups=2
            %4 = conv(%0, %1, %3) kernel=[1, 1] residual
            output "y" = %4"#,
        reason: "there are groups",
    },
    Refusal {
        pass: "fuse_projection",
        graph: r#"
            %0 = input : f32[1, 2, 4, 4]
            %1 = constant [3, 5, 7, 9] : f32[2, 2, 1, 1]
            %2 = constant iota : f32[2, 2, 3, 3]
            %3 = conv(%0, %1) kernel=[1, 1]
            %4 = conv(%0, %2, %3) kernel=[3, 3] pads=[1, 1, 1, 1] residual
            output "y" = %4"#,
        reason: "one of the kernels is larger than a pixel",
    },
    Refusal {
        pass: "fuse_projection",
        graph: r#"
            %0 = input : f32[1, 2, 4, 4]
            %1 = constant [3, 5, 7, 9] : f32[2, 2, 1, 1]
            %2 = input : f32[2, 2, 1, 1]
            %3 = conv(%0, %2) kernel=[1, 1]
            %4 = conv(%0, %1, %3) kernel=[1, 1] residual
            output "y" = %4"#,
        reason: "the weights are not constant",
    },
    Refusal {
        pass: "fuse_projection",
        graph: r#"
            %0 = input : f32[1, 2, 4, 4]
            %1 = constant [3, 5, 7, 9] : f32[2, 2, 1, 1]
            %2 = input : f32[2]
            %3 = conv(%0, %1, %2) kernel=[1, 1]
            %4 = conv(%0, %1, %3) kernel=[1, 1] residual
            output "y" = %4"#,
        reason: "a bias is not constant",
    },
    Refusal {
        pass: "fuse_projection",
        graph: r#"
            %0 = input : f32[1, 2, 4, 4]
            %1 = constant [3, 5, 7, 9] : f32[2, 2, 1, 1]
            %2 = constant fill=3e38 : f32[2]
            %3 = conv(%0, %1, %2) kernel=[1, 1]
            %4 = conv(%0, %1, %2, %3) kernel=[1, 1] residual
            output "y" = %4"#,
        reason: "the sum of the biases is not finite",
    },
    Refusal {
        pass: "fuse_projection",
        graph: r#"
            %0 = input : f32[1, 65, 4, 4]
            %1 = constant iota : f32[2, 65, 1, 1]
            %3 = conv(%0, %1) kernel=[1, 1]
            %4 = conv(%0, %1, %3) kernel=[1, 1] residual
            output "y" = %4"#,
        reason: "there are too many channels",
    },
    Refusal {
        pass: "fuse_projection",
        graph: r#"
            %0 = input : f32[1, 2, 4, 4]
            %1 = constant [3, 5, 7, 9] : f32[2, 2, 1, 1]
            %2 = conv(%0, %1) kernel=[1, 1]
            %3 = conv(%0, %1, %2) kernel=[1, 1] strides=[2, 2] residual residual_strides=[2, 2]
            output "y" = %3"#,
        reason: "a part of the projection is added",
    },
    Refusal {
        pass: "fuse_strided_shortcut",
        graph: r#"
            %0 = input : f32[1, 2, 4, 4]
            %1 = constant iota : f32[3, 2, 1, 1]
            %2 = pad(%0) before=[0, 1, 0, 0] after=[0, 0, 0, 0]
            %3 = conv(%0, %1, %2) kernel=[1, 1] residual
            output "y" = %3
            output "z" = %2"#,
        reason: "the shortcut has two users",
    },
    Refusal {
        pass: "fuse_strided_shortcut",
        graph: r#"
            %0 = input : f32[1, 2, 4, 4]
            %1 = constant iota : f32[3, 2, 1, 1]
            %2 = pad(%0) before=[0, 1, 0, 0] after=[0, 0, 0, 0] value=1
            %3 = conv(%0, %1, %2) kernel=[1, 1] residual
            output "y" = %3"#,
        reason: "the new channels are not zero",
    },
    Refusal {
        pass: "fuse_strided_shortcut",
        graph: r#"
            %0 = input : f32[1, 2, 4, 4]
            %1 = constant iota : f32[3, 2, 1, 1]
            %2 = constant fill=1 : f32[1, 1, 4, 4]
            %3 = concat(%0, %2) axis=1
            %4 = conv(%0, %1, %3) kernel=[1, 1] residual
            output "y" = %4"#,
        reason: "the new channels are not zero",
    },
    Refusal {
        pass: "fuse_strided_shortcut",
        graph: r#"
            %0 = input : f32[1, 2, 4, 4]
            %1 = constant iota : f32[2, 2, 1, 1]
            %2 = input : f32[1, 2, 3, 4]
            %3 = pad(%2) before=[0, 0, 1, 0] after=[0, 0, 0, 0]
            %4 = conv(%0, %1, %3) kernel=[1, 1] residual
            output "y" = %4"#,
        reason: "the Pad does more than add channels",
    },
    Refusal {
        pass: "fuse_strided_shortcut",
        graph: r#"
            %0 = input : f32[1, 2, 4, 4]
            %1 = constant iota : f32[2, 2, 1, 1]
            %2 = slice(%0) start=[0, 0, 1, 0] len=[1, 2, 2, 2] step=[1, 1, 2, 2]
            %3 = conv(%0, %1, %2) kernel=[1, 1] strides=[2, 2] residual
            output "y" = %3"#,
        reason: "the Slice does more than skip pixels",
    },
    Refusal {
        pass: "fuse_strided_shortcut",
        graph: r#"
            %0 = input : f32[1, 2, 4, 4]
            %1 = constant iota : f32[2, 2, 1, 1]
            %2 = input : f32[1, 3, 4, 4]
            %3 = slice(%2) start=[0, 0, 0, 0] len=[1, 2, 4, 4]
            %4 = conv(%0, %1, %3) kernel=[1, 1] residual
            output "y" = %4"#,
        reason: "the Slice does more than skip pixels",
    },
    Refusal {
        pass: "fuse_strided_shortcut",
        graph: r#"
            %0 = input : f32[1, 2, 4, 4]
            %1 = constant iota : f32[2, 2, 1, 1]
            %2 = average_pool(%0) kernel=[2, 2] strides=[2, 2]
            %3 = conv(%0, %1, %2) kernel=[1, 1] strides=[2, 2] residual
            output "y" = %3"#,
        reason: "",
    },
    Refusal {
        pass: "fuse_strided_shortcut",
        graph: r#"
            %0 = input : f32[1, 2, 4, 4]
            %1 = constant iota : f32[4, 2, 1, 1]
            %2 = concat(%0, %0) axis=1
            %3 = conv(%0, %1, %2) kernel=[1, 1] residual
            output "y" = %3"#,
        reason: "",
    },
    Refusal {
        pass: "reduce_mean_to_pool",
        graph: r#"
            %0 = input : f32[1, 2, 4, 4]
            %1 = average_pool(%0) kernel=[4, 3]
            %2 = average_pool(%0) kernel=[4, 4] pads=[1, 1, 1, 1]
            %3 = reduce_mean(%0) axes=[1, 2]
            output "a" = %1
            output "b" = %2
            output "c" = %3"#,
        reason: "",
    },
    Refusal {
        pass: "merge_pad",
        graph: r#"
            %0 = input : f32[1, 1, 4, 4]
            %1 = pad(%0) before=[0, 0, 1, 1] after=[0, 0, 1, 1] value=1
            %2 = constant [3, 5] : f32[2, 1, 1, 1]
            %3 = conv(%1, %2) kernel=[1, 1]
            output "y" = %3"#,
        reason: "the Pad writes something else than 0",
    },
    Refusal {
        pass: "merge_pad",
        graph: r#"
            %0 = input : f32[1, 1, 4, 4]
            %1 = pad(%0) before=[0, 1, 1, 1] after=[0, 0, 1, 1]
            %2 = constant [3, 5] : f32[1, 2, 1, 1]
            %3 = conv(%1, %2) kernel=[1, 1]
            output "y" = %3"#,
        reason: "the Pad also pads the batch or the channels",
    },
    Refusal {
        pass: "merge_pad",
        graph: r#"
            %0 = input : f32[1, 1, 4, 4]
            %1 = pad(%0) before=[0, 0, 1, 1] after=[0, 0, 1, 1] reflect
            %2 = constant [3, 5] : f32[2, 1, 1, 1]
            %3 = conv(%1, %2) kernel=[1, 1]
            output "y" = %3"#,
        reason: "the Pad mirrors its operand",
    },
    Refusal {
        pass: "merge_pad",
        graph: r#"
            %0 = input : f32[1, 1, 4, 4]
            %1 = pad(%0) before=[0, 0, 1, 1] after=[0, 0, 1, 1]
            %2 = constant [3, inf] : f32[2, 1, 1, 1]
            %3 = conv(%1, %2) kernel=[1, 1]
            output "y" = %3"#,
        reason: "a weight may be infinite",
    },
    Refusal {
        pass: "merge_pad",
        graph: r#"
            %0 = input : f32[1, 1, 4, 4]
            %1 = pad(%0) before=[0, 0, 1, 1] after=[0, 0, 1, 1]
            %2 = max_pool(%1) kernel=[3, 3]
            output "y" = %2"#,
        reason: "the padded value could be a maximum",
    },
    Refusal {
        pass: "merge_pad",
        graph: r#"
            %0 = input : f32[1, 1, 4, 4]
            %1 = pad(%0) before=[0, 0, 3, 3] after=[0, 0, 1, 1] value=-inf
            %2 = max_pool(%1) kernel=[3, 3]
            output "y" = %2"#,
        reason: "a window would lie in the padding",
    },
    Refusal {
        pass: "merge_pad",
        graph: r#"
            %0 = input : f32[1, 1, 4, 4]
            %1 = pad(%0) before=[0, 0, 1, 1] after=[0, 0, 1, 1]
            %2 = average_pool(%1) kernel=[3, 3] pads=[1, 1, 1, 1]
            output "y" = %2"#,
        reason: "one padding counts, the other does not",
    },
    Refusal {
        pass: "merge_pad",
        graph: r#"
            %0 = input : f32[1, 1, 4, 4]
            %1 = pad(%0) before=[0, 0, 1, 1] after=[0, 0, 1, 1]
            %2 = average_pool(%1) kernel=[3, 3] strides=[2, 2] ceil_mode
            output "y" = %2"#,
        reason: "rounded otherwise",
    },
    Refusal {
        pass: "merge_border",
        graph: r#"
            %0 = input : f32[1, 1, 4, 4]
            %1 = slice(%0) start=[0, 0, 2, 0] len=[1, 1, 1, 4]
            %2 = concat(%0, %1) axis=2
            %3 = max_pool(%2) kernel=[3, 3]
            output "y" = %3"#,
        reason: "",
    },
    Refusal {
        pass: "merge_border",
        graph: r#"
            %0 = input : f32[1, 1, 4, 4]
            %1 = slice(%0) start=[0, 0, 3, 0] len=[1, 1, 1, 4]
            %2 = concat(%0, %1) axis=2
            %3 = max_pool(%2) kernel=[1, 3]
            output "y" = %3"#,
        reason: "a window would lie in the padding",
    },
    Refusal {
        pass: "merge_border",
        graph: r#"
            %0 = input : f32[1, 1, 4, 4]
            %1 = slice(%0) start=[0, 0, 3, 0] len=[1, 1, 1, 4]
            %2 = concat(%0, %1) axis=2
            %3 = max_pool(%2) kernel=[2, 2] dilations=[2, 2]
            output "y" = %3"#,
        reason: "the pool is dilated",
    },
    Refusal {
        pass: "merge_scales",
        graph: r#"
            %0 = input : f32[1, 2, 4, 4]
            %1 = input : f32[1, 2, 1, 1]
            %2 = mul(%0, %1)
            %3 = mul(%2, %1)
            output "y" = %3
            output "z" = %2"#,
        reason: "has two users",
    },
    // Together, these factors are as large as what they scale.
    Refusal {
        pass: "merge_scales",
        graph: r#"
            %0 = input : f32[1, 2, 4, 4]
            %1 = input : f32[1, 2, 4, 1]
            %2 = input : f32[1, 2, 1, 4]
            %3 = mul(%0, %1)
            %4 = mul(%3, %2)
            output "y" = %4"#,
        reason: "",
    },
    // A group that is no whole channels, numbers that differ within a group, two kinds of groups, one pixel.
    Refusal {
        pass: "ungroup",
        graph: r#"
            %0 = input : f32[1, 3, 4, 4]
            %1 = reshape(%0) shape=[1, 2, 24]
            %2 = reduce_mean(%1) axes=[2]
            output "y" = %2"#,
        reason: "",
    },
    Refusal {
        pass: "ungroup",
        graph: r#"
            %0 = input : f32[1, 4, 2, 2]
            %1 = reshape(%0) shape=[1, 2, 8]
            %2 = constant seed=1 : f32[8]
            %3 = mul(%1, %2)
            output "y" = %3"#,
        reason: "",
    },
    Refusal {
        pass: "ungroup",
        graph: r#"
            %0 = input : f32[1, 4, 2, 2]
            %1 = input : f32[1, 4, 4, 1]
            %2 = reshape(%0) shape=[1, 2, 8]
            %3 = reshape(%1) shape=[1, 2, 8]
            %4 = add(%2, %3)
            output "y" = %4"#,
        reason: "",
    },
    Refusal {
        pass: "ungroup",
        graph: r#"
            %0 = input : f32[1, 4, 1, 1]
            %1 = reshape(%0) shape=[1, 2, 2]
            %2 = reduce_mean(%1) axes=[2]
            output "y" = %2"#,
        reason: "",
    },
    Refusal {
        pass: "merge_branches",
        graph: r#"
            %0 = input : f32[1, 2, 4, 4]
            %1 = constant seed=1 : f32[2, 2, 1, 1]
            %2 = constant seed=2 : f32[2, 2, 1, 1]
            %3 = conv(%0, %1) kernel=[1, 1]
            %4 = relu(%3)
            %5 = conv(%4, %2) kernel=[1, 1]
            %6 = add(%5, %3)
            output "y" = %6"#,
        reason: "",
    },
    Refusal {
        pass: "merge_branches",
        graph: r#"
            %0 = input : f32[1, 2, 4, 4]
            %1 = constant seed=1 : f32[2, 2, 1, 1]
            %2 = constant seed=2 : f32[2, 2, 1, 1]
            %3 = conv(%0, %1) kernel=[1, 1]
            %4 = conv(%0, %2) kernel=[1, 1]
            %5 = add(%3, %4)
            output "y" = %5
            output "z" = %4"#,
        reason: "a branch has two users",
    },
    Refusal {
        pass: "merge_branches",
        graph: r#"
            %0 = input : f32[1, 2, 4, 4]
            %1 = constant seed=1 : f32[2, 2, 1, 1]
            %2 = constant seed=2 : f32[2, 2, 1, 1]
            %3 = conv(%0, %1) kernel=[1, 1] relu
            %4 = conv(%0, %2) kernel=[1, 1]
            %5 = add(%3, %4)
            output "y" = %5"#,
        reason: "a branch is not linear",
    },
    Refusal {
        pass: "merge_branches",
        graph: r#"
            %0 = input : f32[1, 2, 4, 4]
            %1 = constant seed=1 : f32[2, 2, 1, 1]
            %2 = constant seed=2 : f32[2, 1, 1, 1]
            %3 = conv(%0, %1) kernel=[1, 1]
            %4 = conv(%0, %2) kernel=[1, 1] groups=2
            %5 = add(%3, %4)
            output "y" = %5"#,
        reason: "different groups",
    },
    Refusal {
        pass: "merge_branches",
        graph: r#"
            %0 = input : f32[1, 2, 4, 4]
            %1 = constant seed=1 : f32[2, 2, 3, 3]
            %2 = constant seed=2 : f32[2, 2, 1, 1]
            %3 = conv(%0, %1) kernel=[3, 3] dilations=[2, 2] pads=[2, 2, 2, 2]
            %4 = conv(%0, %2) kernel=[1, 1]
            %5 = add(%3, %4)
            output "y" = %5"#,
        reason: "a branch is dilated",
    },
    Refusal {
        pass: "merge_branches",
        graph: r#"
            %0 = input : f32[1, 2, 4, 4]
            %1 = constant seed=1 : f32[2, 2, 1, 3]
            %2 = constant seed=2 : f32[2, 2, 3, 1]
            %3 = conv(%0, %1) kernel=[1, 3] pads=[0, 1, 0, 1]
            %4 = conv(%0, %2) kernel=[3, 1] pads=[1, 0, 1, 0]
            %5 = add(%3, %4)
            output "y" = %5"#,
        reason: "sees pixels that the other does not",
    },
    Refusal {
        pass: "merge_branches",
        graph: r#"
            %0 = input : f32[1, 2, 4, 4]
            %1 = input : f32[2, 2, 1, 1]
            %2 = constant seed=2 : f32[2, 2, 1, 1]
            %3 = conv(%0, %1) kernel=[1, 1]
            %4 = conv(%0, %2) kernel=[1, 1]
            %5 = add(%3, %4)
            output "y" = %5"#,
        reason: "the weights are not constant",
    },
    Refusal {
        pass: "merge_branches",
        graph: r#"
            %0 = input : f32[1, 1, 4, 4]
            %1 = constant seed=1 : f32[1, 1, 1, 1]
            %2 = constant seed=2 : f32[2, 1, 1, 1]
            %3 = conv(%0, %1) kernel=[1, 1]
            %4 = conv(%0, %2) kernel=[1, 1]
            %5 = add(%3, %4)
            output "y" = %5"#,
        reason: "the sum broadcasts",
    },
    Refusal {
        pass: "lower_gemm",
        graph: r#"
            %0 = input : f32[2, 3]
            %1 = input : f32[3, 4]
            %2 = matmul(%0, %1)
            output "y" = %2"#,
        reason: "",
    },
    // Both are as small as the gate: nothing but the ones makes a picture of them.
    Refusal {
        pass: "remove_identity",
        graph: r#"
            %0 = input : f32[1, 2, 1, 1]
            %1 = input : f32[1, 2, 1, 1]
            %2 = constant fill=1 : f32[1, 1, 4, 4]
            %3 = mul(%0, %2)
            %4 = add(%1, %3)
            output "y" = %4"#,
        reason: "",
    },
    Refusal {
        pass: "remove_identity",
        graph: r#"
            %0 = input : f32[1, 2, 4, 4]
            %1 = input : f32[1, 2, 1, 1]
            %2 = constant fill=2 : f32[1, 1, 4, 4]
            %3 = mul(%1, %2)
            %4 = add(%0, %3)
            output "y" = %4"#,
        reason: "",
    },
    // Two outputs in the transposed order would take a transpose each.
    Refusal {
        pass: "cancel_transposes",
        graph: r#"
            %0 = input : f32[1, 2, 4, 4]
            %1 = transpose(%0) perm=[0, 2, 3, 1]
            %2 = relu(%1)
            %3 = sigmoid(%1)
            output "y" = %2
            output "z" = %3"#,
        reason: "more elements than it saves",
    },
];

fn pass(name: &str) -> Pass {
    all().into_iter().find(|pass| pass.name == name).expect("a pass of this name")
}

#[test]
fn near_misses_are_refused_with_a_reason() {
    for Refusal { pass: name, graph: text, reason } in REFUSALS {
        let mut graph = parse(text).unwrap_or_else(|e| panic!("{e}\n{text}"));
        verify(&graph).unwrap_or_else(|e| panic!("{e}\n{text}"));
        let before = print(&graph);
        let remarks = run_pass(&mut graph, &pass(name), Verify::EachPatch)
            .unwrap_or_else(|e| panic!("{e}\n{text}"));
        assert_eq!(print(&graph), before, "{name} rewrote what it must not");
        let said: Vec<&str> = remarks.declined.iter().map(|d| d.reason.as_str()).collect();
        match reason.is_empty() {
            true => assert!(said.is_empty(), "{name}: {said:?}\n{text}"),
            false => assert!(
                said.iter().any(|s| s.contains(reason)),
                "{name} says {said:?}, not \"{reason}\"\n{text}"
            ),
        }
    }
}
