//! The answers of `/v1/rerank`.

use backend_mock::{ReplyScript, Rule, Time, UsageScript, When};
use serde_json::Value;

use super::heard::share;

/// The name of a rule of which no score was ever told: `top_n` has left its document out each time.
const LEFT_OUT: &str = "left out by top_n";

/// A rule for each document, which took so long together.
///
/// An answer may have fewer, where `top_n` says so. A document that it left out has a score all the same, the highest that
/// leaves the same order: played with the same `top_n`, the answer is the same. [`agree`] replaces it by one that is told.
///
/// A script's scores have 24 bits: documents whose scores differ by less stand by their index when it is played.
///
/// # Errors
/// What is wrong with the answer.
pub(super) fn rules(body: &Value, whens: &[When], top_n: usize, took: Time) -> Result<Vec<Rule>, String> {
    let n = whens.len();
    let results = body["results"].as_array().ok_or("it has no results")?;
    let asked = n.min(top_n);
    if results.len() < asked {
        return Err(format!("it has {} results of {asked} that were asked for", results.len()));
    }
    let mut scores = vec![None; n];
    for result in results {
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
    let rule = |(index, (score, when)): (usize, (Option<f32>, &When))| {
        let reply = ReplyScript {
            score: score.or(Some(lowest.next_down())),
            // The documents were ranked together: the first one takes the time of all.
            prefill: (index == 0).then_some(took),
            usage: UsageScript { prompt_tokens: tokens.map(|all| share(all, n, index)), ..UsageScript::default() },
            ..ReplyScript::default()
        };
        Rule { name: score.is_none().then(|| LEFT_OUT.to_owned()), ..Rule::new(when.clone(), reply) }
    };
    Ok(scores.into_iter().zip(whens).enumerate().map(rule).collect())
}

/// Gives the scores that were made up the value of one that was told, before `more` is appended to `known`, a rule for the
/// same document. While none was told they are the lowest of all: what stood before the document each time stands there.
pub(super) fn agree(known: &mut Rule, more: &mut Rule) {
    let score = |rule: &Rule| rule.reply.0.iter().rev().find_map(|reply| reply.score);
    let agreed = match (score(known), score(more)) {
        (Some(old), Some(new)) => match (&known.name, &more.name) {
            (Some(_), Some(_)) => old.min(new),
            (Some(_), None) => new,
            (None, _) => old,
        },
        // A refusal has none, and leaves the others what they are.
        (Some(_), None) | (None, None) => return,
        (None, Some(_)) => {
            known.name = more.name.take();
            return;
        }
    };
    for rule in [&mut *known, &mut *more].into_iter().filter(|rule| rule.name.is_some()) {
        rule.reply.0.iter_mut().filter_map(|reply| reply.score.as_mut()).for_each(|score| *score = agreed);
    }
    known.name = known.name.take().filter(|_| more.name.is_some());
}

#[cfg(test)]
mod tests {
    use backend_mock::{FaultScript, ReplyScript, Rule, Time, When};
    use serde_json::{Value, json};

    use super::{LEFT_OUT, agree, rules};

    fn replies(body: &Value, n: usize, top_n: usize) -> Result<Vec<ReplyScript>, String> {
        let rules = rules(body, &vec![When::default(); n], top_n, Time::ms(7))?;
        Ok(rules.into_iter().flat_map(|rule| rule.reply.0).collect())
    }

    fn scores(replies: &[ReplyScript]) -> Vec<Option<f32>> {
        replies.iter().map(|reply| reply.score).collect()
    }

    #[test]
    fn scores_are_those_of_their_documents_and_the_tokens_add_up() {
        let result =
            |index: u64, score: f32| json!({"index": index, "relevance_score": score, "document": {"text": "t"}});
        let results = json!([result(2, 7.25), result(0, 0.5), result(1, -3.0)]);
        let ranked = |usage: Value| replies(&json!({"results": results, "usage": usage}), 3, usize::MAX).expect("good");
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
        let all = scores(&replies(&body, 4, 2).expect("two of four"));
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
            assert!(replies(&json!({"results": results}), 2, 1).is_err(), "{results}");
        }
    }

    #[test]
    fn an_answer_that_is_shorter_than_was_asked_for_is_not_kept() {
        let body = json!({"results": [{"index": 1, "relevance_score": 2.0}, {"index": 2, "relevance_score": 1.0}]});
        for (n, top_n, is_short) in [(3, 2, false), (3, 3, true), (3, usize::MAX, true), (4, 3, true)] {
            assert_eq!(replies(&body, n, top_n).is_err(), is_short, "{top_n} of {n}");
        }
    }

    /// What is heard of one document in one order and the other: a score, one that was made up (marked), or a refusal. Each
    /// time that it was asked for has its place, so that a refusal comes when it came.
    #[test]
    fn a_score_that_was_told_stands_where_one_was_made_up() {
        let (told, made_up) = (|score| (Some(score), false), |score| (Some(score), true));
        let refused = (None, false);
        for (heard, expected, is_made_up) in [
            (vec![told(1.0), made_up(1.5)], vec![Some(1.0), Some(1.0)], false),
            (vec![made_up(1.5), told(1.0)], vec![Some(1.0), Some(1.0)], false),
            (vec![made_up(1.5), made_up(0.5), made_up(1.0)], vec![Some(0.5); 3], true),
            (vec![refused, made_up(1.5), refused], vec![None, Some(1.5), None], true),
            (vec![refused, made_up(1.5), refused, told(1.0)], vec![None, Some(1.0), None, Some(1.0)], false),
            (vec![told(1.0), told(2.0), made_up(3.0)], vec![Some(1.0), Some(2.0), Some(2.0)], false),
        ] {
            let rule = |(score, is_made_up): (Option<f32>, bool)| {
                let fault = FaultScript { status: score.is_none().then_some(503), ..FaultScript::default() };
                let reply = ReplyScript { score, fault, ..ReplyScript::default() };
                Rule { name: is_made_up.then(|| LEFT_OUT.to_owned()), ..Rule::new(When::default(), reply) }
            };
            let together = heard.iter().copied().map(rule).reduce(|mut known, mut more| {
                agree(&mut known, &mut more);
                known.reply.0.extend(more.reply.0);
                known
            });
            let together = together.expect("something was heard");
            assert_eq!((scores(&together.reply.0), together.name.is_some()), (expected, is_made_up), "{heard:?}");
        }
    }
}
