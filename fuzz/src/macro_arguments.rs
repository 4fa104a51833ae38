//! Arguments of the macros: whatever they are, what comes out is Rust; and they are understood as `syn`
//! understands them, or refused.
//!
//! A text has the arguments in its first line, and behind it the item that the attribute stands on. The
//! compiler has parsed that before a macro sees it, so only what `syn` can parse is tried.

use std::collections::HashSet;

use proc_macro::TokenStream;
use syn::punctuated::Punctuated;
use syn::{Expr, ExprLit, Lit, MetaNameValue, Token};

use crate::expand;
use crate::kind::Kind;

/// What is expanded if the text has no item.
const ITEM: &str = "async fn function() {}";

/// Checks what both attributes make of the text.
///
/// # Panics
///
/// If that is not Rust, or not what the arguments say.
pub fn check(text: &str) {
    let (arguments, item) = text.split_once('\n').unwrap_or((text, ""));
    let own_item = !item.trim().is_empty();
    let item = if own_item { item } else { ITEM };
    let (Ok(arguments), Ok(item)) = (
        arguments.parse::<TokenStream>(),
        item.parse::<TokenStream>(),
    ) else {
        return;
    };
    if syn::parse2::<syn::Item>(item.clone()).is_err() {
        return;
    }
    for kind in [Kind::Main, Kind::Test] {
        let output = expand::attribute(kind, arguments.clone(), item.clone());
        if let Err(error) = syn::parse2::<syn::File>(output.clone()) {
            panic!("{error} in {output}");
        }
        if !own_item {
            check_meaning(kind, arguments.clone(), &output.to_string());
        }
    }
}

/// Compares what the arguments mean with what was made of them.
fn check_meaning(kind: Kind, arguments: TokenStream, output: &str) {
    // Each is looked for with what stands around it: a path may have any of the names in it.
    let is_refused = output.contains("compile_error !");
    let Some(meaning) = Meaning::of(kind, arguments) else {
        return assert!(is_refused, "{output}");
    };
    if is_refused {
        // These macros take no escapes, and of paths only those that can lead to a crate.
        return assert!(meaning.has_escapes || meaning.has_path, "{output}");
    }
    let constructor = match meaning.is_multi_thread {
        true => ":: Builder :: new_multi_thread ()",
        false => ":: Builder :: new_current_thread ()",
    };
    assert!(output.contains(constructor), "{output}");
    let threads = meaning
        .worker_threads
        .map(|count| format!(". worker_threads ({count}usize)"));
    assert_eq!(
        output.contains(". worker_threads ("),
        threads.is_some(),
        "{output}"
    );
    assert!(
        threads.is_none_or(|call| output.contains(&call)),
        "{output}"
    );
    assert_eq!(
        output.contains(". start_paused (true)"),
        meaning.start_paused,
        "{output}"
    );
}

/// What correct arguments ask for.
struct Meaning {
    is_multi_thread: bool,
    worker_threads: Option<usize>,
    start_paused: bool,
    has_path: bool,
    has_escapes: bool,
}

impl Meaning {
    /// `None` if the arguments are not correct.
    fn of(kind: Kind, arguments: TokenStream) -> Option<Self> {
        let mut meaning = Self {
            is_multi_thread: kind == Kind::Main,
            worker_threads: None,
            start_paused: false,
            has_path: false,
            has_escapes: arguments.to_string().contains('\\'),
        };
        let mut seen = HashSet::new();
        let arguments = syn::parse::Parser::parse2(
            Punctuated::<MetaNameValue, Token![,]>::parse_terminated,
            arguments,
        );
        for argument in arguments.ok()? {
            let name = argument.path.get_ident()?.to_string();
            let Expr::Lit(ExprLit { lit, attrs }) = argument.value else {
                return None;
            };
            if !attrs.is_empty() {
                return None;
            }
            meaning.take(&name, &lit)?;
            if !seen.insert(name) {
                return None;
            }
        }
        let fits = match meaning.is_multi_thread {
            true => !meaning.start_paused,
            false => meaning.worker_threads.is_none(),
        };
        fits.then_some(meaning)
    }

    fn take(&mut self, name: &str, value: &Lit) -> Option<()> {
        match (name, value) {
            ("flavor", Lit::Str(text)) if text.suffix().is_empty() => {
                self.is_multi_thread = match text.value().as_str() {
                    "multi_thread" => true,
                    "current_thread" => false,
                    _ => return None,
                };
            }
            ("worker_threads", Lit::Int(count)) if matches!(count.suffix(), "" | "usize") => {
                let count = count.base10_parse().ok().filter(|&count| count > 0)?;
                self.worker_threads = Some(count);
            }
            ("start_paused", Lit::Bool(paused)) => self.start_paused = paused.value,
            ("crate", Lit::Str(path)) if path.suffix().is_empty() => {
                path.parse_with(syn::Path::parse_mod_style).ok()?;
                self.has_path = true;
            }
            _ => return None,
        }
        Some(())
    }
}
