//! Passes for what training steps are made of.

use super::Refusal;

pub(super) const REFUSALS: &[Refusal] = &[
    Refusal {
        pass: "fuse_pointwise",
        graph: r#"
            %0 = input : f32[1, 2, 4, 4]
            %1 = input : f32[1, 2, 4, 4]
            %2 = add(%0, %1) "sum"
            %3 = relu(%2)
            %4 = softmax(%2) axis=1
            output "y" = %3
            output "z" = %4"#,
        reason: "is stored for another reader",
    },
    // What is read beside it has fewer elements.
    Refusal {
        pass: "fuse_pointwise",
        graph: r#"
            %0 = input : f32[1, 2, 1, 1]
            %1 = input : f32[1, 2, 4, 4]
            %2 = relu(%0) "gate"
            %3 = mul(%1, %2)
            output "y" = %3"#,
        reason: "",
    },
    Refusal {
        pass: "fuse_pointwise",
        graph: r#"
            %0 = input : f32[4]
            %1 = pow(%0, %0) "power"
            %2 = relu(%1)
            output "y" = %2"#,
        reason: "",
    },
    Refusal {
        pass: "fuse_pointwise",
        graph: r#"
            %0 = input : f32[4]
            %1 = input : f32[4]
            %2 = input : f32[4]
            %3 = input : f32[4]
            %4 = input : f32[4]
            %5 = input : f32[4]
            %6 = input : f32[4]
            %7 = input : f32[4]
            %8 = input : f32[4]
            %9 = pointwise(%0, %1, %2, %3, %4, %5, %6, %7) steps=[add/x0/x1, add/s0/x2, add/s1/x3, add/s2/x4, add/s3/x5, add/s4/x6, add/s5/x7] results=[s6] "all"
            %10 = mul(%8, %9)
            output "y" = %10"#,
        reason: "it would read more than 8 values",
    },
    Refusal {
        pass: "fuse_channel_sums",
        graph: r#"
            %0 = input : f32[1, 2, 4, 4]
            %1 = input : f32[1, 2, 4, 4]
            %2 = add(%0, %1) "sum"
            %3 = channel_sums(%2) results=[x0]
            %4 = softmax(%2) axis=1
            output "y" = %3
            output "z" = %4"#,
        reason: "is stored for another reader",
    },
    // The second sums need the first ones.
    Refusal {
        pass: "fuse_channel_sums",
        graph: r#"
            %0 = input : f32[1, 2, 4, 4]
            %1 = channel_sums(%0) results=[x0]
            %2 = reshape(%1) shape=[1, 2, 1, 1]
            %3 = channel_sums(%0, %2) steps=[mul/x0/x1] results=[s0]
            output "y" = %3"#,
        reason: "",
    },
    // A kernel turns these weights.
    Refusal {
        pass: "lower_conv_source",
        graph: r#"
            %0 = input : f32[1, 4, 2, 2]
            %1 = input : f32[4, 3, 3, 3]
            %2 = conv_source(%0, %1) kernel=[3, 3] strides=[2, 2] pads=[1, 1, 1, 1] image=[4, 4]
            output "y" = %2"#,
        reason: "",
    },
    Refusal {
        pass: "split_conv_weights",
        graph: r#"
            %0 = input : f32[1, 8, 2, 2]
            %1 = input : f32[1, 8, 2, 2]
            %2 = conv_weights(%0, %1) kernel=[1, 1] groups=2 image=[2, 2]
            output "y" = %2"#,
        reason: "",
    },
    Refusal {
        pass: "update_in_place",
        graph: r#"
            %0 = input : f32[4] "x"
            %1 = relu(%0)
            output "x" = %1 next_of(%0)"#,
        reason: "",
    },
];
