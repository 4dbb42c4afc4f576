//! Connections: frames in, frames out, one request after the other.
//!
//! Whatever a client sends, nothing here panics: frames over the limit, unknown requests and bodies that cannot be decoded close the
//! connection with a log line.

use std::io;
use std::sync::Arc;

use bytes::{BufMut, Bytes, BytesMut};
use kafka_protocol::messages::{ApiKey, RequestHeader, ResponseHeader};
use kafka_protocol::protocol::{Decodable, Encodable};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

use super::api::{self, Call};
use super::cleaner;
use super::state::Broker;

const MAX_FRAME: usize = 100 << 20;

/// Accepts connections until told to stop.
pub(super) async fn serve(broker: Arc<Broker>, listener: TcpListener, stop: CancellationToken) {
    let cleaner = tokio::spawn(cleaner::run(Arc::clone(&broker), stop.clone()));
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stop.cancelled() => break,
        };
        match accepted {
            Ok((stream, peer)) => {
                let (broker, stop) = (Arc::clone(&broker), stop.clone());
                tokio::spawn(async move {
                    tokio::select! {
                        ended = talk(broker, stream) => if let Err(error) = ended { tracing::debug!(%peer, %error, "connection closed") },
                        () = stop.cancelled() => {}
                    }
                });
            }
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            }
        }
    }
    if let Err(error) = cleaner.await {
        tracing::error!(%error, "the cleaner ended badly");
    }
}

fn refused(reason: impl Into<String>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, reason.into())
}

async fn talk(broker: Arc<Broker>, mut stream: TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    loop {
        let len = match stream.read_i32().await {
            Ok(len) => usize::try_from(len).map_err(|_| refused("a frame of negative length"))?,
            Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => return Ok(()),
            Err(e) => return Err(e),
        };
        if !(8..=MAX_FRAME).contains(&len) {
            return Err(refused(format!("a frame of {len} bytes; 8 to {MAX_FRAME} are allowed")));
        }
        let mut frame = BytesMut::zeroed(len);
        stream.read_exact(&mut frame).await?;
        if let Some(answer) = answer(&broker, frame.freeze()).await? {
            stream.write_all(&answer).await?;
        }
    }
}

/// The answer's frame; none for a produce request that wants no answer.
async fn answer(broker: &Arc<Broker>, mut frame: Bytes) -> io::Result<Option<Bytes>> {
    let key = i16::from_be_bytes([frame[0], frame[1]]);
    let version = i16::from_be_bytes([frame[2], frame[3]]);
    let key = ApiKey::try_from(key).map_err(|()| refused(format!("unknown request {key}")))?;
    let header =
        RequestHeader::decode(&mut frame, key.request_header_version(version)).map_err(|e| refused(format!("{key:?}: header: {e}")))?;
    let (client_id, correlation) = (header.client_id.as_ref().map(ToString::to_string).unwrap_or_default(), header.correlation_id);
    let call = Call { broker, key, version, client_id };
    let Some((body, body_version)) = api::dispatch(call, frame).await.map_err(|e| refused(format!("{key:?} version {version}: {e}")))?
    else {
        return Ok(None);
    };
    let mut out = BytesMut::with_capacity(body.len() + 16);
    out.put_i32(0);
    let header_version = key.response_header_version(body_version);
    ResponseHeader::default().with_correlation_id(correlation).encode(&mut out, header_version).map_err(|e| refused(e.to_string()))?;
    out.extend_from_slice(&body);
    let len = i32::try_from(out.len() - 4).map_err(|_| refused("an answer over 2 GiB"))?;
    out[0..4].copy_from_slice(&len.to_be_bytes());
    Ok(Some(out.freeze()))
}
