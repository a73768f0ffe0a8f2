//! Models that come and go while they are used by name.

use std::sync::Arc;

use model_locks::{Ask, ModelLock, ModelLocks, Policy};
use shuttle::thread;

use crate::support::{any_class, assert_idle, below, explore, threads};

const NAMES: [u8; 2] = [1, 2];

/// Six threads look two models up, load them and remove them, as it comes. What was entered is either known at the end, and
/// then open, or was removed by one thread, and then closed; whoever has found a model is served by it or hears that it is
/// closed.
#[test]
fn models_come_and_go_while_they_are_used_by_name() {
    explore("models come and go while they are used by name", || {
        let models = Arc::new(ModelLocks::new());
        let handle = Arc::clone(&models);
        let done = threads(6, move |client| {
            let (mut entered, mut removed) = (Vec::new(), Vec::new());
            for _ in 0..4 {
                let name = NAMES[below(2)];
                match below(3) {
                    0 => {
                        let lock = ModelLock::new([()], Policy::default());
                        entered.extend(handle.insert(name, lock.clone()).is_ok().then_some(lock));
                    }
                    1 => removed.extend(handle.remove(&name)),
                    _ => {
                        let Ok(lock) = handle.get(&name) else { continue };
                        match lock.blocking_acquire(Ask::new(any_class()).tag(client)) {
                            Ok(_lease) => thread::yield_now(),
                            Err(_) => assert!(lock.counts().closed, "refused, and the model is open"),
                        }
                    }
                }
            }
            (entered, removed)
        });
        let (entered, removed): (Vec<_>, Vec<_>) = done.into_iter().unzip();
        let (entered, removed) = (entered.concat(), removed.concat());
        let known = models.ids().into_iter().map(|id| models.get(&id).expect("it is listed")).collect::<Vec<_>>();
        for lock in &entered {
            let times = |among: &[ModelLock<()>]| among.iter().filter(|other| other.is_same(lock)).count();
            assert_eq!(times(&known) + times(&removed), 1, "a model is known, or removed by one thread");
            assert_eq!(lock.counts().closed, times(&removed) == 1);
            assert_idle(lock, 1);
        }
        assert_eq!(entered.len(), known.len() + removed.len());
    });
}
