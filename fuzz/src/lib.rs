//! What the fuzz targets check. `.ci/fuzz.sh` runs them.
//!
//! The macros are compiled into this crate, against a `proc_macro` that works outside the compiler, so their
//! modules stand here where they stand in their own crate.

pub mod addresses;
pub mod macro_arguments;

#[path = "../../macros/src/args.rs"]
mod args;
#[path = "../../macros/src/error.rs"]
mod error;
#[path = "../../macros/src/expand.rs"]
mod expand;
#[path = "../../macros/src/item.rs"]
mod item;
#[path = "../../macros/src/kind.rs"]
mod kind;
#[path = "../../macros/src/literal.rs"]
mod literal;
#[path = "../../macros/src/tokens.rs"]
mod tokens;
