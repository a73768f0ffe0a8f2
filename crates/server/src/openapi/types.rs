//! The types that operations speak of.

use std::cell::RefCell;
use std::collections::BTreeMap;

use utoipa::ToSchema;
use utoipa::openapi::{Ref, RefOr, Schema};

/// Those that were spoken of so far, by name.
#[derive(Default)]
pub(super) struct Types(RefCell<BTreeMap<String, RefOr<Schema>>>);

impl Types {
    /// Speaks of a type: a reference to it, and it is described with all that is in it.
    pub(super) fn of<T: ToSchema>(&self) -> RefOr<Schema> {
        let mut found = vec![(T::name().into_owned(), T::schema())];
        T::schemas(&mut found);
        for (name, schema) in found {
            let other = self.0.borrow_mut().insert(name.clone(), schema.clone());
            debug_assert!(other.is_none_or(|other| other == schema), "two types are called {name}");
        }
        Ref::from_schema_name(T::name()).into()
    }

    pub(super) fn into_schemas(self) -> BTreeMap<String, RefOr<Schema>> {
        self.0.into_inner()
    }
}
