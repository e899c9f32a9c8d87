//! The modules of one crate, with what each defines and imports, and the resolution of paths to them.

use std::collections::{BTreeMap, BTreeSet};

use crate::lint::{
    import_cycles::use_tree::{UseLeaf, inline_path, parse_use},
    lexer::{Token, TokenKind},
    paths::{folder_of, join},
    source_file::SourceFile,
};

/// Imports that lead through imports are followed no deeper: two globs may name each other.
const DEPTH_MAX: usize = 8;

/// A module: a file, or an inline `mod x { … }` in one.
#[derive(Debug)]
pub(super) struct SourceModule {
    /// The path of the file that it stands in.
    pub(super) file: String,
    parent: Option<usize>,
    children: BTreeMap<String, usize>,
    items: BTreeSet<String>,
    uses: Vec<UseLeaf>,
    /// Paths outside `use`, with their lines.
    paths: Vec<(Vec<String>, usize)>,
}

/// The modules of a crate; the first is its root. Test modules are left out.
#[derive(Debug)]
pub(super) struct ModuleTree {
    pub(super) modules: Vec<SourceModule>,
}

/// The meaning of a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Resolved {
    Module(usize),
    /// An item that the module defines.
    ItemOf(usize),
}

impl Resolved {
    pub(super) const fn module(self) -> usize {
        match self {
            Self::Module(module) | Self::ItemOf(module) => module,
        }
    }
}

impl ModuleTree {
    /// Reads the crate whose root is the file `root`, by following its `mod` declarations.
    pub(super) fn read(files: &BTreeMap<&str, &SourceFile>, root: &str) -> Self {
        let mut tree = Self { modules: Vec::new() };
        let folder = folder_of(root).to_owned();
        tree.read_file(files, root, &folder, None);
        tree
    }

    /// Adds a file's module and those below it; none if there is no such file.
    fn read_file(
        &mut self,
        files: &BTreeMap<&str, &SourceFile>,
        path: &str,
        children: &str,
        parent: Option<usize>,
    ) -> Option<usize> {
        let file = files.get(path)?;
        let code: Vec<&Token> = file.tokens.iter().filter(|token| !token.in_test).collect();
        Some(self.read_module(files, path, children, parent, &code))
    }

    /// Adds a module with this code, whose child modules' files are in the folder `children`.
    fn read_module(
        &mut self,
        files: &BTreeMap<&str, &SourceFile>,
        file: &str,
        children: &str,
        parent: Option<usize>,
        code: &[&Token],
    ) -> usize {
        let this = self.modules.len();
        let contents = Contents::read(code);
        self.modules.push(SourceModule {
            file: file.to_owned(),
            parent,
            children: BTreeMap::new(),
            items: contents.items,
            uses: contents.uses,
            paths: contents.paths,
        });
        for child in contents.children {
            let module = match &child.body {
                Some(body) => {
                    let folder = format!("{children}/{}", child.name);
                    Some(self.read_module(files, file, &folder, Some(this), body))
                }
                None => child_files(&child, file, children)
                    .into_iter()
                    .find_map(|(path, folder)| self.read_file(files, &path, &folder, Some(this))),
            };
            if let Some(module) = module {
                self.modules[this].children.insert(child.name, module);
            }
        }
        this
    }

    /// Returns every path that the module names, with its line.
    pub(super) fn paths(&self, module: usize) -> impl Iterator<Item = (&[String], usize)> {
        let module = &self.modules[module];
        let uses = module.uses.iter().map(|leaf| (leaf.path.as_slice(), leaf.line));
        uses.chain(module.paths.iter().map(|(path, line)| (path.as_slice(), *line)))
    }

    pub(super) fn parent(&self, module: usize) -> Option<usize> {
        self.modules[module].parent
    }

    /// Reports whether `module` is `ancestor` or below it.
    pub(super) fn is_below(&self, module: usize, ancestor: usize) -> bool {
        let mut next = Some(module);
        while let Some(module) = next {
            if module == ancestor {
                return true;
            }
            next = self.modules[module].parent;
        }
        false
    }

    /// Follows a path as written in `module` to the module that defines its item, through imports and re-exports.
    /// Returns `None` for a path into another crate.
    pub(super) fn resolve(&self, module: usize, path: &[String]) -> Option<Resolved> {
        self.resolve_within(module, path, DEPTH_MAX)
    }

    /// Returns the module that a path names by child modules alone, without following imports.
    pub(super) fn named(&self, module: usize, path: &[String]) -> Option<usize> {
        let mut found = match path.first()?.as_str() {
            "crate" => 0,
            "self" => module,
            "super" => self.modules[module].parent?,
            name => *self.modules[module].children.get(name)?,
        };
        for name in &path[1..] {
            let this = &self.modules[found];
            match if name == "super" { this.parent } else { this.children.get(name).copied() } {
                Some(next) => found = next,
                None => break,
            }
        }
        Some(found)
    }

