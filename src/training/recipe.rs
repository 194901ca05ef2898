//! How a network is trained.

/// How parameters move along their gradients.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Optimizer {
    /// Stochastic gradient descent with momentum, as PyTorch's `SGD`: with the gradient `g` of a
    /// parameter `w`, to which `decay * w` is added, `v = momentum * v + g`, and `w` becomes
    /// `w - rate * v`, or with Nesterov's momentum `w - rate * (g + momentum * v)` (Sutskever et
    /// al., "On the importance of initialization and momentum in deep learning", 2013).
    Sgd {
        /// The share of `v` that is kept, at least 0 and below 1.
        momentum: f64,
        /// Whether the momentum is Nesterov's.
        nesterov: bool,
    },
    /// Adam with decoupled weight decay, as PyTorch's `AdamW` (Loshchilov and Hutter, "Decoupled
    /// Weight Decay Regularization", 2019, algorithm 2): `w` is first scaled by `1 - rate * decay`.
    AdamW {
        /// The shares of the mean and of the mean square of the gradient that are kept, at least 0
        /// and below 1.
        betas: [f64; 2],
        /// Added to the root of the mean square, above 0.
        epsilon: f64,
    },
}

impl Optimizer {
    /// The recipe of He et al., "Deep Residual Learning for Image Recognition", 2015.
    pub const PAPER: Optimizer = Optimizer::Sgd { momentum: 0.9, nesterov: false };
    /// PyTorch's default.
    pub const ADAM_W: Optimizer = Optimizer::AdamW { betas: [0.9, 0.999], epsilon: 1e-8 };
}

/// Which parameters weight decay shrinks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Decayed {
    /// Weights of convolutions and dense layers; neither biases nor the parameters of
    /// normalizations, activations and gains (He et al., "Bag of Tricks for Image Classification",
    /// 2019, section 3.1).
    #[default]
    Weights,
    /// All parameters, as in the paper.
    All,
}

/// What a step of training computes.
#[derive(Clone, Debug, PartialEq)]
pub struct Recipe {
    /// Images of a step.
    pub batch: usize,
    /// How parameters move.
    pub optimizer: Optimizer,
    /// The factor of weight decay, at least 0.
    pub decay: f64,
    /// What it shrinks.
    pub decayed: Decayed,
    /// The share of the target that all classes have alike, at least 0 and below 1 (Szegedy et al.,
    /// "Rethinking the Inception Architecture", 2016, section 7).
    pub smoothing: f64,
    /// The share of the batch's statistics in the running ones after a step, above 0 and at most 1.
    pub momentum: f64,
    /// Layers that stay as they are: prefixes of the names of parameters, up to a dot or the end.
    /// Their normalizations use the running statistics, which stay as well.
    pub frozen: Vec<String>,
    /// Whether a step also computes the norms of each block's result and of its gradient
    /// ([`Trainer::norms`](super::Trainer::norms)).
    pub norms: bool,
}

impl Recipe {
    /// The paper's, without its weight decay.
    pub fn new(batch: usize) -> Self {
        Recipe {
            batch,
            optimizer: Optimizer::PAPER,
            decay: 0.0,
            decayed: Decayed::default(),
            smoothing: 0.0,
            momentum: 0.1,
            frozen: Vec::new(),
            norms: false,
        }
    }

    /// Whether a parameter or a layer is frozen.
    pub fn is_frozen(&self, name: &str) -> bool {
        let holds = |prefix: &String| {
            name.strip_prefix(prefix.as_str())
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        };
        self.frozen.iter().any(holds)
    }
}
