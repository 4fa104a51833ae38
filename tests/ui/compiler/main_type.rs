#[mini_rt::main]
async fn main() -> u64 {
    1
}
