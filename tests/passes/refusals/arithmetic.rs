//! Passes that fold and merge arithmetic.

use super::Refusal;

pub(super) const REFUSALS: &[Refusal] = &[
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
        pass: "fold_constants",
        graph: r#"
            %0 = constant fill=1 : f32[2048, 2048]
            %1 = matmul(%0, %0)
            output "y" = %1"#,
        reason: "the constants take too long to compute",
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
        reason: "an activation comes between",
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
        pass: "fold_batch_norm",
        graph: r#"
            %0 = input : f32[1, 1, 4, 4]
            %1 = constant [3, 5] : f32[2, 1, 1, 1]
            %2 = input : f32[2]
            %3 = conv(%0, %1, %2) kernel=[1, 1]
            %4 = constant [1, 2]
            %5 = batch_norm(%3, %4, %4, %4, %4)
            output "y" = %5"#,
        reason: "the bias is not a constant vector",
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
    // Together, these factors are as large as the values that they scale.
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
    Refusal {
        pass: "lower_gemm",
        graph: r#"
            %0 = input : f32[2, 3]
            %1 = input : f32[3, 4]
            %2 = matmul(%0, %1)
            output "y" = %2"#,
        reason: "",
    },
];
