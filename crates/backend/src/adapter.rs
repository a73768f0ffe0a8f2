//! What changes a model a little, for single requests.

use crate::ModelSource;

/// An adapter (LoRA) of a model: small matrices that are added to its own, and can be left out again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdapterSpec {
    /// By which name it is asked for, and named in messages.
    pub name: String,
    /// Where its weights are.
    pub source: ModelSource,
    /// How strongly it is applied where a request does not say.
    pub scale: Scale,
}

/// How strongly an adapter is applied: 1 as it was trained, 0 not at all. A number from -10 to 10; what is far beyond
/// its training has nothing to say, and further on nothing is a number any more.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scale(f32);

// It is a number, so it equals itself.
impl Eq for Scale {}

/// A scale that is no number, or too far from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a scale must be a number from -{max} to {max}", max = Scale::MAX)]
pub struct NotAScale;

impl Scale {
    /// As strongly as it was trained.
    pub const ONE: Self = Self(1.0);
    /// How far from 0 a scale may be.
    pub const MAX: f32 = 10.0;

    /// A scale.
    ///
    /// # Errors
    /// [`NotAScale`]: a model would compute no numbers with it.
    pub fn new(scale: f32) -> Result<Self, NotAScale> {
        if scale.abs() <= Self::MAX { Ok(Self(scale)) } else { Err(NotAScale) }
    }

    /// The number.
    pub fn get(self) -> f32 {
        self.0
    }
}

/// An adapter at work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Adapter {
    /// Which of [`ModelSpec::adapters`](crate::ModelSpec::adapters), from 0.
    pub number: u32,
    /// How strongly. At 0 the answer is what it is without the adapter, bit by bit where the model has one lane.
    pub scale: Scale,
}

#[cfg(test)]
mod tests {
    use super::{NotAScale, Scale};

    #[test]
    fn a_scale_is_a_number_within_its_range() {
        for scale in [0.0, -0.0, 1.0, -10.0, 10.0] {
            assert_eq!(Scale::new(scale).map(Scale::get), Ok(scale));
        }
        for scale in [f32::NAN, f32::INFINITY, -10.001, f32::MAX] {
            assert_eq!(Scale::new(scale), Err(NotAScale));
        }
    }
}
