//! Which lanes are computed in the next step, and how many tokens of each.
//!
//! A lane that is in the middle of its answer has one token to compute and always gets it. What is left of prompts
//! shares the tokens of a step, so that however long they are, an answer waits for no more than these. They begin in
//! turn: a short prompt gets past a long one, and a long one is not forgotten.

/// What a lane has to compute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Want {
    pub(super) lane: usize,
    /// Tokens, at least one.
    pub(super) n_tokens: usize,
    /// What they are.
    pub(super) kind: Kind,
}

/// What tokens belong to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// The next token of an answer.
    Answer,
    /// Words of a prompt.
    Prompt,
    /// A picture of a prompt: all of it or nothing, and by itself.
    Picture,
}

/// What a lane gets in a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Share {
    pub(super) lane: usize,
    pub(super) n_tokens: usize,
}

/// The shares of the next step. `wants` are in the order of their lanes, and `turn` is the lane whose prompt goes first.
/// At most `prompt_max` tokens are of prompts.
///
/// A picture whose turn it is is a step by itself, whatever its tokens: the others wait for it.
pub(super) fn plan(wants: &[Want], prompt_max: usize, turn: usize) -> Vec<Share> {
    let others = || wants.iter().filter(|want| want.kind != Kind::Answer);
    let in_turn = others().filter(|want| want.lane >= turn).chain(others().filter(|want| want.lane < turn));
    if let Some(&Want { lane, n_tokens, kind: Kind::Picture }) = in_turn.clone().next() {
        return vec![Share { lane, n_tokens }];
    }
    let answers =
        wants.iter().filter(|want| want.kind == Kind::Answer).map(|want| Share { lane: want.lane, n_tokens: 1 });
    let mut shares: Vec<Share> = answers.collect();
    let mut left = prompt_max;
    for want in in_turn.filter(|want| want.kind == Kind::Prompt) {
        let n_tokens = want.n_tokens.min(left);
        if n_tokens > 0 {
            left -= n_tokens;
            shares.push(Share { lane: want.lane, n_tokens });
        }
    }
    shares
}

#[cfg(test)]
mod tests {
    use super::{Kind, Share, Want, plan};

    fn prompt(lane: usize, n_tokens: usize) -> Want {
        Want { lane, n_tokens, kind: Kind::Prompt }
    }

    fn answer(lane: usize) -> Want {
        Want { lane, n_tokens: 1, kind: Kind::Answer }
    }

    fn picture(lane: usize, n_tokens: usize) -> Want {
        Want { lane, n_tokens, kind: Kind::Picture }
    }

    fn shares(wants: &[Want], turn: usize) -> Vec<(usize, usize)> {
        plan(wants, 64, turn).into_iter().map(|Share { lane, n_tokens }| (lane, n_tokens)).collect()
    }

    #[test]
    fn every_answer_goes_on_beside_one_step_of_prompts() {
        assert_eq!(shares(&[answer(0), prompt(1, 500), answer(2), prompt(3, 500)], 0), [(0, 1), (2, 1), (1, 64)]);
    }

    #[test]
    fn what_one_prompt_leaves_is_the_next_ones() {
        assert_eq!(shares(&[prompt(0, 30), prompt(1, 30), prompt(2, 30)], 0), [(0, 30), (1, 30), (2, 4)]);
    }

    #[test]
    fn prompts_begin_in_turn() {
        let wants = [prompt(0, 500), prompt(1, 20), prompt(3, 500)];
        assert_eq!(shares(&wants, 1), [(1, 20), (3, 44)]);
        assert_eq!(shares(&wants, 2), [(3, 64)]);
        assert_eq!(shares(&wants, 4), [(0, 64)]);
    }

    /// What a lane alone gets does not depend on its turn, or its text would not be what it is alone.
    #[test]
    fn a_lane_alone_gets_whole_steps() {
        for turn in 0..3 {
            assert_eq!(shares(&[prompt(0, 130)], turn), [(0, 64)]);
            assert_eq!(shares(&[prompt(0, 2)], turn), [(0, 2)]);
            assert_eq!(shares(&[answer(0)], turn), [(0, 1)]);
        }
    }

    #[test]
    fn nothing_wanted_is_nothing_done() {
        assert_eq!(shares(&[], 0), []);
    }

    #[test]
    fn a_picture_is_a_step_by_itself_when_it_is_its_turn() {
        let wants = [answer(0), picture(1, 900), prompt(2, 10)];
        assert_eq!(shares(&wants, 0), [(1, 900)]);
        assert_eq!(shares(&wants, 2), [(0, 1), (2, 10)]);
        assert_eq!(shares(&[answer(0)], 2), [(0, 1)]);
    }
}
