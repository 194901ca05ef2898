//! Compares the compiled network with the interpreter, layer by layer and as a whole.
//!
//! Every value of the scheduled graph becomes an output, that graph is compiled and run, and each
//! value is compared with what the interpreter computes in f64. Since outputs keep their places,
//! nothing is computed in place there; so the unmodified network is also compiled and compared,
//! with the interpreter on the graph before any pass.
//!
//! Where a value differs by more than the tolerance, both graphs are interpreted once more, to find
//! out which differences rounding explains. A layer is then also right if it is right for what it
//! received, and an output if it is what a layer that is right wrote.

use resnetc_ir::{Graph, NodeId};
use serde::{Serialize, Serializer};

use super::choices::Choices;
use super::compared::Compared;
use super::jumps::{Exposed, Interpreted};
use super::received::Received;
use super::rounding::Rounding;
use super::seen::Seen;
use super::suspect::Suspect;
use super::work::{Work, cost};
use super::{Check, CheckError, Difference};
use crate::isa::Isa;
use crate::passes::Remarks;

/// The cause of a difference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Finding {
    /// A layer's result differs from the interpreter's for the same operands: its kernel is wrong,
    /// or rounds more than the tolerance allows.
    Layer,
    /// The interpreter's results for the graph after the passes differ from those for the graph
    /// before them.
    Passes,
    /// Values are wrong, but each layer is right by itself: errors accumulate, including those of
    /// constants that passes create, beyond what rounding of f32 explains, or a layer leaves wrong
    /// data beside its result where only the next layer reads it.
    Carried,
    /// Every layer is right, but the unmodified network is not: a value is overwritten before it is
    /// read.
    Places,
    /// Errors exceed a tolerance finer than f32 can represent ([`FINEST`](super::FINEST)): nothing
    /// is to blame.
    Tolerance,
}

/// What a check found.
#[derive(Clone, Debug, Serialize)]
pub struct CheckReport {
    /// The instruction set for which the network was compiled.
    #[serde(serialize_with = "isa_name")]
    pub isa: Isa,
    /// The largest error that a value may have, relative to the largest value of its layer.
    pub tolerance: f64,
    /// The causes of differences; empty if none exceeds the tolerance.
    pub findings: Vec<Finding>,
    /// The first layer that is wrong when it runs alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub guilty: Option<Box<Suspect>>,
    /// The values of the scheduled graph, in the interpreter's order.
    pub layers: Vec<Compared>,
    /// The outputs of the unmodified network, compared with the graph before any pass.
    pub outputs: Vec<Compared>,
    /// What the passes changed: the outputs of the graph after them compared with those of the
    /// graph before any pass, both from the interpreter.
    pub passes: Vec<Compared>,
}

fn isa_name<S: Serializer>(isa: &Isa, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(isa.name())
}

impl CheckReport {
    /// Whether no error exceeds the tolerance.
    pub fn passed(&self) -> bool {
        self.findings.is_empty()
    }

    /// The first value whose error exceeds the tolerance; a layer if there is one, otherwise an
    /// output.
    pub fn first_above(&self) -> Option<&Compared> {
        let above = |c: &&Compared| c.difference.is_above(self.tolerance);
        self.layers.iter().chain(&self.outputs).chain(&self.passes).find(above)
    }
}

