//! From the name a client uses to the models that may answer, as a plain function.

use std::collections::BTreeMap;

/// A kind of model that clients ask for without knowing which one it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Tier {
    /// Answers quickly.
    Fast,
    /// Between the two.
    Medium,
    /// Answers well.
    Deep,
    /// Sees pictures.
    Vision,
}

impl Tier {
    /// Every tier.
    pub const ALL: [Self; 4] = [Self::Fast, Self::Medium, Self::Deep, Self::Vision];

    /// The name by which clients ask for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Fast => "fast",
            Self::Medium => "medium",
            Self::Deep => "deep",
            Self::Vision => "vision",
        }
    }

    /// The tier of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|tier| tier.as_str() == name)
    }

    /// The tiers that may stand in for this one, itself first. Nothing stands in for vision: an
    /// answer that ignores the picture would look like one that saw it.
    pub fn fallbacks(self) -> &'static [Self] {
        match self {
            Self::Fast => &[Self::Fast, Self::Medium, Self::Deep],
            Self::Medium => &[Self::Medium, Self::Fast, Self::Deep],
            Self::Deep => &[Self::Deep, Self::Medium, Self::Fast],
            Self::Vision => &[Self::Vision],
        }
    }
}

/// The models that may answer to `name`, best first; empty when nobody knows the name.
///
/// A tier's name means the tier even where a model has the same name, so that its fallbacks apply.
pub(crate) fn candidates<'a>(
    name: &str,
    tiers: &'a BTreeMap<Tier, String>,
    names: &'a BTreeMap<String, String>,
) -> Vec<&'a str> {
    if let Some(tier) = Tier::from_name(name) {
        let chain: Vec<&str> = tier.fallbacks().iter().filter_map(|t| tiers.get(t)).map(String::as_str).collect();
        if !chain.is_empty() {
            return chain;
        }
    }
    names.get(name).map(String::as_str).into_iter().collect()
}

/// The name of a model, and that of one of its adapters, in a name such as `fast:tone`. A model's own name may have colons.
pub(crate) fn adapted(name: &str) -> Option<(&str, &str)> {
    name.rsplit_once(':').filter(|(model, adapter)| !model.is_empty() && !adapter.is_empty())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::{Tier, adapted, candidates};

    fn map<K: Ord, const N: usize>(pairs: [(K, &str); N]) -> BTreeMap<K, String> {
        pairs.into_iter().map(|(k, v)| (k, v.to_string())).collect()
    }

    #[test]
    fn a_tier_falls_back_in_its_own_order_and_vision_never() {
        let tiers = map([(Tier::Fast, "f"), (Tier::Medium, "m"), (Tier::Deep, "d"), (Tier::Vision, "v")]);
        let none = BTreeMap::new();
        assert_eq!(candidates("fast", &tiers, &none), ["f", "m", "d"]);
        assert_eq!(candidates("medium", &tiers, &none), ["m", "f", "d"]);
        assert_eq!(candidates("deep", &tiers, &none), ["d", "m", "f"]);
        assert_eq!(candidates("vision", &tiers, &none), ["v"]);
    }

    #[test]
    fn a_tier_without_a_model_of_its_own_is_served_by_the_next() {
        let tiers = map([(Tier::Fast, "f")]);
        assert_eq!(candidates("deep", &tiers, &BTreeMap::new()), ["f"]);
        assert!(candidates("vision", &tiers, &BTreeMap::new()).is_empty());
    }

    #[test]
    fn an_unknown_name_has_no_candidate_at_all() {
        let tiers = map([(Tier::Fast, "f")]);
        let names = map([("f".to_string(), "f")]);
        assert!(candidates("gpt-4", &tiers, &names).is_empty());
        assert!(candidates("", &tiers, &names).is_empty());
        assert!(candidates("FAST", &tiers, &names).is_empty());
    }

    #[test]
    fn an_adapter_stands_behind_the_last_colon() {
        assert_eq!(adapted("fast:tone"), Some(("fast", "tone")));
        assert_eq!(adapted("qwen:7b:tone"), Some(("qwen:7b", "tone")));
        for name in ["fast", "fast:", ":tone", ":", ""] {
            assert_eq!(adapted(name), None, "{name}");
        }
    }

    #[test]
    fn a_model_named_directly_has_no_fallback() {
        let tiers = map([(Tier::Fast, "f"), (Tier::Deep, "d")]);
        let names = map([("d".to_string(), "d"), ("d-alias".to_string(), "d")]);
        assert_eq!(candidates("d", &tiers, &names), ["d"]);
        assert_eq!(candidates("d-alias", &tiers, &names), ["d"]);
    }
}
