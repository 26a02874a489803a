//! Decoding of gzip bodies: any chunking, many members, cuts, bombs.

use std::io::Write;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use futures_util::stream;
use http::Response;
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use net::{Body, BodyError, decoded, read_body};

fn gzip(plain: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(plain).unwrap();
    encoder.finish().unwrap()
}

fn response(encoding: &str, bytes: &[u8], chunk_bytes: usize) -> Response<Body> {
    let chunks: Vec<_> = bytes
        .chunks(chunk_bytes)
        .map(|chunk| Ok(Frame::data(Bytes::copy_from_slice(chunk))))
        .collect();
    let body = StreamBody::new(stream::iter(chunks)).boxed_unsync();
    Response::builder().header("content-encoding", encoding).body(body).unwrap()
}

async fn read(encoding: &str, bytes: &[u8], chunk_bytes: usize) -> Result<Bytes, BodyError> {
    read_body(decoded(response(encoding, bytes, chunk_bytes))?.into_body(), 1 << 24).await
}

#[tokio::test]
async fn decodes_whatever_the_chunks() {
    let plain: Vec<u8> = (0..300_000_u32).flat_map(|n| (n % 977).to_le_bytes()).collect();
    let packed = gzip(&plain);
    for chunk_bytes in [1, 7, 4096, packed.len()] {
        assert_eq!(read("GZip", &packed, chunk_bytes).await.unwrap(), plain);
    }
}

#[tokio::test]
async fn decodes_members_one_after_the_other() {
    let packed = [gzip(b"one "), gzip(b""), gzip(b"two")].concat();
    for chunk_bytes in [1, 5, packed.len()] {
        assert_eq!(read("x-gzip", &packed, chunk_bytes).await.unwrap(), "one two");
    }
}

#[tokio::test]
async fn passes_plain_bodies_on() {
    assert_eq!(read("identity", b"plain", 2).await.unwrap(), "plain");
    assert_eq!(read("gzip", b"", 2).await.unwrap(), "");
}

#[tokio::test]
async fn refuses_what_is_not_gzip() {
    assert!(matches!(read("br", b"plain", 2).await, Err(BodyError::Encoding)));
    assert!(matches!(read("gzip, gzip", b"plain", 2).await, Err(BodyError::Encoding)));
    assert!(matches!(read("gzip", b"plain text", 4).await, Err(BodyError::Gzip { .. })));
}

#[tokio::test]
async fn never_takes_a_cut_body_for_a_whole_one() {
    let packed = gzip(b"some words that are not all here");
    for length in 1..packed.len() {
        let read = read("gzip", &packed[..length], 10).await;
        assert!(matches!(read, Err(BodyError::GzipTruncated)), "{length}: {read:?}");
    }
}

#[tokio::test]
async fn notices_a_wrong_checksum() {
    let mut packed = gzip(b"some words");
    let checksum = packed.len() - 6;
    packed[checksum] ^= 1;
    assert!(matches!(read("gzip", &packed, 100).await, Err(BodyError::Gzip { .. })));
}

#[tokio::test]
async fn a_bomb_comes_out_in_small_chunks() {
    let packed = gzip(&vec![0; 8 << 20]);
    let whole = packed.len();
    let mut body = decoded(response("gzip", &packed, whole)).unwrap().into_body();
    let mut bytes = 0;
    while let Some(frame) = body.frame().await {
        let chunk = frame.unwrap().into_data().unwrap();
        assert!(chunk.len() <= 128 * 1024, "{}", chunk.len());
        bytes += chunk.len();
    }
    assert_eq!(bytes, 8 << 20);
}
