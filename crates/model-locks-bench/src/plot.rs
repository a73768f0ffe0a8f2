//! The results as pictures, and as a table for the readme: who takes how long beside tokio's lock, and what a longer queue
//! costs.

use std::fs;
use std::io;
use std::path::Path;

use crate::contest::{Results, Table};
use crate::peers::{OURS, OURS_REF, TOKIO_BLOCKING_OWNED, TOKIO_LOCK, TOKIO_OWNED};
use crate::svg::{Anchor, Svg};
use crate::{machine, queue, registry};

const WIDTH: f64 = 960.0;
const MARGIN: f64 = 16.0;
/// Above the first plot: the title and two lines below it.
const TOP: f64 = 76.0;

/// Writes the pictures and the table into `folder` and says where they are.
///
/// # Errors
///
/// What the file system says.
pub(crate) fn write(results: &Results, folder: &Path) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    let files = [("ratios.svg", ratios(results)), ("growth.svg", growth(results)), ("measured.md", measured(results))];
    for (name, text) in files {
        let path = folder.join(name);
        fs::write(&path, text)?;
        println!("wrote {}", path.display());
    }
    Ok(())
}

fn page(height: f64, title: &str, line: &str) -> Svg {
    let mut svg = Svg::new(WIDTH, height);
    svg.text((MARGIN, 26.0), Anchor::Start, "title", title);
    svg.text((MARGIN, 45.0), Anchor::Start, "small", line);
    svg.text((MARGIN, 61.0), Anchor::Start, "small", &machine::describe());
    svg
}

fn is_own(name: &str) -> bool {
    [OURS, OURS_REF, registry::OURS].contains(&name)
}

/// What is compared with itself says nothing beside the others.
fn compared(results: &Results) -> Vec<&Table> {
    results.tables().iter().filter(|table| table.contest != queue::VIEWS).collect()
}

/// The peer that does the same: an owned guard is compared with an owned one, where there is one.
fn like(name: &str, table: &Table) -> &'static str {
    let owned = [TOKIO_OWNED, TOKIO_BLOCKING_OWNED].into_iter();
    let mut owned = owned.filter(|owned| name == OURS && table.rows.iter().any(|(peer, _)| peer == owned));
    owned.next().unwrap_or(table.against)
}

/// Our times beside that of one peer, a line for each form of ours in each contest.
fn measured(results: &Results) -> String {
    let mut text = format!(
        "{}\n\n| ns | ours | its time | peer | its time | ratio |\n|---|---|---:|---|---:|---:|\n",
        machine::describe()
    );
    let mut row = |contest: &'static str, own: &'static str, peer: &'static str| {
        let [own_time, base] = [own, peer].map(|name| results.get(contest, name));
        let (times, ratio) = ([own_time, base].map(rounded), own_time / base);
        text += &format!("| {contest} | `{own}` | {} | `{peer}` | {} | {ratio:.2} |\n", times[0], times[1]);
    };
    for table in compared(results) {
        let own = table.rows.iter().filter(|(name, _)| is_own(name));
        own.for_each(|(name, _)| row(table.contest, name, like(name, table)));
    }
    for contest in queue::SIZES.iter().flat_map(|(_, enqueue, cancel)| [*enqueue, *cancel]) {
        row(contest, OURS, TOKIO_OWNED);
        row(contest, OURS_REF, TOKIO_LOCK);
    }
    text
}

/// A bar for each candidate of each contest.
fn ratios(results: &Results) -> String {
    // Two columns. A table goes to the second one if the first half of all rows is full.
    let tables = compared(results);
    let total = tables.iter().map(|table| table_height(table)).sum::<f64>();
    let mut height = [0.0_f64; 2];
    let mut placed = Vec::new();
    for table in tables {
        let column = usize::from(height[0] + table_height(table) / 2.0 > total / 2.0);
        placed.push((table, column, height[column]));
        height[column] += table_height(table);
    }
    let line = "Time of one acquire and release (of two threads the mean, else the median), divided by that of the peer named above each group. \
                Shorter is faster; the line is 1.";
    let mut svg = page(TOP + height[0].max(height[1]) + 8.0, "model-locks beside other locks", line);
    for (table, column, top) in placed {
        let left = MARGIN + column as f64 * (WIDTH / 2.0);
        bars(&mut svg, table, (left, TOP + top));
    }
    svg.finish()
}

const ROW: f64 = 18.0;

fn table_height(table: &Table) -> f64 {
    table.rows.len() as f64 * ROW + 56.0
}

