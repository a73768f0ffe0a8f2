//! The results as a table of text.

use crate::judge::Result;

/// The cells of the table, with its heading.
pub(crate) fn rows(results: &[Result]) -> Vec<[String; 7]> {
    let heading = ["engine", "scenario", "median", "spread", "ideal", "allowed", "verdict"].map(str::to_owned);
    let rows = results.iter().map(|result| {
        let (ratios, scenario) = (result.ratios(), result.scenario);
        let (least, most) = (ratios.first().copied().unwrap_or(0.0), ratios.last().copied().unwrap_or(0.0));
        let allowed = format!("{}-{}", scenario.at_least, scenario.at_most);
        [
            result.engine.describe().to_owned(),
            scenario.name.to_owned(),
            format!("{:.2}", result.median()),
            format!("{least:.2}-{most:.2}"),
            format!("{}", scenario.ideal),
            result.unjudged.map_or(allowed, |why| format!("any: {why}")),
            if result.complaints.is_empty() { "as promised".to_owned() } else { "NOT AS PROMISED".to_owned() },
        ]
    });
    std::iter::once(heading).chain(rows).collect()
}

/// The table, and what was not as promised below it.
pub(crate) fn text(results: &[Result]) -> String {
    let rows = rows(results);
    let width = |column: usize| rows.iter().map(|row| row[column].len()).max().unwrap_or(0);
    let mut text = String::new();
    for row in &rows {
        let cells = row.iter().enumerate().map(|(column, cell)| format!("{cell:0$}", width(column)));
        text += cells.collect::<Vec<_>>().join("  ").trim_end();
        text.push('\n');
    }
    for result in results {
        for complaint in &result.complaints {
            text += &format!("{}, {}: {complaint}\n", result.engine.describe(), result.scenario.name);
        }
    }
    text
}
