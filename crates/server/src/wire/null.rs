//! A field that is always null: the protocol has it, and this server has nothing to say in it.

use serde::Serialize;
use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

/// `null`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Null;

impl PartialSchema for Null {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new().schema_type(Type::Null).into()
    }
}

impl ToSchema for Null {}

#[cfg(test)]
mod tests {
    use super::Null;

    #[test]
    fn it_is_written_as_null() {
        assert_eq!(serde_json::to_string(&Null).expect("JSON"), "null");
    }
}
