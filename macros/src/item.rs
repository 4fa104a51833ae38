//! The annotated function, taken apart where an attribute has to change it.
//!
//! What can be passed on as it is, is not looked into: attributes, types and statements keep their
//! tokens and so their spans. The compiler has parsed the item before an attribute sees it, so the
//! order of a function's parts can be relied on.

use crate::error::Error;
use crate::kind::Kind;
use crate::tokens::{invisible_content, is_ident, is_punct};
use proc_macro::{Delimiter, Group, Ident, Span, TokenStream, TokenTree};
use std::collections::VecDeque;

pub(crate) struct Function {
    pub(crate) attributes: Vec<TokenTree>,
    /// Visibility, `unsafe`, `extern "C"`: what stands before `fn`, without `async` and `const`.
    pub(crate) qualifiers: Vec<TokenTree>,
    pub(crate) fn_token: Ident,
    pub(crate) name: Ident,
    pub(crate) generics: Vec<TokenTree>,
    pub(crate) arguments: Group,
    /// The type behind `->`; nothing where there is no arrow.
    pub(crate) output: Vec<TokenTree>,
    pub(crate) where_clause: Vec<TokenTree>,
    /// The `#![...]` at the start of the body, which are about the whole function.
    pub(crate) inner_attributes: Vec<TokenTree>,
    pub(crate) statements: Vec<TokenTree>,
    pub(crate) body_span: Span,
    async_token: Option<TokenTree>,
    const_token: Option<TokenTree>,
    /// A `#[test]` besides this crate's; never any on what is not a test.
    second_test_attribute: Option<Vec<TokenTree>>,
}

impl Function {
    pub(crate) fn parse(kind: Kind, item: TokenStream) -> Result<Function, Error> {
        let mut tokens = Tokens(item.into_iter().collect());
        let mut attributes = tokens.take_attributes();
        let mut qualifiers = tokens.take_qualifiers();
        let (Some(fn_token), Some(name)) = (tokens.take_fn(), tokens.take_ident()) else {
            qualifiers.extend(tokens.0.pop_front());
            let message = format!("`#[{}]` goes on an `async fn`", kind.attribute());
            return Err(Error::across(&qualifiers, message));
        };
        let generics = tokens.take_generics();
        let (Some(arguments), Some(body)) = (tokens.take_arguments(), tokens.take_body()) else {
            let message = format!("`#[{}]` goes on a function with a body", kind.attribute());
            return Err(Error::at(name.span(), message));
        };
        let output = tokens.take_output();
        let mut inner_attributes = Vec::from_iter(body.stream());
        let statements = inner_attributes.split_off(inner_attributes_length(&inner_attributes));
        Ok(Function {
            second_test_attribute: match kind {
                Kind::Main => None,
                Kind::Test => remove_test_attribute(&mut attributes),
            },
            async_token: remove_word(&mut qualifiers, "async"),
            const_token: remove_word(&mut qualifiers, "const"),
            attributes,
            qualifiers,
            fn_token,
            name,
            generics,
            arguments,
            output,
            where_clause: tokens.0.into(),
            inner_attributes,
            statements,
            body_span: body.span(),
        })
    }

    /// Whether an attribute of `kind` can do its work on this function.
    pub(crate) fn check(&self, kind: Kind) -> Result<(), Error> {
        let attribute = kind.attribute();
        if self.async_token.is_none() {
            let message = format!("`#[{attribute}]` needs an `async fn`: put `async` before `fn`");
            return Err(Error::at(self.fn_token.span(), message));
        }
        if let Some(token) = &self.const_token {
            let message = format!("`#[{attribute}]` starts a runtime, which no `const fn` can do");
            return Err(Error::at(token.span(), message));
        }
        if self.has_arguments() && (kind == Kind::Test || self.is_main()) {
            let message = match kind {
                Kind::Main => "`main` takes no arguments: read `std::env::args` instead",
                Kind::Test => "a test takes no arguments",
            };
            return Err(Error::at(self.arguments.span(), message));
        }
        if let Some(second) = &self.second_test_attribute {
            let message = format!("`#[{attribute}]` makes this a test: remove this attribute");
            return Err(Error::across(second, message));
        }
        Ok(())
    }

    pub(crate) fn is_main(&self) -> bool {
        self.name.to_string() == "main"
    }

    pub(crate) fn has_arguments(&self) -> bool {
        !self.arguments.stream().is_empty()
    }
}

/// The words that can stand before `fn`.
const QUALIFIERS: [&str; 7] = [
    "pub", "default", "const", "async", "safe", "unsafe", "extern",
];

/// The tokens of an item that are not taken yet.
struct Tokens(VecDeque<TokenTree>);

impl Tokens {
    /// The next token, out of any invisible group that it is in.
    fn peek(&mut self) -> Option<&TokenTree> {
        while let Some(content) = self.0.front().and_then(invisible_content) {
            self.0.pop_front();
            content
                .into_iter()
                .rev()
                .for_each(|token| self.0.push_front(token));
        }
        self.0.front()
    }

