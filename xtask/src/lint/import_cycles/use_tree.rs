//! The paths that a piece of Rust names: the leaves of its `use` trees, and paths in expressions and types.

use crate::lint::lexer::{Token, TokenKind};

/// One leaf of a `use` tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct UseLeaf {
    /// The name that it binds; `None` for a glob and for `as _`.
    pub(super) name: Option<String>,
    pub(super) is_glob: bool,
    /// The segments of the path; of a glob, those before the star.
    pub(super) path: Vec<String>,
    pub(super) line: usize,
}

/// Parses the `use` declaration whose keyword is at `at`; also returns the index after it.
pub(super) fn parse_use(code: &[&Token], at: usize) -> (Vec<UseLeaf>, usize) {
    let mut leaves = Vec::new();
    let end = tree(code, at + 1, &[], &mut leaves);
    (leaves, end)
}

/// Parses one tree below `prefix`, and returns the index after it.
fn tree(code: &[&Token], start: usize, prefix: &[String], leaves: &mut Vec<UseLeaf>) -> usize {
    let mut at = start;
    let mut path = prefix.to_vec();
    let is = |at: usize, text: &str| code.get(at).is_some_and(|token| token.is(text));
    while let Some(token) = code.get(at) {
        if token.is("{") {
            at += 1;
            while at < code.len() && !is(at, "}") {
                let next = tree(code, at, &path, leaves);
                at = if is(next, ",") { next + 1 } else { next.max(at + 1) };
            }
            return at + 1;
        }
        if token.is("*") {
            leaves.push(UseLeaf { name: None, is_glob: true, path, line: token.line });
            return at + 1;
        }
        if token.kind == TokenKind::Ident {
            // `self` in a list stands for the list's own prefix.
            if !token.is("self") || path.is_empty() {
                path.push(token.text.clone());
            }
            if !is(at + 1, "::") {
                return leaf(code, at, path, leaves);
            }
            at += 2;
        } else if token.is("::") {
            // A leading `::` names another crate, which is no path of ours.
            path.push(String::new());
            at += 1;
        } else {
            return at;
        }
    }
    at
}

/// Adds the leaf whose last segment is at `at`, with its alias, and returns the index after it.
fn leaf(code: &[&Token], at: usize, path: Vec<String>, leaves: &mut Vec<UseLeaf>) -> usize {
    let line = code[at].line;
    let is_alias = code.get(at + 1).is_some_and(|token| token.is("as"));
    let (name, end) = if is_alias {
        (code.get(at + 2).map(|token| token.text.clone()), at + 3)
    } else {
        (path.last().cloned(), at + 1)
    };
    leaves.push(UseLeaf { name: name.filter(|name| name != "_"), is_glob: false, path, line });
    end
}

/// Returns the path of `crate::a::b`, `self::a` or `super::a` that begins at `at`, in an expression, type, pattern
/// or macro argument.
pub(super) fn inline_path(code: &[&Token], at: usize) -> Option<Vec<String>> {
    let starts = ["crate", "self", "super"].iter().any(|word| code[at].is(word));
    // `pub(crate)` has no `::` after it; `$crate::a` and `b::self` do not begin here.
    let continues = at > 0 && (code[at - 1].is("::") || code[at - 1].is("$"));
    if !starts || continues || !code.get(at + 1)?.is("::") {
        return None;
    }
    let mut path = vec![code[at].text.clone()];
    let mut at = at + 1;
    while code.get(at).is_some_and(|token| token.is("::"))
        && let Some(segment) = code.get(at + 1).filter(|token| token.kind == TokenKind::Ident)
    {
        path.push(segment.text.clone());
        at += 2;
    }
    Some(path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lint::lexer::lex;

    /// The leaves of a declaration as `name=path`.
    fn leaves(text: &str) -> Vec<String> {
        let tokens = lex(text).0;
        let code: Vec<&Token> = tokens.iter().collect();
        let (leaves, end) = parse_use(&code, 0);
        assert!(code.get(end).is_none_or(|token| token.is(";")), "{text}: ends at {end}");
        let show = |leaf: UseLeaf| {
            let name = leaf.name.unwrap_or_else(|| if leaf.is_glob { "*".into() } else { "_".into() });
            format!("{name}={}", leaf.path.join("::"))
        };
        leaves.into_iter().map(show).collect()
    }

    #[test]
    fn trees_are_parsed_to_their_leaves() {
        for (text, expected) in [
            ("use crate::a;", &["a=crate::a"][..]),
            (
                "use crate::{a::B, c::{self, d::*, E as F},};",
                &["B=crate::a::B", "c=crate::c", "*=crate::c::d", "F=crate::c::E"],
            ),
            ("use self::x::{Y};", &["Y=self::x::Y"]),
            ("use super::{super::Z as _, w};", &["_=super::super::Z", "w=super::w"]),
            ("use {a, b::c};", &["a=a", "c=b::c"]),
            ("use ::std::fmt;", &["fmt=::std::fmt"]),
            ("use super::*;", &["*=super"]),
        ] {
            assert_eq!(leaves(text), expected, "{text}");
        }
    }

    #[test]
    fn unfinished_trees_end() {
        for text in ["use", "use a::", "use {", "use a::{b", "use a as", "use a::{}}"] {
            let tokens = lex(text).0;
            parse_use(&tokens.iter().collect::<Vec<_>>(), 0);
        }
    }

    #[test]
    fn inline_paths_begin_at_crate_self_or_super() {
        for (text, expected) in [
            ("crate::a::B::new()", Some("crate::a::B::new")),
            ("super::super::c::<u8>()", Some("super::super::c")),
            ("self::d", Some("self::d")),
            ("crate)", None),
            ("self.x", None),
            ("std::fs", None),
        ] {
            let tokens = lex(text).0;
            let path = inline_path(&tokens.iter().collect::<Vec<_>>(), 0).map(|path| path.join("::"));
            assert_eq!(path.as_deref(), expected, "{text}");
        }
    }
}
