//! Products and functions of quantized values that stay in floats.

use super::Refusal;

/// A quantized product, some lines of which are others.
macro_rules! refusal {
    ($reason:literal, $source:literal, $weight:literal, $scale:literal, $product:literal, $end:literal) => {
        Refusal {
            pass: "fuse_quantized",
            graph: concat!(
                "%0 = input : ",
                $source,
                " \"x\"\n%1 = dequantize(%0) scale=0.5\n",
                "%2 = ",
                $weight,
                "\n%3 = constant ",
                $scale,
                "\n%4 = mul(%2, %3)\n",
                $product,
                "\n%7 = relu(%6)\n%8 = quantize(%7) scale=0.5 to=u8 limits=[0, 255]\n",
                $end
            ),
            reason: $reason,
        }
    };
}

pub(super) const REFUSALS: &[Refusal] = &[
    refusal!(
        "its source is of signed bytes",
        "i8[1, 2, 4, 4]",
        "constant fill=3 : f32[2, 2, 1, 1]",
        "[0.5] : f32[]",
        "%6 = conv(%1, %4) kernel=[1, 1]",
        "output \"y\" = %8"
    ),
    refusal!(
        "its weights are not constants",
        "u8[1, 2, 4, 4]",
        "input : f32[2, 2, 1, 1] \"w\"",
        "[0.5] : f32[]",
        "%6 = conv(%1, %4) kernel=[1, 1]",
        "output \"y\" = %8"
    ),
    refusal!(
        "its weights have scales along another axis",
        "u8[1, 2, 4, 4]",
        "constant fill=3 : f32[2, 2, 1, 1]",
        "[0.5, 0.25] : f32[1, 2, 1, 1]",
        "%6 = conv(%1, %4) kernel=[1, 1]",
        "output \"y\" = %8"
    ),
    refusal!(
        "its groups are not whole blocks of channels",
        "u8[1, 10, 4, 4]",
        "constant fill=3 : f32[10, 2, 1, 1]",
        "[0.5] : f32[]",
        "%6 = conv(%1, %4) kernel=[1, 1] groups=5",
        "output \"y\" = %8"
    ),
    refusal!(
        "weights minus their zero point need more than 8 bits",
        "u8[1, 2, 4, 4]",
        "constant fill=200 : f32[2, 2, 1, 1]",
        "[0.5] : f32[]",
        "%6 = conv(%1, %4) kernel=[1, 1]",
        "output \"y\" = %8"
    ),
    refusal!(
        "its bias is not a whole number of steps",
        "u8[1, 2, 4, 4]",
        "constant fill=3 : f32[2, 2, 1, 1]",
        "[0.5] : f32[]",
        "%5 = constant [1, 0.001]\n%6 = conv(%1, %4, %5) kernel=[1, 1]",
        "output \"y\" = %8"
    ),
    refusal!(
        "its sums may overflow 32 bits",
        "u8[1, 2, 4, 4]",
        "constant fill=3 : f32[2, 2, 1, 1]",
        "[0.5] : f32[]",
        "%5 = constant [1, 1e9]\n%6 = conv(%1, %4, %5) kernel=[1, 1]",
        "output \"y\" = %8"
    ),
    refusal!(
        "its scales are too far apart",
        "u8[1, 2, 4, 4]",
        "constant fill=3 : f32[2, 2, 1, 1]",
        "[1e-40] : f32[]",
        "%6 = conv(%1, %4) kernel=[1, 1]",
        "output \"y\" = %8"
    ),
    refusal!(
        "no term of its sum is a convolution with this as its only user",
        "u8[1, 2, 4, 4]",
        "constant fill=3 : f32[2, 2, 1, 1]",
        "[0.5] : f32[]",
        "%6 = add(%1, %1)",
        "output \"y\" = %8"
    ),
    Refusal {
        pass: "fuse_quantized",
        graph: r#"
            %0 = input : u8[1, 2, 4, 4] "x"
            %1 = dequantize(%0) scale=0.5
            %2 = constant fill=3 : f32[2, 2, 1, 1]
            %3 = constant [1, 2] : f32[1, 2, 1, 1]
            %4 = sub(%2, %3)
            %5 = constant [0.5] : f32[]
            %6 = mul(%4, %5)
            %7 = conv(%1, %6) kernel=[1, 1]
            output "y" = %7"#,
        reason: "its weights have zero points along another axis",
    },
    // One border cannot stand for two zero points.
    Refusal {
        pass: "fuse_quantized",
        graph: r#"
            %0 = input : u8[1, 16, 4, 4] "x"
            %1 = constant fill=3 : i8[16, 16, 3, 3]
            %2 = constant fill=0 : i32[16]
            %3 = constant fill=0.5 : f32[16]
            %4 = quantized_conv(%0, %1, %2, %3) kernel=[3, 3] pads=[1, 1, 1, 1] src_zero=3 floats
            %5 = dequantize(%0) scale=0.5 zero=4
            %6 = constant fill=3 : f32[16, 16, 3, 3]
            %7 = constant [0.5] : f32[]
            %8 = mul(%6, %7)
            %9 = conv(%5, %8) kernel=[3, 3] pads=[1, 1, 1, 1]
            output "y" = %4
            output "z" = %9"#,
        reason: "its source is also read with another zero point",
    },
    // Nor can one border if they are the same bytes.
    Refusal {
        pass: "cse",
        graph: r#"
            %0 = input : f32[1, 16, 4, 4] "x"
            %1 = quantize(%0) scale=0.5 to=u8 limits=[0, 255]
            %2 = quantize(%0) scale=0.5 to=u8 limits=[0, 255]
            %3 = constant fill=3 : i8[16, 16, 3, 3]
            %4 = constant fill=0 : i32[16]
            %5 = constant fill=0.5 : f32[16]
            %6 = quantized_conv(%1, %3, %4, %5) kernel=[3, 3] pads=[1, 1, 1, 1] src_zero=3 floats
            %7 = quantized_conv(%2, %3, %4, %5) kernel=[3, 3] pads=[1, 1, 1, 1] src_zero=4 floats
            output "y" = %6
            output "z" = %7"#,
        reason: "convolutions read it and its twin with different zero points",
    },
    // An activation that is part of the product already would be lost.
    Refusal {
        pass: "fuse_quantized",
        graph: r#"
            %0 = input : u8[1, 2, 4, 4] "x"
            %1 = dequantize(%0) scale=0.5
            %2 = constant fill=3 : f32[2, 2, 1, 1]
            %3 = constant [0.5] : f32[]
            %4 = mul(%2, %3)
            %5 = conv(%1, %4) kernel=[1, 1] relu
            output "y" = %5"#,
        reason: "",
    },
    Refusal {
        pass: "fuse_quantized",
        graph: r#"
            %0 = input : u8[1, 2] "x"
            %1 = dequantize(%0) scale=0.5
            %2 = constant fill=3 : f32[2, 2]
            %3 = constant [0.5] : f32[]
            %4 = mul(%2, %3)
            %5 = gemm(%1, %4) relu
            output "y" = %5"#,
        reason: "",
    },
    Refusal {
        pass: "fuse_quantized",
        graph: r#"
            %0 = input : u8[1, 2] "x"
            %1 = dequantize(%0) scale=0.5
            %2 = constant fill=3 : f32[2, 2]
            %3 = constant [0.5] : f32[]
            %4 = mul(%2, %3)
            %5 = gemm(%1, %4) alpha=2
            output "y" = %5"#,
        reason: "its operands are scaled or transposed",
    },
    Refusal {
        pass: "fuse_quantized",
        graph: r#"
            %0 = input : u8[1, 2, 4, 4] "x"
            %1 = convert(%0) to=f32
            %2 = constant fill=3 : f32[2, 2, 1, 1]
            %3 = conv(%1, %2) kernel=[1, 1]
            %4 = constant [1, 2, 3, 4]
            %5 = mul(%3, %4)
            output "y" = %5"#,
        reason: "it is multiplied with factors along another axis",
    },
    // Sums that are rewritten but for their shapes, or but for a zero point. The convolutions in
    // them are not rewritten either.
    Refusal {
        pass: "fuse_quantized",
        graph: r#"
            %0 = input : u8[1, 16, 4, 4] "x"
            %1 = constant fill=3 : i8[16, 16, 1, 1]
            %2 = constant fill=0 : i32[16]
            %3 = constant fill=0.5 : f32[16]
            %4 = quantized_conv(%0, %1, %2, %3) kernel=[1, 1] to=u8 limits=[0, 255]
            %5 = dequantize(%4) scale=0.5
            %6 = input : u8[1, 16, 1, 1] "other"
            %7 = dequantize(%6) scale=0.5
            %8 = add(%5, %7)
            %9 = quantize(%8) scale=0.5 to=u8 limits=[0, 255]
            output "y" = %9"#,
        reason: "the sum broadcasts",
    },
    Refusal {
        pass: "fuse_quantized",
        graph: r#"
            %0 = input : u8[1, 16, 4, 4] "x"
            %1 = constant fill=3 : i8[16, 16, 1, 1]
            %2 = constant fill=0 : i32[16]
            %3 = constant fill=0.5 : f32[16]
            %4 = quantized_conv(%0, %1, %2, %3) kernel=[1, 1] to=u8 limits=[0, 255]
            %5 = dequantize(%4) scale=0.5 zero=3
            %6 = input : u8[1, 16, 4, 4] "other"
            %7 = dequantize(%6) scale=0.5
            %8 = add(%5, %7)
            %9 = quantize(%8) scale=0.5 to=u8 limits=[0, 255]
            output "y" = %9"#,
        reason: "a term is quantized with one zero point and read with another",
    },
    // Functions whose results are needed as floats, too.
    Refusal {
        pass: "fuse_bytes",
        graph: r#"
            %0 = input : f32[1, 2, 4, 4] "x"
            %1 = sigmoid(%0)
            %2 = quantize(%1) scale=0.5 to=u8 limits=[0, 255]
            output "y" = %2
            output "z" = %1"#,
        reason: "what it quantizes is also read as floats",
    },
    Refusal {
        pass: "fuse_bytes",
        graph: r#"
            %0 = input : u8[1, 2, 4, 4] "x"
            %1 = dequantize(%0) scale=0.5
            %2 = concat(%1, %1) axis=1
            %3 = quantize(%2) scale=0.25 to=u8 limits=[0, 255]
            output "y" = %3
            output "z" = %2"#,
        reason: "what it quantizes is also read as floats",
    },
    // Nothing between bytes.
    Refusal {
        pass: "fuse_bytes",
        graph: r#"
            %0 = input : u8[1, 2, 4, 4] "x"
            %1 = dequantize(%0) scale=0.5
            %2 = softmax(%1) axis=1
            %3 = quantize(%2) scale=0.25 to=u8 limits=[0, 255]
            output "y" = %3"#,
        reason: "",
    },
];
