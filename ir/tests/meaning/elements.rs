//! Elements of every type: which operators accept them, and integer results, against Rust's own
//! arithmetic.

use proptest::prelude::*;
use resnetc_ir::eval::{Value, eval, eval_node};
use resnetc_ir::infer::infer;
use resnetc_ir::op::{
    Activation, Binary, Conv, Gemm, PadMode, Pool, SliceAxis, TopK, TopPart, Unary, Window,
};
use resnetc_ir::tensor::RawElements;
use resnetc_ir::text::{constants, hash, parse, parse_with, print};
use resnetc_ir::verify::verify;
use resnetc_ir::{DType, Element, Graph, Op, Tensor, TensorType};

/// The types that values may have.
fn computed() -> impl Iterator<Item = DType> {
    DType::ALL.into_iter().filter(|ty| ty.is_computed())
}

fn of<T: Element>(shape: &[usize], data: &[T]) -> Value {
    Value::of(T::DTYPE, shape, data.iter().map(|x| x.number()).collect())
}

/// Two operands and the result of an operator on them.
fn binary<T: Element>(op: Binary, a: &[T], b: &[T], expected: impl Fn(T, T) -> T) {
    let shape = [a.len()];
    let found = eval_node(&Op::Binary(op), &[&of(&shape, a), &of(&shape, b)]).expect("it computes");
    let expected: Vec<T> = a.iter().zip(b).map(|(&a, &b)| expected(a, b)).collect();
    assert_eq!(found, of(&shape, &expected), "{op:?} of {a:?} and {b:?}");
}

macro_rules! arithmetic_is_that_of_rust {
    ($($name:ident: $number:ident),*) => {$(
        proptest! {
            #[test]
            fn $name(pairs in prop::collection::vec(any::<($number, $number)>(), 1..20)) {
                let (a, b): (Vec<$number>, Vec<$number>) = pairs.into_iter().unzip();
                binary(Binary::Add, &a, &b, $number::wrapping_add);
                binary(Binary::Sub, &a, &b, $number::wrapping_sub);
                binary(Binary::Mul, &a, &b, $number::wrapping_mul);
                binary(Binary::Max, &a, &b, Ord::max);
                binary(Binary::Less, &a, &b, |a, b| (a < b).into());
                binary(Binary::LessOrEqual, &a, &b, |a, b| (a <= b).into());
                binary(Binary::Equal, &a, &a, |_, _| 1);
            }
        }
    )*};
}

arithmetic_is_that_of_rust!(
    arithmetic_of_i8: i8,
    arithmetic_of_u8: u8,
    arithmetic_of_i16: i16,
    arithmetic_of_u16: u16,
    arithmetic_of_i32: i32,
    arithmetic_of_u32: u32
);

fn unary<T: Element>(op: Unary, x: &[T], expected: impl Fn(T) -> T) {
    let found = eval_node(&Op::Unary(op), &[&of(&[x.len()], x)]).expect("it computes");
    let expected: Vec<T> = x.iter().map(|&x| expected(x)).collect();
    assert_eq!(found, of(&[x.len()], &expected), "{op:?} of {x:?}");
}

/// The factors of a convolution, `[n, c, h, w]` and `[k, c, 3, 3]`, and biases.
#[derive(Debug)]
struct Factors {
    sizes: [usize; 5],
    source: Vec<u8>,
    weights: Vec<i8>,
    bias: Vec<i32>,
}

fn factors() -> impl Strategy<Value = Factors> {
    (1..=2usize, 1..=3usize, 3..=5usize, 3..=5usize, 1..=3usize).prop_flat_map(|(n, c, h, w, k)| {
        let all = |len| prop::collection::vec(any::<u8>(), len);
        let weights = prop::collection::vec(any::<i8>(), k * c * 9);
        // Some sums leave the range of i32.
        let bias = prop::collection::vec(prop_oneof![any::<i32>(), Just(i32::MAX)], k);
        (all(n * c * h * w), weights, bias).prop_map(move |(source, weights, bias)| Factors {
            sizes: [n, c, h, w, k],
            source,
            weights,
            bias,
        })
    })
}

/// The sums of a 3x3 convolution with a border of 1, as its definition says.
fn convolved(
    factors: &Factors,
    source: impl Fn(u8) -> i32,
    weight: impl Fn(i8) -> i32,
) -> Vec<i32> {
    let [n, c, h, w, k] = factors.sizes;
    let mut sums = Vec::new();
    for at in 0..n * k * h * w {
        let (image, filter, y, x) = (at / (k * h * w), at / (h * w) % k, at / w % h, at % w);
        let mut sum = factors.bias[filter];
        for tap in 0..c * 9 {
            let (channel, r, s) = (tap / 9, tap / 3 % 3, tap % 3);
            let (row, column) = ((y + r).wrapping_sub(1), (x + s).wrapping_sub(1));
            if row < h && column < w {
                let pixel = factors.source[((image * c + channel) * h + row) * w + column];
                let product = source(pixel) * weight(factors.weights[filter * c * 9 + tap]);
                sum = sum.wrapping_add(product);
            }
        }
        sums.push(sum);
    }
    sums
}

