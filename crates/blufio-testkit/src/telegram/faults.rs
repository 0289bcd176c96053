// SPDX-License-Identifier: MIT OR Apache-2.0
//! What can go wrong on demand.

use std::time::Duration;

use axum::body::Body;
use axum::http::StatusCode;
use axum::response::Response;
use bytes::Bytes;

/// How a call fails.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// An answer with this status and body (`text/html` unless it begins with a brace). Nothing is done.
    Answer(u16, String),
    /// 429 with `parameters.retry_after` in seconds. Nothing is done.
    RetryAfter(u64),
    /// The call is carried out, the connection is closed without an answer.
    DoneButSilent,
    /// Nothing is done, the connection is closed without an answer.
    NotDoneAndSilent,
    /// The connection stays open for ever without an answer. Nothing is done.
    Hang,
}

/// The answer for a fault, apart from whether the call is carried out.
pub(super) async fn answer(fault: &Fault) -> Response {
    match fault {
        Fault::Answer(status, body) => {
            let kind = if body.starts_with('{') { "application/json" } else { "text/html" };
            respond(*status, kind, body.clone())
        }
        Fault::RetryAfter(seconds) => {
            let body = format!(
                "{{\"ok\":false,\"error_code\":429,\"description\":\"Too Many Requests: retry after {seconds}\",\"parameters\":{{\"retry_after\":{seconds}}}}}"
            );
            respond(429, "application/json", body)
        }
        Fault::DoneButSilent | Fault::NotDoneAndSilent => {
            // The body breaks off with an error: the client sees the connection close within the answer.
            let broken = futures_util::stream::iter([
                Ok::<_, std::io::Error>(Bytes::new()),
                Err(std::io::Error::other("cut")),
            ]);
            let mut response = Response::new(Body::from_stream(broken));
            response
                .headers_mut()
                .insert("content-type", axum::http::HeaderValue::from_static("application/json"));
            response
        }
        Fault::Hang => loop {
            tokio::time::sleep(Duration::from_secs(3_600)).await;
        },
    }
}

pub(super) fn respond(status: u16, content_type: &'static str, body: String) -> Response {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response.headers_mut().insert("content-type", axum::http::HeaderValue::from_static(content_type));
    response
}
