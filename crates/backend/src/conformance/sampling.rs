//! Chance comes from the seed, and only where chance was asked for.

use super::{Subject, kit};

/// At a temperature above 0 the seed decides, and nothing else.
/// Method: each seed twice, with the other seeds between; and on a model that was loaded afresh.
pub async fn the_same_seed_gives_the_same_text(subject: &impl Subject) {
    const SEEDS: [u32; 4] = [0, 1, 7, u32::MAX];
    let mut runs = Vec::new();
    for _ in 0..2 {
        let mut model = subject.load(1).await;
        let mut lane = kit::only_lane(&mut model);
        for _ in 0..2 {
            let mut texts = Vec::new();
            for seed in SEEDS {
                let mut request = kit::request(&model, kit::chat("Tell me something about the sea.")).await;
                request.options.sampling.temperature = 1.5;
                request.options.sampling.seed = seed;
                request.max_tokens = 48;
                texts.push(kit::text_of(lane.as_mut(), request).await);
            }
            runs.push(texts);
        }
    }
    for again in &runs[1..] {
        assert_eq!(again, &runs[0], "texts of the seeds {SEEDS:?}");
    }
}

/// At temperature 0 the likeliest token is taken, whatever the seed.
pub async fn temperature_zero_ignores_the_seed(subject: &impl Subject) {
    let mut model = subject.load(1).await;
    let mut lane = kit::only_lane(&mut model);
    let mut texts = Vec::new();
    for seed in [0, 1, 7, u32::MAX] {
        let mut request = kit::request(&model, kit::chat("Tell me something about the sea.")).await;
        request.options.sampling.seed = seed;
        request.max_tokens = 48;
        texts.push(kit::text_of(lane.as_mut(), request).await);
    }
    for text in &texts[1..] {
        assert_eq!(text, &texts[0]);
    }
}
