//! The answer in one piece.

use serving::Completed;

use super::{Answer, Said, Step};
use crate::error::ApiError;

/// One complete choice.
#[derive(Debug)]
pub(crate) struct Choice {
    pub(crate) said: Said,
    pub(crate) completed: Completed,
}

/// Collects every choice, in the order of their indices. All are read at the same time: one that is not read while
/// another is would be taken for that of a client that does not read.
///
/// # Errors
/// An answer that breaks off is an error, never half an answer.
pub(crate) async fn collect(mut answer: Answer) -> Result<Vec<Choice>, ApiError> {
    let mut said = vec![Said::default(); answer.choices()];
    let mut endings = vec![None; answer.choices()];
    while let Some((index, step)) = answer.next().await {
        match step? {
            Step::Token(token) => said[index].push(token),
            Step::Completed(completed) => endings[index] = Some(completed),
        }
    }
    let choice = |(said, completed): (Said, Option<Completed>)| Choice {
        said,
        completed: completed.expect("a choice ends with its completion or with an error"),
    };
    Ok(said.into_iter().zip(endings).map(choice).collect())
}
