//! What is right by itself and wrong together.

use std::collections::BTreeMap;
use std::ops::Range;

use serving::Tier;

use super::parse::Written;
use super::problem::Collector;
use super::section::closest;

/// Every name means one model.
pub(super) fn names(models: &[Written], problems: &mut Collector<'_>) {
    let mut taken: BTreeMap<&str, String> = BTreeMap::new();
    for written in models {
        let named = std::iter::once((&written.model.name, "name", &written.name_span));
        let aliases = written.model.aliases.iter().map(|alias| (alias, "aliases", &written.aliases_span));
        for (name, key, span) in named.chain(aliases) {
            let path = format!("{}.{key}", written.path);
            match taken.get(name.as_str()) {
                Some(by) => problems.add(span, path, format!("the name \"{name}\" is taken by {by}")),
                None => _ = taken.insert(name, path),
            }
        }
    }
    for written in models {
        let names = || std::iter::once(&written.model.name).chain(&written.model.aliases);
        for (index, adapter) in written.model.adapters.iter().enumerate() {
            for name in names().map(|name| format!("{name}:{}", adapter.name)) {
                if let Some(by) = taken.get(name.as_str()) {
                    let path = format!("{}.adapters[{index}].name", written.path);
                    let message = format!("is asked for as \"{name}\", which is taken by {by}");
                    problems.add(&written.name_span, path, message);
                }
            }
        }
    }
}

/// Every tier points at a model, and hides none.
pub(super) fn tiers(models: &[Written], tiers: &[(Tier, String, Range<usize>)], problems: &mut Collector<'_>) {
    let names_of =
        |written: &Written| std::iter::once(&written.model.name).chain(&written.model.aliases).cloned().collect();
    let by_model: Vec<Vec<String>> = models.iter().map(names_of).collect();
    let all: Vec<&str> = by_model.iter().flatten().map(String::as_str).collect();
    for (tier, target, span) in tiers {
        let key = format!("tiers.{}", tier.as_str());
        let of = |name: &str| by_model.iter().position(|names| names.iter().any(|known| known == name));
        let Some(model) = of(target) else {
            let hint = closest(target, &all).map(|known| format!("; did you mean \"{known}\"?")).unwrap_or_default();
            problems.add(span, key, format!("there is no model \"{target}\"{hint}"));
            continue;
        };
        // Who asks for the name gets the tier, so that a model of that name could never be asked for.
        if of(tier.as_str()).is_some_and(|hidden| hidden != model) {
            let message = format!("points at \"{target}\" and hides the model \"{}\"; rename one", tier.as_str());
            problems.add(span, key, message);
        }
    }
}
