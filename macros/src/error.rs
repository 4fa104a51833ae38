//! A mistake in the use of an attribute: one message, at one place in the user's source.

use crate::tokens::fill;
use proc_macro::{Span, TokenStream, TokenTree};

pub(crate) struct Error {
    first: Span,
    last: Span,
    message: String,
}

impl Error {
    pub(crate) fn at(span: Span, message: impl Into<String>) -> Error {
        Error {
            first: span,
            last: span,
            message: message.into(),
        }
    }

    /// An error that underlines everything from the first of `tokens` to the last, or the
    /// attribute itself when there are none.
    pub(crate) fn across(tokens: &[TokenTree], message: impl Into<String>) -> Error {
        let span_of =
            |token: Option<&TokenTree>| token.map_or_else(Span::call_site, TokenTree::span);
        Error {
            first: span_of(tokens.first()),
            last: span_of(tokens.last()),
            message: message.into(),
        }
    }

    /// The item that makes the compiler report this error. The compiler underlines what lies
    /// between the item's first token and its last.
    pub(crate) fn into_compile_error(self) -> TokenStream {
        let text = format!("::core::compile_error! {{ {:?} }}", self.message);
        let mut tokens: Vec<TokenTree> = fill(&text, self.first, &[]).into_iter().collect();
        if let Some(end) = tokens.last_mut() {
            end.set_span(self.last);
        }
        tokens.into_iter().collect()
    }
}
