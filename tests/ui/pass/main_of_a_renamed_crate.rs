mod elsewhere {
    pub use mini_rt as runtime_of_choice;
}

#[elsewhere::runtime_of_choice::main(crate = "elsewhere::runtime_of_choice", worker_threads = 2,)]
pub(crate) async fn main() {
    let task = elsewhere::runtime_of_choice::spawn(async { 1 });
    assert_eq!(task.await.unwrap(), 1);
}
