//! What nobody reads of a request is read and dropped, for a while, so that the answer arrives.
//!
//! A server that answers before it has read the whole body and closes the connection resets it: a client that is still sending sees a broken pipe instead of
//! the answer that says what is wrong (RFC 9112, section 9.6).

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::Request;
use axum::http::header::EXPECT;
use futures::StreamExt;
use http_body::{Frame, SizeHint};
use tokio::runtime::Handle;
use tokio::time::timeout;

/// Bytes that are dropped at most.
const MOST: usize = 64 << 20;
/// How long it may take in all.
const LONGEST: Duration = Duration::from_secs(30);
/// How long nothing may come.
const PAUSE: Duration = Duration::from_secs(5);

/// A body of which the rest is dropped when nobody reads on.
struct Lingering(Option<Body>);

impl HttpBody for Lingering {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        self.0.as_mut().map_or(Poll::Ready(None), |body| Pin::new(body).poll_frame(context))
    }

    fn is_end_stream(&self) -> bool {
        self.0.as_ref().is_none_or(HttpBody::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.0.as_ref().map(HttpBody::size_hint).unwrap_or_default()
    }
}

impl Drop for Lingering {
    fn drop(&mut self) {
        if let (Some(body), Ok(runtime)) = (self.0.take().filter(|body| !body.is_end_stream()), Handle::try_current()) {
            runtime.spawn(timeout(LONGEST, drain(body)));
        }
    }
}

async fn drain(body: Body) {
    let (mut rest, mut left) = (body.into_data_stream(), MOST);
    while let Ok(Some(Ok(bytes))) = timeout(PAUSE, rest.next()).await {
        left = left.saturating_sub(bytes.len());
        if left == 0 {
            break;
        }
    }
}

/// Has the rest of the body dropped. Who waits for `100 Continue` sends none before it is asked for.
pub(super) async fn linger(request: Request) -> Request {
    if request.headers().contains_key(EXPECT) {
        return request;
    }
    request.map(|body| Body::new(Lingering(Some(body))))
}
