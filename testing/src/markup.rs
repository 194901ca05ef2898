//! A strict reader of the pages of `resnetc report`, and checks that hold for each of them. It
//! accepts less than a browser does: every element must be closed, every attribute quoted, every
//! `<` and `&` escaped.

use std::collections::{BTreeMap, BTreeSet};

/// Elements without an end.
const VOID: [&str; 2] = ["meta", "link"];
/// Elements whose text is not markup.
const RAW: [&str; 2] = ["script", "style"];

/// An element with its attributes and the text directly in it.
#[derive(Debug)]
pub struct Element {
    /// Its tag.
    pub name: String,
    /// Its attributes, by name.
    pub attributes: BTreeMap<String, String>,
    /// The text directly in it, with references replaced.
    pub text: String,
    /// The element around it, as an index into the page's elements.
    pub parent: Option<usize>,
}

/// A page as a list of elements, parents first.
#[derive(Debug)]
pub struct Page {
    /// All elements, parents first.
    pub elements: Vec<Element>,
}

impl Page {
    /// Reads a page.
    ///
    /// # Panics
    /// If it is not well-formed.
    pub fn read(html: &str) -> Self {
        let mut rest = html.strip_prefix("<!DOCTYPE html>").expect("a document type");
        let (mut elements, mut open): (Vec<Element>, Vec<usize>) = (Vec::new(), Vec::new());
        while !rest.is_empty() {
            let current = open.last().map(|&i| elements[i].name.clone());
            if let Some(name) = current.as_deref().filter(|n| RAW.contains(n)) {
                let (text, after) = rest.split_once("</").expect("raw text ends");
                elements[*open.last().expect("it is open")].text = text.to_owned();
                rest = after.strip_prefix(name).and_then(|r| r.strip_prefix('>')).expect("its end");
                open.pop();
            } else if let Some(end) = rest.strip_prefix("</") {
                let (name, after) = end.split_once('>').expect("a tag ends");
                let last = open.pop().expect("something is open");
                assert_eq!(elements[last].name, name, "the element that was opened last");
                rest = after;
            } else if let Some(tag) = rest.strip_prefix('<') {
                let (element, after) = start_tag(tag, open.last().copied());
                if !VOID.contains(&element.name.as_str()) {
                    open.push(elements.len());
                }
                elements.push(element);
                rest = after;
            } else {
                let (text, after) = rest.split_at(rest.find('<').unwrap_or(rest.len()));
                let parent = open.last().expect("text is in an element");
                elements[*parent].text += &unescape(text);
                rest = after;
            }
        }
        assert!(open.is_empty(), "left open: {open:?}");
        Page { elements }
    }

    /// Whether an element is inside another.
    pub fn is_in(&self, element: usize, outer: usize) -> bool {
        let mut parent = self.elements[element].parent;
        while let Some(found) = parent {
            if found == outer {
                return true;
            }
            parent = self.elements[found].parent;
        }
        false
    }

    /// How many marks each plot has.
    pub fn marks(&self) -> BTreeMap<String, usize> {
        let mut counts = BTreeMap::new();
        let is_plot = |e: &Element| e.attributes.contains_key("data-plot");
        for (mark, element) in self.elements.iter().enumerate() {
            if !element.attributes.contains_key("data-mark") {
                continue;
            }
            let plots = self.elements.iter().enumerate().filter(|(_, e)| is_plot(e));
            let own: Vec<_> = plots.filter(|&(plot, _)| self.is_in(mark, plot)).collect();
            assert_eq!(own.len(), 1, "a mark is in one plot");
            let titles = self.elements.iter().enumerate().filter(|(_, e)| e.name == "title");
            let told = titles.filter(|&(title, e)| self.is_in(title, mark) && !e.text.is_empty());
            assert_eq!(told.count(), 1, "a mark has one text: {element:?}");
            *counts.entry(own[0].1.attributes["data-plot"].clone()).or_default() += 1;
        }
        counts
    }

    /// Checks what holds for every page.
    pub fn check(&self) {
        let mut ids = BTreeSet::new();
        for id in self.elements.iter().filter_map(|e| e.attributes.get("id")) {
            assert!(ids.insert(id.as_str()), "two elements are called {id}");
        }
        for element in &self.elements {
            for (name, value) in &element.attributes {
                assert!(!name.starts_with("on"), "script in {element:?}");
                assert_ne!(name, "src", "{element:?}");
                let refers =
                    ["href", "aria-labelledby", "aria-describedby"].contains(&name.as_str());
                let target = value.strip_prefix('#').unwrap_or(value);
                let is_known = ids.contains(target) || value == "data:,";
                assert!(!refers || is_known, "{element:?} refers to an unknown element");
            }
            if element.attributes.get("role").is_some_and(|r| r == "img") {
                assert!(element.attributes.contains_key("aria-label"), "{element:?}");
            }
            if RAW.contains(&element.name.as_str()) {
                for word in ["http:", "https:", "//fonts", "@import", "fetch(", "XMLHttp"] {
                    assert!(
                        !element.text.contains(word),
                        "{} loads a resource: {word}",
                        element.name
                    );
                }
            }
        }
        let count = |name: &str| self.elements.iter().filter(|e| e.name == name).count();
        assert_eq!(["script", "style", "h1", "main"].map(count), [1; 4]);
    }
}

/// Name and attributes of a tag, and what follows it.
fn start_tag(tag: &str, parent: Option<usize>) -> (Element, &str) {
    let name_end = tag.find(|c: char| !c.is_ascii_alphanumeric()).expect("a tag ends");
    let (name, mut rest) = tag.split_at(name_end);
    assert!(!name.is_empty(), "a < that was not escaped: {:?}", tag.get(..40));
    let mut attributes = BTreeMap::new();
    loop {
        rest = rest.trim_start();
        if let Some(after) = rest.strip_prefix('>') {
            let (name, text) = (name.to_owned(), String::new());
            return (Element { name, attributes, text, parent }, after);
        }
        let end = rest.find(|c: char| "=> \n".contains(c)).expect("an attribute ends");
        let (key, after) = rest.split_at(end);
        let is_name = |c: char| c.is_ascii_alphanumeric() || "-_:".contains(c);
        assert!(!key.is_empty() && key.chars().all(is_name), "an attribute called {key:?}");
        let value = match after.strip_prefix("=\"") {
            Some(quoted) => {
                let (value, after) = quoted.split_once('"').expect("a quotation ends");
                rest = after;
                unescape(value)
            }
            None => {
                assert!(!after.starts_with('='), "{key} has a value without quotation marks");
                rest = after;
                String::new()
            }
        };
        assert!(attributes.insert(key.to_owned(), value).is_none(), "{key} twice in {name}");
    }
}

/// Text with its references replaced.
fn unescape(text: &str) -> String {
    let mut parts = text.split('&');
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (name, rest) = part.split_once(';').expect("an & that was not escaped");
        plain.push(match name {
            "lt" => '<',
            "gt" => '>',
            "amp" => '&',
            "quot" => '"',
            other => panic!("a reference to {other}"),
        });
        plain += rest;
    }
    plain
}
