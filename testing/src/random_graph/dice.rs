//! Arbitrary numbers from a seed, for random graphs.

use resnetc_ir::infer::WindowAxis;
use resnetc_ir::op::{Activation, Pads, Window};
use resnetc_ir::random::SplitMix;
use resnetc_ir::{DType, Tensor, TensorType};

/// A source of numbers.
pub struct Dice {
    random: SplitMix,
    integers: bool,
}

impl Dice {
    /// Numbers that follow from `seed`. With `integers`, tensors hold small integers.
    pub fn new(seed: u64, integers: bool) -> Self {
        Dice { random: SplitMix(seed), integers }
    }

    /// A number of `low..=high`.
    pub fn between(&mut self, low: usize, high: usize) -> usize {
        low + (self.random.draw() % (high - low + 1) as u64) as usize
    }

    /// One of two.
    pub fn coin(&mut self) -> bool {
        self.random.draw().is_multiple_of(2)
    }

    /// One of several.
    pub fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.between(0, from.len() - 1)]
    }

    /// An element of a tensor.
    pub fn number(&mut self) -> f32 {
        match self.integers {
            true => self.between(0, 6) as f32 - 3.0,
            false => self.between(0, 4000) as f32 / 2000.0 - 1.0,
        }
    }

    /// A tensor of arbitrary elements.
    pub fn tensor(&mut self, shape: &[usize]) -> Tensor {
        let data = (0..shape.iter().product()).map(|_| self.number()).collect();
        Tensor::new(shape, data).expect("as many elements as the shape has")
    }

    /// A tensor of this type: with any value of an integer type, or either boolean.
    pub fn tensor_of(&mut self, ty: &TensorType) -> Tensor {
        if ty.dtype.is_float() {
            let numbers = self.tensor(&ty.shape).numbers();
            return Tensor::from_numbers(ty.dtype, &ty.shape[..], &numbers).expect("it fits");
        }
        let mut number = |_| match self.between(0, 3) {
            // Half of the values are small, the others anywhere in the range.
            0 | 1 => f64::from(self.number()).abs(),
            _ => f64::from(self.random.draw() as i32),
        };
        let wrapped = |x| ty.dtype.convert(x, DType::I32);
        let numbers: Vec<f64> = (0..ty.elements()).map(|i| wrapped(number(i))).collect();
        Tensor::from_numbers(ty.dtype, &ty.shape[..], &numbers).expect("it fits")
    }

    /// Numbers that can be divisors and variances.
    pub fn positive(&mut self, shape: &[usize]) -> Tensor {
        let tensor = self.tensor(shape);
        let data = tensor.data().iter().map(|x| x.abs() + 0.5).collect();
        Tensor::new(shape, data).expect("as many elements as before")
    }

    /// The activation of a fused operator.
    pub fn activation(&mut self) -> Activation {
        let (lo, hi) = (self.number().min(0.0), self.number().abs() + 1.0);
        self.pick(&[Activation::None, Activation::Relu, Activation::Clip { lo, hi }])
    }

    /// A window that fits an input of these extents.
    pub fn window(&mut self, input: [usize; 2]) -> Window {
        let mut window = Window {
            kernel: [self.between(1, 3), self.between(1, 3)],
            strides: [self.between(1, 3), self.between(1, 2)],
            dilations: [self.pick(&[1, 1, 1, 2]), self.pick(&[1, 1, 1, 3])],
            pads: match self.coin() {
                true => Pads::same(self.between(0, 2)),
                false => Pads {
                    top: self.between(0, 2),
                    left: self.between(0, 3),
                    bottom: self.between(0, 3),
                    right: self.between(0, 2),
                },
            },
        };
        for (i, axis) in WindowAxis::pair(&window).into_iter().enumerate() {
            if axis.span() > axis.before + input[i] + axis.after {
                window.kernel[i] = 1;
            }
        }
        window
    }

    /// A window that fits, every position of which covers an element.
    pub fn pool_window(&mut self, input: [usize; 2]) -> Window {
        let mut window = self.window(input);
        for (i, &extent) in input.iter().enumerate() {
            if window.dilations[i] > extent {
                window.kernel[i] = 1;
            }
        }
        let [vertical, horizontal] = WindowAxis::pair(&window).map(|axis| axis.span() - 1);
        let pads = &mut window.pads;
        (pads.top, pads.bottom) = (pads.top.min(vertical), pads.bottom.min(vertical));
        (pads.left, pads.right) = (pads.left.min(horizontal), pads.right.min(horizontal));
        for (i, axis) in WindowAxis::pair(&window).into_iter().enumerate() {
            if axis.span() > axis.before + input[i] + axis.after {
                return Window::square(1, self.between(1, 2), 0);
            }
        }
        window
    }
}
