//! What a training must not change on its way.

use serde::{Deserialize, Serialize};

/// Arguments by name, and what else determines the steps.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Plan(Vec<(String, String)>);

impl Plan {
    /// Of names and values, in the order in which differences are reported.
    pub(super) fn new<const N: usize>(entries: [(&str, String); N]) -> Self {
        Plan(entries.map(|(name, value)| (name.to_owned(), value)).into())
    }

    /// The first difference to the plan that a training was begun with.
    pub(super) fn differs(&self, begun: &Plan) -> Option<String> {
        /// Longer values are not shown.
        const LONGEST: usize = 60;
        let value = |name: &str, plan: &Plan| {
            plan.0.iter().find(|entry| entry.0 == name).map(|entry| entry.1.clone())
        };
        let names = self.0.iter().chain(&begun.0).map(|entry| &entry.0);
        for name in names {
            match (value(name, begun), value(name, self)) {
                (old, new) if old == new => {}
                (Some(old), Some(new)) if old.len().max(new.len()) <= LONGEST => {
                    return Some(format!("{name} {old}, not {new}"));
                }
                _ => return Some(format!("another {name}")),
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_difference_is_named() {
        let plan = |rate: &str, network: &str| {
            Plan::new([("--rate", rate.into()), ("network", network.into())])
        };
        assert_eq!(plan("0.1", "a").differs(&plan("0.1", "a")), None);
        let differs = plan("0.1", "a").differs(&plan("0.2", "b"));
        assert_eq!(differs.as_deref(), Some("--rate 0.2, not 0.1"));
        let long = "x".repeat(61);
        let differs = plan("0.1", "a").differs(&plan("0.1", &long));
        assert_eq!(differs.as_deref(), Some("another network"));
        let fewer = Plan::new([("--rate", "0.1".into())]);
        assert_eq!(fewer.differs(&plan("0.1", "a")).as_deref(), Some("another network"));
    }
}
