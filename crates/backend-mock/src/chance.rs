//! Chance that is none: numbers that look like it and depend on what is hashed, and on nothing else.

/// One step of SplitMix64: every bit of the state reaches every bit of the result.
pub(crate) fn mix(state: u64) -> u64 {
    let z = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ z >> 31
}

/// A number that depends on all of these and on how they are divided.
pub(crate) fn hash(parts: &[&[u8]]) -> u64 {
    parts.iter().fold(0, |state, part| {
        let state = mix(state ^ part.len() as u64);
        part.iter().fold(state, |state, byte| mix(state ^ u64::from(*byte)))
    })
}

/// A number from 0 up to, and without, 1.
pub(crate) fn unit(number: u64) -> f64 {
    (number >> 11) as f64 / (1u64 << 53) as f64
}
