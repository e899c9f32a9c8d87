//! A Rust lexer for the text checks: tokens and comments with their lines, and which tokens are test code.
//!
//! Not a parser, on purpose: it needs no dependency, so xtask still builds fast on a bare machine, and unlike a
//! syntax tree it also shows the paths in the arguments of macros.

/// The kinds of token that the checks tell apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TokenKind {
    /// An identifier or keyword; of a raw one, the part after `r#`.
    Ident,
    /// A string, character or number, with its quotes.
    Literal,
    Lifetime,
    /// `::`, or any other single character.
    Punct,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Token {
    pub(crate) kind: TokenKind,
    pub(crate) text: String,
    /// Counted from 1.
    pub(crate) line: usize,
    /// Part of an item that only `#[cfg(test)]` compiles.
    pub(crate) in_test: bool,
}

impl Token {
    /// Reports whether the token is this identifier, keyword or punctuation.
    pub(crate) fn is(&self, text: &str) -> bool {
        self.kind != TokenKind::Literal && self.text == text
    }
}

/// A comment of any kind, with its slashes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Comment {
    pub(crate) text: String,
    pub(crate) line: usize,
}

/// Splits a source file into tokens and comments. Text that is not Rust gives some tokens, never an error.
pub(crate) fn lex(text: &str) -> (Vec<Token>, Vec<Comment>) {
    let mut lexer = Lexer { text, at: 0, line: 1, tokens: Vec::new(), comments: Vec::new() };
    while let Some(next) = lexer.peek(0) {
        lexer.step(next);
    }
    mark_tests(&mut lexer.tokens);
    (lexer.tokens, lexer.comments)
}

struct Lexer<'a> {
    text: &'a str,
    at: usize,
    line: usize,
    tokens: Vec<Token>,
    comments: Vec<Comment>,
}

impl Lexer<'_> {
    /// Returns the character so many characters ahead.
    fn peek(&self, ahead: usize) -> Option<char> {
        self.text[self.at..].chars().nth(ahead)
    }

    fn rest_starts_with(&self, prefix: &str) -> bool {
        self.text[self.at..].starts_with(prefix)
    }

    /// Moves past the characters up to `end`, and counts their lines.
    fn advance_to(&mut self, end: usize) -> String {
        let passed = self.text[self.at..end].to_owned();
        self.line += passed.matches('\n').count();
        self.at = end;
        passed
    }

    fn push(&mut self, kind: TokenKind, end: usize) {
        let line = self.line;
        let text = self.advance_to(end);
        let text = if kind == TokenKind::Ident { text.trim_start_matches("r#").to_owned() } else { text };
        self.tokens.push(Token { kind, text, line, in_test: false });
    }

    fn push_comment(&mut self, end: usize) {
        let line = self.line;
        let text = self.advance_to(end);
        self.comments.push(Comment { text, line });
    }

    /// Takes one token, comment or stretch of white space that begins with `next`.
    fn step(&mut self, next: char) {
        let rest = &self.text[self.at..];
        if next.is_whitespace() {
            let length = rest.find(|c: char| !c.is_whitespace()).unwrap_or(rest.len());
            self.advance_to(self.at + length);
        } else if rest.starts_with("//") {
            self.push_comment(self.at + rest.find('\n').unwrap_or(rest.len()));
        } else if rest.starts_with("/*") {
            self.push_comment(self.at + block_comment(rest));
        } else if let Some(length) = raw_string(rest).or_else(|| string(rest)) {
            self.push(TokenKind::Literal, self.at + length);
        } else if next == '\'' {
            self.quote(rest.len());
        } else if is_ident(next) {
            let start = if self.rest_starts_with("r#") { 2 } else { 0 };
            let length = rest[start..].find(|c| !is_ident(c)).unwrap_or(rest.len() - start) + start;
            let kind = if next.is_ascii_digit() { TokenKind::Literal } else { TokenKind::Ident };
            self.push(kind, self.at + length);
        } else {
            let length = if rest.starts_with("::") { 2 } else { next.len_utf8() };
            self.push(TokenKind::Punct, self.at + length);
        }
    }

    /// Takes a character literal or a lifetime.
    fn quote(&mut self, left: usize) {
        let rest = &self.text[self.at..];
        let is_char = self.peek(1) == Some('\\') || self.peek(2) == Some('\'');
        let length = if is_char {
            quoted(&rest[1..], '\'') + 1
        } else {
            rest[1..].find(|c| !is_ident(c)).map_or(left, |end| end + 1)
        };
        let kind = if is_char { TokenKind::Literal } else { TokenKind::Lifetime };
        self.push(kind, self.at + length);
    }
}

