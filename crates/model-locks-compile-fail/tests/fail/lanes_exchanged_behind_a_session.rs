//! The values of two leases of one type are exchanged, although a session of the caller's own hides them.

mod engine {
    use model_locks::{Ask, Lease, ModelLock};

    #[derive(Default)]
    pub struct Engine(u32);

    /// What callers get instead of the lease: nothing that could be exchanged, only what they are to do.
    pub struct Session(Lease<Engine>);

    impl Session {
        pub fn new(lock: &ModelLock<Engine>) -> Self {
            Self(lock.try_acquire(Ask::default()).unwrap())
        }

        pub fn run(&mut self) {
            self.0.0 += 1;
        }
    }
}

use engine::{Engine, Session};
use model_locks::{ModelLock, Policy};

fn main() {
    let fast = ModelLock::new([Engine::default()], Policy::default());
    let deep = ModelLock::new([Engine::default()], Policy::default());
    let (mut one, mut other) = (Session::new(&fast), Session::new(&deep));
    std::mem::swap(&mut *one.0, &mut *other.0);
    one.run();
    other.run();
}
