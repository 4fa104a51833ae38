#[mini_rt::test]
#[test]
async fn short() {}

#[mini_rt::test]
#[should_panic]
#[::core::prelude::v1::test]
async fn full() {}

#[mini_rt::test]
#[std::prelude::rust_2021::test]
async fn of_an_edition() {}

#[mini_rt::test]
#[mini_rt::test(flavor = "multi_thread")]
async fn twice() {}

fn main() {}
