//! What a text means, as a vector; or how well it answers a question, as a number.

/// One input's vector, as the model's own pooling gives it, at length 1. Of a [`Pair`](crate::Pair) it is its score.
#[derive(Debug, Clone, PartialEq)]
pub struct Embedding {
    /// As many numbers as the model is wide. The score of a pair is one number on the model's own scale: a higher one means
    /// that the document answers the query better, and scores of different models cannot be compared.
    pub values: Vec<f32>,
    /// Tokens of the input.
    pub tokens: u32,
}
