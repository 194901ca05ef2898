//! Counts a model's records before they are decoded: a record of two bytes takes hundreds in
//! memory, so a file of a few megabytes could fill it.

use crate::import::limits;

/// Why bytes are not decoded.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Refused {
    /// A record is longer than the one that contains it, or cut short.
    Damaged,
    /// There are more records than [`limits::RECORDS`].
    Many,
}

/// The messages of the format that can contain records.
#[derive(Clone, Copy)]
enum Kind {
    Model,
    Graph,
    Function,
    Node,
    Attribute,
    Tensor,
    Value,
    Type,
    TensorType,
    Shape,
    /// A string, or a message without records.
    Leaf,
}

impl Kind {
    /// What a field of this message holds, if it is decoded into a record.
    fn field(self, tag: u64) -> Option<Kind> {
        use Kind::*;
        Some(match (self, tag) {
            (Model, 7) => Graph,
            (Model, 25) => Function,
            (Graph, 1) | (Function, 7) => Node,
            (Graph, 5) | (Attribute, 5) => Tensor,
            (Graph, 11 | 12) => Value,
            (Node, 5) | (Function, 11) => Attribute,
            (Value, 2) => Type,
            (Type, 1) => TensorType,
            (TensorType, 2) => Shape,
            (Model, 8) | (Graph, 15) | (Node, 1 | 2) | (Attribute, 9) => Leaf,
            (Tensor, 13) | (Shape, 1) | (Function, 4 | 5 | 6 | 9) => Leaf,
            _ => return None,
        })
    }
}

/// Counts the records of a model.
pub(super) fn check(model: &[u8]) -> Result<(), Refused> {
    count(model, Kind::Model, &mut limits::RECORDS.clone())
}

fn count(mut bytes: &[u8], kind: Kind, left: &mut usize) -> Result<(), Refused> {
    while !bytes.is_empty() {
        let key = varint(&mut bytes)?;
        let length = match key & 7 {
            0 => varint(&mut bytes).map(|_| 0)?,
            1 => 8,
            2 => varint(&mut bytes)?,
            // The start and end of a group: its contents count as if they were outside it.
            3 | 4 => 0,
            5 => 4,
            _ => return Err(Refused::Damaged),
        };
        let length = usize::try_from(length).map_err(|_| Refused::Damaged)?;
        let (inside, rest) = bytes.split_at_checked(length).ok_or(Refused::Damaged)?;
        bytes = rest;
        if key & 7 != 2 {
            continue;
        }
        let Some(child) = kind.field(key >> 3) else { continue };
        *left = left.checked_sub(1).ok_or(Refused::Many)?;
        if !matches!(child, Kind::Leaf) {
            count(inside, child, left)?;
        }
    }
    Ok(())
}

/// A number with seven bits per byte, the least significant first.
fn varint(bytes: &mut &[u8]) -> Result<u64, Refused> {
    /// 64 bits.
    const LONGEST: usize = 10;
    let mut number = 0;
    for i in 0..LONGEST {
        let (&byte, rest) = bytes.split_first().ok_or(Refused::Damaged)?;
        *bytes = rest;
        number |= u64::from(byte & 0x7f) << (7 * i);
        if byte < 0x80 {
            return Ok(number);
        }
    }
    Err(Refused::Damaged)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::import::onnx::proto::{GraphProto, ModelProto, NodeProto};
    use prost::Message;

    fn of_nodes(nodes: usize) -> Vec<u8> {
        let graph = GraphProto { node: vec![NodeProto::default(); nodes], ..Default::default() };
        ModelProto { graph: Some(graph), ..Default::default() }.encode_to_vec()
    }

    #[test]
    fn records_are_counted_to_the_last() {
        // The graph itself counts as one record.
        assert_eq!(check(&of_nodes(limits::RECORDS - 1)), Ok(()));
        assert_eq!(check(&of_nodes(limits::RECORDS)), Err(Refused::Many));
    }

    #[test]
    fn records_do_not_hide() {
        let many = of_nodes(limits::RECORDS);
        // After a group, whose fields decoders skip.
        let grouped = [&[0xfb, 0x06, 0xfc, 0x06][..], &many].concat();
        assert_eq!(check(&grouped), Err(Refused::Many));
        // In a node that is longer than its graph.
        assert_eq!(check(&[0x3a, 2, 0x0a, 4, 0x2a, 0, 0x2a, 0]), Err(Refused::Damaged));
        for damaged in [&[0x80][..], &[0x3a], &[0x3a, 1], &[0x3e], &[0xff; 11], &[0x09, 1]] {
            assert_eq!(check(damaged), Err(Refused::Damaged), "{damaged:?}");
        }
    }
}