impl Check<'_> {
    /// Compiles the network, runs it and compares every value with the interpreter. The first layer
    /// that is wrong when it runs alone is the guilty one. `progress` receives the amount of the
    /// interpreter's work that is done, and the total.
    ///
    /// # Errors
    /// If the network cannot be compiled or interpreted.
    pub fn compare(&self, progress: &mut dyn FnMut(u64, u64)) -> Result<CheckReport, CheckError> {
        let (graph, options) = (self.network.graph(), self.network.options());
        let (scheduled, remarks) = self.subject.schedule(graph, options, None)?;
        let mut work = Work::new(cost(&scheduled) + cost(graph), progress);
        let layers = self.layers(&scheduled, &remarks, &mut work)?;
        let Layers { exposed, interpreted, .. } = &layers;
        let pass_tolerance = self.tolerance_of_passes(&scheduled);
        let outputs = self.outputs(scheduled, layers.choices(), Some(&layers), &mut work)?;
        let passes = self.compare_outputs(interpreted, &mut work)?;
        let isa = exposed.model.report().isa;
        let Layers { layers, mut guilty, .. } = layers;
        let layers: Vec<Compared> = layers.into_iter().map(|layer| layer.compared).collect();
        let findings =
            self.findings([&layers, &outputs, &passes], pass_tolerance, guilty.is_some());
        if findings.contains(&Finding::Tolerance) {
            guilty = None;
        }
        Ok(CheckReport {
            isa,
            tolerance: self.tolerance,
            findings,
            guilty: guilty.map(Box::new),
            layers,
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
        if !(layer || output || pass || guilty) {
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

    /// Every computed value of the scheduled graph; what rounding explains is computed only where a
    /// difference is above the tolerance.
    pub(super) fn layers(
        &self,
        scheduled: &Graph,
        remarks: &Remarks,
        work: &mut Work<'_>,
    ) -> Result<Layers, CheckError> {
        let exposed = self.expose(scheduled, |_| true)?;
        let mut layers = Vec::new();
        let mut look = |seen: &Seen<'_>, _| {
            layers.extend(exposed.compared(scheduled, seen)?);
            Ok(())
        };
        let origins = &remarks.origins;
        let interpreted = self.interpret(scheduled, origins, &exposed, None, &mut look, work)?;
        if layers.iter().any(|layer| layer.compared.difference.is_above(self.tolerance)) {
            return self.explained_layers(scheduled, remarks, exposed, work);
        }
        Ok(Layers { exposed, layers, guilty: None, interpreted })
    }

    /// As [`Check::layers`], with what rounding explains, and the first layer that is wrong when it
    /// runs alone.
    fn explained_layers(
        &self,
        scheduled: &Graph,
        remarks: &Remarks,
        exposed: Exposed,
        work: &mut Work<'_>,
    ) -> Result<Layers, CheckError> {
        let (mut layers, mut guilty) = (Vec::new(), None);
        let mut received = Received::new(scheduled, &exposed, self.tolerance);
        let mut look = |seen: &Seen<'_>, explained| {
            let Some(mut layer) = exposed.compared(scheduled, seen)? else { return Ok(()) };
            let difference = &mut layer.compared.difference;
            difference.explained = explained;
            received.explain(seen, difference)?;
            // A layer can be wrong where rounding explains more than its own error.
            if difference.relative() > self.tolerance && guilty.is_none() {
                guilty = self.suspect(scheduled, seen.node, seen.operands)?;
            }
            layers.push(layer);
            Ok(())
        };
        let rounding = Some(Rounding::new(scheduled, self.tolerance));
        let origins = &remarks.origins;
        let interpreted =
            self.interpret(scheduled, origins, &exposed, rounding, &mut look, work)?;
        Ok(Layers { exposed, layers, guilty, interpreted })
    }
}

/// A layer that was compared.
struct Layer {
    node: NodeId,
    compared: Compared,
}

impl Exposed {
    /// The computed value of a node compared with the interpreter's.
    fn compared(&self, scheduled: &Graph, seen: &Seen<'_>) -> Result<Option<Layer>, CheckError> {
        let Some(found) = self.value(seen.node)? else { return Ok(None) };
        let difference = Difference::of(found, seen.value.data.iter().copied());
        let compared = Compared::of_node(scheduled, seen.node, difference);
        Ok(Some(Layer { node: seen.node, compared }))
    }
}

/// The result of comparing the layers.
pub(super) struct Layers {
    exposed: Exposed,
    /// In the interpreter's order.
    layers: Vec<Layer>,
    /// The first layer that is wrong when it runs alone.
    guilty: Option<Suspect>,
    interpreted: Interpreted,
}

impl Layers {
    /// The interpreter's choices at jumps.
    pub(super) fn choices(&self) -> &Choices {
        &self.interpreted.choices
    }

    /// What rounding explains of a node's difference, if these are the numbers that it wrote.
    pub(super) fn explains(&self, node: NodeId, found: &[f32]) -> Result<f64, CheckError> {
        let Some(layer) = self.layers.iter().find(|layer| layer.node == node) else {
            return Ok(0.0);
        };
        let is_same = |(a, b): (&f32, &f32)| a.to_bits() == b.to_bits();
        let wrote = self.exposed.value(node)?.unwrap_or_default();
        let are_same = wrote.len() == found.len() && wrote.iter().zip(found).all(is_same);
        Ok(if are_same { layer.compared.difference.explained } else { 0.0 })
    }
}
