//! The code that an attribute turns into.
//!
//! No name in it can meet one of the user's: paths start at the root of a crate, and nothing is
//! bound where the user's code could see it, or where a constant of the user's could take the
//! place of the binding.

use crate::args::{self, Flavor, Settings};
use crate::item::Function;
use crate::kind::Kind;
use crate::tokens::{enclose, fill, is_ident};
use proc_macro::{Delimiter, Literal, Span, TokenStream, TokenTree};

pub(crate) fn attribute(kind: Kind, arguments: TokenStream, item: TokenStream) -> TokenStream {
    let function = match Function::parse(kind, item.clone()) {
        Ok(function) => function,
        Err(error) => return TokenStream::from_iter([error.into_compile_error(), item]),
    };
    let settings = function
        .check(kind)
        .and_then(|()| args::parse(kind, arguments));
    match settings {
        Ok(settings) => running(kind, &settings, function),
        Err(error) => TokenStream::from_iter([error.into_compile_error(), broken(kind, function)]),
    }
}

/// A function that builds a runtime and runs the body on it.
fn running(kind: Kind, settings: &Settings, function: Function) -> TokenStream {
    let (attribute, future_to_run) = match kind {
        Kind::Main => ("", "$future"),
        // All tests of one return type share one copy of `block_on`.
        Kind::Test => (
            "#[::core::prelude::v1::test]",
            "::core::pin::pin!($future)
                 as ::core::pin::Pin<&mut dyn ::core::future::Future<Output = _>>",
        ),
    };
    let block = format!(
        "$builder
             .build()
             .expect(\"the mini_rt runtime could not be built\")
             .block_on({future_to_run})"
    );
    let span = Span::mixed_site();
    let holes = [
        ("builder", builder(settings)),
        ("future", future(&function)),
    ];
    let block = fill(&block, span, &holes);
    let attribute = fill(attribute, span, &[]);
    TokenStream::from_iter([attribute, synchronous(function, block)])
}

/// A function that type-checks like the user's and asks nothing of `mini_rt`: besides the mistake
/// in the use of the attribute, only the body's own are reported.
fn broken(kind: Kind, function: Function) -> TokenStream {
    let block = fill(
        "({
             fn output<F: ::core::future::Future>(_: F) -> F::Output { loop {} }
             output
         })($future)",
        Span::mixed_site(),
        &[("future", future(&function))],
    );
    let item = match kind {
        Kind::Main if function.is_main() && function.has_arguments() => "fn main() { $function }",
        Kind::Main => "$function",
        Kind::Test => "#[cfg(test)] $function",
    };
    let function = synchronous(function, block);
    fill(item, Span::call_site(), &[("function", function)])
}

/// `function` without `async` and with `block` for its body.
fn synchronous(function: Function, block: TokenStream) -> TokenStream {
    let arrow = if function.output.is_empty() { "" } else { "->" };
    let mut body = TokenStream::from_iter(function.inner_attributes);
    body.extend(block);

    let mut item = TokenStream::new();
    item.extend(function.attributes);
    item.extend(function.qualifiers);
    item.extend([TokenTree::from(function.fn_token), function.name.into()]);
    item.extend(function.generics);
    item.extend([TokenTree::from(function.arguments)]);
    item.extend(fill(arrow, Span::call_site(), &[]));
    item.extend(function.output);
    item.extend(function.where_clause);
    item.extend(enclose(Delimiter::Brace, body, function.body_span));
    item
}

/// `mini_rt::runtime::Builder` with its settings made.
fn builder(settings: &Settings) -> TokenStream {
    let span = Span::mixed_site();
    let crate_path = match &settings.crate_path {
        Some(path) => path.clone(),
        None => fill("::mini_rt", span, &[]),
    };
    let constructor = match settings.flavor {
        Flavor::MultiThread => "$crate_path::runtime::Builder::new_multi_thread()",
        Flavor::CurrentThread => "$crate_path::runtime::Builder::new_current_thread()",
    };
    let mut builder = fill(constructor, span, &[("crate_path", crate_path)]);
    if let Some(count) = settings.worker_threads {
        let count = TokenTree::from(Literal::usize_suffixed(count));
        let holes = [("count", count.into())];
        builder.extend(fill(".worker_threads($count)", span, &holes));
    }
    if settings.start_paused {
        builder.extend(fill(".start_paused(true)", span, &[]));
    }
    builder
}

/// The user's statements as a future. It is placed where the body is, so what the compiler has to
/// say about the future as a whole, it says about the body.
fn future(function: &Function) -> TokenStream {
    let span = function.body_span;
    let mut content = typed_return(function);
    content.extend(function.statements.iter().cloned());
    let block = enclose(Delimiter::Brace, content, span);
    fill("async move $block", span, &[("block", block)])
}

/// A statement that does nothing but give the `async` block around it the function's type: the
/// first `return` in a block decides that. What the user returns is then converted to this type,
/// or found not to fit, where it stands. Empty for a type that no expression can name.
///
/// The compiler points at this `return` to explain why a value does not fit, so its first and last
/// token are placed where the type is declared.
fn typed_return(function: &Function) -> TokenStream {
    let span = Span::mixed_site();
    let (output, first, last) = match function.output.as_slice() {
        [] => (
            fill("()", span, &[]),
            function.name.span(),
            function.arguments.span(),
        ),
        [first, ..] => {
            let last = function.output.last().unwrap_or(first);
            (
                function.output.iter().cloned().collect(),
                first.span(),
                last.span(),
            )
        }
    };
    if !is_nameable(&output) {
        return TokenStream::new();
    }
    let value = fill("::core::option::Option::None.unwrap()", span, &[]);
    let value = enclose(Delimiter::Parenthesis, value, last);
    let give = fill(
        "return ::core::convert::identity::<$output> $value",
        first,
        &[("output", output), ("value", value)],
    );
    fill("if false { $give; };", span, &[("give", give)])
}

/// Whether a function's return type can stand in an expression too: `impl Trait` and `!` cannot.
fn is_nameable(output: &TokenStream) -> bool {
    fn has_impl(tokens: &TokenStream) -> bool {
        tokens.clone().into_iter().any(|token| match token {
            TokenTree::Group(group) => has_impl(&group.stream()),
            token => is_ident(&token, "impl"),
        })
    }
    output.to_string() != "!" && !has_impl(output)
}
