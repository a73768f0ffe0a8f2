//! How long holds last of late, in whatever unit the host counts time.

/// A moving average of the holds that were reported: each new one has a weight of one eighth, so that some twenty holds
/// after a change of pace the old one is forgotten.
#[derive(Clone, Debug, Default)]
pub(super) struct Pace {
    /// In steps of 2^-16 units. `None` before the first hold, which counts whole.
    mean: Option<u128>,
}

impl Pace {
    const FRACTION_BITS: u32 = 16;
    const SHARE_OF_THE_NEW: u128 = 8;

    pub(super) fn record(&mut self, hold: u64) {
        let hold = u128::from(hold) << Self::FRACTION_BITS;
        self.mean = Some(match self.mean {
            Some(mean) => mean - mean / Self::SHARE_OF_THE_NEW + hold / Self::SHARE_OF_THE_NEW,
            None => hold,
        });
    }

    /// How long one waits behind `ahead` others for one of so many lanes, rounded up. `None` before the first hold, and
    /// if there is no lane.
    pub(super) fn expected_wait(&self, ahead: usize, lanes: usize) -> Option<u64> {
        let holds = (ahead as u128).saturating_add(1);
        // A product that saturates here is too long to be told even when it is divided, because lanes are few.
        let steps = self.mean?.saturating_mul(holds);
        let units_of_all = (lanes as u128) << Self::FRACTION_BITS;
        (lanes > 0).then(|| u64::try_from(steps.div_ceil(units_of_all)).unwrap_or(u64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::Pace;

    fn pace(holds: &[u64]) -> Pace {
        let mut pace = Pace::default();
        holds.iter().for_each(|&hold| pace.record(hold));
        pace
    }

    #[test]
    fn nothing_is_expected_before_the_first_hold() {
        assert_eq!(pace(&[]).expected_wait(0, 1), None);
    }

    #[test]
    fn nothing_is_expected_of_no_lane() {
        assert_eq!(pace(&[10]).expected_wait(0, 0), None);
    }

    #[test]
    fn a_wait_is_the_mean_hold_times_those_ahead_shared_among_the_lanes() {
        let pace = pace(&[100]);
        assert_eq!(pace.expected_wait(0, 1), Some(100));
        assert_eq!(pace.expected_wait(3, 1), Some(400));
        assert_eq!(pace.expected_wait(0, 2), Some(50));
        assert_eq!(pace.expected_wait(3, 2), Some(200));
        assert_eq!(pace.expected_wait(0, 3), Some(34), "rounded up");
    }

    #[test]
    fn each_hold_moves_the_mean_by_an_eighth_of_the_difference() {
        assert_eq!(pace(&[100, 180]).expected_wait(0, 1), Some(110));
        assert_eq!(pace(&[100, 180, 30]).expected_wait(0, 1), Some(100));
        // Not a whole number any more: 100 + 1/8, told exactly by a place far behind.
        assert_eq!(pace(&[100, 101]).expected_wait(0, 1), Some(101));
        assert_eq!(pace(&[100, 101]).expected_wait(7, 1), Some(801));
    }

    /// Method: holds of a thousand follow holds of ten. After twenty of them the mean is near the new pace.
    #[test]
    fn a_change_of_pace_is_noticed() {
        let mut pace = pace(&[10; 100]);
        assert_eq!(pace.expected_wait(0, 1), Some(10));
        (0..20).for_each(|_| pace.record(1000));
        assert!((900..1000).contains(&pace.expected_wait(0, 1).expect("holds were reported")));
    }

    #[test]
    fn holds_of_nothing_are_waits_of_nothing() {
        assert_eq!(pace(&[0, 0]).expected_wait(1000, 1), Some(0));
    }

    #[test]
    fn what_is_too_long_to_be_told_is_the_longest_there_is() {
        let pace = pace(&[u64::MAX; 3]);
        assert_eq!(pace.expected_wait(0, 1), Some(u64::MAX));
        assert_eq!(pace.expected_wait(1, 1), Some(u64::MAX));
        assert_eq!(pace.expected_wait(usize::MAX, 1), Some(u64::MAX));
        // A wait that can be told is told, however large its factors are.
        assert_eq!(pace.expected_wait(1, 2), Some(u64::MAX));
        assert_eq!(pace.expected_wait(1, 4), Some(u64::MAX / 2 + 1));
    }
}