    fn resolve_within(&self, module: usize, path: &[String], depth: usize) -> Option<Resolved> {
        let (first, rest) = path.split_first()?;
        let mut found = match first.as_str() {
            "crate" => Resolved::Module(0),
            "self" => Resolved::Module(module),
            "super" => Resolved::Module(self.modules[module].parent?),
            // Macros and local names begin with one segment, too: only modules and imports lead on.
            name => self.member(module, name, depth)?,
        };
        for name in rest {
            let Resolved::Module(module) = found else { break };
            found = match name.as_str() {
                "super" => Resolved::Module(self.modules[module].parent?),
                name => self.member(module, name, depth).unwrap_or(Resolved::ItemOf(module)),
            };
        }
        Some(found)
    }

    /// Finds a name in a module: a child module, an item, or an import of either kind.
    fn member(&self, module: usize, name: &str, depth: usize) -> Option<Resolved> {
        let this = &self.modules[module];
        if let Some(&child) = this.children.get(name) {
            return Some(Resolved::Module(child));
        }
        let depth = depth.checked_sub(1)?;
        if let Some(leaf) = this.uses.iter().find(|leaf| leaf.name.as_deref() == Some(name)) {
            // A leaf that begins with its own name is of another crate, as `use log;`.
            return (leaf.path[0] != name).then(|| self.resolve_within(module, &leaf.path, depth))?;
        }
        if this.items.contains(name) {
            return Some(Resolved::ItemOf(module));
        }
        let globs = this.uses.iter().filter(|leaf| leaf.is_glob);
        let mut targets = globs.filter_map(|leaf| match self.resolve_within(module, &leaf.path, depth)? {
            Resolved::Module(target) if target != module => Some(target),
            _ => None,
        });
        targets.find_map(|target| self.member(target, name, depth))
    }
}

/// A `mod` declaration.
struct Child<'a> {
    name: String,
    /// The value of its `#[path]`.
    path: Option<String>,
    /// The tokens between its braces.
    body: Option<Vec<&'a Token>>,
}

/// The part of a module's code that matters to imports.
#[derive(Default)]
struct Contents<'a> {
    items: BTreeSet<String>,
    uses: Vec<UseLeaf>,
    paths: Vec<(Vec<String>, usize)>,
    children: Vec<Child<'a>>,
}

impl<'a> Contents<'a> {
    fn read(code: &[&'a Token]) -> Self {
        let mut contents = Self::default();
        let mut depth = 0_usize;
        let mut path_attribute = None;
        let mut at = 0;
        while let Some(token) = code.get(at) {
            let name = code.get(at + 1).filter(|next| next.kind == TokenKind::Ident);
            match (token.kind, token.text.as_str(), name) {
                (TokenKind::Punct, "{", _) => depth += 1,
                (TokenKind::Punct, "}", _) => depth = depth.saturating_sub(1),
                (TokenKind::Ident, "use", _) if !code.get(at + 1).is_some_and(|next| next.is("<")) => {
                    let (leaves, end) = parse_use(code, at);
                    contents.uses.extend(leaves);
                    at = end.max(at + 1);
                    continue;
                }
                (TokenKind::Ident, "path", _) => path_attribute = path_value(code, at).or(path_attribute),
                (TokenKind::Ident, "mod", Some(name)) => {
                    let (body, end) = module_body(code, at + 2);
                    contents.children.push(Child {
                        name: name.text.clone(),
                        path: path_attribute.take(),
                        body,
                    });
                    at = end;
                    continue;
                }
                (TokenKind::Ident, keyword, Some(name)) if depth == 0 && DEFINING.contains(&keyword) => {
                    contents.items.insert(name.text.clone());
                }
                _ => {}
            }
            if let Some(path) = inline_path(code, at) {
                contents.paths.push((path, token.line));
            }
            at += 1;
        }
        contents
    }
}

/// The keywords that are followed by the name they define.
const DEFINING: [&str; 8] = ["const", "enum", "fn", "static", "struct", "trait", "type", "union"];

/// Returns the value of `#[path = "…"]` whose name is at `at`.
fn path_value(code: &[&Token], at: usize) -> Option<String> {
    let is_attribute = at >= 2 && code[at - 1].is("[") && code[at - 2].is("#") && code.get(at + 1)?.is("=");
    is_attribute.then(|| code.get(at + 2).map(|value| value.text.trim_matches('"').to_owned()))?
}

/// Returns the tokens of an inline module whose brace is at `open`, and the index after the module.
fn module_body<'a>(code: &[&'a Token], open: usize) -> (Option<Vec<&'a Token>>, usize) {
    if !code.get(open).is_some_and(|token| token.is("{")) {
        return (None, open + 1);
    }
    let mut depth = 0_usize;
    for (at, token) in code.iter().enumerate().skip(open) {
        if token.is("{") {
            depth += 1;
        } else if token.is("}") {
            depth -= 1;
            if depth == 0 {
                return (Some(code[open + 1..at].to_vec()), at + 1);
            }
        }
    }
    (Some(code[open + 1..].to_vec()), code.len())
}

/// Returns the files that may hold the module, each with the folder of its own children.
fn child_files(child: &Child<'_>, file: &str, children: &str) -> Vec<(String, String)> {
    let name = &child.name;
    match &child.path {
        Some(path) => {
            let path = join(folder_of(file), path);
            let folder = folder_of(&path).to_owned();
            vec![(path, folder)]
        }
        None => {
            let folder = format!("{children}/{name}");
            vec![(format!("{folder}.rs"), folder.clone()), (format!("{folder}/mod.rs"), folder)]
        }
    }
}
