//! Products of values that a run quantizes that stay in floats.

use super::Refusal;

/// A product of 16 measured channels, some lines of which are others.
macro_rules! refusal {
    ($reason:literal, $zero:literal, $weight:literal, $product:literal, $scale:literal) => {
        Refusal {
            pass: "fuse_measured",
            graph: concat!(
                "%0 = input : f32[1, 16, 4, 4] \"x\"\n",
                "%1 = measure(%0)\n%2 = quantize_measured(%0, %1)\n%3 = convert(%2) to=f32\n",
                "%4 = slice(%1) start=[1] len=[1]\n%5 = reshape(%4) shape=[]\n",
                "%6 = slice(%1) start=[0] len=[1]\n%7 = reshape(%6) shape=[]\n",
                "%8 = input : f32[1, 16, 4, 4] \"other\"\n%9 = measure(%8)\n",
                "%10 = slice(%9) start=[1] len=[1]\n%11 = reshape(%10) shape=[]\n",
                "%12 = slice(%9) start=[0] len=[1]\n%13 = reshape(%12) shape=[]\n",
                "%14 = sub(%3, ",
                $zero,
                ")\n%15 = constant ",
                $weight,
                "\n",
                $product,
                "\n",
                $scale,
                "\noutput \"y\" = %20\n"
            ),
            reason: $reason,
        }
    };
}

pub(super) const REFUSALS: &[Refusal] = &[
    refusal!(
        "its zero point is not that of its source",
        "%11",
        "fill=3 : f32[16, 16, 1, 1]",
        "%16 = conv(%14, %15) kernel=[1, 1]",
        "%20 = mul(%16, %7)"
    ),
    refusal!(
        "a bias is added before its sums are scaled",
        "%5",
        "fill=3 : f32[16, 16, 1, 1]",
        "%17 = constant fill=3 : f32[16]\n%16 = conv(%14, %15, %17) kernel=[1, 1]",
        "%20 = mul(%16, %7)"
    ),
    refusal!(
        "its sums are not scaled by the scale of its source",
        "%5",
        "fill=3 : f32[16, 16, 1, 1]",
        "%16 = conv(%14, %15) kernel=[1, 1]",
        "%20 = mul(%16, %13)"
    ),
    refusal!(
        "its sums are not scaled by the scale of its source",
        "%5",
        "fill=3 : f32[16, 16, 1, 1]",
        "%16 = conv(%14, %15) kernel=[1, 1]",
        "%20 = relu(%16)"
    ),
    refusal!(
        "it is multiplied with factors along another axis",
        "%5",
        "fill=3 : f32[16, 16, 1, 1]",
        "%16 = conv(%14, %15) kernel=[1, 1]",
        "%17 = constant [1, 2, 3, 4]\n%18 = mul(%7, %17)\n%20 = mul(%16, %18)"
    ),
    refusal!(
        "its groups are not whole blocks of channels",
        "%5",
        "fill=3 : f32[16, 1, 1, 1]",
        "%16 = conv(%14, %15) kernel=[1, 1] groups=16",
        "%20 = mul(%16, %7)"
    ),
    refusal!(
        "weights minus their zero point need more than 8 bits",
        "%5",
        "fill=200 : f32[16, 16, 1, 1]",
        "%16 = conv(%14, %15) kernel=[1, 1]",
        "%20 = mul(%16, %7)"
    ),
    refusal!(
        "its scales are too far apart",
        "%5",
        "fill=3 : f32[16, 16, 1, 1]",
        "%16 = conv(%14, %15) kernel=[1, 1]",
        "%17 = constant [1e-40] : f32[]\n%18 = mul(%7, %17)\n%20 = mul(%16, %18)"
    ),
    // One border cannot stand for two zero points.
    refusal!(
        "its source is also read with another zero point",
        "%5",
        "fill=3 : f32[16, 16, 1, 1]",
        "%16 = conv(%14, %15) kernel=[1, 1]\n%17 = constant fill=3 : i8[16, 16, 1, 1]\n%18 = constant fill=0 : f32[16]\n%19 = quantized_conv(%2, %17, %18, %18, %9) kernel=[1, 1] measured floats\noutput \"z\" = %19",
        "%20 = mul(%16, %7)"
    ),
    Refusal {
        pass: "fuse_measured",
        graph: r#"
            %0 = input : f32[1, 66400] "x"
            %1 = measure(%0)
            %2 = quantize_measured(%0, %1)
            %3 = convert(%2) to=f32
            %4 = slice(%1) start=[1] len=[1]
            %5 = reshape(%4) shape=[]
            %6 = slice(%1) start=[0] len=[1]
            %7 = reshape(%6) shape=[]
            %8 = sub(%3, %5)
            %9 = constant fill=127 : f32[66400, 1]
            %10 = matmul(%8, %9)
            %11 = mul(%10, %7)
            output "y" = %11"#,
        reason: "its sums may overflow 32 bits",
    },
    // A product of more axes is no matrix.
    Refusal {
        pass: "fuse_measured",
        graph: r#"
            %0 = input : f32[1, 2, 4] "x"
            %1 = measure(%0)
            %2 = quantize_measured(%0, %1)
            %3 = convert(%2) to=f32
            %4 = slice(%1) start=[1] len=[1]
            %5 = reshape(%4) shape=[]
            %6 = slice(%1) start=[0] len=[1]
            %7 = reshape(%6) shape=[]
            %8 = sub(%3, %5)
            %9 = constant fill=3 : f32[4, 4]
            %10 = matmul(%8, %9)
            %11 = mul(%10, %7)
            output "y" = %11"#,
        reason: "its operands are scaled or transposed",
    },
];