fn bars(svg: &mut Svg, table: &Table, (left, top): (f64, f64)) {
    const LABELS: f64 = 166.0;
    const LENGTH: f64 = 165.0;
    /// A bar that is longer than this many times the peer's is cut off; its number is written in full.
    const MOST: f64 = 3.0;
    let base = table.base();
    let longest = table.rows.iter().map(|(_, time)| time / base).fold(1.0, f64::max).min(MOST);
    let x = |ratio: f64| left + LABELS + ratio.min(longest) / longest * LENGTH;
    svg.text((left, top + 14.0), Anchor::Start, "head", table.contest);
    svg.text((left, top + 29.0), Anchor::Start, "small", &format!("1 = {}, {} ns", table.against, rounded(base)));
    let first = top + 36.0;
    let bottom = first + table.rows.len() as f64 * ROW;
    for (at, (name, time)) in table.rows.iter().enumerate() {
        let (y, ratio) = (first + at as f64 * ROW, time / base);
        let (bar, text) = if is_own(name) { ("bar-own", "own") } else { ("bar", "") };
        svg.text((left + LABELS - 6.0, y + 13.0), Anchor::End, text, name);
        svg.bar((x(0.0), y + 3.0), x(ratio) - x(0.0), ROW - 6.0, bar);
        // In columns of their own, where no line crosses them.
        let cut = if ratio > longest { "» " } else { "" };
        svg.text((x(longest) + 44.0, y + 13.0), Anchor::End, text, &format!("{cut}{ratio:.2}"));
        svg.text((x(longest) + 116.0, y + 13.0), Anchor::End, text, &format!("{} ns", rounded(*time)));
    }
    svg.line(&[(x(0.0), first), (x(0.0), bottom)], "axis");
    svg.line(&[(x(1.0), first), (x(1.0), bottom)], "axis");
}

/// As many digits as a person reads.
fn rounded(time: f64) -> String {
    if time < 100.0 { format!("{time:.1}") } else { format!("{time:.0}") }
}

/// What one more waiter costs, and one less, beside more and more of them.
fn growth(results: &Results) -> String {
    const HEIGHT: f64 = 400.0;
    let line = "Median time of one operation while so many wait, against the length of the queue. Flat is good.";
    let mut svg = page(HEIGHT, "What a longer queue costs", line);
    let enqueue = queue::SIZES.map(|(waiting, enqueue, _)| (waiting, enqueue));
    let cancel = queue::SIZES.map(|(waiting, _, cancel)| (waiting, cancel));
    lines(&mut svg, results, "joining it (first poll)", &enqueue, MARGIN);
    lines(&mut svg, results, "leaving it (drop, oldest first)", &cancel, MARGIN + WIDTH / 2.0);
    svg.finish()
}

