//! Which computed value a name stands for: that of a node, or that of a module.
//!
//! Exporters name nodes after the modules of the program that the network is from:
//! `layer4.1.conv2`,
//! `/layer4/layer4.1/conv2/Conv`. So a module's name is found in the names of its nodes, and its
//! value is the one that other modules read.

use super::error::{ImportError, ImportErrorKind};

/// A node whose value has a name, in an order in which operands come first.
pub(crate) struct Candidate<'a> {
    pub(crate) name: &'a str,
    /// The positions of those that compute its operands.
    pub(crate) operands: Vec<usize>,
    /// Whether its value is an output already.
    pub(crate) is_output: bool,
}

/// The position of the node that computes what `name` stands for: the only node of that name, or
/// the only node of that module whose value is read outside of it.
///
/// # Errors
/// If there is none, or several; `outputs` are the names that are outputs already.
pub(crate) fn find(
    name: &str,
    outputs: &[String],
    nodes: &[Candidate<'_>],
) -> Result<usize, ImportError> {
    let exact: Vec<usize> = (0..nodes.len()).filter(|&i| nodes[i].name == name).collect();
    let found = if exact.is_empty() { results(name, nodes) } else { exact };
    match *found {
        [one] => Ok(one),
        [] => {
            let all = nodes.iter().map(|node| node.name.to_owned()).collect();
            let (name, known) = (name.to_owned(), outputs.to_vec());
            Err(ImportErrorKind::UnknownOutput { name, known, values: all }.into())
        }
        _ => {
            let values = found.iter().map(|&i| nodes[i].name.to_owned()).collect();
            Err(ImportErrorKind::ManyValues { name: name.to_owned(), values }.into())
        }
    }
}

/// The nodes of a module whose values are read outside of it.
fn results(module: &str, nodes: &[Candidate<'_>]) -> Vec<usize> {
    let is_inside: Vec<bool> = nodes.iter().map(|node| is_in(node.name, module)).collect();
    let mut is_read: Vec<bool> = nodes.iter().map(|node| node.is_output).collect();
    for (node, _) in nodes.iter().zip(&is_inside).filter(|(_, is_inside)| !**is_inside) {
        node.operands.iter().for_each(|&operand| is_read[operand] = true);
    }
    (0..nodes.len()).filter(|&i| is_inside[i] && is_read[i]).collect()
}

/// Whether a node's name has a module's name, whole, before its last part.
fn is_in(node: &str, module: &str) -> bool {
    let starts = [0].into_iter().chain(node.match_indices('/').map(|(i, _)| i + 1));
    let follows = |start: usize| node[start..].strip_prefix(module);
    let is_whole = |rest: &str| rest.starts_with(['.', '/']);
    !module.is_empty() && starts.filter_map(follows).any(is_whole)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modules_are_whole_parts_of_names() {
        for (node, module) in [
            ("layer4.1.act2", "layer4"),
            ("layer4.1.act2", "layer4.1"),
            ("/layer4/layer4.1/relu/Relu", "layer4"),
            ("/layer4/layer4.1/relu/Relu", "layer4.1"),
            ("/layer4/layer4.1/relu/Relu", "/layer4/layer4.1"),
        ] {
            assert!(is_in(node, module), "{node} {module}");
        }
        for (node, module) in [
            ("layer4.1.act2", "layer"),
            ("layer4.1.act2", "layer4.1.act2"),
            ("layer4.1.act2", "1"),
            ("/layer4/layer4.10/Relu", "layer4.1"),
            ("layer4", ""),
        ] {
            assert!(!is_in(node, module), "{node} {module}");
        }
    }

    #[test]
    fn a_module_has_the_value_that_others_read() {
        let node = |name, operands: &[usize]| Candidate {
            name,
            operands: operands.to_vec(),
            is_output: false,
        };
        let mut nodes = vec![
            node("stem", &[]),
            node("a.0.conv", &[0]),
            node("a.0.act", &[1]),
            node("a.1.conv", &[2]),
            node("a.1.add", &[2, 3]),
            node("b.0.conv", &[4]),
            node("b.0.add", &[4, 5]),
            node("fc", &[6]),
        ];
        let of = |name: &str, nodes: &[Candidate<'_>]| find(name, &[], nodes).ok();
        assert_eq!(of("a", &nodes), Some(4));
        assert_eq!(of("a.0", &nodes), Some(2));
        assert_eq!(of("b", &nodes), Some(6));
        assert_eq!(of("fc", &nodes), Some(7));
        assert_eq!(of("c", &nodes), None);
        nodes[3].is_output = true;
        let error = find("a", &[], &nodes).expect_err("two values").to_string();
        assert!(error.contains("\"a.1.conv\", \"a.1.add\""), "{error}");
    }
}
