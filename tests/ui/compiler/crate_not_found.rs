#[mini_rt::main(crate = "no_such_crate")]
async fn no_such_crate() {}

#[mini_rt::main(crate = "crate::elsewhere")]
async fn no_such_module() {}

fn main() {}
