//! How fast blobs are written: one blob of a million records through the handler, none of it held.
//! Run it with `cargo run --release -p fake-tenant --example generator_speed`.

use std::error::Error;
use std::io::Write as _;
use std::sync::Arc;

use bytes::Bytes;
use chrono::{TimeDelta, Utc};
use fake_tenant::{
    ContentType, FakeTenants, ManualClock, NewBlob, NewContent, Settings, TenantSpec,
};
use http_body_util::BodyExt as _;
use tokio::time::Instant;

const TENANT: &str = "c0c0c0c0-1111-4222-8333-444455556666";
const RECORDS: u32 = 1_000_000;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let now = Utc::now();
    let spec = TenantSpec::new(TENANT, "contoso.example", "app", "secret").subscribed_to_all();
    let fake = FakeTenants::new(Arc::new(ManualClock::new(now)), Settings::default(), vec![spec]);
    let form = "grant_type=client_credentials&client_id=app&client_secret=secret&scope=https://manage.office.com/.default";
    let request = http::Request::post(format!("/{TENANT}/oauth2/v2.0/token"))
        .header("content-type", "application/x-www-form-urlencoded")
        .body(Bytes::from(form))?;
    let answer = fake.handle(request).await.into_body().collect().await?.to_bytes();
    let answer: serde_json::Value = serde_json::from_slice(&answer)?;
    let token = answer["access_token"].as_str().ok_or("no token")?;
    for content_type in ContentType::ALL {
        let blob = NewBlob::new(now - TimeDelta::hours(1), NewContent::Generated(RECORDS.into()));
        let id = fake.add_blob(TENANT, content_type, blob).ok_or("no tenant")?;
        let uri =
            format!("/api/v1.0/{TENANT}/activity/feed/audit/{id}?PublisherIdentifier={TENANT}");
        let request = http::Request::get(uri)
            .header("authorization", format!("Bearer {token}"))
            .body(Bytes::new())?;
        let start = Instant::now();
        let mut body = fake.handle(request).await.into_body();
        let mut bytes = 0_u64;
        while let Some(frame) = body.frame().await {
            bytes += frame?.data_ref().map_or(0, Bytes::len) as u64;
        }
        let rate = f64::from(RECORDS) / start.elapsed().as_secs_f64() / 1000.0;
        let mean = bytes / u64::from(RECORDS);
        writeln!(
            std::io::stdout(),
            "{}: {rate:.0} thousand records/s of {mean} bytes",
            content_type.name()
        )?;
    }
    Ok(())
}
