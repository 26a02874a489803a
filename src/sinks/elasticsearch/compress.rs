//! Makes bodies smaller.

use std::io::{self, Write};

use bytes::Bytes;
use flate2::{Compression as Level, write::GzEncoder};
use http::HeaderValue;

use super::config::{Compression, Config};

/// How bodies are compressed.
#[derive(Clone, Copy, Debug)]
pub(super) enum Compressor {
    Gzip(u8),
    Zstd(u8),
    None,
}

impl Compressor {
    pub(super) fn of(config: &Config) -> Compressor {
        match config.compression {
            Compression::Gzip => Compressor::Gzip(config.compression_level),
            Compression::Zstd => Compressor::Zstd(config.compression_level),
            Compression::None => Compressor::None,
        }
    }

    /// The value of `Content-Encoding`.
    pub(super) fn encoding(self) -> Option<HeaderValue> {
        match self {
            Compressor::Gzip(_) => Some(HeaderValue::from_static("gzip")),
            Compressor::Zstd(_) => Some(HeaderValue::from_static("zstd")),
            Compressor::None => None,
        }
    }

    /// Compresses where that hurts nobody.
    pub(super) async fn compress(self, body: Bytes) -> io::Result<Bytes> {
        let compressed = match self {
            Compressor::None => return Ok(body),
            Compressor::Gzip(level) => tokio::task::spawn_blocking(move || {
                let buffer = Vec::with_capacity(body.len() / 4);
                let mut gzip = GzEncoder::new(buffer, Level::new(level.into()));
                gzip.write_all(&body).and_then(|()| gzip.finish())
            }),
            Compressor::Zstd(level) => {
                tokio::task::spawn_blocking(move || zstd::bulk::compress(&body, level.into()))
            }
        };
        Ok(compressed.await??.into())
    }
}
