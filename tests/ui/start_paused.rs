#[mini_rt::test(start_paused = "true")]
async fn quoted() {}

#[mini_rt::test(start_paused = 1)]
async fn number() {}

#[mini_rt::test(start_paused = yes)]
async fn word() {}

#[mini_rt::test(start_paused = true, flavor = "multi_thread")]
async fn test_on_many_threads() {}

#[mini_rt::main(start_paused = true)]
async fn main() {}
