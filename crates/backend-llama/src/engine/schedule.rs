//! Which lanes are computed in the next step, and how many tokens of each.
//!
//! A lane that is in the middle of its answer has one token to compute and always gets it. What is left of prompts
//! shares the tokens of a step, so that however long they are, an answer waits for no more than these. They begin in
//! turn: a short prompt gets past a long one, and a long one is not forgotten.
//!
//! An adapter changes the model for a whole step. So lanes with different ones never share a step, and adapters take turns
//! step by step: an answer waits for one step of each other adapter in use, and never for a whole answer.

use backend::Adapter;

/// What a lane has to compute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Want {
    pub(super) lane: usize,
    /// Tokens, at least one.
    pub(super) n_tokens: usize,
    /// What they are.
    pub(super) kind: Kind,
    /// What they are computed with.
    pub(super) adapter: Option<Adapter>,
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

/// Leaves the lanes that share the next step, which are those of one adapter, or of none: whatever the lane wants that
/// stands first in `order`. They go behind the others there, so that a lane waits for fewer steps than there are lanes.
pub(super) fn leave_one_adapter(wants: &mut Vec<Want>, order: &mut [usize]) {
    let of = |wants: &[Want], lane: usize| wants.iter().find(|want| want.lane == lane).map(|want| want.adapter);
    let Some(chosen) = order.iter().find_map(|&lane| of(wants, lane)) else { return };
    wants.retain(|want| want.adapter == chosen);
    order.sort_by_key(|&lane| of(wants, lane).is_some());
}

/// The shares of the next step. `wants` are in the order of their lanes, and `turn` is the lane whose prompt goes first.
/// At most `prompt_max` tokens are of prompts.
///
/// A picture whose turn it is is a step by itself, whatever its tokens: the others wait for it.
pub(super) fn plan(wants: &[Want], prompt_max: usize, turn: usize) -> Vec<Share> {
    let others = || wants.iter().filter(|want| want.kind != Kind::Answer);
    let in_turn = others().filter(|want| want.lane >= turn).chain(others().filter(|want| want.lane < turn));
    if let Some(&Want { lane, n_tokens, kind: Kind::Picture, .. }) = in_turn.clone().next() {
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
    use backend::{Adapter, Scale};

    use super::{Kind, Share, Want, leave_one_adapter, plan};

    fn prompt(lane: usize, n_tokens: usize) -> Want {
        Want { lane, n_tokens, kind: Kind::Prompt, adapter: None }
    }

    fn answer(lane: usize) -> Want {
        Want { lane, n_tokens: 1, kind: Kind::Answer, adapter: None }
    }

    fn picture(lane: usize, n_tokens: usize) -> Want {
        Want { lane, n_tokens, kind: Kind::Picture, adapter: None }
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

    fn with(want: Want, number: u32) -> Want {
        Want { adapter: Some(Adapter { number, scale: Scale::ONE }), ..want }
    }

    /// The lanes of the next steps, one after the other.
    fn steps(wants: &[Want], n: usize) -> Vec<Vec<usize>> {
        let mut order = [0, 1, 2, 3, 4];
        let mut step = || {
            let mut left = wants.to_vec();
            leave_one_adapter(&mut left, &mut order);
            left.iter().map(|want| want.lane).collect()
        };
        (0..n).map(|_| step()).collect()
    }

    #[test]
    fn lanes_with_different_adapters_never_share_a_step_and_take_turns() {
        let wants = [with(answer(0), 1), answer(1), with(prompt(2, 9), 0), with(answer(3), 1), answer(4)];
        assert_eq!(steps(&wants, 4), [vec![0, 3], vec![1, 4], vec![2], vec![0, 3]]);
        let scaled = Want { adapter: Some(Adapter { number: 1, scale: Scale::new(0.5).unwrap() }), ..answer(2) };
        assert_eq!(steps(&[with(answer(0), 1), scaled], 3), [vec![0], vec![2], vec![0]]);
    }

    /// Whatever the lanes beside it do, a lane waits for fewer steps than there are lanes.
    /// Method: before every step each of the others wants nothing, or another adapter, or that of the last lane.
    #[test]
    fn no_adapter_is_forgotten_while_others_come_and_go() {
        let (mut order, mut waited, mut dice) = ([0, 1, 2, 3], 0, 1_u64);
        for step in 0..20_000 {
            let mut below = |n: u64| {
                // Knuth's generator of 64 bits; the high ones are good.
                dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                (dice >> 33) % n
            };
            let others = (0..3).filter_map(|lane| match below(4) {
                0 => None,
                1 => Some(answer(lane)),
                n => Some(with(answer(lane), n as u32 - 2)),
            });
            let mut wants: Vec<Want> = others.chain([with(answer(3), 0)]).collect();
            leave_one_adapter(&mut wants, &mut order);
            waited = if wants.iter().any(|want| want.lane == 3) { 0 } else { waited + 1 };
            assert!(waited < 4, "step {step}");
        }
    }

    #[test]
    fn one_adapter_or_none_is_every_lane_in_every_step() {
        let plain = [answer(0), prompt(1, 9)];
        assert_eq!(steps(&plain, 3), vec![vec![0, 1]; 3]);
        assert_eq!(steps(&plain.map(|want| with(want, 7)), 3), vec![vec![0, 1]; 3]);
        assert_eq!(steps(&[], 1), [vec![0; 0]]);
    }
}
