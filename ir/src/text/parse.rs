//! From text to graph.

use std::collections::HashMap;
use std::sync::Arc;

use super::attributes::{Attribute, Attributes, layout, operator, short_dtype};
use super::constant;
use super::scan::{Token, scan};
use super::{DECLARED, NEXT_OF};
use crate::dtype::DType;
use crate::graph::{Graph, NodeId};
use crate::infer::check_type;
use crate::tensor::Tensor;
use crate::ty::TensorType;

/// Why a text cannot be parsed as a graph.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {message}")]
pub struct ParseError {
    /// The line, counted from 1.
    pub line: usize,
    /// What is wrong with it.
    pub message: String,
}

/// The graph of a text whose constants are all in the text. The form is described in
/// [`text`](super).
///
/// The graph type-checks; [`verify`](crate::verify::verify) checks the other invariants.
///
/// # Errors
/// If a line cannot be parsed or does not type-check; the first such line is reported.
pub fn parse(text: &str) -> Result<Graph, ParseError> {
    parse_with(text, &|_| None)
}

/// As [`parse`], with a source of the constants that the text only identifies by their
/// [`hash`](super::hash). The returned tensors are checked against the hash.
///
/// # Errors
/// As [`parse`], and if `lookup` does not have a constant.
pub fn parse_with(
    text: &str,
    lookup: &dyn Fn(u64) -> Option<Arc<Tensor>>,
) -> Result<Graph, ParseError> {
    let mut reader = Reader { graph: Graph::new(), ids: HashMap::new(), lookup };
    for (i, line) in text.lines().enumerate() {
        reader.line(line).map_err(|message| ParseError { line: i + 1, message })?;
    }
    Ok(reader.graph)
}

struct Reader<'a> {
    graph: Graph,
    ids: HashMap<u64, NodeId>,
    lookup: &'a dyn Fn(u64) -> Option<Arc<Tensor>>,
}

impl Reader<'_> {
    fn line(&mut self, line: &str) -> Result<(), String> {
        let mut cursor = Cursor { tokens: scan(line)?.into_iter().peekable() };
        match cursor.tokens.next() {
            None => Ok(()),
            Some(Token::Word(word)) if word == "output" => self.output(&mut cursor),
            Some(Token::Id(id)) => self.definition(id, &mut cursor),
            Some(_) => Err("a line must start with %id or output".into()),
        }
    }

    fn output(&mut self, cursor: &mut Cursor) -> Result<(), String> {
        let name = cursor.name().ok_or("the name of the output is missing")?;
        cursor.expect('=')?;
        let node = match cursor.tokens.next() {
            Some(Token::Id(id)) => self.node(id)?,
            _ => return Err("an output must be a %id".into()),
        };
        if cursor.skip_word(NEXT_OF) {
            return self.state(node, &name, cursor);
        }
        let mut attributes = cursor.attributes()?;
        let declared = declared(&mut attributes)?;
        attributes.finish()?;
        cursor.end()?;
        match declared {
            None => self.graph.output(name, node),
            Some(dtype) => self.graph.output_as(name, node, dtype),
        }
        Ok(())
    }

    /// The next value of an input: the mark has been read.
    fn state(&mut self, node: NodeId, name: &str, cursor: &mut Cursor) -> Result<(), String> {
        let Some(&[id]) = cursor.operands()?.as_deref() else {
            return Err(format!("{NEXT_OF} must be followed by (%id)"));
        };
        let input = self.node(id)?;
        let attributes = &mut cursor.attributes()?;
        // It is the input's.
        declared(attributes)?;
        cursor.end()?;
        if name != self.graph.node(input).name {
            return Err(format!("the next value of %{id} must have its name"));
        }
        self.graph.carry(input, node);
        Ok(())
    }

    fn node(&self, id: u64) -> Result<NodeId, String> {
        self.ids.get(&id).copied().ok_or_else(|| format!("%{id} is not defined before this line"))
    }

    fn definition(&mut self, id: u64, cursor: &mut Cursor) -> Result<(), String> {
        if self.ids.contains_key(&id) {
            return Err(format!("%{id} is defined twice"));
        }
        cursor.expect('=')?;
        let Some(Token::Word(op)) = cursor.tokens.next() else {
            return Err("the operator is missing".into());
        };
        let operands = cursor.operands()?.unwrap_or_default();
        let operands =
            operands.into_iter().map(|id| self.node(id)).collect::<Result<Vec<_>, _>>()?;
        let attributes = cursor.attributes()?;
        let ty = cursor.ty()?;
        let name = cursor.name().unwrap_or_default();
        cursor.end()?;
        let layout = ty.as_ref().map(|ty| ty.layout);
        let node = self.add(&op, name, &operands, attributes, ty)?;
        if let Some(layout) = layout {
            self.graph.set_layout(node, layout);
        }
        self.ids.insert(id, node);
        Ok(())
    }

    fn add(
        &mut self,
        op: &str,
        name: String,
        operands: &[NodeId],
        mut attributes: Attributes,
        ty: Option<TensorType>,
    ) -> Result<NodeId, String> {
        if op == "input" || op == "constant" {
            if !operands.is_empty() {
                return Err(format!("{op} takes no operands"));
            }
            return self.add_source(op, name, attributes, ty);
        }
        let op = operator(op, operands.len(), &mut attributes)?;
        attributes.finish()?;
        let node = self.graph.add(name, op, operands).map_err(|e| e.to_string())?;
        let inferred = self.graph.node(node).ty.to_planar();
        match ty.map(|ty| ty.to_planar()) {
            Some(ty) if ty != inferred => {
                Err(format!("the type says {ty}, but the operands make it {inferred}"))
            }
            _ => Ok(node),
        }
    }

    /// Adds an input or a constant.
    fn add_source(
        &mut self,
        op: &str,
        name: String,
        mut attributes: Attributes,
        ty: Option<TensorType>,
    ) -> Result<NodeId, String> {
        if let Some(ty) = &ty {
            check_type(ty).map_err(|e| e.to_string())?;
        }
        if op == "input" {
            let declared = declared(&mut attributes)?;
            attributes.finish()?;
            let node = self.graph.input_of(name, ty.ok_or("the type is missing")?.to_planar());
            if let Some(dtype) = declared {
                self.graph.declare_input(node, dtype);
            }
            return Ok(node);
        }
        let tensor = constant::parse(&mut attributes, ty, self.lookup)?;
        attributes.finish()?;
        check_type(&tensor.ty()).map_err(|e| e.to_string())?;
        Ok(self.graph.constant(name, tensor))
    }
}