fn is_ident(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Returns the length of a block comment, in which others may nest.
fn block_comment(text: &str) -> usize {
    let mut depth = 0_usize;
    let mut at = 0;
    while at < text.len() {
        let rest = &text.as_bytes()[at..];
        if rest.starts_with(b"/*") {
            depth += 1;
            at += 2;
        } else if rest.starts_with(b"*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += 1;
        }
    }
    text.len()
}

/// Returns the length up to and including the closing quote, with escapes in between.
fn quoted(text: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            _ if c == quote => return at + c.len_utf8(),
            _ => {}
        }
    }
    text.len()
}

/// Returns the length of a string, byte string, C string or byte literal, if the text begins with one.
fn string(text: &str) -> Option<usize> {
    for (start, quote) in [("\"", '"'), ("b\"", '"'), ("c\"", '"'), ("b'", '\'')] {
        if let Some(content) = text.strip_prefix(start) {
            return Some(start.len() + quoted(content, quote));
        }
    }
    None
}

/// Returns the length of a raw string, if the text begins with one.
fn raw_string(text: &str) -> Option<usize> {
    let prefix = ["r", "br", "cr"].into_iter().find(|prefix| text.starts_with(prefix))?;
    let hashes = text[prefix.len()..].chars().take_while(|&c| c == '#').count();
    let start = prefix.len() + hashes;
    let end = format!("\"{}", "#".repeat(hashes));
    let content = text[start..].strip_prefix('"')?;
    Some(content.find(&end).map_or(text.len(), |at| start + 1 + at + end.len()))
}

/// Marks the items behind `#[cfg(test)]`, and everything in a file that begins with `#![cfg(test)]`.
fn mark_tests(tokens: &mut [Token]) {
    let mut at = 0;
    while at < tokens.len() {
        let Some(attribute) = attribute(tokens, at) else {
            at += 1;
            continue;
        };
        let is_inner = tokens[at + 1].is("!");
        let end = match is_test_only(&tokens[at..attribute]) {
            false => attribute,
            true if is_inner => tokens.len(),
            true => item_end(tokens, attribute),
        };
        if end > attribute {
            tokens[at..end].iter_mut().for_each(|token| token.in_test = true);
        }
        at = end;
    }
}

/// Returns the end of the attribute that begins at `at`, if one does.
fn attribute(tokens: &[Token], at: usize) -> Option<usize> {
    let open = if tokens.get(at + 1)?.is("!") { at + 2 } else { at + 1 };
    (tokens[at].is("#") && tokens.get(open)?.is("[")).then(|| group_end(tokens, open))
}

/// Reports whether the attribute compiles its item for tests only: `#[cfg(test)]`, `#[cfg(all(test, …))]`.
fn is_test_only(attribute: &[Token]) -> bool {
    let has = |word: &str| attribute.iter().any(|token| token.is(word));
    has("cfg") && has("test") && !has("not") && !has("any")
}

/// Returns the index after the bracket that closes the one at `open`.
pub(crate) fn group_end(tokens: &[Token], open: usize) -> usize {
    let mut depth = 0_usize;
    for (at, token) in tokens.iter().enumerate().skip(open) {
        match bracket(token) {
            Some(true) => depth += 1,
            Some(false) if depth <= 1 => return at + 1,
            Some(false) => depth -= 1,
            None => {}
        }
    }
    tokens.len()
}

/// `Some(true)` for an opening bracket of any kind, `Some(false)` for a closing one.
fn bracket(token: &Token) -> Option<bool> {
    match token.text.as_str() {
        _ if token.kind != TokenKind::Punct => None,
        "{" | "(" | "[" => Some(true),
        "}" | ")" | "]" => Some(false),
        _ => None,
    }
}

