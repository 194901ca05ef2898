//! Finds the first patch of a pass with which the outputs of the compiled network differ, and
//! whether the patch or the code for its result is wrong.
//!
//! The driver applies no more than N patches of optional passes; required passes always run, so
//! every N gives a network that can be compiled. A binary search between an N whose outputs are
//! right and one whose outputs are not ends when the two are adjacent.

use resnetc_ir::Graph;
use serde::Serialize;

use super::choices::Choices;
use super::compared::Compared;
use super::jumps::{Interpreted, is_followed};
use super::work::{Work, cost};
use super::{Check, CheckError, Difference};
use crate::error::Error;
use crate::passes::{Need, NodeRef, Remarks};

/// Where the outputs start to differ.
#[derive(Clone, Debug, Serialize)]
pub struct Bisection {
    /// The largest error that an output may have, relative to its largest value.
    pub tolerance: f64,
    /// The number of patches of optional passes.
    pub patches: usize,
    /// The numbers of patches that were tried, in order.
    pub tried: Vec<Trial>,
    /// The result of the search.
    pub outcome: Outcome,
}

/// One network that was compiled and run.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Trial {
    /// The number of patches of optional passes that were applied.
    pub patches: usize,
    /// The error of the output with the largest one.
    pub compiled: Difference,
}

/// What a bisection finds.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Outcome {
    /// With all patches the error of no output exceeds the tolerance.
    Agrees,
    /// The outputs are wrong even without any optional patch.
    Always {
        /// The interpreter's error on the graph after the required passes: above the tolerance, a
        /// required pass changed the meaning of the network; otherwise the code is wrong.
        meaning: Difference,
        /// Which of the two is wrong.
        cause: Cause,
    },
    /// The outputs are wrong from this patch on.
    Patch(Box<GuiltyPatch>),
    /// The errors exceed a tolerance finer than f32 can represent ([`FINEST`](super::FINEST)):
    /// nothing is to blame.
    TooFine,
}

/// What is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// The passes changed the meaning of the network.
    Pass,
    /// The passes are right, but the code compiled for the resulting graph is not.
    Kernel,
}

/// The patch with which the outputs start to differ.
#[derive(Clone, Debug, Serialize)]
pub struct GuiltyPatch {
    /// Its number among the patches of optional passes, from 1.
    pub number: usize,
    /// The pass that proposed it.
    pub pass: &'static str,
    /// What it did, as the pass describes it.
    pub label: String,
    /// The operators that were unused after it, operands first.
    pub before: Vec<NodeRef>,
    /// The operators that it added, in order.
    pub after: Vec<NodeRef>,
    /// The error of the compiled network with this patch.
    pub compiled: Difference,
    /// Its error with only the patches before it.
    pub compiled_without: Difference,
    /// The interpreter's error on the graph with this patch: above the tolerance, the patch is
    /// wrong.
    pub meaning: Difference,
    /// Whether the patch is wrong, or the code for its result.
    pub cause: Cause,
}

