//! Tasks go from core to core, and none is lost or run twice.

use super::*;

/// A thief takes from the ring what its owner takes as well.
#[test]
fn a_thief_meets_the_owner() {
    check(2, || {
        let shared = shared(2, true);
        let runs = Count::new();
        let thief = shared.block_on(async {
            let thief = worker(&shared);
            let tasks = [(); 3].map(|()| {
                let run = runs.counted();
                spawn(&shared, async move { drop(run) })
            });
            for task in tasks {
                task.await.unwrap();
            }
            thief
        });
        assert_eq!(runs.get(), 3);
        shared.shut_down();
        thief.join().unwrap();
        assert_eq!(shared.alive_tasks(), 0);
    });
}

/// What a core takes from the injector for itself is not out of reach for the other, which finds nothing
/// meanwhile and falls asleep: if the first task of that blocks until the second has run, this is run there.
#[test]
fn a_share_of_the_injector_can_be_stolen() {
    check(2, || {
        let shared = shared(2, true);
        let (thief, spawner) = shared.block_on(async {
            let thief = worker(&shared);
            let done = Flag::new();
            let spawner = thread::spawn({
                let (shared, done, passed) = (shared.clone(), done.clone(), Flag::new());
                move || {
                    let blocked = passed.clone();
                    drop(spawn(&shared, async move {
                        block_on(blocked.wait());
                        done.set();
                    }));
                    drop(spawn(&shared, async move { passed.set() }));
                }
            });
            done.wait().await;
            (thief, spawner)
        });
        spawner.join().unwrap();
        shared.shut_down();
        thief.join().unwrap();
        assert_eq!(shared.alive_tasks(), 0);
    });
}
