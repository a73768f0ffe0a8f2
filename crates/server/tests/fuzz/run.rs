//! How many cases are tried, from which seed, and what is said of them.

use std::cell::{Cell, RefCell};
use std::sync::Once;

use proptest::strategy::Strategy;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestCaseResult, TestRng, TestRunner};

/// Cases of each target, where nobody says how many: a few seconds in all.
const CASES: u32 = 250;

/// The seed of a run, where nobody gives one.
const SEED: u64 = 0x5eed;

/// Tries to break `property`, which reads as a claim about whatever `strategy` draws.
///
/// # Panics
/// With the smallest case that was found to break it, and how to have the same again.
pub(crate) fn hold<S: Strategy>(target: &str, strategy: S, property: impl Fn(S::Value) -> TestCaseResult) {
    let number = |name: &str| std::env::var(name).ok();
    let cases = number("EDISON_FUZZ_CASES").map_or(CASES, |text| text.parse().expect("EDISON_FUZZ_CASES is a number"));
    let seed = number("EDISON_FUZZ_SEED");
    let seed = seed.map_or(SEED, |text| u64::from_str_radix(&text, 16).expect("EDISON_FUZZ_SEED is in base 16"));
    println!("fuzz {target}: {cases} cases, seed={seed:x}");
    watch_for_panics();
    let config = Config { cases, failure_persistence: None, max_shrink_iters: 20_000, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &entropy(target, seed)));
    let watched = |case| {
        PANICS.set(0);
        property(case)?;
        // Also one that somebody caught and made a quiet end of.
        match PANICS.get() {
            0 => Ok(()),
            _ => Err(TestCaseError::fail(format!("a panic: {}", LAST.with_borrow(String::clone)))),
        }
    };
    if let Err(error) = runner.run(&strategy, watched) {
        let thread = std::thread::current();
        let test = thread.name().unwrap_or_default();
        panic!("{error}\nseed={seed:x}   replay: cargo xtask fuzz --seed {seed:x} --cases {cases} -- {test}");
    }
}

/// Targets draw different cases from one seed.
fn entropy(target: &str, seed: u64) -> [u8; 32] {
    let mut entropy = [0; 32];
    entropy[..8].copy_from_slice(&seed.to_le_bytes());
    for (at, byte) in target.bytes().enumerate() {
        entropy[8 + at % 24] ^= byte;
    }
    entropy
}

thread_local! {
    /// Panics of the case in hand. The runtime of a target has one thread, its test's.
    static PANICS: Cell<u32> = const { Cell::new(0) };
    static LAST: RefCell<String> = const { RefCell::new(String::new()) };
}

/// Counts panics, and leaves it to the case that fails to tell of them: smaller ones are tried by the thousand.
fn watch_for_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let usual = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            PANICS.set(PANICS.get() + 1);
            LAST.with_borrow_mut(|last| *last = panic.to_string());
            if panic.to_string().contains("replay: cargo xtask fuzz") {
                usual(panic);
            }
        }));
    });
}
