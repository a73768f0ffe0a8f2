//! How far a step of several tokens computes what steps of one token do.
//!
//! Which of its kernels llama.cpp takes, and so the order in which numbers are added, follows from shapes: the kind of the
//! weights, the tokens of a step, the length of the cache, the threads. Measured with demo models: 8-bit and 4-bit weights
//! give the same bits in either way, until the cache has 512 cells and there are two threads, from where attention is
//! computed in other parts; 16-bit weights never do. So it is found out for each class of lengths, by computing drafts in
//! both ways, see `rounds::drafting`. Drafts have one length, so that it is no further variable.
//!
//! Where every bit was the same, a draft is as good as plain steps. Where not, the most that a logit differed by is kept,
//! and a choice that so much more could change is not made from a draft.

/// Rows of logits that are compared before a class of lengths is judged.
const ROWS_MIN: u32 = 32;
/// Drafts between two that are compared again, where all were the same.
const DRAFTS_BETWEEN: u32 = 64;
/// By how many times the largest difference seen the best logit must be ahead of the second. Two logits may each have moved
/// by it, towards each other; the rest is for what was not seen.
const AHEAD: f32 = 4.0;
/// The largest difference that is assumed where less was seen: what 16-bit weights were measured to make. Without it a mixture
/// of experts whose drafts had equal bits so far would be believed in everything.
const DEVIATION_MIN: f32 = 0.01;
/// The length of the cache grows by so many cells.
const CELLS: usize = 256;
/// Tokens that may be computed again before it is asked whether drafts pay.
const LOST_MIN: usize = 256;

/// What drafts of some length are good for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Verdict {
    /// It is not known yet: compute one in both ways, if what is before it was.
    Compare,
    /// They have the bits of plain steps.
    Equal,
    /// A choice must be ahead by so much.
    Ahead(f32),
    /// Choices were too often not ahead.
    Useless,
}

/// What is known of an engine's drafts.
#[derive(Debug)]
pub(super) struct Trust {
    /// Whether equal bits are chance: a mixture of experts computes together the tokens that go to the same one.
    is_mixture: bool,
    /// By class of lengths; a handful.
    classes: Vec<Class>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Class {
    n_rows: u32,
    n_unequal: u32,
    deviation: f32,
    /// Drafts since the latest that was compared.
    n_drafts: u32,
    /// Tokens that drafts got right.
    n_won: usize,
    /// Tokens that were computed again for a choice that was not ahead.
    n_lost: usize,
}

impl Trust {
    pub(super) fn new(is_mixture: bool) -> Self {
        Self { is_mixture, classes: Vec::new() }
    }

    /// What a draft is good for after which the cache holds `len` tokens.
    pub(super) fn verdict(&self, len: usize) -> Verdict {
        let class = self.classes.get(class(len)).copied().unwrap_or_default();
        if class.n_rows < ROWS_MIN {
            Verdict::Compare
        } else if class.n_unequal == 0 && !self.is_mixture {
            if class.n_drafts < DRAFTS_BETWEEN { Verdict::Equal } else { Verdict::Compare }
        } else if class.n_lost > LOST_MIN && class.n_lost > class.n_won / 2 {
            Verdict::Useless
        } else {
            Verdict::Ahead(self.ahead())
        }
    }

    /// By how much a choice must be ahead where anything in the cache is of drafts that are not equal.
    pub(super) fn ahead(&self) -> f32 {
        AHEAD * self.classes.iter().map(|class| class.deviation).fold(DEVIATION_MIN, f32::max)
    }

    /// Learns from logits of a draft, beside those of plain steps, of the token after which the cache held `len`.
    pub(super) fn compare(&mut self, len: usize, drafted: &[f32], plain: &[f32]) {
        let class = self.class(len);
        class.n_rows += 1;
        class.n_drafts = 0;
        if drafted.iter().zip(plain).all(|(one, other)| one.to_bits() == other.to_bits()) {
            return;
        }
        if class.n_unequal == 0 && class.n_rows > ROWS_MIN {
            tracing::warn!(len, "drafts have other bits than plain steps, which they had not before");
        }
        class.n_unequal += 1;
        // What is not a number is no small difference, nor is it one to compute with.
        let difference = |(one, other): (&f32, &f32)| if one == other { 0.0 } else { (one - other).abs() };
        let differences = drafted.iter().zip(plain).map(difference).filter(|difference| difference.is_finite());
        class.deviation = differences.fold(class.deviation, f32::max);
    }

