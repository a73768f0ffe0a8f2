//! The models that are built into the program: tiny ones, to show that it works.

use std::fmt;

/// A model built into the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Builtin {
    Fast,
    Medium,
    Deep,
    Vision,
}

impl Builtin {
    pub(crate) const ALL: [Self; 4] = [Self::Fast, Self::Medium, Self::Deep, Self::Vision];

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Fast => "fast",
            Self::Medium => "medium",
            Self::Deep => "deep",
            Self::Vision => "vision",
        }
    }

    pub(crate) fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|model| model.as_str() == name)
    }

    /// The model's file; `None` in a program that was built without them.
    #[cfg(feature = "demo-models")]
    pub(crate) fn bytes(self) -> Option<&'static [u8]> {
        Some(match self {
            Self::Fast => include_bytes!("../../../fixtures/models/edison-demo-fast.gguf"),
            Self::Medium => include_bytes!("../../../fixtures/models/edison-demo-medium.gguf"),
            Self::Deep => include_bytes!("../../../fixtures/models/edison-demo-deep.gguf"),
            Self::Vision => include_bytes!("../../../fixtures/models/edison-demo-vision.gguf"),
        })
    }

    /// The model's file; `None` in a program that was built without them.
    #[cfg(not(feature = "demo-models"))]
    pub(crate) fn bytes(self) -> Option<&'static [u8]> {
        None
    }
}

impl Builtin {
    /// The file of its projector, where it sees.
    #[cfg(feature = "demo-models")]
    pub(crate) fn projector(self) -> Option<&'static [u8]> {
        match self {
            Self::Fast | Self::Medium | Self::Deep => None,
            Self::Vision => Some(include_bytes!("../../../fixtures/models/edison-demo-vision-mmproj.gguf")),
        }
    }

    /// The file of its projector, where it sees.
    #[cfg(not(feature = "demo-models"))]
    pub(crate) fn projector(self) -> Option<&'static [u8]> {
        None
    }
}

impl fmt::Display for Builtin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
