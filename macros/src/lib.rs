//! The attributes `#[mini_rt::main]` and `#[mini_rt::test]`, which run the body of an `async fn`
//! on a runtime of its own. Use them through the `mini_rt` crate, which re-exports them.
//!
//! # Arguments
//!
//! Both attributes take the same arguments, in any order, each at most once:
//!
//! | argument | value | without it |
//! |---|---|---|
//! | `flavor` | `"multi_thread"`: tasks run on worker threads; `"current_thread"`: everything runs on the calling thread | `main`: `"multi_thread"`; `test`: `"current_thread"` |
//! | `worker_threads` | how many worker threads, from 1 to 4,096; only with `"multi_thread"` | as many as the process may use at once |
//! | `start_paused` | `true`: the runtime's clock stands still until it is moved; only with `"current_thread"` | `false` |
//! | `crate` | a path in quotes that leads to `mini_rt`, for a crate that renames or re-exports it | `"::mini_rt"` |
//!
//! # What becomes of the function
//!
//! It loses its `async` and gets a body that builds the runtime, runs the written body on it with
//! `Runtime::block_on` and returns what that returns. When the function ends, the runtime is
//! dropped, and with it every task that is still there. Attributes, visibility, `unsafe`,
//! `extern`, generics and the return type stay as they are.
//!
//! ```
//! #[mini_rt::main(worker_threads = 2)]
//! async fn answer() -> u32 {
//!     mini_rt::spawn(async { 6 * 7 }).await.unwrap()
//! }
//! # assert_eq!(answer(), 42);
//! ```
//!
//! means
//!
//! ```
//! fn answer() -> u32 {
//!     mini_rt::runtime::Builder::new_multi_thread()
//!         .worker_threads(2)
//!         .build()
//!         .expect("the mini_rt runtime could not be built")
//!         .block_on(async { mini_rt::spawn(async { 6 * 7 }).await.unwrap() })
//! }
//! # assert_eq!(answer(), 42);
//! ```
//!
//! # Errors in their use
//!
//! A function that is not `async` or that is `const`, and an argument that is unknown, given twice,
//! of the wrong kind, or at odds with the flavor are compile errors. Only the first mistake is
//! reported. The function stays in the program, so that nothing else fails for want of it.

mod args;
mod error;
mod expand;
mod item;
mod kind;
mod literal;
mod tokens;

use kind::Kind;
use proc_macro::TokenStream;

/// Runs the body of an `async fn` on a new runtime, usually that of `main`.
///
/// The runtime is a multi-threaded one unless `flavor` says otherwise; see the
/// [arguments](crate#arguments). The body itself runs on the thread that calls the function, not
/// on a worker thread, so it does not have to be `Send`.
///
/// The function does not have to be `main`: any `async fn` becomes one that starts a runtime each
/// time it is called, blocks its caller, and may then have arguments. Programs that need the
/// runtime for longer than one function, or more settings, use `mini_rt::runtime::Builder`.
///
/// # Panics
///
/// The function panics if the system refuses the runtime what it needs, such as threads or file
/// descriptors, and if it is called from within a runtime.
///
/// # Examples
///
/// A program whose errors decide its exit code:
///
/// ```
/// #[mini_rt::main]
/// async fn main() -> Result<(), std::num::ParseIntError> {
///     let number: u32 = mini_rt::spawn(async { "17".parse() }).await.unwrap()?;
///     println!("{number}");
///     Ok(())
/// }
/// ```
///
/// Everything on one thread:
///
/// ```
/// #[mini_rt::main(flavor = "current_thread")]
/// async fn main() {
///     let here = std::thread::current().id();
///     let there = mini_rt::spawn(async { std::thread::current().id() });
///     assert_eq!(there.await.unwrap(), here);
/// }
/// ```
///
/// A blocking function around asynchronous work, and `mini_rt` under another name:
///
/// ```
/// use mini_rt as rt;
///
/// #[rt::main(flavor = "current_thread", crate = "rt")]
/// async fn total(prices: &[u32]) -> u32 {
///     let sum = prices.iter().sum();
///     rt::spawn(async move { sum }).await.unwrap()
/// }
///
/// assert_eq!(total(&[3, 4]), 7);
/// ```
#[proc_macro_attribute]
pub fn main(arguments: TokenStream, item: TokenStream) -> TokenStream {
    expand::attribute(Kind::Main, arguments, item)
}

/// Makes an `async fn` a test that runs on a new runtime.
///
/// This takes the place of `#[test]`, and a second `#[test]` is an error; `#[ignore]` and
/// `#[should_panic]` work as usual. The runtime runs everything on the test's own thread unless
/// `flavor` says otherwise; see the [arguments](crate#arguments). The function may return what any
/// test may return, takes no arguments, and fails when its body panics or returns an error. A
/// panic in a task that it spawns reaches it through the task's `JoinHandle`.
///
/// # Panics
///
/// The test panics if the system refuses the runtime what it needs, such as threads or file
/// descriptors.
///
/// # Examples
///
/// ```
/// #[mini_rt::test]
/// async fn parses() -> Result<(), std::num::ParseIntError> {
///     let number: u32 = mini_rt::spawn(async { "17".parse() }).await.unwrap()?;
///     assert_eq!(number, 17);
///     Ok(())
/// }
///
/// #[mini_rt::test(flavor = "multi_thread", worker_threads = 2)]
/// #[should_panic(expected = "no such user")]
/// async fn fails_on_two_threads() {
///     panic!("no such user");
/// }
/// ```
#[proc_macro_attribute]
pub fn test(arguments: TokenStream, item: TokenStream) -> TokenStream {
    expand::attribute(Kind::Test, arguments, item)
}
