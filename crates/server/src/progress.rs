//! How far the models are loaded: bars on a terminal, log lines elsewhere.

use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use serving::{LoadState, ModelView, Service};
use tokio::time::MissedTickBehavior;

/// How often is looked.
const TICK: Duration = Duration::from_millis(100);

/// What a full bar counts to.
const FULL: u64 = 1000;

/// Shows the load until every model is loaded or has failed to.
///
/// # Cancel safety
/// Dropping the future stops the show and nothing else.
pub(crate) async fn show(service: &Service, bars: &MultiProgress) {
    let mut lines: Vec<Line> = service.models().iter().map(|model| Line::new(model, bars)).collect();
    let mut tick = tokio::time::interval(TICK);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut loaded = std::pin::pin!(service.loaded());
    loop {
        let is_over = tokio::select! {
            biased;
            () = loaded.as_mut() => true,
            _ = tick.tick() => false,
        };
        for (line, model) in lines.iter_mut().zip(service.models()) {
            line.update(&model);
        }
        if is_over {
            return;
        }
    }
}

/// One model's line.
struct Line {
    /// `None` where bars cannot be seen; then the log tells the quarters.
    bar: Option<ProgressBar>,
    quarters_logged: Option<u32>,
}

impl Line {
    fn new(model: &ModelView, bars: &MultiProgress) -> Self {
        let style =
            ProgressStyle::with_template("{prefix:>16} {bar:32} {percent:>3} %").expect("the template is sound");
        let bar = || bars.add(ProgressBar::new(FULL).with_style(style).with_prefix(model.id.clone()));
        Self { bar: (!bars.is_hidden()).then(bar), quarters_logged: None }
    }

    fn update(&mut self, model: &ModelView) {
        match (&self.bar, &model.state) {
            (Some(bar), LoadState::Loading { progress }) => {
                bar.set_position((f64::from(*progress) * FULL as f64) as u64)
            }
            // How it ended is the service's to log and the report's to say.
            (Some(bar), _) => bar.finish_and_clear(),
            (None, LoadState::Loading { progress }) => self.log(&model.id, ((progress * 4.0) as u32).min(3)),
            (None, _) => {}
        }
    }

    /// Enough to see that it goes on, few enough for a log.
    fn log(&mut self, model: &str, quarters: u32) {
        if self.quarters_logged.replace(quarters) != Some(quarters) {
            tracing::info!(model, percent = quarters * 25, "loading");
        }
    }
}
