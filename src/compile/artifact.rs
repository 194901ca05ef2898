//! A compiled network as data, before its code is in executable memory: what a cache stores.

use std::sync::Arc;

use crate::codegen::code::CodeSpace;
use crate::codegen::image::Image;
use crate::codegen::machine::Cranelift;
use crate::codegen::perf_map;
use crate::error::Error;
use crate::options::Options;
use crate::report::compilation::CompileReport;
use crate::runtime::compiled::{Compiled, StepInfo};
use crate::runtime::fpenv::Denormals;
use crate::runtime::model::{Body, Model, Port, Program};
use crate::runtime::threads::ThreadPool;
use crate::runtime::weights::Segment;

/// A compiled network: plan, code, packed weights.
#[derive(Debug)]
pub(crate) struct Artifact {
    pub(crate) inputs: Vec<Port>,
    pub(crate) outputs: Vec<Port>,
    pub(crate) image: Image,
    pub(crate) weights: Vec<Arc<Segment>>,
    /// What each region of the image does.
    pub(crate) steps: Vec<StepInfo>,
    /// Threads for which its work is cut into chunks.
    pub(crate) threads: usize,
    /// What denormal numbers are while it runs.
    pub(crate) denormals: Denormals,
    pub(crate) report: CompileReport,
}

impl Artifact {
    /// Makes the code executable, and finds the threads to run it.
    ///
    /// # Errors
    /// If the CPU lacks the instruction set, or the system refuses executable memory or threads.
    pub(crate) fn into_model(self, options: &Options) -> Result<Model, Error> {
        let Artifact { inputs, outputs, image, weights, steps, threads, denormals, mut report } =
            self;
        let code = CodeSpace::new(&Cranelift::host()?, &image)?;
        if let Some((_, codegen)) = report.phases.last_mut() {
            *codegen += code.link_time();
        }
        if options.perf_map {
            report.perf_map = perf_map::append(code.symbols(&image)).err().map(|e| e.to_string());
        }
        let pool = match &options.pool {
            Some(pool) => pool.clone(),
            None => ThreadPool::common(threads)?,
        };
        let (thread_bytes, arena_bytes) = (report.thread_bytes, report.arena_bytes);
        let compiled = Compiled { code, weights, thread_bytes, steps, pool, denormals };
        let body = Body::Compiled(Box::new(compiled));
        let program = Program { inputs, outputs, arena_bytes, body };
        Ok(Model { program: Arc::new(program), report: Arc::new(report), origin: None })
    }
}
