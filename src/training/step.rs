//! A step of training as a graph: the network, its loss, the gradients, and the next values of all
//! that is learned.

use resnetc_ir::{Graph, GraphError, NodeId, Op, Tensor};

use super::error::TrainingError;
use super::names;
use super::norms;
use super::recipe::{Decayed, Recipe};
use super::scope::{Added, Scope};
use super::update::{self, Rates};
use crate::gradient::gradients;
use crate::spec::{Role, Spec, Trainable};

impl Recipe {
    /// One step of training a network, as a graph. Its inputs are the images, `input [N, C, H, W]`,
    /// the numbers of their classes, `labels [N]`, and the learning rate, `rate [1]`; then those of
    /// the optimizer. All other inputs are state: the parameters under their names, and what the
    /// optimizer remembers of them. The results are `loss [1]` and the `scores [N, K]` of the
    /// classes, computed before the parameters move, with [`Recipe::norms`] those, `[B]` each, and
    /// the next value of all state that changes.
    ///
    /// # Errors
    /// If a number of the recipe is out of range, a frozen layer does not exist, nothing is left to
    /// be trained, the description is not valid, or an operator has no gradient.
    pub fn step(&self, spec: &Spec) -> Result<Graph, TrainingError> {
        self.check()?;
        let Trainable { mut graph, scores, parameters, statistics, blocks } =
            spec.trainable(self.batch, &|name| self.is_frozen(name))?;
        let learned = parameters.iter().filter(|(parameter, _)| parameter.role.is_learned());
        self.check_frozen(learned.map(|(parameter, _)| parameter.name.as_str()))?;
        let trained = |(parameter, _): &&(_, _)| self.trains(parameter);
        let trained: Vec<_> = parameters.iter().filter(trained).collect();
        if trained.is_empty() {
            return Err(TrainingError::NothingToTrain);
        }
        let labels = graph.input(names::LABELS, [self.batch]);
        let rates = Rates::new(&mut graph, self.optimizer);
        let loss = self.loss(&mut graph, labels, scores)?;
        let blocks: Vec<NodeId> = match self.norms {
            true => blocks.into_iter().map(|(_, node)| node).collect(),
            false => Vec::new(),
        };
        let at: Vec<NodeId> =
            trained.iter().map(|(_, node)| *node).chain(blocks.iter().copied()).collect();
        let mut found = gradients(&mut graph, loss, &at)?;
        let of_blocks = found.split_off(trained.len());
        graph.output(names::LOSS, loss);
        graph.output(names::SCORES, scores);
        norms::add(&mut graph, &blocks, &of_blocks)?;
        // The last layers first: theirs are the first gradients that are known.
        for ((parameter, weights), gradient) in trained.into_iter().zip(found).rev() {
            let decay = if self.decays(parameter.role) { self.decay } else { 0.0 };
            let pair = [*weights, gradient];
            update::parameter(&mut graph, self.optimizer, &rates, decay, pair)?;
        }
        for statistics in statistics {
            update::statistics(&mut graph, statistics, self.momentum)?;
        }
        Ok(graph)
    }

    fn trains(&self, parameter: &crate::spec::Parameter) -> bool {
        parameter.role.is_learned() && !self.is_frozen(&parameter.name)
    }

    fn decays(&self, role: Role) -> bool {
        match (self.decayed, role) {
            (Decayed::All, _) | (_, Role::Conv { .. } | Role::Linear) => true,
            (
                Decayed::Weights,
                Role::Scale { .. }
                | Role::Shift
                | Role::Mean
                | Role::Variance
                | Role::Bias
                | Role::Gain
                | Role::Slope,
            ) => false,
        }
    }

    /// The mean cross-entropy of the images.
    fn loss(&self, graph: &mut Graph, labels: NodeId, scores: NodeId) -> Added {
        let classes = graph.node(scores).ty.shape[1];
        let mut scope = Scope { graph, name: names::LOSS.to_owned() };
        let target = self.target(&mut scope, labels, classes)?;
        let losses = scope.add(Op::CrossEntropy, &[scores, target])?;
        scope.add(Op::ReduceMean { axes: vec![0], keep_dims: true }, &[losses])
    }

    /// `1 - smoothing` for the class of the image, and `smoothing / classes` for all.
    fn target(
        &self,
        scope: &mut Scope<'_>,
        labels: NodeId,
        classes: usize,
    ) -> Result<NodeId, GraphError> {
        let numbers = (0..classes).map(|class| class as f32).collect();
        // It has as many elements as the shape says.
        let numbers = Tensor::new([1, classes], numbers).unwrap_or_else(|| Tensor::scalar(0.0));
        let numbers = scope.constant(numbers);
        let labels = scope.reshaped(labels, &[self.batch, 1])?;
        let is_class = scope.equal(labels, numbers)?;
        if self.smoothing == 0.0 {
            return Ok(is_class);
        }
        let own = scope.times(is_class, 1.0 - self.smoothing)?;
        scope.plus(own, self.smoothing / classes as f64)
    }
}
