#[mini_rt::main]
pub struct Server;

#[mini_rt::test]
mod tests {}

#[mini_rt::main]
const LIMIT: usize = 1;

trait Service {
    #[mini_rt::main]
    async fn call(&self);
}

#[mini_rt::main]
const async fn constant() {}

fn main() {
    let _ = (Server, LIMIT);
}
