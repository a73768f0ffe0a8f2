//! Which rule was probably meant, where none matches.

use super::{Ask, Rule};

/// What to tell somebody whose request no rule matches.
pub(super) fn objection(rules: &[Rule], ask: &Ask<'_>, spent: impl Fn(usize) -> Option<String>) -> String {
    let look = |(index, rule): (usize, &Rule)| {
        let (given, mut failed) = rule.when.mismatches(ask);
        failed.extend(spent(index));
        (index, given, failed)
    };
    // The fewest conditions that fail; among equals the one of which more holds, then the first.
    let closest = rules
        .iter()
        .enumerate()
        .filter(|(_, rule)| rule.when.wants() == ask.wants)
        .map(look)
        .min_by_key(|(_, given, failed)| (failed.len(), usize::MAX - given.saturating_sub(failed.len())));
    match closest {
        None => "no rule matches this request: there are none".to_owned(),
        Some((index, _, failed)) => {
            let title = rules[index].title(index);
            format!("no rule matches this request; the closest is {title}, but {}", failed.join(", and "))
        }
    }
}
