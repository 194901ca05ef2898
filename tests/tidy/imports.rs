//! Which file imports from which, read from the sources.
//!
//! An import is a path of Rust to something in another file: in a `use`, or in the middle of code.
//! It leads to the file that defines the name, through any re-exports. Comments, string literals
//! and code for unit tests do not count, and neither does `mod name;`.

use std::collections::BTreeMap;

/// A module: the name of its crate, then its path.
type Module = Vec<String>;

/// A file of a crate.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    /// Its path from the root of the repository.
    pub(crate) path: String,
    /// Its module path.
    pub(crate) module: Module,
    /// Names that it brings into scope, and those that it re-exports.
    uses: Vec<Use>,
    /// Paths in the middle of its code.
    mentions: Vec<Mention>,
}

/// One name of a `use`.
#[derive(Clone, Debug)]
struct Use {
    scope: Module,
    path: Vec<String>,
    /// The name that it has here; `*` stands for all.
    name: String,
    is_public: bool,
}

#[derive(Clone, Debug)]
struct Mention {
    scope: Module,
    path: Vec<String>,
}

/// An import of one file from another.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Import {
    pub(crate) from: String,
    pub(crate) to: String,
    /// The path as written.
    pub(crate) path: String,
}

impl Source {
    /// Reads a file of the crate whose sources are in `folder`.
    pub(crate) fn of(crate_name: &str, folder: &str, path: &str, text: &str) -> Source {
        let inside = path.strip_prefix(folder).unwrap_or(path).trim_start_matches('/');
        let mut module = vec![crate_name.to_owned()];
        module.extend(inside.trim_end_matches(".rs").split('/').map(str::to_owned));
        module.pop_if(|last| ["mod", "lib", "main"].contains(&last.as_str()));
        let (mut uses, mut mentions) = (Vec::new(), Vec::new());
        let code = code(text);
        let tokens = tokens(&code);
        Reader {
            tokens: &tokens,
            at: 0,
            scope: module.clone(),
            uses: &mut uses,
            mentions: &mut mentions,
        }
        .items();
        Source { path: path.to_owned(), module, uses, mentions }
    }
}

/// All imports between the files, each once for every path that is written.
pub(crate) fn imports(sources: &[Source]) -> Vec<Import> {
    let crates = Crates { files: sources.iter().map(|s| (s.module.clone(), s)).collect() };
    let mut found = Vec::new();
    for source in sources {
        // A module does not use the parts that it only re-exports.
        let hands_on = |u: &&Use| {
            let own = |to: Module| to.starts_with(&source.module);
            u.is_public && crates.absolute(&u.scope, &u.path).is_some_and(own)
        };
        let uses = source.uses.iter().filter(|u| !hands_on(u)).map(|u| (&u.scope, &u.path));
        let mentions = source.mentions.iter().map(|m| (&m.scope, &m.path));
        for (scope, path) in uses.chain(mentions) {
            let to = crates.absolute(scope, path).or_else(|| crates.alias(scope, path));
            let to = to.and_then(|to| crates.file(&to, 0));
            if let Some(to) = to.filter(|to| to.path != source.path) {
                let (from, to) = (source.path.clone(), to.path.clone());
                found.push(Import { from, to, path: path.join("::") });
            }
        }
    }
    found.sort();
    found.dedup();
    found
}

/// The files of all crates, by module.
struct Crates<'a> {
    files: BTreeMap<Module, &'a Source>,
}

impl<'a> Crates<'a> {
    /// The target of a path in a module, if it begins with a crate, `self` or `super`, or a module
    /// in scope.
    fn absolute(&self, scope: &[String], path: &[String]) -> Option<Module> {
        let first = path.first()?;
        let supers = path.iter().take_while(|word| *word == "super").count();
        let (base, rest) = match first.as_str() {
            "crate" => (&scope[..1], &path[1..]),
            "self" => (scope, &path[1..]),
            "super" => (&scope[..scope.len().saturating_sub(supers)], &path[supers..]),
            _ if self.files.contains_key(std::slice::from_ref(first)) => (&path[..1], &path[1..]),
            _ if self.files.contains_key(&[scope, &path[..1]].concat()) => (scope, path),
            _ => return None,
        };
        Some([base, rest].concat())
    }

    /// The target of a path that begins with a name from a `use`.
    fn alias(&self, scope: &[String], path: &[String]) -> Option<Module> {
        let known = self.used(scope, path.first()?)?;
        Some([self.absolute(&known.scope, &known.path)?, path[1..].to_vec()].concat())
    }

    /// The `use` of a module that brings a name into scope.
    fn used(&self, scope: &[String], name: &str) -> Option<&'a Use> {
        let file = self.holder(scope)?;
        file.uses.iter().find(|u| u.scope == scope && u.name == name)
    }

    /// The file of a module, which may be one within a file.
    fn holder(&self, module: &[String]) -> Option<&'a Source> {
        (1..=module.len()).rev().find_map(|n| self.files.get(&module[..n]).copied())
    }

    /// The file that defines the target of a path.
    fn file(&self, to: &[String], steps: usize) -> Option<&'a Source> {
        /// A chain of re-exports this long must be a circle.
        const MOST_STEPS: usize = 16;
        let deepest = (1..=to.len()).rev().find(|&n| self.files.contains_key(&to[..n]))?;
        let (module, rest) = to.split_at(deepest);
        let handed_on = rest.first().and_then(|name| self.used(module, name));
        match handed_on {
            Some(known) if steps < MOST_STEPS => {
                // A name from outside of these crates is not defined here.
                let target = self.absolute(&known.scope, &known.path)?;
                match target == to {
                    true => self.holder(module),
                    false => self.file(&[target, rest[1..].to_vec()].concat(), steps + 1),
                }
            }
            _ => self.holder(module),
        }
    }
}

