//! What this server takes and gives, described from the types that it reads and writes: `GET /openapi.json`, and
//! `GET /docs` for people.

mod describe;
mod edison;
mod operation;
mod page;
mod types;

use std::sync::LazyLock;

use axum::response::{Html, IntoResponse, Response};
use bytes::Bytes;
use http::header::CONTENT_TYPE;

/// Nothing in it depends on how the server is configured.
static DESCRIPTION: LazyLock<Bytes> = LazyLock::new(|| {
    let json = serde_json::to_vec_pretty(&describe::description());
    json.expect("a description has string keys and no failing serializer").into()
});

static PAGE: LazyLock<Bytes> = LazyLock::new(|| {
    let description = serde_json::from_slice(&DESCRIPTION).expect("it was written as JSON");
    page::write(&description).into()
});

/// The description, in OpenAPI 3.1.
pub(crate) async fn json() -> Response {
    ([(CONTENT_TYPE, "application/json")], DESCRIPTION.clone()).into_response()
}

/// The same as a page that needs nothing else.
pub(crate) async fn page() -> Html<Bytes> {
    Html(PAGE.clone())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::Value;

    use super::DESCRIPTION;
    use crate::app::routes;

    /// Method: the table that the router is made of, beside the operations of the description.
    #[test]
    fn what_is_served_is_described_and_what_is_described_is_served() {
        let description: Value = serde_json::from_slice(&DESCRIPTION).expect("JSON");
        let methods = |(path, item): (&String, &Value)| {
            let item = item.as_object().expect("an object").clone();
            item.into_iter().map(|(method, _)| (method, path.clone())).collect::<Vec<_>>()
        };
        let described: BTreeSet<_> =
            description["paths"].as_object().expect("paths").iter().flat_map(methods).collect();
        // A path of the router that goes on over slashes is a parameter like any other to OpenAPI.
        let served: BTreeSet<_> =
            routes().known.iter().map(|&(method, path)| (method.to_owned(), path.replace("{*", "{"))).collect();
        assert_eq!(served, described);
    }
}
