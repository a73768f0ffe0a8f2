//! How tokens are chosen, and within which ranges.

/// Sampling parameters. The default values are llama.cpp's.
#[derive(Debug, Clone, PartialEq)]
pub struct Sampling {
    /// 0 always takes the likeliest token, and so does anything below [`TEMPERATURE_MIN`](Self::TEMPERATURE_MIN); 0 to
    /// 2, default 0.8.
    pub temperature: f32,
    /// Only the `top_k` likeliest tokens are considered; 0 considers all, default 40.
    pub top_k: u32,
    /// Only the likeliest tokens that together reach this probability; above 0 to 1, default 0.95, 1 is off.
    pub top_p: f32,
    /// Only tokens at least this likely relative to the likeliest; 0 to 1, default 0.05, 0 is off.
    pub min_p: f32,
    /// Divides the logits of tokens seen lately; 0.01 to 2, default 1, which is off.
    pub repeat_penalty: f32,
    /// How many of the latest tokens the three penalties look at; default 64, 0 is off.
    pub repeat_last_n: u32,
    /// Lowers a token's logit once per time it was seen; -2 to 2, default 0.
    pub frequency_penalty: f32,
    /// Lowers the logit of every token that was seen; -2 to 2, default 0.
    pub presence_penalty: f32,
    /// Seed of the choice: the same request with the same seed gives the same text.
    pub seed: u32,
}

impl Default for Sampling {
    fn default() -> Self {
        Self {
            temperature: 0.8,
            top_k: 40,
            top_p: 0.95,
            min_p: 0.05,
            repeat_penalty: 1.0,
            repeat_last_n: 64,
            frequency_penalty: 0.0,
            presence_penalty: 0.0,
            seed: 0,
        }
    }
}

/// A parameter outside its range.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field} must be {range}")]
pub struct OutOfRange {
    /// The field of [`Sampling`].
    pub field: &'static str,
    /// What it may be.
    pub range: &'static str,
}

impl Sampling {
    /// The smallest temperature that is one. Dividing logits by less overflows, and the engine then answers garbage; some
    /// clients send such values and mean 0.
    pub const TEMPERATURE_MIN: f32 = 0.001;

    /// Whether the choice is deterministic without a seed.
    pub fn is_greedy(&self) -> bool {
        self.temperature < Self::TEMPERATURE_MIN
    }

    /// Checks every range. An engine takes NaN and infinities without a word and answers garbage,
    /// so they end here.
    ///
    /// # Errors
    /// The first field outside its range.
    pub fn check(&self) -> Result<(), OutOfRange> {
        let rules: [(&'static str, bool, &'static str); 8] = [
            ("temperature", (0.0..=2.0).contains(&self.temperature), "a number from 0 to 2"),
            ("top_k", self.top_k <= i32::MAX as u32, "an integer from 0 to 2147483647"),
            ("top_p", self.top_p > 0.0 && self.top_p <= 1.0, "a number above 0 and at most 1"),
            ("min_p", (0.0..=1.0).contains(&self.min_p), "a number from 0 to 1"),
            ("repeat_penalty", (0.01..=2.0).contains(&self.repeat_penalty), "a number from 0.01 to 2"),
            ("repeat_last_n", self.repeat_last_n <= i32::MAX as u32, "an integer from 0 to 2147483647"),
            ("frequency_penalty", (-2.0..=2.0).contains(&self.frequency_penalty), "a number from -2 to 2"),
            ("presence_penalty", (-2.0..=2.0).contains(&self.presence_penalty), "a number from -2 to 2"),
        ];
        match rules.into_iter().find(|(_, holds, _)| !holds) {
            None => Ok(()),
            Some((field, _, range)) => Err(OutOfRange { field, range }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Sampling;

    #[test]
    fn defaults_are_in_range() {
        assert_eq!(Sampling::default().check(), Ok(()));
    }

    /// NaN compares false with everything, so a rule written as "not below the minimum" would let it pass.
    #[test]
    fn nan_and_infinity_are_refused_in_every_field() {
        type Set = fn(&mut Sampling, f32);
        let fields: [(&str, Set); 6] = [
            ("temperature", |s, v| s.temperature = v),
            ("top_p", |s, v| s.top_p = v),
            ("min_p", |s, v| s.min_p = v),
            ("repeat_penalty", |s, v| s.repeat_penalty = v),
            ("frequency_penalty", |s, v| s.frequency_penalty = v),
            ("presence_penalty", |s, v| s.presence_penalty = v),
        ];
        for (name, set) in fields {
            for value in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, -3.0, 3.0] {
                let mut sampling = Sampling::default();
                set(&mut sampling, value);
                assert_eq!(sampling.check().map_err(|e| e.field), Err(name), "{value}");
            }
        }
    }
}
