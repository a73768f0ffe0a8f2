//! The answers of `/v1/rerank`.

use backend_mock::{ReplyScript, Time, UsageScript};
use serde_json::Value;

use super::heard::share;

/// A reply for each of `n` documents, which took so long together.
///
/// An answer may have fewer, where `top_n` says so. A document that it left out has a score all the same, the highest that
/// leaves the same order: played with the same `top_n`, the answer is the same.
///
/// # Errors
/// What is wrong with the answer.
pub(super) fn replies(body: &Value, n: usize, took: Time) -> Result<Vec<ReplyScript>, String> {
    let mut scores = vec![None; n];
    for result in body["results"].as_array().ok_or("it has no results")? {
        let score = result["relevance_score"].as_f64().ok_or("a result in it has no score")? as f32;
        let index = result["index"].as_u64().and_then(|index| usize::try_from(index).ok());
        let place = index.and_then(|index| scores.get_mut(index)).ok_or("a result in it is of no document")?;
        if place.replace(score).is_some() {
            return Err("two results in it are of one document".to_owned());
        }
    }
    let lowest = scores.iter().flatten().copied().reduce(f32::min).ok_or("it has no results")?;
    let usage = &body["usage"];
    let tokens = usage["prompt_tokens"].as_u64().or_else(|| usage["total_tokens"].as_u64());
    let tokens = tokens.and_then(|tokens| u32::try_from(tokens).ok());
    let reply = |(index, score): (usize, Option<f32>)| ReplyScript {
        score: score.or(Some(lowest.next_down())),
        // The documents were ranked together: the first one takes the time of all.
        prefill: (index == 0).then_some(took),
        usage: UsageScript { prompt_tokens: tokens.map(|all| share(all, n, index)), ..UsageScript::default() },
        ..ReplyScript::default()
    };
    Ok(scores.into_iter().enumerate().map(reply).collect())
}

#[cfg(test)]
mod tests {
    use backend_mock::{ReplyScript, Time};
    use serde_json::{Value, json};

    use super::replies;

    fn scores(replies: &[ReplyScript]) -> Vec<Option<f32>> {
        replies.iter().map(|reply| reply.score).collect()
    }

    #[test]
    fn scores_are_those_of_their_documents_and_the_tokens_add_up() {
        let result =
            |index: u64, score: f32| json!({"index": index, "relevance_score": score, "document": {"text": "t"}});
        let results = json!([result(2, 7.25), result(0, 0.5), result(1, -3.0)]);
        let ranked =
            |usage: Value| replies(&json!({"results": results, "usage": usage}), 3, Time::ms(7)).expect("good");
        let all = ranked(json!({"prompt_tokens": 8, "total_tokens": 9}));
        assert_eq!(scores(&all), [Some(0.5), Some(-3.0), Some(7.25)]);
        assert_eq!([0, 1, 2].map(|n: usize| all[n].prefill), [Some(Time::ms(7)), None, None]);
        let tokens = |replies: &[ReplyScript]| replies.iter().map(|r| r.usage.prompt_tokens).collect::<Vec<_>>();
        assert_eq!(tokens(&all), [Some(3), Some(3), Some(2)]);
        assert_eq!(tokens(&ranked(json!({"total_tokens": 3}))), [Some(1); 3]);
        assert_eq!(tokens(&ranked(json!(null))), [None; 3]);
    }

    /// A document that is as good stands before another by its index, so what was left out must be worse.
    #[test]
    fn what_the_answer_left_out_stays_behind_what_it_has() {
        let body = json!({"results": [{"index": 1, "relevance_score": 2.0}, {"index": 2, "relevance_score": -1.5}]});
        let all = scores(&replies(&body, 4, Time::ms(7)).expect("two of four"));
        assert_eq!((all[1], all[2], all[0]), (Some(2.0), Some(-1.5), all[3]));
        assert!(all[0] < Some(-1.5) && all[0] > Some(-1.500_001), "{all:?}");
    }

    #[test]
    fn an_answer_that_makes_no_sense_is_not_kept() {
        for results in [
            json!(null),
            json!([]),
            json!([{"index": 2, "relevance_score": 1.0}]),
            json!([{"index": 0, "score": 1.0}]),
            json!([{"relevance_score": 1.0}]),
            json!([{"index": 0, "relevance_score": 1.0}, {"index": 0, "relevance_score": 2.0}]),
        ] {
            assert!(replies(&json!({"results": results}), 2, Time::ms(7)).is_err(), "{results}");
        }
    }
}
