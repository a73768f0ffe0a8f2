//! How far the models are loaded: bars on a terminal, log lines elsewhere.
//!
//! Bars are drawn by a thread of its own: a terminal can be stopped, and then whoever writes to it stands still.

use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use serving::{LoadState, ModelView, Service};
use tokio::sync::mpsc;
use tokio::time::MissedTickBehavior;

/// How often is looked.
const TICK: Duration = Duration::from_millis(100);

/// How long the last picture may take. After that the bars are left to themselves.
const LAST_PICTURE_MAX: Duration = Duration::from_secs(1);

/// What a full bar counts to.
const FULL: u64 = 1000;

/// Shows the load until every model is loaded or has failed to.
///
/// # Cancel safety
/// Dropping the future stops the show and nothing else.
pub(crate) async fn show(service: &Service, bars: &MultiProgress) {
    let (pictures, mut to_draw) = mpsc::channel::<Vec<ModelView>>(1);
    let first = service.models();
    let bars = bars.clone();
    let drawing = tokio::task::spawn_blocking(move || {
        let mut lines: Vec<Line> = first.iter().map(|model| Line::new(model, &bars)).collect();
        while let Some(models) = to_draw.blocking_recv() {
            for (line, model) in lines.iter_mut().zip(&models) {
                line.update(model);
            }
        }
        lines.iter().for_each(Line::clear);
    });
    let mut tick = tokio::time::interval(TICK);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut loaded = std::pin::pin!(service.loaded());
    loop {
        tokio::select! {
            biased;
            () = loaded.as_mut() => break,
            _ = tick.tick() => {}
        }
        // A picture that is not drawn in time is replaced by the next one.
        let _busy = pictures.try_send(service.models());
    }
    drop(pictures);
    let _stands_still = tokio::time::timeout(LAST_PICTURE_MAX, drawing).await;
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
            (_, LoadState::Ready | LoadState::Unloaded | LoadState::Failed { .. }) => self.clear(),
            (None, LoadState::Loading { progress }) => self.log(&model.id, ((progress * 4.0) as u32).min(3)),
        }
    }

    fn clear(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }

    /// Enough to see that it goes on, few enough for a log.
    fn log(&mut self, model: &str, quarters: u32) {
        if self.quarters_logged.replace(quarters) != Some(quarters) {
            tracing::info!(model, percent = quarters * 25, "loading");
        }
    }
}
