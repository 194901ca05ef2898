//! The levels of optimization at which a network is timed.

use resnetc::passes::optional_names;
use resnetc::{Isa, IsaChoice, Network, Numerics, PassSelection, Reuse};
use serde::Serialize;

use super::outline::Outline;
use super::variant::Variant;
use crate::failure::Failure;
use crate::progress::Progress;

/// The row that all others are compared with.
pub(super) const FULL: &str = "full";

/// How a level relates to the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Group {
    /// A level below all passes, or the one with all of them.
    Level,
    /// One pass more than the level before.
    Added,
    /// All passes but one.
    Removed,
    /// All passes, with one other option that is not the default, or in other numbers.
    Choice,
    /// The full network again, compiled and timed separately: how much figures differ if nothing
    /// differs.
    Again,
}

/// One level.
pub(super) struct Rung {
    /// The network that is compiled for it.
    pub(super) variant: Variant,
    pub(super) group: Group,
    /// The pass that it adds or leaves out.
    pub(super) pass: Option<&'static str>,
}

/// The levels of a network, and which of them are the same.
pub(super) struct Ladder {
    pub(super) rungs: Vec<Rung>,
    pub(super) outlines: Vec<Outline>,
    /// For each level, the level that is timed for it: itself, or one that runs the same code.
    pub(super) owner: Vec<usize>,
    pub(super) full: usize,
}

/// All levels, from the lowest to the full network, then those that differ from it in one respect.
fn rungs(network: &Network, seed: u64) -> Result<Vec<Rung>, Failure> {
    let options = network.options();
    let rung = |name: &str, group, pass, options| {
        let variant = Variant::of(network, name, options);
        Rung { variant, group, pass }
    };
    let passes = |passes| options.clone().passes(passes);
    let baseline = passes(PassSelection::None).isa(IsaChoice::Exactly(Isa::Baseline));
    let names = optional_names();
    let mut rungs = vec![
        rung("unfused, baseline", Group::Level, None, baseline),
        rung("unfused", Group::Level, None, passes(PassSelection::None)),
    ];
    rungs.extend(names.iter().enumerate().map(|(i, &pass)| {
        let so_far = PassSelection::only(names[..=i].iter().copied());
        rung(&format!("+ {pass}"), Group::Added, Some(pass), passes(so_far))
    }));
    rungs.push(rung(FULL, Group::Level, None, passes(PassSelection::All)));
    rungs.extend(names.iter().map(|&pass| {
        let others = PassSelection::without([pass]);
        rung(&format!("- {pass}"), Group::Removed, Some(pass), passes(others))
    }));
    let numerics = |numerics| options.clone().numerics(numerics);
    let reuse = |reuse| options.clone().reuse(reuse);
    rungs.extend([
        rung("the same bits everywhere", Group::Choice, None, numerics(Numerics::Portable)),
        rung("direct convolution only", Group::Choice, None, numerics(Numerics::Exact)),
        rung("weights of 16 bits", Group::Choice, None, numerics(Numerics::Half)),
    ]);
    let quantized = Variant::quantized(network, "quantized to 8 bits", seed)?;
    rungs.extend(quantized.map(|variant| Rung { variant, group: Group::Choice, pass: None }));
    rungs.extend([
        rung("no result in place", Group::Choice, None, reuse(Reuse::Freed)),
        rung("no memory used twice", Group::Choice, None, reuse(Reuse::Never)),
        rung("full again", Group::Again, None, options.clone()),
    ]);
    Ok(rungs)
}

