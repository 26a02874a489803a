//! Links that lead away from the tenant's own host: nothing is sent there, they are counted, and what they stood for is
//! delivered once it is listed right.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
    time::Duration,
};

use chrono::TimeDelta;
use fake_tenant::{ContentType, NewBlob, NewContent};
use http::{HeaderValue, Response};
use net::Body;
use office365::Operation;

use super::{
    rig::{CONTOSO, FABRIKAM, Rig, Scrape, simulate, start, tenant},
    tamper::{Trouble, response},
};

const TRICKS: [&str; 12] = [
    "https://evil.example",
    "http://manage.office.com",
    "https://manage.office.com:444",
    "https://manage.office.com.evil.example",
    "https://manage.office.com@evil.example",
    "https://manage.office.com:443@evil.example",
    "https://user:password@manage.office.com",
    "https://manage.office.com:",
    "https://manage-gcc.office.com",
    "ftp://manage.office.com",
    "//manage.office.com",
    "https://203.0.113.9",
];

/// A tenant whose exchange feed is listed as `answer` makes it, given the blob's id; another beside it.
fn run(
    trick: &str,
    answer: impl Fn(&str, Response<Body>) -> Response<Body> + Send + Sync + 'static,
) -> Scrape {
    let ((), metrics) = simulate(async || {
        let tenants =
            vec![tenant(CONTOSO, "contoso.example"), tenant(FABRIKAM, "fabrikam.example")];
        let mut rig = Rig::new(tenants);
        let add = |tenant_id, content_type| {
            let blob = NewBlob::new(start() - TimeDelta::hours(1), NewContent::Generated(5));
            rig.tenants.add_blob(tenant_id, content_type, blob).unwrap()
        };
        let content_id = add(CONTOSO, ContentType::Exchange);
        add(CONTOSO, ContentType::General);
        add(FABRIKAM, ContentType::Exchange);
        let (trouble, tamper) = Trouble::with(Operation::ListContent, CONTOSO, move |sound| {
            Ok(answer(&content_id, sound))
        });
        let places: Arc<Mutex<BTreeSet<String>>> = Arc::default();
        let seen = Arc::clone(&places);
        rig.tamper = Some(Arc::new(move |request, response| {
            let uri = request.uri();
            let authority = uri.authority().unwrap();
            seen.lock().unwrap().insert(format!("{}://{authority}", uri.scheme_str().unwrap()));
            tamper(request, response)
        }));
        rig.run_for(Duration::from_mins(20)).await.unwrap();
        assert!(rig.verify_tenant(Some(FABRIKAM)).is_exact(), "{trick}");
        assert!(rig.verify().missing.len() <= 5, "{trick}");
        trouble.end();
        rig.run_for(Duration::from_mins(50)).await.unwrap();
        rig.assert_exact();
        let expected = ["https://login.microsoftonline.com", "https://manage.office.com"];
        assert_eq!(*places.lock().unwrap(), expected.map(str::to_owned).into(), "{trick}");
    });
    metrics
}

#[test]
fn a_blob_at_another_host_is_fetched_where_a_later_listing_says() {
    for trick in TRICKS {
        let metrics = run(trick, move |content_id, _| {
            let created = (start() - TimeDelta::hours(1)).format("%FT%T.000Z");
            let expires = (start() + TimeDelta::days(6)).format("%FT%T.000Z");
            let body = format!(
                r#"[{{"contentType":"Audit.Exchange","contentId":"{content_id}","contentUri":"{trick}/api/v1.0/{CONTOSO}/activity/feed/audit/{content_id}","contentCreated":"{created}","contentExpiration":"{expires}"}}]"#
            );
            response(200, &[], body)
        });
        let foreign = metrics.sum("component_errors_total", &["\"foreign_host\""]);
        assert!(foreign >= 3, "{trick}: {foreign}");
        assert_eq!(metrics.sum("component_errors_total", &["blob_failed"]), 0, "{trick}");
    }
}

#[test]
fn a_next_page_at_another_host_is_not_asked_for() {
    for trick in TRICKS {
        let metrics = run(trick, move |_, mut sound| {
            let link =
                format!("{trick}/api/v1/{CONTOSO}/activity/feed/subscriptions/content?nextpage=1");
            sound.headers_mut().insert("NextPageUri", HeaderValue::try_from(link).unwrap());
            sound
        });
        let foreign = metrics.sum("component_errors_total", &["\"foreign_host\""]);
        assert!((3..=8).contains(&foreign), "{trick}: {foreign}");
        assert_eq!(metrics.sum("component_errors_total", &["listing_failed"]), 0, "{trick}");
    }
}
