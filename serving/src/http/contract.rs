//! What every operation may answer beside what its room says: written into the description of the API in one place, because the frame answers it.

use axum::http::StatusCode;
use utoipa::openapi::path::{Operation, PathItem};
use utoipa::openapi::security::SecurityRequirement;
use utoipa::openapi::{ContentBuilder, OpenApi, Ref, RefOr, Response, ResponseBuilder};

/// The media type of errors (RFC 9457).
const PROBLEM: &str = "application/problem+json";

/// Says of every operation how it can fail: errors are problems, and those of the frame can come anywhere.
pub(super) fn complete(api: &mut OpenApi) {
    for (path, item) in &mut api.paths.paths {
        let public = |operation: &Operation| {
            operation.security.as_ref().is_some_and(|ways| ways.iter().any(|way| *way == SecurityRequirement::default()))
        };
        for operation in operations(item) {
            for response in operation.responses.responses.iter_mut().filter(|(status, _)| is_error(status)) {
                if let RefOr::T(response) = response.1 {
                    is_problem(response);
                }
            }
            for status in of_the_frame(path, operation, public(operation)) {
                let missing = || RefOr::T(problem(status));
                operation.responses.responses.entry(status.as_str().to_owned()).or_insert_with(missing);
            }
        }
    }
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    [&mut item.get, &mut item.put, &mut item.post, &mut item.delete, &mut item.patch].into_iter().flatten()
}

fn is_error(status: &str) -> bool {
    matches!(status.as_bytes().first(), Some(b'4' | b'5'))
}

/// Errors have one body, whatever its room says of it.
fn is_problem(response: &mut Response) {
    response.content.clear();
    response.content.insert(PROBLEM.to_owned(), ContentBuilder::new().schema(Some(Ref::from_schema_name("Problem"))).build());
}

fn problem(status: StatusCode) -> Response {
    let mut response = ResponseBuilder::new().description(status.canonical_reason().unwrap_or_default()).build();
    is_problem(&mut response);
    response
}

/// What the layers and extractors around a handler answer.
fn of_the_frame(path: &str, operation: &Operation, public: bool) -> Vec<StatusCode> {
    let mut all = vec![
        StatusCode::REQUEST_TIMEOUT,
        StatusCode::TOO_MANY_REQUESTS,
        StatusCode::INTERNAL_SERVER_ERROR,
        StatusCode::SERVICE_UNAVAILABLE,
    ];
    if !public {
        all.extend([StatusCode::UNAUTHORIZED, StatusCode::FORBIDDEN]);
    }
    if operation.request_body.is_some() {
        all.extend([StatusCode::BAD_REQUEST, StatusCode::PAYLOAD_TOO_LARGE, StatusCode::UNSUPPORTED_MEDIA_TYPE]);
    }
    if operation.request_body.is_some() || operation.parameters.as_ref().is_some_and(|given| !given.is_empty()) || path.contains('{') {
        all.extend([StatusCode::BAD_REQUEST, StatusCode::UNPROCESSABLE_ENTITY]);
    }
    all
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::Value;

    #[test]
    fn every_operation_says_how_it_fails() {
        let api = serde_json::to_value(crate::http::openapi()).unwrap();
        let mut seen = 0;
        for (path, operations) in api["paths"].as_object().unwrap() {
            for (method, operation) in operations.as_object().unwrap() {
                let responses = operation["responses"].as_object().unwrap();
                for (status, response) in responses.iter().filter(|(status, _)| super::is_error(status)) {
                    assert_eq!(
                        response["content"]["application/problem+json"]["schema"]["$ref"], "#/components/schemas/Problem",
                        "{method} {path} {status}"
                    );
                    assert_eq!(response["content"].as_object().unwrap().len(), 1, "{method} {path} {status}");
                }
                assert!(responses.contains_key("429") && responses.contains_key("503"), "{method} {path}");
                let body = operation.get("requestBody").is_some();
                assert_eq!(body, body && responses.contains_key("415") && responses.contains_key("413"), "{method} {path}");
                let everybody = operation["security"].as_array().is_some_and(|ways| ways.contains(&Value::Object(serde_json::Map::new())));
                assert!(everybody || responses.contains_key("401") && responses.contains_key("403"), "{method} {path}");
                seen += 1;
            }
        }
        assert!(seen > 20, "{seen}");
        assert!(api["components"]["schemas"]["Problem"].is_object());
    }
}
