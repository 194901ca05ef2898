//! Passes that join branches.

use super::Refusal;

pub(super) const REFUSALS: &[Refusal] = &[
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
        reason: "an activation comes between",
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
        reason: "the projection has its own shortcut",
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
        pass: "merge_branches",
        graph: r#"
            %0 = input : f32[1, 1, 4, 4]
            %1 = constant fill=3e38 : f32[1, 1, 1, 1]
            %2 = constant fill=2e38 : f32[1, 1, 1, 1]
            %3 = conv(%0, %1) kernel=[1, 1]
            %4 = conv(%0, %2) kernel=[1, 1]
            %5 = add(%3, %4)
            output "y" = %5"#,
        reason: "the sum of the weights is not finite",
    },
    Refusal {
        pass: "merge_branches",
        graph: r#"
            %0 = input : f32[1, 2, 4, 4]
            %1 = constant seed=1 : f32[2, 2, 1, 1]
            %2 = constant seed=2 : f32[2, 2, 1, 1]
            %3 = input : f32[2]
            %4 = conv(%0, %1, %3) kernel=[1, 1]
            %5 = conv(%0, %2) kernel=[1, 1]
            %6 = add(%4, %5)
            output "y" = %6"#,
        reason: "a bias is not constant",
    },
    Refusal {
        pass: "merge_branches",
        graph: r#"
            %0 = input : f32[1, 2, 1, 1]
            %1 = constant seed=1 : f32[2, 2, 1, 1]
            %2 = constant seed=2 : f32[2, 2, 1, 1]
            %3 = conv(%0, %1) kernel=[1, 1] strides=[2, 2]
            %4 = conv(%0, %2) kernel=[1, 1]
            %5 = add(%3, %4)
            output "y" = %5"#,
        reason: "the branches have different strides",
    },
];
