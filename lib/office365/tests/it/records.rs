//! Records of a blob as it arrives: whole, compressed, cut, broken.

use std::io::Write;

use bytes::Bytes;
use futures_util::stream;
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use net::{Body, BodyError, full_body};
use office365::{BlobRef, ContentId, ContentType, End, RecordFault, RecordStream, parse_time};

use crate::script::{chain, scripted};

const BLOB: &str = r#"[{"Id":"1"},{"Id":"2"},7,{"Id":"3"}]"#;

fn chunks(chunks: Vec<Result<&'static str, BodyError>>) -> Body {
    let frames = chunks.into_iter().map(|chunk| chunk.map(|text| Frame::data(Bytes::from(text))));
    StreamBody::new(stream::iter(frames.collect::<Vec<_>>())).boxed_unsync()
}

fn broken() -> BodyError {
    BodyError::Transfer { source: "connection reset".into() }
}

/// Reads to the end; one line a record or fault.
async fn read(mut records: RecordStream) -> (Vec<String>, Option<End>) {
    let mut lines = Vec::new();
    assert_eq!(records.end(), None);
    while let Some(item) = records.next().await {
        lines.push(match item {
            Ok(record) => String::from_utf8_lossy(&record.0).into_owned(),
            Err(RecordFault::Content { source }) => source.to_string(),
            Err(fault @ RecordFault::Transfer { .. }) => fault.to_string(),
        });
    }
    assert!(records.next().await.is_none());
    (lines, records.end())
}

#[tokio::test]
async fn gives_every_record_of_a_whole_blob() {
    let (lines, end) = read(RecordStream::new(full_body(BLOB), 100)).await;
    let expected =
        [r#"{"Id":"1"}"#, r#"{"Id":"2"}"#, "element 2 is not an object", r#"{"Id":"3"}"#];
    assert_eq!(lines, expected);
    assert_eq!(end, Some(End::Complete));
}

#[tokio::test]
async fn a_cut_blob_is_broken() {
    for (body, fault) in [
        (chunks(vec![Ok(&BLOB[..14])]), "body ends inside the array, after 1 elements"),
        (chunks(vec![Ok(&BLOB[..14]), Err(broken())]), "blob did not arrive in full"),
        (chunks(vec![Ok(BLOB), Ok("x")]), "body goes on after the end of the array, at byte 36"),
        // The array is whole, but the transfer says that it was not.
        (chunks(vec![Ok(BLOB), Err(broken())]), "blob did not arrive in full"),
        (full_body("<html>"), "body is not a JSON array, it starts with `<html>`"),
        (full_body(""), "body ends inside the array, after 0 elements"),
    ] {
        let (lines, end) = read(RecordStream::new(body, 100)).await;
        assert_eq!(lines.last().map(String::as_str), Some(fault));
        assert_eq!(end, Some(End::Broken));
    }
}

#[tokio::test]
async fn reads_a_compressed_blob_and_notices_its_cut() {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(BLOB.as_bytes()).unwrap();
    let packed = encoder.finish().unwrap();
    let blob = BlobRef {
        content_type: ContentType::Exchange,
        id: ContentId("a$b".to_owned()),
        uri: "https://manage.office.com/api/v1.0/a$b".to_owned(),
        created: parse_time("2026-01-01T00:00:00").unwrap(),
        expires: parse_time("2026-01-08T00:00:00").unwrap(),
    };
    for (length, end) in [(packed.len(), End::Complete), (packed.len() - 1, End::Broken)] {
        let (client, script) = scripted();
        let body = full_body(packed[..length].to_vec());
        script.reply_body(&[("content-encoding", "gzip")], body);
        let (lines, ended) = read(client.fetch(&blob).await.unwrap()).await;
        assert!(lines.len() >= 4, "{lines:?}");
        assert_eq!(ended, Some(end));
    }
    let (client, script) = scripted();
    script.reply(404, &[], r#"{"error":{"code":"AF20050","message":"gone"}}"#);
    let error = client.fetch(&blob).await.err().unwrap();
    assert_eq!(error.class(), office365::ErrorClass::Lost, "{}", chain(&error));
}
