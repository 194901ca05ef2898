//! Runs the pipeline: the only place that changes a graph.

use std::path::Path;
use std::time::Instant;

use resnetc_ir::verify::verify;
use resnetc_ir::{Graph, Op, Patch};

use super::error::{Leftover, PassError};
use super::near_misses::NearMisses;
use super::origins::Origins;
use super::remarks::{Applied, PassStats, Remarks};
use super::{Measure, Need, Pass, PassSelection, PipelineStep, Stage, Sweeps, pipeline};

/// A pass stops after this many sweeps: the graph is valid after each of them. A sweep moves a
/// rewrite along a whole chain, so real networks need two or three.
const MAX_SWEEPS: usize = 64;

/// When the graph is checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verify {
    /// Never.
    Off,
    /// After every step of the pipeline.
    EachPass,
    /// After every patch. Quadratic in the size of the graph; names the patch that broke it.
    EachPatch,
}

/// What to run.
#[derive(Clone, Debug)]
pub struct PassOptions {
    /// Which of the optional passes run.
    pub selection: PassSelection,
    /// Applies no more than this many patches of optional passes, to find the one that changes a
    /// result. Required passes still run, so that the resulting graph can always be compiled.
    pub stop_after: Option<usize>,
    /// Stops after the last step of this stage.
    pub until: Option<Stage>,
    /// When the graph is checked.
    pub verify: Verify,
}

impl Default for PassOptions {
    /// All passes, with verification after each in builds with debug assertions.
    fn default() -> Self {
        PassOptions {
            selection: PassSelection::All,
            stop_after: None,
            until: None,
            verify: if cfg!(debug_assertions) { Verify::EachPass } else { Verify::Off },
        }
    }
}

/// Runs the pipeline over a graph.
///
/// # Errors
/// If the options name an unknown or required pass, or the graph holds an operator that cannot be
/// lowered; the graph may then be partly rewritten. All other errors are bugs in a pass.
pub fn run(graph: &mut Graph, options: &PassOptions) -> Result<Remarks, PassError> {
    run_steps(graph, pipeline(), options)
}

/// Runs the given steps over a graph instead of those of the pipeline.
///
/// # Errors
/// As [`run`].
pub fn run_steps(
    graph: &mut Graph,
    steps: &[PipelineStep],
    options: &PassOptions,
) -> Result<Remarks, PassError> {
    options.selection.check()?;
    let mut driver = Driver::new(graph, options.verify, options.stop_after);
    for step in steps {
        if options.until.is_some_and(|last| step.stage > last) {
            return Ok(driver.remarks);
        }
        if options.selection.wants(step) {
            driver.step(graph, step)?;
        }
    }
    check_lowered(graph)?;
    Ok(driver.remarks)
}

/// Runs a single pass until it finds nothing more to do.
///
/// # Errors
/// Only if the pass has a bug.
pub fn run_pass(graph: &mut Graph, pass: &Pass, check: Verify) -> Result<Remarks, PassError> {
    let mut driver = Driver::new(graph, check, None);
    let (sweeps, need, stage) = (Sweeps::UntilStable, Need::Required, Stage::Canonical);
    driver.step(graph, &PipelineStep { pass: *pass, sweeps, need, stage })?;
    Ok(driver.remarks)
}

/// Checks that no operator remains that has no kernel.
fn check_lowered(graph: &Graph) -> Result<(), PassError> {
    let leftover = |id| {
        let node = graph.node(id);
        let reason = match node.op {
            Op::BatchNorm { .. } | Op::CrossEntropy => "no pass lowered it",
            Op::ConvSource(op) if op.gradient.phases().is_none() => "no pass lowered it",
            Op::Identity => "no pass removed it",
            _ => return None,
        };
        Some(Leftover { node: node.name.clone(), op: node.op.name(), reason })
    };
    let nodes: Vec<Leftover> = graph.nodes().filter_map(leftover).collect();
    match nodes.is_empty() {
        true => Ok(()),
        false => Err(PassError::NotLowered { file: graph.file().map(Path::to_path_buf), nodes }),
    }
}

