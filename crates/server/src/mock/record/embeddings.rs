//! The answers of `/v1/embeddings`.

use backend_mock::{ReplyScript, Time, UsageScript};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::Value;

use super::heard::share;

/// A reply for each of `n` texts, which took so long together.
///
/// # Errors
/// What is missing in the answer.
pub(super) fn replies(body: &Value, n: usize, took: Time) -> Result<Vec<ReplyScript>, String> {
    let mut data: Vec<&Value> = body["data"].as_array().into_iter().flatten().collect();
    if data.len() != n {
        return Err(format!("it has {} embeddings of {n} texts", data.len()));
    }
    // In the order of the texts, whatever the order in the answer.
    data.sort_by_key(|object| object["index"].as_u64());
    let tokens = body["usage"]["prompt_tokens"].as_u64().and_then(|tokens| u32::try_from(tokens).ok());
    let reply = |(index, object): (usize, &Value)| {
        let embedding = vector(&object["embedding"]).ok_or("an embedding in it is neither numbers nor base64")?;
        let usage = UsageScript { prompt_tokens: tokens.map(|all| share(all, n, index)), ..UsageScript::default() };
        // The texts were computed together: the first one takes the time of all.
        Ok(ReplyScript { embedding, prefill: (index == 0).then_some(took), usage, ..ReplyScript::default() })
    };
    data.into_iter().enumerate().map(reply).collect()
}

/// Numbers, or their bytes, little-endian, in base64.
fn vector(written: &Value) -> Option<Vec<f32>> {
    if let Some(numbers) = written.as_array() {
        return numbers.iter().map(|number| number.as_f64().map(|number| number as f32)).collect();
    }
    let bytes = BASE64_STANDARD.decode(written.as_str()?).ok()?;
    let numbers = bytes.chunks(4).map(|four| four.try_into().ok().map(f32::from_le_bytes));
    numbers.collect()
}

#[cfg(test)]
mod tests {
    use backend_mock::Time;
    use serde_json::json;

    use super::{replies, vector};

    #[test]
    fn numbers_and_base64_are_the_same_vector() {
        let base64 = json!("AACAPwAAAL8=");
        assert_eq!(vector(&base64), Some(vec![1.0, -0.5]));
        assert_eq!(vector(&json!([1.0, -0.5])), vector(&base64));
        assert_eq!((vector(&json!("AACAPwAA")), vector(&json!([1, "x"])), vector(&json!(null))), (None, None, None));
    }

    #[test]
    fn vectors_are_those_of_their_texts_and_the_tokens_add_up() {
        let object = |index: u64| json!({"index": index, "embedding": [index]});
        let body = json!({"data": [object(2), object(0), object(1)], "usage": {"prompt_tokens": 8}});
        let replies = replies(&body, 3, Time::ms(7)).expect("three of three");
        let told = |n: usize| (replies[n].embedding[0], replies[n].usage.prompt_tokens, replies[n].prefill);
        assert_eq!(
            [told(0), told(1), told(2)],
            [(0.0, Some(3), Some(Time::ms(7))), (1.0, Some(3), None), (2.0, Some(2), None)]
        );
        assert!(super::replies(&body, 2, Time::ms(7)).is_err());
    }
}
