//! The results as swim lanes: a lane for each request, its wait hatched, its hold solid. One unit of the axis is one answer
//! alone, so that what takes how long can be read off without knowing the machine.

use serving::Class;

use crate::judge::Result;
use crate::play::{Bar, Played};
use crate::svg::Svg;
use crate::world::Engine;

const WIDTH: f64 = 920.0;
const MARGIN: f64 = 20.0;
/// From the left edge to the beginning of the time axis.
const LABELS: f64 = 178.0;
/// From the end of the axis to the right edge: the ratio.
const RATIOS: f64 = 176.0;
const ROW: f64 = 22.0;
const BAR: f64 = 15.0;
/// What the axis shows, in answers.
const UNITS: f64 = 4.2;

/// The picture of the scripted models, as a file. What the demo models did is on the page.
pub(crate) fn draw(results: &[Result]) -> String {
    of(results, Engine::Mock)
}

/// The picture of one engine.
pub(crate) fn of(results: &[Result], engine: Engine) -> String {
    let mut svg = Svg::new(WIDTH);
    svg.text((MARGIN, 30.0), "start", "title", "Who waits for whom");
    let repetitions = results.iter().find(|result| result.engine == engine).map_or(0, |result| result.plays.len());
    let line = format!(
        "{}, real time; the axis counts answers: 1 is the time of one answer alone; median of {repetitions} runs",
        engine.describe()
    );
    svg.text((MARGIN, 48.0), "start", "small", &line);
    legend(&mut svg, 28.0);
    let mut y = 78.0;
    for result in results.iter().filter(|result| result.engine == engine) {
        if let Some(played) = result.typical() {
            y = panel(&mut svg, result, played, y);
        }
    }
    svg.finish(y)
}

fn legend(svg: &mut Svg, y: f64) {
    let mut x = 532.0;
    for (class, text, width) in [("wait", "waits", 74.0), ("hold", "has the model to itself", 184.0)] {
        svg.bar((x, y - 11.0), (24.0, 13.0), class);
        svg.text((x + 30.0, y), "start", "", text);
        x += width;
    }
    cross(svg, (x + 6.0, y - 4.5));
    svg.text((x + 18.0, y), "start", "", "leaves");
}

fn x(units: f64) -> f64 {
    MARGIN + LABELS + units.clamp(0.0, UNITS) / UNITS * (WIDTH - 2.0 * MARGIN - LABELS - RATIOS)
}

/// Draws one scenario from `top` on; returns where the next one begins.
fn panel(svg: &mut Svg, result: &Result, played: &Played, top: f64) -> f64 {
    svg.text((MARGIN, top + 12.0), "start", "head", result.scenario.claim);
    let first = top + 24.0;
    let bottom = first + played.bars.len() as f64 * ROW;
    for unit in 0..=UNITS as u32 {
        let at = x(f64::from(unit));
        svg.line((at, first), (at, bottom), if unit == 0 { "axis" } else { "grid" });
        svg.text((at, bottom + 13.0), "middle", "small", &unit.to_string());
    }
    for (at, bar) in played.bars.iter().enumerate() {
        row(svg, at, bar, played.alone, first + at as f64 * ROW);
    }
    let middle = f64::midpoint(first, bottom);
    svg.text((x(UNITS) + 18.0, middle), "start", "ratio", &headline(result));
    let spread = result.ratios();
    let (least, most) = (spread.first().copied().unwrap_or(0.0), spread.last().copied().unwrap_or(0.0));
    svg.text((x(UNITS) + 18.0, middle + 16.0), "start", "small", &format!("from {least:.2} to {most:.2}"));
    bottom + 34.0
}

fn headline(result: &Result) -> String {
    use crate::scenarios::Measure::{Total, WaitOfTheLast};
    match result.scenario.measure {
        Total => format!("all take {:.2}", result.median()),
        WaitOfTheLast => format!("the last waits {:.2}", result.median()),
    }
}

fn row(svg: &mut Svg, at: usize, bar: &Bar, alone: f64, top: f64) {
    let units = |seconds: f64| seconds / alone;
    let who = match bar.class {
        Class::Background => format!("{}  background", at + 1),
        Class::Interactive => format!("{}  interactive", at + 1),
        Class::Normal => format!("{}  for \"{}\"", at + 1, bar.asked),
    };
    let y = top + (ROW - BAR) / 2.0;
    svg.text((MARGIN + 10.0, y + 11.5), "start", "", &who);
    let wait_end = bar.held.map(|(from, _)| from).or(bar.left).unwrap_or(bar.arrived);
    let (from, to) = (x(units(bar.arrived)), x(units(wait_end)));
    svg.bar((from, y), (to - from, BAR), "wait");
    if let Some((granted, released)) = bar.held {
        let (from, to) = (x(units(granted)), x(units(released)));
        svg.bar((from, y), (to - from, BAR), "hold");
        if to - from > 44.0 {
            svg.text((f64::midpoint(from, to), y + 11.3), "middle", "in", &bar.model);
        }
    }
    if let Some(left) = bar.left {
        let at = x(units(left));
        cross(svg, (at, y + BAR / 2.0));
        svg.text((at + 12.0, y + 11.5), "start", "gone", "leaves");
    }
}

fn cross(svg: &mut Svg, (x, y): (f64, f64)) {
    const ARM: f64 = 5.5;
    svg.line((x - ARM, y - ARM), (x + ARM, y + ARM), "left");
    svg.line((x - ARM, y + ARM), (x + ARM, y - ARM), "left");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::judge;
    use crate::scenarios::SCENARIOS;

    fn results() -> Vec<Result> {
        let scenario = |at: usize| &SCENARIOS[at];
        let bar =
            |asked, arrived, held, left| Bar { asked, model: "fast".into(), class: Class::Normal, arrived, held, left };
        let bars = vec![bar("fast", 0.0, Some((0.0, 0.5)), Some(0.5)), bar("fast", 0.0, None, Some(0.25))];
        let played = Played { bars, alone: 1.0, ratio: 0.5 };
        vec![judge::judge(Engine::Mock, scenario(4), vec![played])]
    }

    #[test]
    fn waits_are_hatched_holds_are_solid_and_leavers_are_marked() {
        let picture = draw(&results());
        assert_eq!(picture.matches(r#"class="hold""#).count(), 1 + 1, "one, and one in the legend");
        assert_eq!(picture.matches(r#"class="wait""#).count(), 1 + 1, "who left while waiting, and the legend");
        assert_eq!(picture.matches(r#"class="gone""#).count(), 2);
        assert!(picture.contains(">the last waits 0.50<"), "{picture}");
    }

    #[test]
    fn no_coordinate_is_nonsense_and_nothing_leaves_the_picture() {
        let picture = draw(&results());
        assert!(!picture.contains("NaN") && !picture.contains("inf"));
        assert_eq!((x(0.0), x(99.0)), (MARGIN + LABELS, WIDTH - MARGIN - RATIOS));
    }
}