proptest! {
    #[test]
    fn functions_of_integers_stay_integers(x in prop::collection::vec(any::<i8>(), 1..20), u in prop::collection::vec(any::<u32>(), 1..20)) {
        unary(Unary::Relu, &x, |x| x.max(0));
        unary(Unary::Abs, &x, i8::wrapping_abs);
        unary(Unary::Sign, &x, i8::signum);
        unary(Unary::Clip { lo: -3.0, hi: f32::INFINITY }, &x, |x| x.max(-3));
        unary(Unary::Relu, &u, |x| x);
        unary(Unary::Clip { lo: f32::NEG_INFINITY, hi: 7.0 }, &u, |x| x.min(7));
    }

    #[test]
    fn convolutions_of_bytes_sum_in_32_bits(factors in factors(), relu: bool) {
        let [n, c, h, w, k] = factors.sizes;
        let activation = if relu { Activation::Relu } else { Activation::None };
        let op = Op::Conv(Conv { bias: true, activation, ..Conv::new(Window::square(3, 1, 1), 1) });
        let done = |x: i32| if relu { x.max(0) } else { x };
        let bias = of(&[k], &factors.bias);
        let weights = of(&[k, c, 3, 3], &factors.weights);
        let found = eval_node(&op, &[&of(&[n, c, h, w], &factors.source), &weights, &bias]).unwrap();
        let sums = convolved(&factors, i32::from, i32::from);
        prop_assert_eq!(found, of(&[n, k, h, w], &sums.into_iter().map(done).collect::<Vec<_>>()));
        // Each factor has its own type.
        let signed: Vec<i8> = factors.source.iter().map(|&x| x as i8).collect();
        let unsigned: Vec<u8> = factors.weights.iter().map(|&x| x as u8).collect();
        let weights = of(&[k, c, 3, 3], &unsigned);
        let found = eval_node(&op, &[&of(&[n, c, h, w], &signed), &weights, &bias]).unwrap();
        let sums = convolved(&factors, |x| (x as i8).into(), |x| (x as u8).into());
        prop_assert_eq!(found, of(&[n, k, h, w], &sums.into_iter().map(done).collect::<Vec<_>>()));
    }

    #[test]
    fn matrix_products_of_bytes_sum_in_32_bits(
        [m, k, n] in prop::array::uniform3(1..6usize),
        bytes in prop::collection::vec(any::<u8>(), 25),
        signed in prop::collection::vec(any::<i8>(), 25),
        added: i32,
    ) {
        let (a, b) = (&bytes[..m * k], &signed[..k * n]);
        let sum = |i: usize| -> i32 {
            (0..k).map(|j| i32::from(a[i / n * k + j]) * i32::from(b[j * n + i % n])).sum()
        };
        let sums: Vec<i32> = (0..m * n).map(sum).collect();
        let (a, b) = (of(&[m, k], a), of(&[k, n], b));
        prop_assert_eq!(eval_node(&Op::MatMul, &[&a, &b]).unwrap(), of(&[m, n], &sums));
        let gemm = Gemm { alpha: 1.0, beta: 1.0, transpose_a: false, transpose_b: false, bias: true, activation: Activation::None };
        let sums: Vec<i32> = sums.into_iter().map(|x| x.wrapping_add(added)).collect();
        let found = eval_node(&Op::Gemm(gemm), &[&a, &b, &of(&[], &[added])]).unwrap();
        prop_assert_eq!(found, of(&[m, n], &sums));
    }

    #[test]
    fn movement_is_the_same_for_every_type(data in prop::collection::vec(any::<i8>(), 24)) {
        let pool = Pool { window: Window::square(2, 1, 0), ceil_mode: false };
        let axis = |start, step, len| SliceAxis { start, step, len };
        let top = TopK { axis: 3, k: 2, largest: true, part: TopPart::Values };
        let ops = [
            Op::Reshape { shape: vec![6, 4] },
            Op::Transpose { perm: vec![3, 0, 2, 1] },
            Op::Slice(vec![axis(0, 1, 1), axis(1, -1, 2), axis(0, 1, 3), axis(1, 2, 2)]),
            Op::Gather { axis: 2, indices: vec![2, 0, 2].into() },
            Op::Pad { before: vec![0, 1, 0, 2], after: vec![0, 0, 1, 0], mode: PadMode::Constant(1.0) },
            Op::Pad { before: vec![0, 1, 1, 0], after: vec![0; 4], mode: PadMode::Reflect },
            Op::Identity,
            Op::MaxPool(pool),
            Op::ReduceMax { axes: vec![1, 3], keep_dims: true },
            Op::TopK(top),
        ];
        let shape = [1, 2, 3, 4];
        for op in ops {
            for dtype in computed() {
                let numbers: Vec<f64> = data.iter().map(|&x| dtype.convert(x.into(), DType::I8)).collect();
                let value = Value::of(dtype, shape, numbers.clone());
                let expected = eval_node(&op, &[&Value::new(shape, numbers)]).unwrap();
                match eval_node(&op, &[&value]) {
                    Ok(found) => prop_assert_eq!((found.dtype, found.data), (dtype, expected.data)),
                    Err(error) => {
                        let compares = matches!(op, Op::MaxPool(_) | Op::ReduceMax { .. } | Op::TopK(_));
                        prop_assert!(dtype == DType::Bool && compares, "{error}");
                    }
                }
            }
        }
    }

    #[test]
    fn tensors_hold_their_own_bytes(data in prop::collection::vec(any::<i16>(), 1..40), start in any::<prop::sample::Index>()) {
        let tensor = Tensor::of([data.len()], &data).expect("it fits");
        prop_assert_eq!(tensor.ty(), TensorType::of(DType::I16, [data.len()]));
        prop_assert_eq!(tensor.numbers(), data.iter().map(|&x| x.into()).collect::<Vec<f64>>());
        let start = start.index(data.len());
        let mut bytes = vec![0; (data.len() - start) * 2];
        tensor.read_bytes(start, &mut bytes);
        let expected: Vec<u8> = data[start..].iter().flat_map(|x| x.to_le_bytes()).collect();
        prop_assert_eq!(bytes, expected);
        let deferred = Tensor::deferred_bytes(DType::I16, [data.len()], std::sync::Arc::new(Doubled(data))).expect("it fits");
        prop_assert_eq!(deferred.numbers(), tensor.numbers().iter().map(|x| DType::I16.convert(2.0 * x, DType::I16)).collect::<Vec<_>>());
    }

    #[test]
    fn constants_of_every_type_are_read_back(data in prop::collection::vec(-300.0..300.0f64, 1..40), rule in 0..3u8) {
        for dtype in computed() {
            let numbers: Vec<f64> = match rule {
                0 => data.clone(),
                1 => vec![data[0]; data.len()],
                _ => (0..data.len()).map(|i| i as f64).collect(),
            };
            let tensor = Tensor::from_numbers(dtype, [data.len()], &numbers).expect("it fits");
            let mut graph = Graph::new();
            let node = graph.constant("c", tensor.clone());
            graph.output("y", node);
            let text = print(&graph);
            let known = constants(&graph);
            let read = parse_with(&text, &|hash| known.get(&hash).cloned()).unwrap();
            prop_assert_eq!(print(&read), text);
            let outputs = eval(&read, &[]).unwrap();
            prop_assert_eq!(&outputs[0], &Value::from(&tensor));
        }
    }
}