    fn take_if(&mut self, wanted: impl FnOnce(&TokenTree) -> bool) -> Option<TokenTree> {
        self.peek()
            .is_some_and(wanted)
            .then(|| self.0.pop_front())?
    }

    /// As many tokens as `wanted` accepts, with invisible groups left closed.
    fn take_while(&mut self, mut wanted: impl FnMut(&TokenTree) -> bool) -> Vec<TokenTree> {
        let end = self.0.iter().position(|token| !wanted(token));
        self.0.drain(..end.unwrap_or(self.0.len())).collect()
    }

    fn take_attributes(&mut self) -> Vec<TokenTree> {
        let mut attributes = Vec::new();
        while let Some(hash) = self.take_if(|token| is_punct(token, '#')) {
            attributes.push(hash);
            attributes.extend(self.0.pop_front());
        }
        attributes
    }

    fn take_qualifiers(&mut self) -> Vec<TokenTree> {
        let is_qualifier = |token: &TokenTree| match token {
            TokenTree::Ident(word) => QUALIFIERS.contains(&word.to_string().as_str()),
            TokenTree::Group(_) | TokenTree::Literal(_) => true,
            TokenTree::Punct(_) => false,
        };
        std::iter::from_fn(|| self.take_if(is_qualifier)).collect()
    }

    fn take_fn(&mut self) -> Option<Ident> {
        self.peek().filter(|token| is_ident(token, "fn"))?;
        self.take_ident()
    }

    fn take_ident(&mut self) -> Option<Ident> {
        match self.take_if(|token| matches!(token, TokenTree::Ident(_)))? {
            TokenTree::Ident(ident) => Some(ident),
            _ => None,
        }
    }

    /// Everything up to the parentheses of the arguments, which are the first outside of `<...>`.
    fn take_generics(&mut self) -> Vec<TokenTree> {
        let mut depth = 0;
        let mut after_dash = false;
        self.take_while(|token| {
            match token {
                TokenTree::Punct(punct) if punct.as_char() == '<' => depth += 1,
                TokenTree::Punct(punct) if punct.as_char() == '>' && !after_dash => depth -= 1,
                TokenTree::Group(group) if group.delimiter() == Delimiter::Parenthesis => {
                    return depth > 0;
                }
                _ => {}
            }
            after_dash = is_punct(token, '-');
            true
        })
    }

    fn take_arguments(&mut self) -> Option<Group> {
        match self.0.pop_front()? {
            TokenTree::Group(group) => Some(group),
            _ => None,
        }
    }

    fn take_body(&mut self) -> Option<Group> {
        self.0.pop_back().and_then(braces)
    }

    fn take_output(&mut self) -> Vec<TokenTree> {
        if !self.0.front().is_some_and(|token| is_punct(token, '-')) {
            return Vec::new();
        }
        self.0.drain(.."->".len());
        self.take_while(|token| !is_ident(token, "where"))
    }
}

/// The block that `token` is, with or without invisible groups around it.
fn braces(token: TokenTree) -> Option<Group> {
    match token {
        TokenTree::Group(group) if group.delimiter() == Delimiter::Brace => Some(group),
        token => invisible_content(&token)?.pop().and_then(braces),
    }
}

fn inner_attributes_length(body: &[TokenTree]) -> usize {
    let is_attribute = |tokens: &&[TokenTree]| match tokens {
        [hash, bang, _] => is_punct(hash, '#') && is_punct(bang, '!'),
        _ => false,
    };
    body.chunks(3).take_while(is_attribute).count() * 3
}

fn remove_word(tokens: &mut Vec<TokenTree>, word: &str) -> Option<TokenTree> {
    let position = tokens.iter().position(|token| is_ident(token, word))?;
    Some(tokens.remove(position))
}

/// Takes out the first `#[test]`, named as in the prelude, by its full path or as this crate's.
fn remove_test_attribute(attributes: &mut Vec<TokenTree>) -> Option<Vec<TokenTree>> {
    let names_a_test = |brackets: &TokenTree| {
        let path = path_in(brackets);
        let path = path.strip_prefix("::").unwrap_or(&path);
        let in_prelude = path.starts_with("core::prelude::") || path.starts_with("std::prelude::");
        path == "test" || path == "mini_rt::test" || in_prelude && path.ends_with("::test")
    };
    let brackets = attributes.iter().position(names_a_test)?;
    Some(attributes.drain(brackets - 1..=brackets).collect())
}

/// The path that the brackets of an attribute start with.
fn path_in(brackets: &TokenTree) -> String {
    let TokenTree::Group(brackets) = brackets else {
        return String::new();
    };
    let mut tokens = Tokens(brackets.stream().into_iter().collect());
    let in_path = |token: &TokenTree| matches!(token, TokenTree::Ident(_)) || is_punct(token, ':');
    std::iter::from_fn(|| tokens.take_if(in_path))
        .map(|token| token.to_string())
        .collect()
}