/// Returns the index after the item, field, variant or statement that begins at `start`.
fn item_end(tokens: &[Token], start: usize) -> usize {
    let mut at = start;
    while let Some(end) = tokens.get(at).and_then(|_| attribute(tokens, at)) {
        at = end;
    }
    // A comma ends a field or variant, but stands in an item's generics.
    let is_item = tokens.get(at).is_some_and(|token| ITEM_STARTS.contains(&token.text.as_str()));
    while let Some(token) = tokens.get(at) {
        match bracket(token) {
            Some(true) => {
                let is_body = token.is("{");
                at = group_end(tokens, at);
                // A `use` tree has braces too, and ends with its semicolon.
                if is_body && !tokens.get(at).is_some_and(|next| next.is(";")) {
                    return at;
                }
            }
            Some(false) => return at,
            None if token.is(";") || (token.is(",") && !is_item) => return at + 1,
            None => at += 1,
        }
    }
    tokens.len()
}

/// The keywords that an item can begin with.
const ITEM_STARTS: [&str; 16] = [
    "async",
    "const",
    "enum",
    "extern",
    "fn",
    "impl",
    "macro_rules",
    "mod",
    "pub",
    "static",
    "struct",
    "trait",
    "type",
    "union",
    "unsafe",
    "use",
];

#[cfg(test)]
mod tests {
    use super::*;

    /// The texts of the tokens, separated by spaces.
    fn tokens(text: &str) -> String {
        lex(text).0.iter().map(|token| token.text.as_str()).collect::<Vec<_>>().join(" ")
    }

    /// The texts of the tokens outside tests.
    fn code(text: &str) -> String {
        let tokens = lex(text).0;
        let code = tokens.iter().filter(|token| !token.in_test).map(|token| token.text.as_str());
        code.collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn strings_and_comments_hide_their_contents() {
        assert_eq!(
            tokens(r##"a "use b; // \" no" c r#"d "e" "# f"##),
            r##"a "use b; // \" no" c r#"d "e" "# f"##
        );
        assert_eq!(tokens("a // use b\n/* c /* d */ e */ f"), "a f");
        assert_eq!(tokens(r#"b"x\"y" b'\'' c"z" br"q" r#type"#), r#"b"x\"y" b'\'' c"z" br"q" type"#);
    }

    #[test]
    fn lifetimes_and_characters_are_distinguished() {
        let kinds: Vec<TokenKind> = lex("'a 'b' '\\'' '\u{e9}' 'static").0.iter().map(|t| t.kind).collect();
        use TokenKind::{Lifetime, Literal};
        assert_eq!(kinds, [Lifetime, Literal, Literal, Literal, Lifetime]);
    }

    #[test]
    fn lines_are_counted_through_strings_and_comments() {
        let (tokens, comments) = lex("a\n\"b\nc\" d\n/* e\n */ f // g");
        let lines: Vec<(&str, usize)> = tokens.iter().map(|t| (t.text.as_str(), t.line)).collect();
        assert_eq!(lines, [("a", 1), ("\"b\nc\"", 2), ("d", 3), ("f", 5)]);
        assert_eq!(comments.iter().map(|c| c.line).collect::<Vec<_>>(), [4, 5]);
    }

    #[test]
    fn test_items_are_marked_and_their_neighbours_are_not() {
        for (text, outside) in [
            ("a; #[cfg(test)] mod tests { fn b() {} } c;", "a ; c ;"),
            ("#[cfg(test)] #[path = \"x\"] mod tests; c;", "c ;"),
            ("#[cfg(test)] use a::{b, c::{d}}; e;", "e ;"),
            ("#[cfg(test)] fn f<A, B>(x: [A; 2]) -> B where A: C { x } g;", "g ;"),
            ("struct S { #[cfg(test)] a: u8, b: u8 }", "struct S { b : u8 }"),
            ("match x { #[cfg(test)] A => 1, B => 2 }", "match x { B = > 2 }"),
            ("#[cfg(all(test, unix))] const A: &str = \"b\"; c;", "c ;"),
            ("a; #![cfg(test)] b;", "a ;"),
        ] {
            assert_eq!(code(text), outside, "{text}");
        }
        for text in ["# [ cfg ( not ( test ) ) ] fn a ( )", "# [ cfg ( any ( test , b ) ) ] fn c ( )"] {
            assert_eq!(code(text), text);
        }
    }

    #[test]
    fn unfinished_text_ends() {
        for text in
            ["\"abc", "r#\"abc", "/* abc", "'", "#[cfg(test)]", "#[cfg(test)] mod x {", "b'", "r#", "#"]
        {
            lex(text);
        }
    }
}