/// Elements that are computed when they are read.
struct Doubled(Vec<i16>);

impl RawElements for Doubled {
    fn read(&self, start: usize, out: &mut [u8]) {
        let places = out.as_chunks_mut().0.iter_mut();
        places
            .zip(&self.0[start..])
            .for_each(|(place, x)| *place = x.wrapping_mul(2).to_le_bytes());
    }
}

#[test]
fn conversions_are_an_operator() {
    let x = Value::new([6], vec![-1.5, 0.4, 2.999, 300.0, f64::NAN, f64::NEG_INFINITY]);
    let to = |to, x: &Value| eval_node(&Op::Convert { to }, &[x]).expect("it converts");
    assert_eq!(to(DType::U8, &x), of(&[6], &[0u8, 0, 2, 255, 0, 0]));
    assert_eq!(to(DType::I8, &x), of(&[6], &[-1i8, 0, 2, 127, 0, -128]));
    let wide = of(&[3], &[-1i32, 300, 65_536]);
    assert_eq!(to(DType::U8, &wide), of(&[3], &[255u8, 44, 0]));
    assert_eq!(to(DType::I16, &wide), of(&[3], &[-1i16, 300, 0]));
    assert_eq!(to(DType::Bool, &wide).data, [1.0; 3]);
    let beyond = of(&[1], &[16_777_217i32]);
    assert_eq!(to(DType::F32, &beyond), of(&[1], &[16_777_216f32]));
    assert_eq!(to(DType::F16, &Value::new([2], vec![0.1, 1e5])).data[1], f64::INFINITY);
}

/// The result of inference for an operator on operands of these types, each `[2, 2]`.
fn inferred(op: &Op, dtypes: &[DType]) -> Result<DType, String> {
    let types: Vec<TensorType> = dtypes.iter().map(|&ty| TensorType::of(ty, [2, 2])).collect();
    let result = infer(op, &types.iter().collect::<Vec<_>>());
    result.map(|ty| ty.dtype).map_err(|error| error.to_string())
}

