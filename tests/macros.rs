//! The attributes `#[mini_rt::main]` and `#[mini_rt::test]`: what they make of a function, which
//! runtime they ask for, and what they say about mistakes.

use std::cell::RefCell;
use std::error::Error;
use std::fmt::Display;
use std::process::{Command, ExitCode, Termination};
use std::thread;

/// The compiler whose words are in the expected output of `tests/ui/compiler`.
const WORDS_FROM: &str = "rustc 1.95.";

#[test]
fn mistakes_get_one_clear_error() {
    let cases = trybuild::TestCases::new();
    cases.pass("tests/ui/pass/*.rs");
    cases.compile_fail("tests/ui/*.rs");
    if compiler().starts_with(WORDS_FROM) {
        cases.compile_fail("tests/ui/compiler/*.rs");
    } else {
        println!("skipped: the compiler's own messages, which are compared for {WORDS_FROM}x only");
    }
}

fn compiler() -> String {
    let version = Command::new("rustc").arg("--version").output();
    String::from_utf8(version.expect("cargo found a rustc").stdout).expect("a version in UTF-8")
}

thread_local! {
    static CALLS: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

/// Stands in for `mini_rt` and notes what it is asked for.
mod recorder {
    pub mod runtime {
        use crate::CALLS;
        use std::pin::pin;
        use std::task::{Context, Poll, Waker};

        pub struct Builder;

        impl Builder {
            pub fn new_multi_thread() -> Builder {
                Builder.note("new_multi_thread".to_string())
            }

            pub fn new_current_thread() -> Builder {
                Builder.note("new_current_thread".to_string())
            }

            pub fn worker_threads(self, count: usize) -> Builder {
                self.note(format!("worker_threads({count})"))
            }

            pub fn start_paused(self, paused: bool) -> Builder {
                self.note(format!("start_paused({paused})"))
            }

            pub fn build(self) -> Result<Builder, std::io::Error> {
                Ok(self.note("build".to_string()))
            }

            pub fn block_on<F: Future>(&self, future: F) -> F::Output {
                match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
                    Poll::Ready(output) => output,
                    Poll::Pending => panic!("the recorder runs only what is ready at once"),
                }
            }

            fn note(self, call: String) -> Builder {
                CALLS.with_borrow_mut(|calls| calls.push(call));
                self
            }
        }
    }
}

fn recorded() -> Vec<String> {
    CALLS.take()
}

#[mini_rt::main(crate = "recorder")]
async fn record_main() {}

#[mini_rt::main(
    crate = "crate::recorder",
    worker_threads = 0x3,
    flavor = "multi_thread"
)]
async fn record_worker_threads() {}

#[mini_rt::main(
    flavor = "current_thread",
    crate = r"self::recorder",
    start_paused = true
)]
async fn record_start_paused() {}

#[mini_rt::main(flavor = r#"current_thread"#, start_paused = false, crate = "recorder")]
async fn record_not_paused() {}

#[test]
fn main_asks_for_what_its_arguments_say() {
    record_main();
    assert_eq!(recorded(), ["new_multi_thread", "build"]);
    record_worker_threads();
    assert_eq!(
        recorded(),
        ["new_multi_thread", "worker_threads(3)", "build"]
    );
    record_start_paused();
    assert_eq!(
        recorded(),
        ["new_current_thread", "start_paused(true)", "build"]
    );
    record_not_paused();
    assert_eq!(recorded(), ["new_current_thread", "build"]);
}

#[mini_rt::test(crate = "recorder")]
async fn test_asks_for_one_thread() {
    assert_eq!(recorded(), ["new_current_thread", "build"]);
}

#[mini_rt::test(crate = "recorder", worker_threads = 2, flavor = "multi_thread")]
async fn test_asks_for_what_its_arguments_say() {
    assert_eq!(
        recorded(),
        ["new_multi_thread", "worker_threads(2)", "build"]
    );
}