/// The declared element type of an input or output, if it differs from the actual one.
fn declared(attributes: &mut Attributes) -> Result<Option<DType>, String> {
    let unknown = |name: &str| format!("{name} is not an element type");
    let dtype = |name: String| DType::by_name(&name).ok_or_else(|| unknown(&name));
    attributes.word(DECLARED)?.map(dtype).transpose()
}

/// The tokens of a line that have not been read yet.
struct Cursor {
    tokens: std::iter::Peekable<std::vec::IntoIter<Token>>,
}

impl Cursor {
    fn skip(&mut self, mark: char) -> bool {
        self.tokens.next_if_eq(&Token::Mark(mark)).is_some()
    }

    fn expect(&mut self, mark: char) -> Result<(), String> {
        if self.skip(mark) { Ok(()) } else { Err(format!("{mark} is missing")) }
    }

    fn end(&mut self) -> Result<(), String> {
        match self.tokens.next() {
            None => Ok(()),
            Some(token) => Err(format!("unexpected {token:?} at the end")),
        }
    }

    fn name(&mut self) -> Option<String> {
        match self.tokens.next_if(|t| matches!(t, Token::Name(_))) {
            Some(Token::Name(name)) => Some(name),
            _ => None,
        }
    }

    fn skip_word(&mut self, word: &str) -> bool {
        let is_it = |token: &Token| matches!(token, Token::Word(found) if found == word);
        self.tokens.next_if(is_it).is_some()
    }

    fn word(&mut self) -> Option<String> {
        match self.tokens.next_if(|t| matches!(t, Token::Word(_))) {
            Some(Token::Word(word)) => Some(word),
            _ => None,
        }
    }

    /// Items separated by commas up to the closing `mark`; the opening one has been read.
    fn list<T>(
        &mut self,
        mark: char,
        mut item: impl FnMut(Token) -> Option<T>,
    ) -> Result<Vec<T>, String> {
        let mut items = Vec::new();
        if self.skip(mark) {
            return Ok(items);
        }
        loop {
            let token = self.tokens.next().ok_or_else(|| format!("{mark} is missing"))?;
            let shown = format!("{token:?} does not belong in this list");
            items.push(item(token).ok_or(shown)?);
            if self.skip(mark) {
                return Ok(items);
            }
            self.expect(',').map_err(|_| format!("{mark} is missing"))?;
        }
    }

    fn words(&mut self) -> Result<Vec<String>, String> {
        self.list(']', |token| match token {
            Token::Word(word) => Some(word),
            _ => None,
        })
    }

    /// `(%0, %1)`, if present.
    fn operands(&mut self) -> Result<Option<Vec<u64>>, String> {
        if !self.skip('(') {
            return Ok(None);
        }
        let id = |token| match token {
            Token::Id(id) => Some(id),
            _ => None,
        };
        self.list(')', id).map(Some)
    }

    fn attributes(&mut self) -> Result<Attributes, String> {
        let mut attributes = Attributes::default();
        loop {
            if self.skip('[') {
                attributes.insert(String::new(), Attribute::List(self.words()?))?;
                continue;
            }
            let Some(key) = self.word() else { return Ok(attributes) };
            let value = if !self.skip('=') {
                Attribute::Flag
            } else if self.skip('[') {
                Attribute::List(self.words()?)
            } else {
                Attribute::Word(self.word().ok_or_else(|| format!("{key} has no value"))?)
            };
            attributes.insert(key, value)?;
        }
    }

    /// `: f32[1, 2] nchw16c`, if present.
    fn ty(&mut self) -> Result<Option<TensorType>, String> {
        if !self.skip(':') {
            return Ok(None);
        }
        let word = self.word().ok_or("the element type is missing")?;
        let dtype = short_dtype(&word)?;
        self.expect('[')?;
        let extents = self.words()?;
        let extent = |word: &String| word.parse().map_err(|_| format!("{word} is not an extent"));
        let mut ty =
            TensorType::of(dtype, extents.iter().map(extent).collect::<Result<Vec<_>, _>>()?);
        if let Some(word) = self.word() {
            ty.layout = layout(&word).ok_or_else(|| format!("{word} is not a layout"))?;
        }
        Ok(Some(ty))
    }
}