#[test]
fn types_do_not_change_silently() {
    use DType::*;
    let refused: [(Op, &[DType], &str); 10] = [
        (
            Op::Binary(Binary::Add),
            &[F32, I8],
            "operand 0 is f32 and operand 1 is i8, but add takes operands of one type; one of them has to be converted",
        ),
        (
            Op::Unary(Unary::Sigmoid),
            &[U8],
            "operand 0 is u8, but sigmoid takes f32, f16, bf16 or f64",
        ),
        (
            Op::Binary(Binary::Div),
            &[I32, I32],
            "operand 0 is i32, but div takes f32, f16, bf16 or f64",
        ),
        (Op::Concat { axis: 0 }, &[U8, I8], "operand 0 is u8 and operand 1 is i8, but concat"),
        (Op::MatMul, &[U8, I32], "operand 1 is i32, but matmul of integers takes i8 or u8 there"),
        (Op::MatMul, &[I32, I32], "operand 0 is i32, but matmul of integers takes i8 or u8 there"),
        (Op::MatMul, &[F32, F16], "operand 0 is f32 and operand 1 is f16"),
        (Op::Identity, &[I64], "operand 0: values of i64 are not supported, only f32, f16"),
        (Op::Convert { to: U64 }, &[F32], "values of u64 are not supported"),
        (
            Op::Unary(Unary::Clip { lo: 0.5, hi: 6.0 }),
            &[U8],
            "the limits 0.5 and 6 of a clip cannot be represented in u8",
        ),
    ];
    for (op, types, expected) in refused {
        let error = inferred(&op, types).expect_err(expected);
        assert!(error.starts_with(expected), "{error}");
    }
    let pad =
        |value| Op::Pad { before: vec![0; 2], after: vec![1; 2], mode: PadMode::Constant(value) };
    assert_eq!(
        inferred(&pad(-1.0), &[U8]),
        Err("a border of -1 cannot be represented in u8".into())
    );
    assert_eq!(inferred(&pad(-1.0), &[I8]), Ok(I8));
    assert_eq!(inferred(&Op::Where, &[Bool, U8, U8]), Ok(U8));
    assert_eq!(inferred(&Op::MatMul, &[I8, U8]), Ok(I32));
    let top = TopK { axis: 0, k: 1, largest: true, part: TopPart::Indices };
    assert_eq!(inferred(&Op::TopK(top), &[U8]), Ok(F32));
}

#[test]
fn values_and_inputs_are_elements_of_their_type() {
    let text =
        "%0 = input : u8[2] \"x\"\n%1 = convert(%0) to=f32 : f32[2] \"y\"\noutput \"y\" = %1\n";
    let graph = parse(text).expect("it is a graph");
    assert_eq!(print(&graph), text);
    assert_eq!(verify(&graph), Ok(()));
    let run = |value: Value| eval(&graph, &[value]).map_err(|error| error.to_string());
    assert_eq!(run(of(&[2], &[3u8, 255])).expect("bytes").remove(0), of(&[2], &[3f32, 255.0]));
    let error = run(Value::new([2], vec![0.0, 1.0])).expect_err("floats");
    assert_eq!(error, "input \"x\" is u8[2], got f32[2]");
    let error = run(Value::of(DType::U8, [2], vec![0.0, 256.0])).expect_err("too great");
    assert_eq!(error, "input \"x\": element 1 is 256, which u8 cannot hold");
    for wrong in ["%0 = input : i64[2]", "%0 = constant [0.5] : i8[1]", "%0 = input : float32[1]"] {
        assert!(parse(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn hashes_and_texts_of_f32_do_not_depend_on_other_types() {
    let tensor = Tensor::new([2, 10], (0..20).map(|x| x as f32 * 0.37).collect()).expect("it fits");
    assert_eq!(hash(&tensor), F32_HASH);
    let bytes = Tensor::of([4], &[0u8, 0, 128, 63]).expect("it fits");
    let signed = Tensor::of([4], &[0i8, 0, -128, 63]).expect("it fits");
    assert_ne!(hash(&bytes), hash(&signed));
}

/// Of rank 2, extents 2 and 10, and the 80 bytes of the elements.
const F32_HASH: u64 = 0x75a0_1ed2_9eba_9ba6;

#[test]
fn a_graph_whose_types_disagree_is_not_verified() {
    let mut graph = Graph::new();
    let x = graph.input_of("x", TensorType::of(DType::I64, [2]));
    graph.output("y", x);
    let error = verify(&graph).expect_err("a type that nothing computes with").to_string();
    assert!(error.contains("input \"x\": values of i64 are not supported"), "{error}");
}