    /// Counts a draft of which `n` tokens were right.
    pub(super) fn won(&mut self, len: usize, n: usize) {
        let class = self.class(len);
        class.n_drafts += 1;
        class.n_won += n;
    }

    /// Counts `n` tokens that have to be computed again.
    pub(super) fn lost(&mut self, len: usize, n: usize) {
        self.class(len).n_lost += n;
    }

    fn class(&mut self, len: usize) -> &mut Class {
        let class = class(len);
        if self.classes.len() <= class {
            self.classes.resize(class + 1, Class::default());
        }
        &mut self.classes[class]
    }
}

/// Lengths whose number of cells has as many binary digits are of one class.
fn class(len: usize) -> usize {
    len.div_ceil(CELLS).max(1).ilog2() as usize
}

#[cfg(test)]
mod tests {
    use super::{AHEAD, CELLS, DEVIATION_MIN, DRAFTS_BETWEEN, LOST_MIN, ROWS_MIN, Trust, Verdict};

    /// One that has seen as many rows as it takes, with a difference in the last of them.
    fn judged(is_mixture: bool, difference: f32) -> Trust {
        let mut trust = Trust::new(is_mixture);
        for row in 1..=ROWS_MIN {
            assert_eq!(trust.verdict(9), Verdict::Compare, "row {row}");
            let plain = if row == ROWS_MIN { 1.0 + difference } else { 1.0 };
            trust.compare(9, &[1.0, 2.0], &[plain, 2.0]);
        }
        trust
    }

    #[test]
    fn drafts_are_equal_after_enough_rows_were_equal_and_looked_at_again_now_and_then() {
        let mut trust = judged(false, 0.0);
        for _ in 0..DRAFTS_BETWEEN {
            assert_eq!(trust.verdict(9), Verdict::Equal);
            trust.won(9, 3);
        }
        assert_eq!(trust.verdict(9), Verdict::Compare);
        trust.compare(9, &[1.0], &[1.0]);
        assert_eq!(trust.verdict(9), Verdict::Equal);
        trust.compare(9, &[1.0], &[1.5]);
        assert_eq!(trust.verdict(9), Verdict::Ahead(AHEAD * 0.5));
    }

    #[test]
    fn one_bit_is_a_difference() {
        let trust = judged(false, f32::EPSILON);
        assert_eq!(trust.verdict(9), Verdict::Ahead(AHEAD * DEVIATION_MIN));
    }

    #[test]
    fn equal_bits_of_a_mixture_prove_nothing() {
        assert_eq!(judged(true, 0.0).verdict(9), Verdict::Ahead(AHEAD * DEVIATION_MIN));
    }

    /// A difference that was seen at one length counts at every other: what is in the cache stays there.
    #[test]
    fn lengths_are_judged_by_themselves_and_doubted_together() {
        let mut trust = judged(false, 0.0);
        assert_eq!(trust.verdict(CELLS), Verdict::Equal);
        assert_eq!(trust.verdict(CELLS + 1), Verdict::Compare);
        trust.compare(CELLS + 1, &[1.0], &[3.0]);
        assert_eq!(trust.verdict(9), Verdict::Equal);
        assert_eq!(trust.ahead(), AHEAD * 2.0);
    }

    #[test]
    fn drafts_that_cost_more_than_they_bring_are_given_up() {
        let mut trust = judged(false, 0.5);
        trust.won(9, LOST_MIN);
        trust.lost(9, LOST_MIN);
        assert_eq!(trust.verdict(9), Verdict::Ahead(AHEAD * 0.5));
        trust.lost(9, 1);
        assert_eq!(trust.verdict(9), Verdict::Useless);
    }

    #[test]
    fn what_is_no_number_is_unequal_and_no_deviation() {
        let mut trust = judged(false, 0.25);
        trust.compare(9, &[f32::NAN, f32::INFINITY], &[1.0, f32::INFINITY]);
        assert_eq!(trust.verdict(9), Verdict::Ahead(AHEAD * 0.25));
    }
}
