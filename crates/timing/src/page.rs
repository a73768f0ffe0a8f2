//! The results as a page that needs nothing else: the pictures, the table, and how it was judged.

use std::fmt::Write;

use crate::judge::Result;
use crate::svg::escaped;
use crate::world::Engine;
use crate::{picture, table};

const STYLE: &str = "body { font-family: Helvetica, Arial, sans-serif; color: #111; max-width: 960px; margin: 2em auto; \
                     padding: 0 1em; line-height: 1.45 } table { border-collapse: collapse } th, td { text-align: left; \
                     padding: .25em .9em .25em 0; border-bottom: 1px solid #ccc; vertical-align: top } svg { max-width: \
                     100%; height: auto } .bad { font-weight: bold; text-decoration: underline }";

const HOW: &str = "Every time is divided by that of one answer alone in the same repetition, so nothing here is compared \
                   with another run or another machine. Who held which model, from when to when, is written down by the \
                   service itself; that two holds of one model never overlap, and that holds of different models do, must \
                   be so in every repetition. The ratios are what a client feels, and move with the machine: the median is \
                   held to bounds that lie halfway to the next wrong value. A scripted model waits for timers, so any \
                   number of them can run on one core. The demo models compute: three of them on two cores take half as \
                   long again as one. So their ratios are judged only where one answer alone took about the same time in \
                   every repetition, and beside each other only where there are cores to spare.";

/// The page.
pub(crate) fn write(results: &[Result]) -> String {
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n<title>Edison: who waits for whom</title>\n\
         <style>{STYLE}</style>\n"
    );
    for engine in [Engine::Mock, Engine::Demo] {
        // The patterns of the pictures are the same, so that one name for both is no harm.
        page += &picture::of(results, engine);
    }
    page += "<h2>Measured</h2>\n<table>\n";
    for (at, row) in table::rows(results).iter().enumerate() {
        let cell = if at == 0 { "th" } else { "td" };
        let cells = row.iter().map(|text| format!("<{cell}>{}</{cell}>", escaped(text)));
        writeln!(page, "<tr>{}</tr>", cells.collect::<String>()).expect("a String takes everything");
    }
    page += "</table>\n";
    for result in results {
        for complaint in &result.complaints {
            let line = format!("{}, {}: {complaint}", result.engine.describe(), result.scenario.name);
            writeln!(page, "<p class=\"bad\">{}</p>", escaped(&line)).expect("a String takes everything");
        }
    }
    page += "<h2>What is allowed, and why</h2>\n<table>\n";
    for result in results.iter().filter(|result| result.engine == Engine::Mock) {
        let scenario = result.scenario;
        let bounds = format!("{} to {}", scenario.at_least, scenario.at_most);
        let cells = [scenario.claim, &bounds, scenario.reason].map(|text| format!("<td>{}</td>", escaped(text)));
        writeln!(page, "<tr>{}</tr>", cells.concat()).expect("a String takes everything");
    }
    page + "</table>\n<h2>How it is judged</h2>\n<p>" + HOW + "</p>\n</html>\n"
}
