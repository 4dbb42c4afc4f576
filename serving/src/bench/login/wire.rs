//! HTTP/1.1 on one connection, no more than the measurement needs: a client that costs as much as the server would measure itself.

use std::net::SocketAddr;

use anyhow::{Context, ensure};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A connection.
pub(super) struct Wire {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Wire {
    /// To a server on this machine.
    pub(super) async fn open(address: SocketAddr) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(address).await.context("the node does not answer")?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, buffer: Vec::with_capacity(4_096) })
    }

    /// Posts JSON, and gives the body of the answer, which must have this status.
    pub(super) async fn post(&mut self, path: &str, body: &str, status: u16) -> anyhow::Result<Vec<u8>> {
        let request = format!(
            "POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        self.stream.write_all(request.as_bytes()).await?;
        self.buffer.clear();
        let (told, begin, length) = loop {
            ensure!(self.stream.read_buf(&mut self.buffer).await? > 0, "the node has closed the connection");
            if let Some(head) = head(&self.buffer)? {
                break head;
            }
        };
        while self.buffer.len() < begin + length {
            ensure!(self.stream.read_buf(&mut self.buffer).await? > 0, "the node has closed the connection");
        }
        let body = self.buffer[begin..begin + length].to_vec();
        ensure!(told == status, "{path} answers {told}: {}", String::from_utf8_lossy(&body));
        Ok(body)
    }
}

/// Status, where the body begins, and how long it is; nothing while the head is not whole.
fn head(bytes: &[u8]) -> anyhow::Result<Option<(u16, usize, usize)>> {
    let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else { return Ok(None) };
    let text = std::str::from_utf8(&bytes[..end])?;
    let status = text.split(' ').nth(1).context("no status")?.parse()?;
    let length = text.lines().filter_map(|line| line.split_once(':')).find(|(name, _)| name.eq_ignore_ascii_case("content-length"));
    Ok(Some((status, end + 4, length.context("no content-length")?.1.trim().parse()?)))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_read_when_it_is_whole() {
        let whole = b"HTTP/1.1 202 Accepted\r\nContent-Length: 5\r\nx: y\r\n\r\nhello";
        for cut in 0..whole.len() - 5 {
            assert!(head(&whole[..cut]).unwrap().is_none(), "{cut}");
        }
        assert_eq!(head(whole).unwrap(), Some((202, whole.len() - 5, 5)));
        assert!(head(b"HTTP/1.1 200 OK\r\n\r\n").is_err());
    }
}
