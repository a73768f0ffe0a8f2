//! How tokens are chosen, and within which ranges.

use crate::TokenId;

/// Sampling parameters. The default values are llama.cpp's, and so are the names.
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
    /// Only tokens about as surprising as is usual here, up to this probability together (locally typical sampling, Meister
    /// et al. 2022); above 0 to 1, default 1, which is off.
    pub typical_p: f32,
    /// Leaves out the likeliest tokens now and then; default `None`.
    pub xtc: Option<Xtc>,
    /// Lowers tokens that would go on with a repetition; default `None`.
    pub dry: Option<Dry>,
    /// Keeps the surprise at a target, in place of `top_k`, `top_p`, `min_p`, `typical_p` and `xtc`; default `None`.
    pub mirostat: Option<Mirostat>,
    /// Added to the logits of single tokens, at most [`LOGIT_BIAS_MAX`](Self::LOGIT_BIAS_MAX); -100 to 100 each, and
    /// negative infinity forbids a token. Empty by default. The engine refuses tokens that it does not have.
    pub logit_bias: Vec<(TokenId, f32)>,
    /// Seed of the choice: the same request with the same seed gives the same text.
    pub seed: u32,
}

/// Exclude top choices: where several tokens are likelier than the threshold, all of them but the least likely are left
/// out, with this probability.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Xtc {
    /// How often; 0 to 1.
    pub probability: f32,
    /// How likely a token must be to count; 0 to 1, and above 0.5 nothing ever does.
    pub threshold: f32,
}

/// Don't repeat yourself: a token that would continue a repetition of `n` tokens is lowered by
/// `multiplier * base ^ (n - allowed_length)`.
#[derive(Debug, Clone, PartialEq)]
pub struct Dry {
    /// 0 to 100; 0 is off.
    pub multiplier: f32,
    /// 1 to 10, default 1.75.
    pub base: f32,
    /// Repetitions of up to this many tokens cost nothing; default 2.
    pub allowed_length: u32,
    /// How many of the latest tokens are looked at; 0 is off, and the context bounds it. Everything by default.
    pub penalty_last_n: u32,
    /// Texts that a repetition does not reach across, at most [`SEQUENCE_BREAKERS_MAX`](Self::SEQUENCE_BREAKERS_MAX), none
    /// of them empty.
    pub sequence_breakers: Vec<String>,
}

impl Dry {
    /// Sequence breakers that a request may have.
    pub const SEQUENCE_BREAKERS_MAX: usize = 64;
}

impl Default for Dry {
    fn default() -> Self {
        Self {
            multiplier: 0.0,
            base: 1.75,
            allowed_length: 2,
            penalty_last_n: I32_MAX,
            sequence_breakers: ["\n", ":", "\"", "*"].map(String::from).into(),
        }
    }
}

/// Mirostat (Basu et al. 2021).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Mirostat {
    /// Which one.
    pub version: MirostatVersion,
    /// The surprise to aim at, in bits; 0 to 100, default 5.
    pub tau: f32,
    /// How fast to learn; 0 to 1, default 0.1.
    pub eta: f32,
}

/// Which Mirostat.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MirostatVersion {
    /// Estimates the shape of the distribution.
    V1,
    /// Cuts where the surprise is too great.
    V2,
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
            typical_p: 1.0,
            xtc: None,
            dry: None,
            mirostat: None,
            logit_bias: Vec::new(),
            seed: 0,
        }
    }
}

