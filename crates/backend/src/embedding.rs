//! What a text means, as a vector.

/// One input's vector, as the model's own pooling gives it, at length 1.
#[derive(Debug, Clone, PartialEq)]
pub struct Embedding {
    /// As many numbers as the model is wide.
    pub values: Vec<f32>,
    /// Tokens of the input.
    pub tokens: u32,
}