macro_rules! with_fragments {
    ($(#[$attribute:meta])* $visibility:vis $name:ident -> $output:ty, $threads:expr, $body:block) => {
        $(#[$attribute])*
        #[mini_rt::main(crate = "recorder", worker_threads = $threads)]
        $visibility async fn $name() -> $output $body
    };
    ($item:item) => {
        #[mini_rt::main(crate = "recorder")]
        $item
    };
}

with_fragments!(#[inline] pub(crate) with_parts -> Result<u8, String>, 4, { Ok("1".parse().map_err(|_| "not a number")?) });
with_fragments!(
    /// Documented.
    async fn with_item() -> u8 {
        2
    }
);

#[test]
fn fragments_of_another_macro_are_accepted() {
    assert_eq!(with_parts(), Ok(1));
    assert_eq!(
        recorded(),
        ["new_multi_thread", "worker_threads(4)", "build"]
    );
    assert_eq!(with_item(), 2);
}

#[mini_rt::test]
async fn spawned_tasks_run() -> Result<(), Box<dyn Error>> {
    let number: u8 = mini_rt::spawn(async { "17".parse() }).await??;
    assert_eq!(number, 17);
    Ok(())
}

#[mini_rt::test(flavor = "multi_thread", worker_threads = 2)]
async fn spawned_tasks_run_beside_workers() {
    let tasks: Vec<_> = (0..10)
        .map(|n| mini_rt::spawn(async move { 2 * n }))
        .collect();
    for (n, task) in tasks.into_iter().enumerate() {
        assert_eq!(task.await.unwrap(), 2 * n);
    }
}

#[mini_rt::test(flavor = "current_thread")]
async fn current_thread_has_only_the_calling_thread() {
    let task = mini_rt::spawn(async { thread::current().id() });
    assert_eq!(task.await.unwrap(), thread::current().id());
}

#[mini_rt::test]
#[should_panic(expected = "as it should")]
async fn should_panic_is_kept() {
    panic!("as it should");
}

#[mini_rt::test]
async fn tests_may_return_any_exit_code() -> impl Termination {
    ExitCode::SUCCESS
}

#[mini_rt::main]
async fn boxed_error(early: bool) -> Result<u8, Box<dyn Error + Send + Sync>> {
    if early {
        return Err(Box::new(std::fmt::Error));
    }
    Err("late".into())
}

#[test]
fn returned_errors_are_converted() {
    let early = boxed_error(true).unwrap_err();
    assert!(early.is::<std::fmt::Error>());
    assert_eq!(boxed_error(false).unwrap_err().to_string(), "late");
}

struct Counter {
    count: usize,
}

impl Counter {
    #[mini_rt::main(crate = "recorder")]
    async fn new(count: usize) -> Self {
        Self { count }
    }

    #[mini_rt::main(crate = "recorder")]
    async fn add<'a, const N: usize, T, F: Fn(T) -> usize>(
        &'a mut self,
        value: T,
        f: F,
    ) -> &'a usize
    where
        T: Clone,
    {
        self.count += N * f(value.clone());
        &self.count
    }

    #[mini_rt::main(crate = "recorder")]
    async fn into_text(self) -> impl Display + use<> {
        self.count
    }

    #[mini_rt::main(crate = "recorder")]
    async unsafe extern "C" fn read(count: *const usize) -> usize {
        // SAFETY: callers pass a pointer that is valid for reads.
        unsafe { *count }
    }
}

#[test]
fn signatures_are_kept() {
    let mut counter = Counter::new(1);
    assert_eq!(*counter.add::<2, _, _>("five", str::len), 9);
    let read: unsafe extern "C" fn(*const usize) -> usize = Counter::read;
    // SAFETY: the pointer comes from a reference.
    assert_eq!(unsafe { read(&counter.count) }, 9);
    assert_eq!(counter.into_text().to_string(), "9");
}

#[mini_rt::main(crate = "recorder")]
async fn patterns((a, _): (u8, u8), mut b: Vec<u8>) -> Vec<u8> {
    b.push(a);
    b
}

#[mini_rt::main(crate = "recorder")]
async fn attributes_inside() -> u8 {
    #![allow(unused_variables)]
    #![deny(unused_mut)]
    let unused = 1;
    2
}

#[test]
fn bodies_are_kept() {
    assert_eq!(patterns((1, 2), vec![3]), [3, 1]);
    assert_eq!(attributes_inside(), 2);
}

/// Everything that the expansion could confuse with something of its own.
mod no_name_is_taken {
    #![no_implicit_prelude]
    #![allow(non_upper_case_globals, dead_code)]

    use crate::recorder;

    const body: u8 = 1;
    const future: u8 = 2;
    const output: u8 = 3;
    static runtime: u8 = 4;
    mod core {}
    mod mini_rt {}
    enum Option {}

    #[::mini_rt::main(crate = "recorder")]
    pub(super) async fn sum() -> u8 {
        body + future + output + runtime
    }

    #[::mini_rt::test]
    async fn finds_its_crate() {
        ::std::assert_eq!(sum(), 10);
    }
}
