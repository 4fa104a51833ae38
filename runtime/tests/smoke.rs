//! Smoke.
use mini_rt_runtime::runtime::Builder;
use std::time::Instant;
#[test]
fn spawn_join() {
    for flavor in 0..3 {
        let rt = if flavor == 0 {
            Builder::new_current_thread().build().unwrap()
        } else {
            Builder::new_multi_thread()
                .worker_threads(flavor)
                .build()
                .unwrap()
        };
        let t = Instant::now();
        let n = rt.block_on(async {
            let mut sum = 0u64;
            for _ in 0..100 {
                let hs: Vec<_> = (0..1000u64)
                    .map(|i| {
                        mini_rt_runtime::spawn(async move {
                            mini_rt_runtime::task::yield_now().await;
                            i
                        })
                    })
                    .collect();
                for h in hs {
                    sum += h.await.unwrap();
                }
            }
            sum
        });
        assert_eq!(n, 100 * 499500);
        eprintln!("{flavor}: {:?}", t.elapsed());
    }
}