struct Driver {
    check: Verify,
    /// Patches of optional passes that may still be applied.
    budget: usize,
    remarks: Remarks,
}

impl Driver {
    fn new(graph: &Graph, check: Verify, stop_after: Option<usize>) -> Self {
        let remarks = Remarks { origins: Origins::new(graph), ..Remarks::default() };
        Driver { check, budget: stop_after.unwrap_or(usize::MAX), remarks }
    }

    fn step(&mut self, graph: &mut Graph, step: &PipelineStep) -> Result<(), PassError> {
        let start = Instant::now();
        let pass = step.pass.name;
        let first = self.remarks.applied.len();
        let mut sweeps = 0;
        let near = loop {
            let before = self.remarks.applied.len();
            let measure = self.measure(graph, &step.pass, Verify::EachPass);
            let near = self.sweep(graph, step)?;
            sweeps += 1;
            let Some(last) = self.remarks.applied[before..].last() else { break near };
            check_progress(graph, &step.pass, measure, &last.label)?;
            if step.sweeps == Sweeps::Once || sweeps == MAX_SWEEPS {
                break near;
            }
        };
        let applied = &self.remarks.applied[first..];
        if self.check == Verify::EachPass
            && let Some(last) = applied.last()
        {
            check(graph, pass, &last.label)?;
        }
        self.remarks.passes.push(PassStats {
            pass,
            applied: applied.len(),
            declined: near.len(),
            sweeps,
            nodes: graph.len(),
            time: start.elapsed(),
        });
        self.remarks.decline(pass, near);
        Ok(())
    }

    fn sweep(&mut self, graph: &mut Graph, step: &PipelineStep) -> Result<NearMisses, PassError> {
        let mut near = NearMisses::default();
        let mut rewrite = (step.pass.sweep)(graph);
        for node in graph.topo() {
            if step.need == Need::Optional && self.budget == 0 {
                break;
            }
            if !graph.contains(node) {
                continue;
            }
            if let Some(patch) = rewrite(graph, node, &mut near) {
                self.apply(graph, step, patch)?;
            }
            if let Some(error) = near.scarce() {
                return Err(error);
            }
        }
        Ok(near)
    }

    fn apply(
        &mut self,
        graph: &mut Graph,
        step: &PipelineStep,
        patch: Patch,
    ) -> Result<(), PassError> {
        let pass = step.pass.name;
        let label = patch.label().to_owned();
        let measure = self.measure(graph, &step.pass, Verify::EachPatch);
        let change = match graph.apply(patch) {
            Ok(change) => change,
            // The graph is unchanged. An optional pass must not keep a network from compiling;
            // where graphs are verified, the error is reported.
            Err(_) if self.check == Verify::Off && step.need == Need::Optional => return Ok(()),
            Err(source) => return Err(PassError::Patch { pass, source }),
        };
        self.remarks.origins.follow(graph, &change);
        if self.check == Verify::EachPatch {
            check(graph, pass, &label)?;
            check_progress(graph, &step.pass, measure, &label)?;
        }
        if step.need == Need::Optional {
            self.budget -= 1;
        }
        self.remarks.applied.push(Applied::of(step, label, graph, &change));
        Ok(())
    }
}

impl Driver {
    /// The measure that a pass decreases, if progress is checked this often.
    fn measure(&self, graph: &Graph, pass: &Pass, often: Verify) -> Option<Measure> {
        pass.measure.filter(|_| self.check == often).map(|measure| measure(graph))
    }
}

fn check_progress(
    graph: &Graph,
    pass: &Pass,
    before: Option<Measure>,
    patch: &str,
) -> Result<(), PassError> {
    match (before, pass.measure) {
        (Some(before), Some(measure)) if measure(graph) >= before => {
            Err(PassError::NoProgress { pass: pass.name, patch: patch.to_owned() })
        }
        _ => Ok(()),
    }
}

fn check(graph: &Graph, pass: &'static str, patch: &str) -> Result<(), PassError> {
    let patch = patch.to_owned();
    verify(graph).map_err(|source| PassError::Invalid { pass, patch, source })
}
