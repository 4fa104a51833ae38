#[mini_rt::main(flavor = "threaded")]
async fn unknown() {}

#[mini_rt::test(flavor = "")]
async fn empty() {}

#[mini_rt::main(flavor = current_thread)]
async fn not_quoted() {}

#[mini_rt::main(flavor = b"current_thread")]
async fn bytes() {}

#[mini_rt::main(flavor = concat!("current", "_thread"))]
async fn expression() {}

#[mini_rt::main(flavor = 1)]
async fn main() {}
