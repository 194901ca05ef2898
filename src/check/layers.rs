//! The compiled network against the interpreter, layer by layer and as a whole.
//!
//! Every value of the scheduled graph becomes an output, that graph is compiled and run, and each
//! value is compared with what the interpreter computes in f64. As outputs keep their place,
//! nothing is computed in place there; so the network as it stands is compiled and compared too,
//! with the interpreter on the graph before any pass.

use resnetc_ir::Graph;
use resnetc_ir::eval::Value;
use serde::{Serialize, Serializer};

use super::compared::Compared;
use super::jumps::Interpreted;
use super::suspect::Suspect;
use super::work::{Work, cost};
use super::{Check, CheckError, Difference};
use crate::isa::Isa;
use crate::passes::Remarks;

/// What a difference is due to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Finding {
    /// A layer computes something else than the interpreter from the same operands: its kernel is
    /// wrong, or rounds more than the tolerance allows.
    Layer,
    /// The interpreter computes something else from the graph behind the passes than from the one
    /// before them.
    Passes,
    /// Values are off, and each layer is right alone: rounding adds up, that of constants which
    /// passes make included, or a layer leaves something wrong where only the next one looks,
    /// beside its result.
    Carried,
    /// Every layer is right, but the network as it stands is not: a value is overwritten before it
    /// is read.
    Places,
    /// Values are off by more than a tolerance that no f32 can hold ([`FINEST`](super::FINEST)):
    /// nothing is to blame.
    Tolerance,
}

/// What a check found.
#[derive(Clone, Debug, Serialize)]
pub struct CheckReport {
    /// What was compiled for.
    #[serde(serialize_with = "isa_name")]
    pub isa: Isa,
    /// The most that a value may be off, as a part of the greatest value of its layer.
    pub tolerance: f64,
    /// What differences are due to; empty if there are none above the tolerance.
    pub findings: Vec<Finding>,
    /// The first layer that is off when it runs alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub guilty: Option<Box<Suspect>>,
    /// The values of the scheduled graph, in the interpreter's order.
    pub layers: Vec<Compared>,
    /// The outputs of the network as it stands, compared with the graph before any pass.
    pub outputs: Vec<Compared>,
    /// What the passes changed: the outputs of the graph behind them, compared with the graph
    /// before any, both by the interpreter.
    pub passes: Vec<Compared>,
}

fn isa_name<S: Serializer>(isa: &Isa, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(isa.name())
}

impl CheckReport {
    /// Whether nothing is off by more than the tolerance.
    pub fn passed(&self) -> bool {
        self.findings.is_empty()
    }

    /// The first value that is off by more than the tolerance; a layer if there is one, else an
    /// output.
    pub fn first_above(&self) -> Option<&Compared> {
        let above = |c: &&Compared| c.difference.is_above(self.tolerance);
        self.layers.iter().chain(&self.outputs).chain(&self.passes).find(above)
    }
}

impl Check<'_> {
    /// Compiles the network, runs it and compares every value with the interpreter. The first layer
    /// that is off when it runs alone is the guilty one. `progress` is told how much of the
    /// interpreter's work is done, and of how much.
    ///
    /// # Errors
    /// If the network cannot be compiled or interpreted.
    pub fn compare(&self, progress: &mut dyn FnMut(u64, u64)) -> Result<CheckReport, CheckError> {
        let (graph, options) = (self.network.graph(), self.network.options());
        let (scheduled, remarks) = self.subject.schedule(graph, options, None)?;
        let mut work = Work::new(cost(&scheduled) + cost(graph), progress);
        let mut layers = self.layers(&scheduled, &remarks, &mut work)?;
        let choices = &layers.interpreted.choices;
        let pass_tolerance = self.tolerance_of_passes(&scheduled);
        let (_, outputs) = self.outputs(scheduled, choices, &mut work)?;
        let passes = self.compare_outputs(&layers.interpreted, &mut work)?;
        let mut guilty = layers.guilty.take();
        let findings =
            self.findings([&layers.compared, &outputs, &passes], pass_tolerance, guilty.is_some());
        if findings.contains(&Finding::Tolerance) {
            guilty = None;
        }
        Ok(CheckReport {
            isa: layers.isa,
            tolerance: self.tolerance,
            findings,
            guilty: guilty.map(Box::new),
            layers: layers.compared,
            outputs,
            passes,
        })
    }

    fn findings(
        &self,
        [layers, outputs, passes]: [&[Compared]; 3],
        tolerance_of_passes: f64,
        guilty: bool,
    ) -> Vec<Finding> {
        let above = |all: &[Compared], most| all.iter().any(|c| c.difference.is_above(most));
        let [layer, output, pass] = [layers, outputs, passes].map(|all| above(all, self.tolerance));
        if !(layer || output || pass) {
            return Vec::new();
        }
        if self.is_too_fine() {
            return vec![Finding::Tolerance];
        }
        let wrong_pass = above(passes, tolerance_of_passes);
        let places = output && !layer && !pass;
        let carried = !guilty && (layer || !(wrong_pass || places));
        let found = [
            (Finding::Layer, guilty),
            (Finding::Carried, carried),
            (Finding::Passes, wrong_pass),
            (Finding::Places, places),
        ];
        found.into_iter().filter(|(_, is)| *is).map(|(finding, _)| finding).collect()
    }

    /// Every computed value of the scheduled graph.
    fn layers(
        &self,
        scheduled: &Graph,
        remarks: &Remarks,
        work: &mut Work<'_>,
    ) -> Result<Layers, CheckError> {
        let exposed = self.expose(scheduled, |_| true)?;
        let mut compared = Vec::new();
        // What the first layer that is off shows when it runs alone.
        let mut guilty = None;
        let mut look = |node, operands: &[&Value], value: &Value| {
            let Some(found) = exposed.value(node)? else { return Ok(()) };
            let difference = Difference::of(found, value.data.iter().copied());
            compared.push(Compared::of_node(scheduled, node, difference));
            if difference.is_above(self.tolerance) && guilty.is_none() {
                guilty = self.suspect(scheduled, node, operands)?;
            }
            Ok(())
        };
        let interpreted = self.interpret(scheduled, &remarks.origins, &exposed, &mut look, work)?;
        Ok(Layers { isa: exposed.model.report().isa, compared, guilty, interpreted })
    }
}

/// What the layers' comparison gives.
struct Layers {
    isa: Isa,
    compared: Vec<Compared>,
    guilty: Option<Suspect>,
    interpreted: Interpreted,
}
