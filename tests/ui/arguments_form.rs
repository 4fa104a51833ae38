#[mini_rt::main(threads = 2)]
async fn unknown() {}

#[mini_rt::test(flavour = "current_thread")]
async fn misspelt() {}

#[mini_rt::main(flavor = "current_thread", flavor = "current_thread")]
async fn flavor_twice() {}

#[mini_rt::main(worker_threads = 2, flavor = "multi_thread", worker_threads = 3)]
async fn worker_threads_twice() {}

#[mini_rt::test(start_paused = true, start_paused = true)]
async fn start_paused_twice() {}

#[mini_rt::test(crate = "mini_rt", crate = "mini_rt")]
async fn crate_twice() {}

#[mini_rt::main(worker_threads)]
async fn name_alone() {}

#[mini_rt::main(worker_threads =)]
async fn no_value() {}

#[mini_rt::main(worker_threads: 2)]
async fn colon() {}

#[mini_rt::main(worker_threads(2))]
async fn parentheses() {}

#[mini_rt::main("current_thread")]
async fn value_alone() {}

#[mini_rt::main(::flavor = "current_thread")]
async fn path_for_a_name() {}

#[mini_rt::main(=)]
async fn nothing_but_the_sign() {}

#[mini_rt::main(flavor = "current_thread",, start_paused = true)]
async fn two_commas() {}

#[mini_rt::main(crate = 1, worker_threads = 0, unknown)]
async fn several_mistakes() {}

#[mini_rt::main(threads = 2)]
fn several_mistakes_and_not_async() {}

#[mini_rt::main(worker_threads = 0)]
async fn main() {}
