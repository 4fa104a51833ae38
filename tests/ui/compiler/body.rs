use std::time::Duration;

async fn nap(duration: Duration) {
    assert!(!duration.is_zero());
}

#[mini_rt::main]
async fn main() {
    let number: u32 = "one";
    nap(1).await;
    nap(Duration::ZERO).awaited;
    undefined(number);
}
