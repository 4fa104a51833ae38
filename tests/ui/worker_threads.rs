#[mini_rt::main(worker_threads = 0)]
async fn zero() {}

#[mini_rt::main(worker_threads = "2")]
async fn quoted() {}

#[mini_rt::main(worker_threads = 2.0)]
async fn float() {}

#[mini_rt::main(worker_threads = -2)]
async fn negative() {}

#[mini_rt::main(worker_threads = 2u8)]
async fn another_type() {}

#[mini_rt::main(worker_threads = 340282366920938463463374607431768211455)]
async fn too_large() {}

#[mini_rt::main(worker_threads = 1 + 1)]
async fn expression() {}

#[mini_rt::test(worker_threads = 2)]
async fn test_with_its_default_flavor() {}

#[mini_rt::test(worker_threads = 2, flavor = "current_thread")]
async fn test_on_one_thread() {}

#[mini_rt::main(flavor = "current_thread", worker_threads = 2)]
async fn main() {}
