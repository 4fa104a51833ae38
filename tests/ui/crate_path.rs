#[mini_rt::main(crate = mini_rt)]
async fn not_quoted() {}

#[mini_rt::main(crate = "")]
async fn empty() {}

#[mini_rt::main(crate = "mini-rt")]
async fn hyphen() {}

#[mini_rt::main(crate = "mini_rt::")]
async fn nothing_behind_the_colons() {}

#[mini_rt::main(crate = "Vec<u8>")]
async fn type_and_not_path() {}

#[mini_rt::main(crate = "in::mini_rt")]
async fn keyword() {}

#[mini_rt::main(crate = "'a")]
async fn quote() {}

#[mini_rt::main(crate = 1)]
async fn main() {}