impl Ladder {
    /// The levels of a network whose options are those of the full level, timed with random inputs
    /// of this seed.
    pub(super) fn new(network: &Network, seed: u64) -> Result<Self, Failure> {
        let full_outline = Outline::of(network)?;
        let (mut rungs, mut outlines) = (Vec::new(), Vec::new());
        let all = self::rungs(network, seed)?;
        let mut bar = Progress::new("planning", all.len() as u64);
        for (done, rung) in all.into_iter().enumerate() {
            bar.set(done as u64);
            let outline = Outline::of(&rung.variant.network)?;
            let together = rung.with_stand_ins(&outline, &full_outline);
            rungs.push(rung);
            outlines.push(outline);
            if let Some(rung) = together {
                outlines.push(Outline::of(&rung.variant.network)?);
                rungs.push(rung);
            }
        }
        let full = rungs.iter().position(|r| r.variant.name == FULL).unwrap_or(0);
        let owner = |i: usize| {
            let same = |&other: &usize| outlines[other].work == outlines[i].work;
            match rungs[i].group {
                Group::Again => i,
                _ => [full].into_iter().chain(0..i).find(same).unwrap_or(i),
            }
        };
        let owner = (0..rungs.len()).map(owner).collect();
        Ok(Ladder { owner, rungs, outlines, full })
    }

    /// The levels that are timed, in order.
    pub(super) fn timed(&self) -> Vec<usize> {
        (0..self.rungs.len()).filter(|&i| self.owner[i] == i).collect()
    }
}

impl Rung {
    /// Where the network without a pass still equals the full one, because other passes do its
    /// work: without those passes, too.
    fn with_stand_ins(&self, outline: &Outline, full: &Outline) -> Option<Rung> {
        let pass = self.pass.filter(|_| self.group == Group::Removed)?;
        if full.remarks.count(pass) == 0 || outline.work != full.work {
            return None;
        }
        let does_more = |other: &&str| outline.remarks.count(other) > full.remarks.count(other);
        let others: Vec<&str> = optional_names().into_iter().filter(does_more).collect();
        let passes = PassSelection::without([pass].into_iter().chain(others.iter().copied()));
        let Variant { name, network, .. } = &self.variant;
        let name = format!("{name}, {}", others.join(", "));
        let options = network.options().clone().passes(passes);
        let variant = Variant::of(network, &name, options);
        Some(Rung { variant, group: Group::Removed, pass: Some(pass) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use resnetc::{Compiler, Options};

    #[test]
    fn levels_climb_to_the_full_network() {
        let options = Options::default().threads(1);
        let network = Compiler::new(options).load("cifar_resnet20").expect("built in");
        let ladder = Ladder::new(&network, 0).expect("it can be planned");
        let of = |group| ladder.rungs.iter().filter(move |r| r.group == group);
        let optional = optional_names();
        for group in [Group::Added, Group::Removed] {
            let mut passes: Vec<_> = of(group).filter_map(|r| r.pass).collect();
            passes.dedup();
            assert_eq!(passes, optional);
        }
        let last = ladder.rungs.iter().rposition(|r| r.group == Group::Added).expect("passes");
        assert_eq!(ladder.owner[last], ladder.full, "all passes added are all passes");
        // A pass that rewrites nothing leaves everything as it is; a pass that rewrites something
        // changes what runs.
        for (i, rung) in ladder.rungs.iter().enumerate() {
            let Some(pass) = rung.pass else { continue };
            let before = if rung.group == Group::Added { i - 1 } else { ladder.full };
            let rewrites = match rung.group {
                Group::Added => ladder.outlines[i].remarks.count(pass),
                _ => ladder.outlines[ladder.full].remarks.count(pass),
            };
            if rewrites == 0 {
                assert_eq!(ladder.owner[i], ladder.owner[before], "{}", rung.variant.name);
            }
        }
        // Two passes fold batch normalizations: without the one, the other does. Without both they
        // are functions of single elements, which fuse with those around them and with nothing else.
        let place =
            |name: &str| ladder.rungs.iter().position(|r| r.variant.name == name).expect(name);
        let own = |name: &str| ladder.owner[place(name)];
        assert_eq!(own("- fold_batch_norm"), ladder.full);
        assert_eq!(own("- fold_batch_norm, fold_affine"), place("- fold_batch_norm, fold_affine"));
        assert_eq!(own("- fuse_residual"), place("- fuse_residual"));
        assert!(ladder.timed().contains(&ladder.full));
        assert!(ladder.timed().len() < ladder.rungs.len());
    }
}
