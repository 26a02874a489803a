//! Decodes a gzip body while it arrives.
//!
//! One chunk out is at most [`CHUNK_BYTES`], however small the input that makes it: a compression bomb costs time, and
//! memory only if its reader keeps what it reads. A body that ends inside a member is an error, never a short success.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use flate2::{Decompress, FlushDecompress, Status};
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH};
use http::{HeaderMap, Response};
use http_body::{Body as HttpBody, Frame};
use http_body_util::BodyExt;

use crate::{Body, BodyError};

/// Output per chunk: big enough that the calls do not count, small enough to keep many transfers at once.
const CHUNK_BYTES: usize = 64 * 1024;

/// The window of deflate is 2^15 bytes; a gzip header cannot ask for more.
const WINDOW_BITS: u8 = 15;

/// Removes the content encoding of a response; any but gzip and identity is an error.
pub fn decoded(mut response: Response<Body>) -> Result<Response<Body>, BodyError> {
    if !is_gzip(response.headers())? {
        return Ok(response);
    }
    response.headers_mut().remove(CONTENT_ENCODING);
    response.headers_mut().remove(CONTENT_LENGTH);
    Ok(response.map(|body| GzipBody::new(body).boxed_unsync()))
}

fn is_gzip(headers: &HeaderMap) -> Result<bool, BodyError> {
    let mut is_gzip = false;
    for value in headers.get_all(CONTENT_ENCODING) {
        let name = value.as_bytes().trim_ascii();
        if name.eq_ignore_ascii_case(b"gzip") || name.eq_ignore_ascii_case(b"x-gzip") {
            // Twice compressed: nobody does it, and one layer off would pass binary on as text.
            if is_gzip {
                return Err(BodyError::Encoding);
            }
            is_gzip = true;
        } else if !name.is_empty() && !name.eq_ignore_ascii_case(b"identity") {
            return Err(BodyError::Encoding);
        }
    }
    Ok(is_gzip)
}

struct GzipBody {
    body: Body,
    input: Bytes,
    inflate: Decompress,
    /// The last call filled its output, so the next may give more without input.
    output_waits: bool,
    /// Between members, the only place where the body may end.
    at_boundary: bool,
    failed: bool,
}

impl GzipBody {
    fn new(body: Body) -> Self {
        GzipBody {
            body,
            input: Bytes::new(),
            inflate: Decompress::new_gzip(WINDOW_BITS),
            output_waits: false,
            at_boundary: true,
            failed: false,
        }
    }

    /// Decodes some of the input; empty when all of it is used up and gave nothing.
    fn inflate(&mut self) -> Result<Vec<u8>, BodyError> {
        let mut output = Vec::new();
        while output.is_empty() && (self.output_waits || !self.input.is_empty()) {
            if self.at_boundary {
                self.inflate = Decompress::new_gzip(WINDOW_BITS);
                self.at_boundary = false;
            }
            output.reserve(CHUNK_BYTES);
            let before = self.inflate.total_in();
            let status = self
                .inflate
                .decompress_vec(&self.input, &mut output, FlushDecompress::None)
                .map_err(|error| BodyError::Gzip { source: error.into() })?;
            let used = usize::try_from(self.inflate.total_in() - before).unwrap_or(usize::MAX);
            self.input.advance(used.min(self.input.len()));
            self.output_waits = status != Status::StreamEnd && output.len() == output.capacity();
            self.at_boundary = status == Status::StreamEnd;
            if status == Status::BufError && output.is_empty() {
                break;
            }
        }
        Ok(output)
    }

    fn poll_chunk(&mut self, ctx: &mut Context<'_>) -> Poll<Option<Result<Bytes, BodyError>>> {
        loop {
            let output = self.inflate()?;
            if !output.is_empty() {
                return Poll::Ready(Some(Ok(output.into())));
            }
            match ready!(Pin::new(&mut self.body).poll_frame(ctx)) {
                Some(frame) => {
                    let Ok(chunk) = frame?.into_data() else { continue };
                    self.append(chunk);
                }
                None if self.at_boundary => return Poll::Ready(None),
                None => return Poll::Ready(Some(Err(BodyError::GzipTruncated))),
            }
        }
    }

    /// Input is left over only when the decoder wants more bytes before it can use any; then the two are joined.
    fn append(&mut self, chunk: Bytes) {
        if self.input.is_empty() {
            self.input = chunk;
        } else {
            self.input = [self.input.as_ref(), &chunk].concat().into();
        }
    }
}

impl HttpBody for GzipBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        ctx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if self.failed {
            return Poll::Ready(None);
        }
        let chunk = ready!(self.poll_chunk(ctx));
        self.failed = matches!(chunk, Some(Err(_)));
        Poll::Ready(chunk.map(|chunk| chunk.map(Frame::data)))
    }
}
