//! What stands in an attribute's parentheses: `name = literal`, separated by commas.
//!
//! Every rule that arguments can break is checked here, so [`Settings`] always describe a runtime
//! that can be built. The first rule found broken is the one reported.

use crate::error::Error;
use crate::kind::Kind;
use crate::literal;
use crate::tokens::{fill, invisible_content, is_punct};
use proc_macro::{Ident, TokenStream, TokenTree};

#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Flavor {
    MultiThread,
    CurrentThread,
}

pub(crate) struct Settings {
    pub(crate) flavor: Flavor,
    pub(crate) worker_threads: Option<usize>,
    pub(crate) start_paused: bool,
    /// The path that `crate = "..."` gives, placed at that literal.
    pub(crate) crate_path: Option<TokenStream>,
}

pub(crate) fn parse(kind: Kind, arguments: TokenStream) -> Result<Settings, Error> {
    let arguments = Vec::from_iter(arguments);
    let mut given = Given::default();
    let mut rest = arguments.as_slice();
    while !rest.is_empty() {
        let comma = rest.iter().position(|token| is_punct(token, ','));
        let (argument, behind) = rest.split_at(comma.unwrap_or(rest.len()));
        match argument {
            [] => {
                let message = "an argument is missing before this comma";
                return Err(Error::at(behind[0].span(), message));
            }
            argument => given.take(argument)?,
        }
        rest = behind.get(1..).unwrap_or_default();
    }
    given.check(kind)
}

/// The arguments as they were written, each with its value.
#[derive(Default)]
struct Given<'a> {
    flavor: Option<(&'a [TokenTree], Flavor)>,
    worker_threads: Option<(&'a [TokenTree], usize)>,
    start_paused: Option<(&'a [TokenTree], bool)>,
    crate_path: Option<(&'a [TokenTree], TokenStream)>,
}

impl<'a> Given<'a> {
    fn take(&mut self, argument: &'a [TokenTree]) -> Result<(), Error> {
        let name = match argument {
            [TokenTree::Ident(name), ..] => name.to_string(),
            _ => return Err(Error::across(argument, NOT_AN_ARGUMENT)),
        };
        match name.as_str() {
            "flavor" => once(&mut self.flavor, argument, Value::flavor),
            "worker_threads" => once(&mut self.worker_threads, argument, Value::thread_count),
            "start_paused" => once(&mut self.start_paused, argument, Value::boolean),
            "crate" => once(&mut self.crate_path, argument, Value::path),
            unknown => Err(Error::at(
                argument[0].span(),
                format!(
                    "unknown argument `{unknown}`: there are `flavor`, `worker_threads`, \
                     `start_paused` and `crate`"
                ),
            )),
        }
    }

    fn check(self, kind: Kind) -> Result<Settings, Error> {
        let attribute = kind.attribute();
        let flavor = self.flavor.map_or(kind.default_flavor(), |given| given.1);
        if let (Flavor::CurrentThread, Some((argument, _))) = (flavor, self.worker_threads) {
            let message = format!(
                "`worker_threads` is for the `multi_thread` flavor: \
                 `#[{attribute}(flavor = \"multi_thread\", ...)]`"
            );
            return Err(Error::across(argument, message));
        }
        if let (Flavor::MultiThread, Some((argument, true))) = (flavor, self.start_paused) {
            let message = format!(
                "`start_paused` is for the `current_thread` flavor: \
                 `#[{attribute}(flavor = \"current_thread\", ...)]`"
            );
            return Err(Error::across(argument, message));
        }
        Ok(Settings {
            flavor,
            worker_threads: self.worker_threads.map(|given| given.1),
            start_paused: self.start_paused.is_some_and(|given| given.1),
            crate_path: self.crate_path.map(|given| given.1),
        })
    }
}

const NOT_AN_ARGUMENT: &str = "an argument is written `name = value`";

fn once<'a, T>(
    slot: &mut Option<(&'a [TokenTree], T)>,
    argument: &'a [TokenTree],
    read: fn(&Value<'a>) -> Result<T, Error>,
) -> Result<(), Error> {
    let value = match argument {
        [TokenTree::Ident(name), equals, tokens @ ..]
            if is_punct(equals, '=') && !tokens.is_empty() =>
        {
            Value { name, tokens }
        }
        _ => return Err(Error::across(argument, NOT_AN_ARGUMENT)),
    };
    if slot.is_some() {
        let message = format!("`{}` is given twice", value.name);
        return Err(Error::at(value.name.span(), message));
    }
    *slot = Some((argument, read(&value)?));
    Ok(())
}

/// What stands behind the `=` of an argument: at least one token, of any kind.
struct Value<'a> {
    name: &'a Ident,
    tokens: &'a [TokenTree],
}

impl Value<'_> {
    fn flavor(&self) -> Result<Flavor, Error> {
        match literal::string(&self.text()) {
            Some("multi_thread") => Ok(Flavor::MultiThread),
            Some("current_thread") => Ok(Flavor::CurrentThread),
            Some(unknown) => Err(self.error(format!(
                "is `\"multi_thread\"` or `\"current_thread\"`; there is no `\"{unknown}\"`"
            ))),
            None => Err(self.error("must be `\"multi_thread\"` or `\"current_thread\"`")),
        }
    }

    fn thread_count(&self) -> Result<usize, Error> {
        match literal::integer(&self.text()) {
            Ok(0) => Err(self.error("must be at least 1")),
            Ok(count) => Ok(count),
            Err(reason) => Err(self.error(reason)),
        }
    }

    fn boolean(&self) -> Result<bool, Error> {
        match self.text().as_str() {
            "true" => Ok(true),
            "false" => Ok(false),
            _ => Err(self.error("must be `true` or `false`")),
        }
    }

    fn path(&self) -> Result<TokenStream, Error> {
        match literal::string(&self.text()) {
            Some(path) if literal::is_path(path) => Ok(fill(path, self.tokens[0].span(), &[])),
            _ => Err(self.error("must be a path in quotes, such as `\"my_crate::mini_rt\"`")),
        }
    }

    /// The text of a value that is a single literal or word, and nothing for any other.
    fn text(&self) -> String {
        fn text_of(tokens: &[TokenTree]) -> String {
            match tokens {
                [token @ (TokenTree::Literal(_) | TokenTree::Ident(_))] => token.to_string(),
                [token] => invisible_content(token).map_or_else(String::new, |it| text_of(&it)),
                _ => String::new(),
            }
        }
        text_of(self.tokens)
    }

    fn error(&self, rule: impl std::fmt::Display) -> Error {
        Error::across(self.tokens, format!("`{}` {rule}", self.name))
    }
}
