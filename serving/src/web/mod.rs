//! The console at `/`: one page without a build step, for whoever tries or operates the system.
//!
//! It is a client of the public API and knows nothing else. The page carries a service key only when
//! `console_key` is given, which wiring does for the development key on loopback and never otherwise.

use axum::Router;
use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use axum::response::IntoResponse;
use axum::routing::get;
use features::text::escape_html;

const PAGE: &str = include_str!("console.html");
const SCRIPT: &str = include_str!("console.js");
// Without an icon every browser asks for `/favicon.ico` and logs an error.
const ICON: &str = include_str!("icon.svg");
const POLICY: &str = "default-src 'self'; style-src 'self' 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'";

/// The routes of the console. `console_key`: the service key to fill in, if the page may know one.
pub fn router<S: Clone + Send + Sync + 'static>(console_key: Option<&str>) -> Router<S> {
    let page = PAGE.replace("{{service_key}}", &escape_html(console_key.unwrap_or_default()));
    Router::new()
        .route(
            "/",
            get(move || async move {
                ([(CONTENT_TYPE, "text/html; charset=utf-8"), (CACHE_CONTROL, "no-store"), (CONTENT_SECURITY_POLICY, POLICY)], page)
                    .into_response()
            }),
        )
        .route("/icon.svg", get(async || ([(CONTENT_TYPE, "image/svg+xml")], ICON)))
        .route("/console.js", get(async || ([(CONTENT_TYPE, "text/javascript; charset=utf-8"), (CACHE_CONTROL, "no-cache")], SCRIPT)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_has_a_place_for_the_key() {
        assert!(PAGE.contains("{{service_key}}"));
    }
}