/// The text without comments, and with empty string and character literals.
fn code(text: &str) -> String {
    let mut code = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let skipped = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            rest.find("*/").map_or(rest.len(), |end| end + 2)
        } else if let Some(length) = raw_text(rest).filter(|_| !code.ends_with(is_word)) {
            length
        } else if c == '"' {
            quoted(rest, '"')
        } else if c == '\'' && is_character(rest) {
            quoted(rest, '\'')
        } else {
            code.push(c);
            rest = &rest[c.len_utf8()..];
            continue;
        };
        code.push(' ');
        rest = &rest[skipped..];
    }
    code
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// The length of a string literal in bytes, including its quotes.
fn quoted(text: &str, quote: char) -> usize {
    let mut escaped = true;
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            c if c == quote => return at + c.len_utf8(),
            _ => {}
        }
    }
    text.len()
}

/// Whether a quote begins a character literal rather than a lifetime.
fn is_character(text: &str) -> bool {
    let mut after = text.chars().skip(1);
    after.next() == Some('\\') || after.next() == Some('\'')
}

/// The length of a raw string literal in bytes, if there is one.
fn raw_text(text: &str) -> Option<usize> {
    let after = text.strip_prefix('b').unwrap_or(text).strip_prefix('r')?;
    let hashes = after.len() - after.trim_start_matches('#').len();
    let inside = after[hashes..].strip_prefix('"')?;
    let end = format!("\"{}", "#".repeat(hashes));
    let length = inside.find(&end).map_or(inside.len(), |at| at + end.len());
    Some(text.len() - inside.len() + length)
}

/// Words, `::`, and single characters of everything else.
fn tokens(code: &str) -> Vec<&str> {
    let mut tokens = Vec::new();
    let mut rest = code.trim_start();
    while let Some(c) = rest.chars().next() {
        let length = match c {
            c if is_word(c) => rest.find(|c| !is_word(c)).unwrap_or(rest.len()),
            ':' if rest.starts_with("::") => 2,
            c => c.len_utf8(),
        };
        tokens.push(&rest[..length]);
        rest = rest[length..].trim_start();
    }
    tokens
}

struct Reader<'a> {
    tokens: &'a [&'a str],
    at: usize,
    scope: Module,
    uses: &'a mut Vec<Use>,
    mentions: &'a mut Vec<Mention>,
}

impl Reader<'_> {
    fn peek(&self, ahead: usize) -> &str {
        self.tokens.get(self.at + ahead).copied().unwrap_or_default()
    }

    fn before(&self) -> &str {
        self.at.checked_sub(1).map_or("", |at| self.tokens[at])
    }

    /// Reads to the end of the block that it is in, or of the file.
    fn items(&mut self) {
        let mut depth = 0usize;
        while self.at < self.tokens.len() {
            let token = self.tokens[self.at];
            match token {
                "#" if self.is_for_tests() => {
                    self.skip_item();
                    continue;
                }
                "{" => depth += 1,
                "}" if depth == 0 => return,
                "}" => depth -= 1,
                "mod" if self.peek(2) == "{" => {
                    let name = self.peek(1).to_owned();
                    self.scope.push(name);
                    self.at += 3;
                    self.items();
                    self.scope.pop();
                }
                "use" if ["", ";", "{", "}", "pub", ")", "]"].contains(&self.before()) => {
                    let is_public = ["pub", ")"].contains(&self.before());
                    self.at += 1;
                    self.tree(&[], is_public);
                }
                _ if token.starts_with(is_word)
                    && self.peek(1) == "::"
                    && !["::", "in"].contains(&self.before()) =>
                {
                    self.mention();
                    continue;
                }
                _ => {}
            }
            self.at += 1;
        }
    }

    fn is_for_tests(&self) -> bool {
        (1..=5).map(|i| self.peek(i)).eq(["[", "cfg", "(", "test", ")"])
    }

    /// Skips an attribute and its item.
    fn skip_item(&mut self) {
        self.at += 7;
        while !["{", ";", ""].contains(&self.peek(0)) {
            self.at += 1;
        }
        let mut depth = 0usize;
        while self.at < self.tokens.len() {
            match self.tokens[self.at] {
                "{" => depth += 1,
                "}" => depth -= 1,
                _ => {}
            }
            self.at += 1;
            if depth == 0 {
                return;
            }
        }
    }

    /// A path in the middle of code.
    fn mention(&mut self) {
        let mut path = vec![self.tokens[self.at].to_owned()];
        self.at += 1;
        while self.peek(0) == "::" && self.peek(1).starts_with(is_word) {
            path.push(self.peek(1).to_owned());
            self.at += 2;
        }
        self.mentions.push(Mention { scope: self.scope.clone(), path });
    }

    /// One branch of a `use`, up to its end.
    fn tree(&mut self, prefix: &[String], is_public: bool) {
        let mut path = prefix.to_vec();
        let mut name = None;
        loop {
            match self.peek(0) {
                "::" => {}
                "{" => {
                    self.at += 1;
                    while !["}", ""].contains(&self.peek(0)) {
                        self.tree(&path, is_public);
                        if self.peek(0) == "," {
                            self.at += 1;
                        }
                    }
                    self.at += 1;
                    return;
                }
                "as" => {
                    name = Some(self.peek(1).to_owned());
                    self.at += 1;
                }
                "*" => name = Some("*".to_owned()),
                "," | ";" | "}" | "" => break,
                word => path.push(word.to_owned()),
            }
            self.at += 1;
        }
        if path.len() > 1 {
            path.pop_if(|last| last == "self");
        }
        let Some(name) = name.or_else(|| path.last().cloned()) else { return };
        self.uses.push(Use { scope: self.scope.clone(), path, name, is_public });
    }
}
