//! Each cloud's own hosts, and those that a user writes instead, in any form.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
};

use chrono::TimeDelta;
use fake_tenant::{ContentType, NewBlob, NewContent};
use office365::Cloud;

use super::rig::{CONTOSO, Rig, simulate, start, tenant};

/// Polls once with these settings, and checks which hosts were spoken to, with tokens for which resource.
fn check(cloud: Cloud, login_url: Option<&str>, resource_url: Option<&str>, hosts: [&str; 2]) {
    let [login, resource] = hosts;
    simulate(async || {
        let mut rig = Rig::new(vec![tenant(CONTOSO, "contoso.example")]);
        // The fake API gives tokens for this resource only, and every link leads there.
        rig.tenants.set_base_url(resource);
        let blob = NewBlob::new(start() - TimeDelta::hours(1), NewContent::Generated(3));
        rig.tenants.add_blob(CONTOSO, ContentType::Exchange, blob).unwrap();
        let settings = &mut rig.config.tenants[0];
        settings.cloud = cloud;
        settings.login_url = login_url.map(str::to_owned);
        settings.resource_url = resource_url.map(str::to_owned);
        let places: Arc<Mutex<BTreeSet<String>>> = Arc::default();
        let seen = Arc::clone(&places);
        rig.tamper = Some(Arc::new(move |request, response| {
            let uri = request.uri();
            let (scheme, authority) = (uri.scheme_str().unwrap(), uri.authority().unwrap());
            seen.lock().unwrap().insert(format!("{scheme}://{authority}"));
            Ok(response)
        }));
        rig.once().await.unwrap();
        rig.assert_exact();
        let expected = [login.to_owned(), resource.to_owned()];
        assert_eq!(
            *places.lock().unwrap(),
            expected.into(),
            "{cloud:?} {login_url:?} {resource_url:?}"
        );
    });
}

#[test]
fn each_cloud_has_its_hosts() {
    let public = "https://login.microsoftonline.com";
    let government = "https://login.microsoftonline.us";
    check(Cloud::Enterprise, None, None, [public, "https://manage.office.com"]);
    check(Cloud::Gcc, None, None, [public, "https://manage-gcc.office.com"]);
    check(Cloud::GccHigh, None, None, [government, "https://manage.office365.us"]);
    check(Cloud::Dod, None, None, [government, "https://manage.protection.apps.mil"]);
}

#[test]
fn hosts_are_taken_with_and_without_scheme_slash_and_port() {
    let hosts = ["https://login.microsoftonline.us", "https://manage.office365.us"];
    for (login, resource) in [
        ("login.microsoftonline.us", "manage.office365.us"),
        ("https://login.microsoftonline.us", "https://manage.office365.us"),
        ("https://login.microsoftonline.us/", "https://manage.office365.us/"),
        ("login.microsoftonline.us/", "manage.office365.us:443"),
        (" HTTPS://Login.MicrosoftOnline.us ", "Manage.Office365.US"),
    ] {
        check(Cloud::Enterprise, Some(login), Some(resource), hosts);
    }
    let hosts = ["https://sign-in.example:8443", "https://api.example"];
    check(Cloud::Dod, Some("sign-in.example:8443"), Some("api.example"), hosts);
}