impl Check<'_> {
    /// Finds the first patch of an optional pass with which errors of the compiled network's
    /// outputs exceed the tolerance. `progress` receives the amount of the interpreter's work that
    /// is done, and the total.
    ///
    /// # Errors
    /// If the network cannot be compiled or interpreted.
    pub fn bisect(&self, progress: &mut dyn FnMut(u64, u64)) -> Result<Bisection, CheckError> {
        let (all, remarks) = self.schedule(usize::MAX)?;
        let before = if self.reference.borrow().is_some() { 0 } else { cost(self.network.graph()) };
        // One more graph is interpreted at the end, of about the same size.
        let mut work = Work::new(before + cost(&all), progress);
        let mut trials = Trials { check: self, tried: Vec::new() };
        let patches = remarks.optional();
        let outcome = trials.outcome(patches, &mut work)?;
        Ok(Bisection { tolerance: self.tolerance, patches, tried: trials.tried, outcome })
    }

    fn schedule(&self, patches: usize) -> Result<(Graph, Remarks), Error> {
        self.subject.schedule(self.network.graph(), self.network.options(), Some(patches))
    }

    /// Interprets a scheduled graph, with the compiled code's choices at its jumps.
    fn at_jumps(
        &self,
        scheduled: &Graph,
        remarks: &Remarks,
        work: &mut Work<'_>,
    ) -> Result<Interpreted, CheckError> {
        let exposed = self.expose(scheduled, |node| is_followed(scheduled, node))?;
        self.interpret(scheduled, &remarks.origins, &exposed, None, &mut |_, _| Ok(()), work)
    }

    /// Whether the layers of the network with this number of patches explain its outputs.
    fn are_explained(&self, patches: usize, work: &mut Work<'_>) -> Result<bool, CheckError> {
        let (graph, remarks) = self.schedule(patches)?;
        let layers = self.layers(&graph, &remarks, work)?;
        let outputs = self.outputs(graph, layers.choices(), Some(&layers), work)?;
        Ok(!worst(&outputs).is_above(self.tolerance))
    }

    /// The interpreter's error on the graph with this number of patches.
    fn meaning(
        &self,
        patches: usize,
        work: &mut Work<'_>,
    ) -> Result<(Difference, Cause), CheckError> {
        let (graph, remarks) = self.schedule(patches)?;
        let found = self.at_jumps(&graph, &remarks, work)?;
        let meaning = worst(&self.compare_outputs(&found, work)?);
        let cause = match meaning.is_above(self.tolerance_of_passes(&graph)) {
            true => Cause::Pass,
            false => Cause::Kernel,
        };
        Ok((meaning, cause))
    }
}

/// Networks with some of the patches, each compiled and run.
struct Trials<'a, 'c> {
    check: &'a Check<'c>,
    tried: Vec<Trial>,
}

impl Trials<'_, '_> {
    fn outcome(&mut self, patches: usize, work: &mut Work<'_>) -> Result<Outcome, CheckError> {
        let mut bad = self.run(patches, work)?;
        if !self.is_bad(&bad) {
            return Ok(Outcome::Agrees);
        }
        if self.check.is_too_fine() {
            return Ok(Outcome::TooFine);
        }
        if self.check.are_explained(patches, work)? {
            return Ok(Outcome::Agrees);
        }
        let mut good = if patches == 0 { bad } else { self.run(0, work)? };
        if self.is_bad(&good) {
            let (meaning, cause) = self.check.meaning(0, work)?;
            return Ok(Outcome::Always { meaning, cause });
        }
        while bad.patches - good.patches > 1 {
            let middle = self.run(good.patches.midpoint(bad.patches), work)?;
            match self.is_bad(&middle) {
                true => bad = middle,
                false => good = middle,
            }
        }
        let (_, remarks) = self.check.schedule(bad.patches)?;
        let last = remarks.applied.into_iter().rfind(|a| a.need == Need::Optional);
        // The driver applies as many patches as it counted.
        let Some(patch) = last else { return Ok(Outcome::Agrees) };
        let (meaning, cause) = self.check.meaning(bad.patches, work)?;
        Ok(Outcome::Patch(Box::new(GuiltyPatch {
            number: bad.patches,
            pass: patch.pass,
            label: patch.label,
            before: patch.before,
            after: patch.after,
            compiled: bad.compiled,
            compiled_without: good.compiled,
            meaning,
            cause,
        })))
    }

    fn run(&mut self, patches: usize, work: &mut Work<'_>) -> Result<Trial, CheckError> {
        let (graph, remarks) = self.check.schedule(patches)?;
        let jumps = graph.nodes().any(|node| is_followed(&graph, node));
        let choices = match jumps {
            true => self.check.at_jumps(&graph, &remarks, work)?.choices,
            false => Choices::default(),
        };
        let outputs = self.check.outputs(graph, &choices, None, work)?;
        let trial = Trial { patches, compiled: worst(&outputs) };
        self.tried.push(trial);
        Ok(trial)
    }

    fn is_bad(&self, trial: &Trial) -> bool {
        trial.compiled.is_above(self.check.tolerance)
    }
}

/// The difference of the output with the largest relative error, among those that rounding does not
/// explain if there are any.
fn worst(outputs: &[Compared]) -> Difference {
    let differences = outputs.iter().map(|c| c.difference);
    let by = |a: &Difference, b: &Difference| {
        let explained = b.is_explained().cmp(&a.is_explained());
        explained.then(a.relative().total_cmp(&b.relative()))
    };
    differences.max_by(by).unwrap_or_default()
}
