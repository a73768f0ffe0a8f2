//! What the model says.

/// The answer to `text`, in tokens: words with the space behind them.
pub(crate) fn tokens(text: &str, echoes: bool) -> Vec<String> {
    let answer = match (text.strip_prefix("Repeat after me: "), range(text)) {
        (Some(word), _) if echoes => word.to_owned(),
        (_, Some((from, to))) => (from..=to).map(|n| n.to_string()).collect::<Vec<_>>().join(" "),
        // The same each time, and another one for every question.
        _ => {
            let sum = text.bytes().fold(17_u32, |sum, byte| sum.wrapping_mul(31).wrapping_add(u32::from(byte)));
            format!("My answer to this is number {sum}.")
        }
    };
    answer.split_inclusive(' ').map(str::to_owned).collect()
}

fn range(text: &str) -> Option<(u32, u32)> {
    let (from, to) = text.strip_prefix("Count from ")?.split_once(" to ")?;
    Some((from.parse().ok()?, to.parse().ok()?))
}
