//! The first patch of a pass with which the outputs of the compiled network differ, and whether the
//! patch or the code for its result is wrong.
//!
//! The driver applies no more than N patches of optional passes; required passes run on, so every N
//! gives a network that can be compiled. Between an N whose outputs are right and one whose outputs
//! are not, halves are tried until both are neighbours.

use resnetc_ir::Graph;
use serde::Serialize;

use super::compared::Compared;
use super::jumps::{Choices, Interpreted};
use super::sides::Jump;
use super::work::{Work, cost};
use super::{Check, CheckError, Difference};
use crate::error::Error;
use crate::passes::{Need, NodeRef, Remarks};

/// Where the outputs begin to differ.
#[derive(Clone, Debug, Serialize)]
pub struct Bisection {
    /// The most that an output may be off, as a part of its greatest value.
    pub tolerance: f64,
    /// How many patches of optional passes there are.
    pub patches: usize,
    /// The numbers of patches that were tried, in order.
    pub tried: Vec<Trial>,
    /// What came out.
    pub outcome: Outcome,
}

/// One network that was compiled and run.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Trial {
    /// How many patches of optional passes were applied.
    pub patches: usize,
    /// How far the output is off that is off most.
    pub compiled: Difference,
}

/// What a bisection finds.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Outcome {
    /// With all patches no output is off by more than the tolerance.
    Agrees,
    /// The outputs are off with no optional patch, too.
    Always {
        /// How far the interpreter is off on the graph behind the required passes: above the
        /// tolerance, a required pass changed what the network means; else the code is wrong.
        meaning: Difference,
        /// Which of the two it is.
        cause: Cause,
    },
    /// The outputs are off from this patch on.
    Patch(Box<GuiltyPatch>),
    /// The outputs are off by more than a tolerance that no f32 can hold
    /// ([`FINEST`](super::FINEST)): nothing is to blame.
    TooFine,
}

/// What is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// The passes changed what the network means.
    Pass,
    /// The passes are right, and the code compiled for the graph that they leave is not.
    Kernel,
}

/// The patch with which the outputs begin to differ.
#[derive(Clone, Debug, Serialize)]
pub struct GuiltyPatch {
    /// Its number among the patches of optional passes, from 1.
    pub number: usize,
    /// The pass that proposed it.
    pub pass: &'static str,
    /// What it did, in the pass's words.
    pub label: String,
    /// The operators that nothing used any more behind it, operands first.
    pub before: Vec<NodeRef>,
    /// The operators that it added, in order.
    pub after: Vec<NodeRef>,
    /// How far the compiled network is off with this patch.
    pub compiled: Difference,
    /// How far it is off with the patches before it.
    pub compiled_without: Difference,
    /// How far the interpreter is off on the graph with this patch: above the tolerance, the patch
    /// is wrong.
    pub meaning: Difference,
    /// Whether the patch is wrong, or the code for what it made.
    pub cause: Cause,
}

impl Check<'_> {
    /// Finds the first patch of an optional pass with which the outputs of the compiled network are
    /// off by more than the tolerance. `progress` is told how much of the interpreter's work is
    /// done, and of how much.
    ///
    /// # Errors
    /// If the network cannot be compiled or interpreted.
    pub fn bisect(&self, progress: &mut dyn FnMut(u64, u64)) -> Result<Bisection, CheckError> {
        let (all, remarks) = self.schedule(usize::MAX)?;
        let before = if self.reference.borrow().is_some() { 0 } else { cost(self.network.graph()) };
        // One graph is interpreted at the end, and it is about as large as this one.
        let mut work = Work::new(before + cost(&all), progress);
        let mut trials = Trials { check: self, tried: Vec::new() };
        let patches = remarks.optional();
        let outcome = trials.outcome(patches, &mut work)?;
        Ok(Bisection { tolerance: self.tolerance, patches, tried: trials.tried, outcome })
    }

    fn schedule(&self, patches: usize) -> Result<(Graph, Remarks), Error> {
        self.subject.schedule(self.network.graph(), self.network.options(), Some(patches))
    }

    /// Interprets a scheduled graph, with what the compiled code chooses at its jumps.
    fn at_jumps(
        &self,
        scheduled: &Graph,
        remarks: &Remarks,
        work: &mut Work<'_>,
    ) -> Result<Interpreted, CheckError> {
        let exposed = self.expose(scheduled, |op| Jump::of(op).is_some())?;
        self.interpret(scheduled, &remarks.origins, &exposed, &mut |_, _, _| Ok(()), work)
    }

    /// How far the interpreter is off on the graph with a number of patches.
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
        // There are as many patches as were counted.
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
        let jumps = graph.nodes().any(|n| Jump::of(&graph.node(n).op).is_some());
        let choices = match jumps {
            true => self.check.at_jumps(&graph, &remarks, work)?.choices,
            false => Choices::default(),
        };
        let (_, outputs) = self.check.outputs(graph, &choices, work)?;
        let trial = Trial { patches, compiled: worst(&outputs) };
        self.tried.push(trial);
        Ok(trial)
    }

    fn is_bad(&self, trial: &Trial) -> bool {
        trial.compiled.is_above(self.check.tolerance)
    }
}

/// The difference of the output that is off most, for its size.
fn worst(outputs: &[Compared]) -> Difference {
    let differences = outputs.iter().map(|c| c.difference);
    differences.max_by(|a, b| a.relative().total_cmp(&b.relative())).unwrap_or_default()
}
