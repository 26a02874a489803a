//! Response bodies: one boxed type for all of them, and readers that hold no more than they were told to.

use std::error::Error;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::{Stream, StreamExt};
use http_body::Frame;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};

/// A body of unknown origin and length, read chunk by chunk.
pub type Body = UnsyncBoxBody<Bytes, BodyError>;

/// Why a body could not be read to its end.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    #[error("no data arrived for {} s", idle.as_secs_f32())]
    Idle { idle: Duration },
    #[error("body drips: {bytes} bytes came in {} s", waited.as_secs())]
    Drips { bytes: u64, waited: Duration },
    #[error("body is larger than {bytes_max} bytes")]
    TooLarge { bytes_max: usize },
    #[error("body has an encoding other than gzip")]
    Encoding,
    #[error("body is not valid gzip")]
    Gzip {
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
    #[error("gzip body ends early")]
    GzipTruncated,
    #[error("transfer of the body broke off")]
    Transfer {
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
}

/// A body that is already here.
pub fn full_body(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into()).map_err(|never| match never {}).boxed_unsync()
}

/// A body that is made while it is sent, no faster than its reader takes it.
pub fn stream_body(chunks: impl Stream<Item = Bytes> + Send + 'static) -> Body {
    StreamBody::new(chunks.map(|chunk| Ok(Frame::data(chunk)))).boxed_unsync()
}

/// Reads a whole body, and gives up with [`BodyError::TooLarge`] as soon as it exceeds `bytes_max`.
pub async fn read_body(mut body: Body, bytes_max: usize) -> Result<Bytes, BodyError> {
    let mut read = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let Ok(chunk) = frame?.into_data() else { continue };
        if read.len() + chunk.len() > bytes_max {
            return Err(BodyError::TooLarge { bytes_max });
        }
        read.extend_from_slice(&chunk);
    }
    Ok(read.freeze())
}

/// Reads the first `bytes_max` bytes of a body for a message to a person: what broke off or is too long is simply cut.
pub async fn read_body_prefix(mut body: Body, bytes_max: usize) -> Bytes {
    let mut read = BytesMut::new();
    while read.len() < bytes_max {
        let Some(Ok(frame)) = body.frame().await else { break };
        let Ok(chunk) = frame.into_data() else { continue };
        let wanted = chunk.len().min(bytes_max - read.len());
        read.extend_from_slice(&chunk[..wanted]);
    }
    read.freeze()
}
