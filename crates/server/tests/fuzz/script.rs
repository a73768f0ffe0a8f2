//! Scripts of the mock: refused with what is wrong, or played as they would be read again.

use proptest::prelude::TestCaseError;
use proptest::test_runner::TestCaseResult;
use server::mock::Script;

/// Scripts that are played.
pub(crate) const EXAMPLES: &[&str] = &[include_str!("../../../../fixtures/mock/example.toml")];

pub(crate) fn property(text: String) -> TestCaseResult {
    let fail = |reason: String| Err(TestCaseError::fail(reason));
    // As JSON it is another script, or none.
    let _other = Script::from_json(&text);
    match Script::from_toml(&text, "script.toml") {
        Err(problem) => {
            let said = problem.to_string();
            match said.lines().all(|line| line.starts_with("script.toml")) {
                true if !said.is_empty() => Ok(()),
                _ => fail(format!("a problem without a place: {said:?}")),
            }
        }
        Ok(script) => {
            let written =
                script.to_toml().map_err(|error| TestCaseError::fail(format!("it cannot be written: {error}")))?;
            match Script::from_toml(&written, "written.toml") {
                Ok(again) if again == script => Ok(()),
                Ok(_) => fail(format!("it is read back as another one: {written}")),
                Err(problem) => fail(format!("it is not read back: {problem}\n{written}")),
            }
        }
    }
}