fn lines(svg: &mut Svg, results: &Results, title: &str, sizes: &[(usize, &'static str)], left: f64) {
    const BOTTOM: f64 = 350.0;
    const LENGTH: f64 = 205.0;
    let (left, top) = (left + 34.0, TOP + 30.0);
    let names = results.names(sizes[0].1);
    let time = |name, contest| results.get(contest, name);
    let all = names.iter().flat_map(|name| sizes.iter().map(|(_, contest)| time(name, contest)));
    let longest = all.fold(0.0, f64::max);
    let step = step(longest);
    let steps = (longest / step).ceil();
    let most = steps * step;
    let x = |at: usize| left + 12.0 + at as f64 / (sizes.len() - 1) as f64 * (LENGTH - 24.0);
    let y = |time: f64| BOTTOM - time / most * (BOTTOM - top);

    svg.text((left - 34.0, TOP + 14.0), Anchor::Start, "head", &format!("{title}, ns"));
    for mark in 0..=steps as u32 {
        let time = f64::from(mark) * step;
        svg.line(&[(left, y(time)), (left + LENGTH, y(time))], if mark == 0 { "axis" } else { "grid" });
        svg.text((left - 6.0, y(time) + 4.0), Anchor::End, "small", &format!("{time:.0}"));
    }
    for (at, (waiting, _)) in sizes.iter().enumerate() {
        svg.text((x(at), BOTTOM + 17.0), Anchor::Middle, "small", &with_spaces(*waiting));
    }
    svg.text((left + LENGTH / 2.0, BOTTOM + 34.0), Anchor::Middle, "small", "waiting");

    let last = sizes.len() - 1;
    let ends = names.iter().map(|name| y(time(name, sizes[last].1))).collect::<Vec<_>>();
    let places = spread(&ends, 15.0, BOTTOM);
    let mut styles = (0..4).map(|style| format!("line-{style}")).cycle();
    for (at, name) in names.iter().enumerate() {
        let points = (0..=last).map(|at| (x(at), y(time(name, sizes[at].1)))).collect::<Vec<_>>();
        let own = is_own(name);
        let line = if own { "line-own".to_owned() } else { styles.next().expect("it cycles") };
        svg.line(&points, &line);
        points.iter().for_each(|point| svg.dot(*point, if own { "dot-own" } else { "dot" }));
        svg.line(&[(x(last) + 4.0, ends[at]), (left + LENGTH + 6.0, places[at])], "lead");
        svg.line(&[(left + LENGTH + 8.0, places[at]), (left + LENGTH + 34.0, places[at])], &line);
        let text = format!("{name} {}", rounded(time(name, sizes[last].1)));
        svg.text((left + LENGTH + 38.0, places[at] + 4.0), Anchor::Start, if own { "own" } else { "" }, &text);
    }
}

/// The distance of the marks of an axis that reaches `most`: 1, 2 or 5 with zeros, and not more than eight of them.
fn step(most: f64) -> f64 {
    let mut power = 1.0;
    loop {
        for step in [1.0, 2.0, 5.0].map(|digit| digit * power) {
            if most / step <= 8.0 {
                return step;
            }
        }
        power *= 10.0;
    }
}

/// Moves labels apart until each has `height`, with the lowest not below `bottom`.
fn spread(wanted: &[f64], height: f64, bottom: f64) -> Vec<f64> {
    let mut order = (0..wanted.len()).collect::<Vec<_>>();
    order.sort_by(|one, other| wanted[*other].total_cmp(&wanted[*one]));
    let mut places = vec![0.0; wanted.len()];
    let mut limit = bottom;
    for at in order {
        places[at] = wanted[at].min(limit);
        limit = places[at] - height;
    }
    places
}

fn with_spaces(number: usize) -> String {
    let digits = number.to_string();
    let groups = digits.as_bytes().rchunks(3).rev().map(|group| String::from_utf8_lossy(group).into_owned());
    groups.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn results() -> Results {
        let mut results = Results::default();
        let rows = [(OURS, 30.0), ("a peer", 20.0), ("a slow one", 2_000.0), (TOKIO_LOCK, 15.0)];
        let rows = [rows.as_slice(), &[(OURS_REF, 18.0), (TOKIO_OWNED, 25.0)]].concat();
        results.add(Table { contest: "a contest", against: "a peer", rows: rows.clone() });
        for (_, enqueue, cancel) in queue::SIZES {
            for contest in [enqueue, cancel] {
                rows.iter().for_each(|(name, time)| results.put(contest, name, *time));
            }
        }
        results
    }

    #[test]
    fn every_candidate_is_in_the_picture_with_its_number() {
        let picture = ratios(&results());
        for text in ["a contest", "1 = a peer, 20.0 ns", ">1.50<", ">30.0 ns<", ">» 100.00<", ">2000 ns<"] {
            assert!(picture.contains(text), "{text}");
        }
        assert!(growth(&results()).contains(">a slow one 2000<"));
    }

    #[test]
    fn the_table_has_a_line_for_each_contest_and_length() {
        let table = measured(&results());
        let lines = [
            format!("a contest | `{OURS}` | 30.0 | `{TOKIO_OWNED}` | 25.0 | 1.20"),
            format!("a contest | `{OURS_REF}` | 18.0 | `a peer` | 20.0 | 0.90"),
            format!("cancel among 1000 | `{OURS}` | 30.0 | `{TOKIO_OWNED}` | 25.0 | 1.20"),
            format!("cancel among 1000 | `{OURS_REF}` | 18.0 | `{TOKIO_LOCK}` | 15.0 | 1.20"),
        ];
        lines.iter().for_each(|line| assert!(table.contains(&format!("\n| {line} |\n")), "{line} is not in {table}"));
    }

    #[test]
    fn no_coordinate_is_nonsense() {
        for picture in [ratios(&results()), growth(&results())] {
            assert!(!picture.contains("NaN") && !picture.contains("inf"));
            assert_eq!(picture.matches("<text").count(), picture.matches("</text>").count());
        }
    }

    #[test]
    fn axes_have_few_and_round_marks() {
        assert_eq!([7.0, 9.0, 31.0, 260.0, 2_000.0].map(step), [1.0, 2.0, 5.0, 50.0, 500.0]);
        assert_eq!([7, 1_000, 100_000].map(with_spaces), ["7", "1 000", "100 000"]);
    }

    #[test]
    fn labels_do_not_stand_on_each_other() {
        assert_eq!(spread(&[100.0, 99.0, 20.0, 120.0], 10.0, 110.0), [100.0, 90.0, 20.0, 110.0]);
    }
}