const I32_MAX: u32 = i32::MAX as u32;

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

    /// Tokens whose logits a request may bias.
    pub const LOGIT_BIAS_MAX: usize = 1024;

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
        let percent = 0.0..=1.0;
        let (xtc, mirostat) = (self.xtc.as_ref(), self.mirostat.as_ref());
        let dry = self.dry.as_ref();
        let biased = |bias: f32| (-100.0..=100.0).contains(&bias) || bias == f32::NEG_INFINITY;
        let breaks = |dry: &Dry| {
            dry.sequence_breakers.len() <= Dry::SEQUENCE_BREAKERS_MAX
                && dry.sequence_breakers.iter().all(|text| !text.is_empty() && !text.contains('\0'))
        };
        let rules: [(&'static str, bool, &'static str); 19] = [
            ("temperature", (0.0..=2.0).contains(&self.temperature), "a number from 0 to 2"),
            ("top_k", self.top_k <= I32_MAX, "an integer from 0 to 2147483647"),
            ("top_p", self.top_p > 0.0 && self.top_p <= 1.0, "a number above 0 and at most 1"),
            ("min_p", (0.0..=1.0).contains(&self.min_p), "a number from 0 to 1"),
            ("repeat_penalty", (0.01..=2.0).contains(&self.repeat_penalty), "a number from 0.01 to 2"),
            ("repeat_last_n", self.repeat_last_n <= I32_MAX, "an integer from 0 to 2147483647"),
            ("frequency_penalty", (-2.0..=2.0).contains(&self.frequency_penalty), "a number from -2 to 2"),
            ("presence_penalty", (-2.0..=2.0).contains(&self.presence_penalty), "a number from -2 to 2"),
            ("typical_p", self.typical_p > 0.0 && self.typical_p <= 1.0, "a number above 0 and at most 1"),
            ("xtc_probability", xtc.is_none_or(|x| percent.contains(&x.probability)), "a number from 0 to 1"),
            ("xtc_threshold", xtc.is_none_or(|x| percent.contains(&x.threshold)), "a number from 0 to 1"),
            ("dry_multiplier", dry.is_none_or(|d| (0.0..=100.0).contains(&d.multiplier)), "a number from 0 to 100"),
            ("dry_base", dry.is_none_or(|d| (1.0..=10.0).contains(&d.base)), "a number from 1 to 10"),
            ("dry_allowed_length", dry.is_none_or(|d| d.allowed_length <= I32_MAX), "an integer from 0 to 2147483647"),
            ("dry_penalty_last_n", dry.is_none_or(|d| d.penalty_last_n <= I32_MAX), "an integer from 0 to 2147483647"),
            ("dry_sequence_breakers", dry.is_none_or(breaks), "at most 64 texts, none empty and none with a NUL"),
            ("mirostat_tau", mirostat.is_none_or(|m| (0.0..=100.0).contains(&m.tau)), "a number from 0 to 100"),
            ("mirostat_eta", mirostat.is_none_or(|m| percent.contains(&m.eta)), "a number from 0 to 1"),
            (
                "logit_bias",
                self.logit_bias.len() <= Self::LOGIT_BIAS_MAX && self.logit_bias.iter().all(|&(_, bias)| biased(bias)),
                "at most 1024 tokens with a number from -100 to 100 each",
            ),
        ];
        match rules.into_iter().find(|(_, holds, _)| !holds) {
            None => Ok(()),
            Some((field, _, range)) => Err(OutOfRange { field, range }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Dry, Mirostat, MirostatVersion, Sampling, Xtc};

    #[test]
    fn defaults_are_in_range() {
        assert_eq!(Sampling::default().check(), Ok(()));
    }

    /// NaN compares false with everything, so a rule written as "not below the minimum" would let it pass.
    #[test]
    fn nan_and_infinity_are_refused_in_every_field() {
        type Set = fn(&mut Sampling, f32);
        const MIROSTAT: Mirostat = Mirostat { version: MirostatVersion::V2, tau: 5.0, eta: 0.1 };
        let fields: [(&str, Set); 13] = [
            ("temperature", |s, v| s.temperature = v),
            ("top_p", |s, v| s.top_p = v),
            ("min_p", |s, v| s.min_p = v),
            ("repeat_penalty", |s, v| s.repeat_penalty = v),
            ("frequency_penalty", |s, v| s.frequency_penalty = v),
            ("presence_penalty", |s, v| s.presence_penalty = v),
            ("typical_p", |s, v| s.typical_p = v),
            ("xtc_probability", |s, v| s.xtc = Some(Xtc { probability: v, threshold: 0.1 })),
            ("xtc_threshold", |s, v| s.xtc = Some(Xtc { probability: 0.5, threshold: v })),
            ("dry_multiplier", |s, v| s.dry = Some(Dry { multiplier: v, ..Dry::default() })),
            ("dry_base", |s, v| s.dry = Some(Dry { base: v, ..Dry::default() })),
            ("mirostat_tau", |s, v| s.mirostat = Some(Mirostat { tau: v, ..MIROSTAT })),
            ("mirostat_eta", |s, v| s.mirostat = Some(Mirostat { eta: v, ..MIROSTAT })),
        ];
        for (name, set) in fields {
            for value in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, -101.0, 101.0] {
                let mut sampling = Sampling::default();
                set(&mut sampling, value);
                assert_eq!(sampling.check().map_err(|e| e.field), Err(name), "{value}");
            }
        }
    }

    #[test]
    fn a_token_can_be_forbidden_and_not_forced_beyond_measure() {
        let biased =
            |bias| Sampling { logit_bias: vec![(7, bias)], ..Sampling::default() }.check().map_err(|e| e.field);
        assert_eq!([100.0, -100.0, f32::NEG_INFINITY].map(biased), [Ok(()); 3]);
        assert_eq!([100.5, f32::INFINITY, f32::NAN].map(biased), [Err("logit_bias"); 3]);
        let many = Sampling { logit_bias: vec![(7, 1.0); Sampling::LOGIT_BIAS_MAX + 1], ..Sampling::default() };
        assert_eq!(many.check().map_err(|e| e.field), Err("logit_bias"));
    }

    #[test]
    fn a_sequence_breaker_is_a_text_that_c_can_hold() {
        let with = |text: &str| {
            let dry = Dry { sequence_breakers: vec![text.into()], ..Dry::default() };
            Sampling { dry: Some(dry), ..Sampling::default() }.check().map_err(|e| e.field)
        };
        assert_eq!(["\n", "", "a\0b"].map(with), [Ok(()), Err("dry_sequence_breakers"), Err("dry_sequence_breakers")]);
    }
}
