//! Code written as text with holes, and small helpers for tokens.

use proc_macro::{Delimiter, Group, Span, TokenStream, TokenTree};

/// The tokens of `text`, placed at `span`, with the tokens that `holes` names in place of each
/// `$name`. What is put into a hole keeps its own place.
///
/// # Panics
///
/// If `text` is not made of Rust tokens or names a hole that is not given: a mistake in this crate.
pub(crate) fn fill(text: &str, span: Span, holes: &[(&str, TokenStream)]) -> TokenStream {
    match text.parse() {
        Ok(template) => fill_tokens(template, span, holes),
        Err(error) => panic!("the template `{text}` is not Rust: {error}"),
    }
}

fn fill_tokens(template: TokenStream, span: Span, holes: &[(&str, TokenStream)]) -> TokenStream {
    let mut filled = TokenStream::new();
    let mut template = template.into_iter();
    while let Some(token) = template.next() {
        match token {
            TokenTree::Punct(punct) if punct.as_char() == '$' => {
                let name = template.next().map(|name| name.to_string());
                match holes.iter().find(|hole| Some(hole.0) == name.as_deref()) {
                    Some((_, content)) => filled.extend(content.clone()),
                    None => panic!("the template has a hole {name:?} that nothing is given for"),
                }
            }
            TokenTree::Group(group) => {
                let content = fill_tokens(group.stream(), span, holes);
                filled.extend(enclose(group.delimiter(), content, span));
            }
            mut token => {
                token.set_span(span);
                filled.extend([token]);
            }
        }
    }
    filled
}

/// `content` between delimiters that are placed at `span`.
pub(crate) fn enclose(delimiter: Delimiter, content: TokenStream, span: Span) -> TokenStream {
    let mut group = Group::new(delimiter, content);
    group.set_span(span);
    TokenTree::from(group).into()
}

pub(crate) fn is_punct(token: &TokenTree, wanted: char) -> bool {
    matches!(token, TokenTree::Punct(punct) if punct.as_char() == wanted)
}

pub(crate) fn is_ident(token: &TokenTree, wanted: &str) -> bool {
    matches!(token, TokenTree::Ident(ident) if ident.to_string() == wanted)
}

/// What is in a group without delimiters. A `macro_rules` macro leaves one around what it was
/// given.
pub(crate) fn invisible_content(token: &TokenTree) -> Option<Vec<TokenTree>> {
    match token {
        TokenTree::Group(group) if group.delimiter() == Delimiter::None => {
            Some(Vec::from_iter(group.stream()))
        }
        _ => None,
    }
}
