//! Passes that leave out movement of data.

use super::Refusal;

pub(super) const REFUSALS: &[Refusal] = &[
    Refusal {
        pass: "merge_pad",
        graph: r#"
            %0 = input : f32[1, 1, 4, 4]
            %1 = pad(%0) before=[0, 0, 1, 1] after=[0, 0, 1, 1] value=1
            %2 = constant [3, 5] : f32[2, 1, 1, 1]
            %3 = conv(%1, %2) kernel=[1, 1]
            output "y" = %3"#,
        reason: "the Pad writes a value other than 0",
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
        reason: "a window would be entirely in the padding",
    },
    Refusal {
        pass: "merge_pad",
        graph: r#"
            %0 = input : f32[1, 1, 4, 4]
            %1 = pad(%0) before=[0, 0, 1, 1] after=[0, 0, 1, 1] value=-inf
            %2 = max_pool(%1) kernel=[2, 2] dilations=[2, 2]
            output "y" = %2"#,
        reason: "the pool is dilated",
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
        reason: "rounded differently",
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
        reason: "a window would be entirely in the padding",
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
    // A group that does not consist of whole channels, numbers that differ within a group, two
    // kinds of groups, one group or image that becomes many, one pixel.
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
            %0 = input : f32[1, 3, 4, 4]
            %1 = reshape(%0) shape=[1, 1, 48]
            %2 = constant seed=1 : f32[5, 1]
            %3 = mul(%1, %2)
            output "y" = %3"#,
        reason: "",
    },
    Refusal {
        pass: "ungroup",
        graph: r#"
            %0 = input : f32[1, 4, 2, 2]
            %1 = reshape(%0) shape=[1, 2, 8]
            %2 = input : f32[3, 2, 1]
            %3 = add(%2, %1)
            output "y" = %3"#,
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
    // Both are as small as the gate: only the ones expand them to an image.
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
    // Two outputs in the transposed order would need a transpose each.
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
    Refusal {
        pass: "merge_pad",
        graph: r#"
            %0 = input : f32[1, 1, 4, 4]
            %1 = clip(%0) lo=-1 hi=6
            %2 = pad(%1) before=[0, 0, 1, 1] after=[0, 0, 1, 1]
            %3 = max_pool(%2) kernel=[2, 2]
            output "y" = %3"#,
        reason: "the padded value could be a maximum",
    },
    Refusal {
        pass: "merge_pad",
        graph: r#"
            %0 = input : f32[1, 1, 4, 4]
            %1 = clip(%0) lo=0 hi=-1
            %2 = pad(%1) before=[0, 0, 1, 1] after=[0, 0, 1, 1]
            %3 = max_pool(%2) kernel=[2, 2]
            output "y" = %3"#,
        reason: "the padded value could be a maximum",
    },
];
