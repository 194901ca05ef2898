//! What is checked.

use resnetc_ir::Graph;

use crate::compile::compile_scheduled;
use crate::error::Error;
use crate::options::Options;
use crate::passes::{self, PassOptions, PipelineStep, Remarks};
use crate::runtime::model::Model;

/// Compiles a graph that has been through the passes.
pub type Compile<'a> = dyn Fn(Graph, &Options) -> Result<Model, Error> + 'a;

/// The two halves of a compiler that are checked: the passes, and the function that compiles the
/// resulting graph. This library's by default.
#[derive(Clone, Copy)]
pub struct Subject<'a> {
    /// The passes, in the order in which they run.
    pub pipeline: &'a [PipelineStep],
    /// The function that compiles the scheduled graph.
    pub compile: &'a Compile<'a>,
}

impl Default for Subject<'_> {
    fn default() -> Self {
        Subject { pipeline: passes::pipeline(), compile: &compile_scheduled }
    }
}

impl std::fmt::Debug for Subject<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names: Vec<&str> = self.pipeline.iter().map(|step| step.pass.name).collect();
        f.debug_struct("Subject").field("pipeline", &names).finish_non_exhaustive()
    }
}

impl Subject<'_> {
    /// The graph after the passes that the options select, with at most `patches` patches of
    /// optional passes applied.
    pub(super) fn schedule(
        &self,
        graph: &Graph,
        options: &Options,
        patches: Option<usize>,
    ) -> Result<(Graph, Remarks), Error> {
        let mut scheduled = graph.clone();
        let options = PassOptions { stop_after: patches, ..options.pass_options() };
        let remarks = passes::run_steps(&mut scheduled, self.pipeline, &options)?;
        Ok((scheduled, remarks))
    }
}
