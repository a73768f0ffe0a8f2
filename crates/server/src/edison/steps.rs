//! The steps of a plan, read out of a model's numbered list.

/// More steps than this are no plan for one answer.
const STEPS_MAX: usize = 12;

/// The items of a numbered list, `1. a` or `1) a`, each on one line; what stands before the first number is left out.
pub(crate) fn steps(text: &str) -> Vec<String> {
    let mut steps: Vec<String> = Vec::new();
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        match (item(line), steps.last_mut()) {
            (Some(step), _) => steps.push(step.to_owned()),
            (None, Some(step)) if step.is_empty() => step.push_str(line),
            (None, Some(step)) => *step += &format!(" {line}"),
            (None, None) => {}
        }
    }
    steps.retain(|step| !step.is_empty());
    steps.truncate(STEPS_MAX);
    steps
}

fn item(line: &str) -> Option<&str> {
    let rest = line.trim_start_matches(|letter: char| letter.is_ascii_digit());
    let rest = rest.strip_prefix(['.', ')']).filter(|_| rest.len() < line.len())?;
    // "3.5 litres" goes on with the step before.
    (rest.is_empty() || rest.starts_with(char::is_whitespace)).then(|| rest.trim())
}

#[cfg(test)]
mod tests {
    use super::steps;

    #[test]
    fn a_numbered_list_becomes_its_steps() {
        assert_eq!(steps("1. a\n2. b"), ["a", "b"]);
        assert_eq!(
            steps("Here is it:\n\n 1) first\n    goes on\n3.5 litres\n10. last\n11.\n"),
            ["first goes on 3.5 litres", "last"]
        );
        assert!(steps("no list at all. 1. not here").is_empty());
        assert!(steps("").is_empty());
    }
}
