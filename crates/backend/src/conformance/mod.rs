//! What every [`Backend`](crate::Backend) must pass: the same tests by the same names.
//!
//! An implementation says in a [`Subject`] how to load its model, and writes one line in a test file:
//!
//! ```text
//! backend::conformance_tests!(subject);                              // `fn subject() -> impl Subject`
//! backend::conformance_tests!(subject, start_paused = true);         // with arguments for `#[tokio::test]`
//! ```
//!
//! The subject's model knows two tasks, and does them exactly at temperature 0:
//!
//! - `Repeat after me: X` is answered by `X`, up to 24 ASCII characters or 8 others;
//! - `Count from 1 to 60` is answered by `1 2 3 … 60`.
//!
//! The tests rely on nothing else of it. They know no clock, so a test of a backend that hangs hangs too; give the
//! test runner a limit. The tools they are made of are in [`kit`], for other tests that drive a lane by hand.
//!
//! Not here: speed, and what the layers above promise.

mod answers;
mod cancelling;
pub mod kit;
mod lanes;
mod limits;
mod options;
mod prompts;
mod reuse;
mod sampling;

pub use answers::{
    a_character_split_over_tokens_comes_out_whole, a_stop_string_split_over_tokens_is_found_and_never_shown,
    events_come_in_the_order_of_the_contract, text_that_only_begins_a_stop_string_is_shown,
    the_answer_ends_by_itself_with_stop,
};
pub use cancelling::{
    a_lane_is_as_new_after_a_cancel_before_the_first_poll, a_lane_is_as_new_after_a_cancel_in_decode,
    a_lane_is_as_new_after_a_cancel_in_prefill, quiesce_may_be_dropped_and_called_again,
};
pub use lanes::{
    cancelling_on_one_lane_leaves_the_other_alone, prompts_are_encoded_beside_a_running_lane,
    there_are_as_many_lanes_as_asked_for, two_lanes_are_apart,
};
pub use limits::{
    a_bound_beyond_the_context_is_harmless, max_tokens_ends_the_answer_with_length, one_token_is_enough,
    the_context_bounds_the_answer,
};
pub use options::{
    a_forbidden_token_never_comes, an_adapter_that_does_not_exist_is_refused, an_answer_follows_its_grammar,
    an_end_that_is_ignored_is_not_the_end, probabilities_are_told_where_they_are_asked_for,
};
pub use prompts::{
    a_control_token_written_out_is_text, a_prompt_longer_than_the_context_is_refused_with_the_numbers,
    a_prompt_that_just_fits_is_taken, a_text_comes_back_from_its_tokens, a_token_that_does_not_exist_is_refused,
    an_empty_prompt_is_refused,
};
pub use reuse::{
    a_lane_is_as_new_after_an_error, quiesce_returns_at_once_when_idle, reset_on_a_sound_lane_is_harmless,
    the_text_is_independent_of_what_ran_before,
};
pub use sampling::{temperature_zero_ignores_the_seed, the_same_seed_gives_the_same_text};

use std::future::Future;

use crate::LoadedModel;

/// What the suite is run against.
pub trait Subject {
    /// Loads the model afresh, with this many lanes. Panics when it cannot: a subject is expected to load.
    fn load(&self, lanes: u32) -> impl Future<Output = LoadedModel>;

    /// How many lanes it can serve at the same time, at least 1. With 1, tests of several lanes say that they skip.
    fn lanes_max(&self) -> u32;

    /// Whether it chooses each token among others, so that sampling has something to choose from. A script does not; the
    /// tests of it then say that they skip.
    fn chooses(&self) -> bool {
        false
    }
}

/// Writes one `#[tokio::test]` for each test of the [suite](crate::conformance), under its name.
///
/// The first argument is the path of a function without parameters that makes the
/// [`Subject`](crate::conformance::Subject); it is called once a test. Whatever follows is handed to `#[tokio::test]`.
/// Invoke it once in a module: two subjects want two modules.
#[macro_export]
macro_rules! conformance_tests {
    ($make_subject:path $(, $($runtime:tt)*)?) => {
        $crate::conformance_tests! { @each $make_subject, [$($($runtime)*)?],
            a_bound_beyond_the_context_is_harmless
            a_character_split_over_tokens_comes_out_whole
            a_control_token_written_out_is_text
            a_forbidden_token_never_comes
            a_lane_is_as_new_after_a_cancel_before_the_first_poll
            a_lane_is_as_new_after_a_cancel_in_decode
            a_lane_is_as_new_after_a_cancel_in_prefill
            a_lane_is_as_new_after_an_error
            a_prompt_longer_than_the_context_is_refused_with_the_numbers
            a_prompt_that_just_fits_is_taken
            a_stop_string_split_over_tokens_is_found_and_never_shown
            a_text_comes_back_from_its_tokens
            a_token_that_does_not_exist_is_refused
            an_adapter_that_does_not_exist_is_refused
            an_answer_follows_its_grammar
            an_empty_prompt_is_refused
            an_end_that_is_ignored_is_not_the_end
            cancelling_on_one_lane_leaves_the_other_alone
            events_come_in_the_order_of_the_contract
            max_tokens_ends_the_answer_with_length
            one_token_is_enough
            probabilities_are_told_where_they_are_asked_for
            prompts_are_encoded_beside_a_running_lane
            quiesce_may_be_dropped_and_called_again
            quiesce_returns_at_once_when_idle
            reset_on_a_sound_lane_is_harmless
            temperature_zero_ignores_the_seed
            text_that_only_begins_a_stop_string_is_shown
            the_answer_ends_by_itself_with_stop
            the_context_bounds_the_answer
            the_same_seed_gives_the_same_text
            the_text_is_independent_of_what_ran_before
            there_are_as_many_lanes_as_asked_for
            two_lanes_are_apart
        }
    };
    (@each $make_subject:path, $runtime:tt, $($test:ident)*) => {
        $($crate::conformance_tests! { @one $make_subject, $runtime, $test })*
    };
    (@one $make_subject:path, [$($runtime:tt)*], $test:ident) => {
        #[::tokio::test($($runtime)*)]
        async fn $test() {
            $crate::conformance::$test(&$make_subject()).await;
        }
    };
}

#[cfg(test)]
mod tests {
    /// A test that the macro forgets would never run, and nobody would miss it.
    /// Method: every public async function of these files stands in the macro's list, and the list is sorted.
    #[test]
    fn the_macro_lists_every_test() {
        let (_, rest) = include_str!("mod.rs").split_once("@each $make_subject, [$($($runtime)*)?],").unwrap();
        let (list, _) = rest.split_once('}').unwrap();
        let listed: Vec<&str> = list.split_whitespace().collect();

        let sources = [
            include_str!("answers.rs"),
            include_str!("cancelling.rs"),
            include_str!("lanes.rs"),
            include_str!("limits.rs"),
            include_str!("options.rs"),
            include_str!("prompts.rs"),
            include_str!("reuse.rs"),
            include_str!("sampling.rs"),
        ];
        let name = |line: &'static str| line.strip_prefix("pub async fn ")?.split_once('(');
        let mut written: Vec<&str> =
            sources.iter().flat_map(|source| source.lines()).filter_map(name).map(|(name, _)| name).collect();
        written.sort_unstable();

        assert_eq!(listed, written);
    }
}
