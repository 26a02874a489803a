//! Files that are replaced while the program runs, and clocks that are wrong.

use std::time::Duration;

use chrono::TimeDelta;
use office365::{CertificateFiles, ErrorClass, SigningAlgorithm, TenantClient};

use crate::entra::{Entra, certificate, one_file, spec};
use crate::openssl_tool::Kit;
use crate::script::chain;

/// Lets the token come to its renewal.
async fn pass_an_hour() {
    tokio::time::advance(Duration::from_mins(56)).await;
}

/// The certificate that is signed in with, by the beginning of its thumbprint.
async fn thumbprint(client: &TenantClient) -> String {
    client.certificate().await.unwrap().unwrap().sha256_thumbprint
}

#[tokio::test(start_paused = true)]
async fn a_certificate_is_replaced_without_a_restart() {
    let kit = Kit::new();
    let old = kit.pair("old", "rsa:2048");
    let new = kit.pair("new", "rsa:2048");
    for name in ["old", "new"] {
        kit.join(&[&format!("{name}.crt"), &format!("{name}.key")], &format!("{name}.pem"));
    }
    let entra = Entra::new(spec().with_certificate(old));
    let path = kit.path("app.pem");
    kit.put(kit.read("old.pem"), &path);
    let client = entra.client(certificate(one_file(path.clone(), None)));
    client.sign_in().await.unwrap();
    let first = thumbprint(&client).await;

    // In place before it is registered: the one before serves on.
    kit.put(kit.read("new.pem"), &path);
    pass_an_hour().await;
    client.sign_in().await.unwrap();
    let second = thumbprint(&client).await;
    assert_ne!(first, second);
    assert_eq!(entra.fake.stats().tokens_issued, 2);

    // Registered: the one before is not needed any more.
    entra.change(|tenant| tenant.certificates = vec![new]);
    pass_an_hour().await;
    client.sign_in().await.unwrap();
    assert_eq!(entra.fake.stats().tokens_issued, 3);

    // What cannot be read changes nothing.
    let half = kit.read("old.pem");
    for bad in [b"".as_slice(), &half[..half.len() / 2], b"noise"] {
        kit.put(bad, &path);
        pass_an_hour().await;
        client.sign_in().await.unwrap();
        assert_eq!(thumbprint(&client).await, second);
    }
    std::fs::remove_file(&path).unwrap();
    pass_an_hour().await;
    client.sign_in().await.unwrap();
    assert_eq!(entra.fake.stats().tokens_issued, 7);
}

#[tokio::test(start_paused = true)]
async fn the_one_that_worked_serves_on_whatever_is_tried_after_it() {
    let kit = Kit::new();
    let old = kit.pair("old", "rsa:2048");
    let entra = Entra::new(spec().with_certificate(old));
    let path = kit.path("app.pem");
    kit.join(&["old.crt", "old.key"], "app.pem");
    let client = entra.client(certificate(one_file(path.clone(), None)));
    client.sign_in().await.unwrap();

    // A mistake, its correction, and the correction with a line more: none of them is registered.
    kit.pair("wrong", "rsa:2048");
    let new = kit.pair("new", "rsa:2048");
    for (number, names) in
        [["wrong.crt", "wrong.key"].as_slice(), &["new.crt", "new.key"], &["new.key", "new.crt"]]
            .into_iter()
            .enumerate()
    {
        kit.join(names, "next.pem");
        kit.put(kit.read("next.pem"), &path);
        pass_an_hour().await;
        client.sign_in().await.unwrap();
        assert_eq!(entra.fake.stats().tokens_issued, number as u64 + 2, "{names:?}");
    }

    // Where one server knows the new one already and the next does not yet, the old one is still at hand.
    let known = |entra: &Entra, certificate: &[u8]| {
        let certificates = vec![certificate.to_vec()];
        entra.change(|tenant| tenant.certificates = certificates);
    };
    let old = kit.read("old.der");
    for certificate in [&new, &old, &new] {
        known(&entra, certificate);
        pass_an_hour().await;
        client.sign_in().await.unwrap();
    }
    assert_eq!(entra.fake.stats().tokens_issued, 7);
}

#[tokio::test(start_paused = true)]
async fn a_file_that_never_answers_holds_nobody_up() {
    let kit = Kit::new();
    let entra = Entra::new(spec().with_certificate(kit.pair("app", "rsa:2048")));
    let path = kit.path("app.pem");
    kit.join(&["app.crt", "app.key"], "app.pem");
    let dead = kit.path("dead.pem");
    kit.pipe("dead.pem");
    let client = entra.client(certificate(one_file(dead.clone(), None)));
    // Nobody writes to the pipe, as nobody answers for a file on a server that is gone. A test's clock stands still while
    // a thread is busy.
    let pushed = async {
        for _ in 0..200 {
            tokio::time::advance(Duration::from_secs(1)).await;
            tokio::task::yield_now().await;
        }
        panic!("the sign-in waits for the file");
    };
    let error = tokio::select! {
        signed_in = client.sign_in() => signed_in.unwrap_err(),
        () = pushed => unreachable!(),
    };
    assert!(chain(&error).contains("dead.pem"), "{}", chain(&error));
    // What comes late is used all the same.
    std::fs::write(&dead, kit.read("app.pem")).unwrap();
    std::fs::rename(&path, &dead).unwrap();
    while client.sign_in().await.is_err() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(start_paused = true)]
async fn key_and_certificate_may_be_replaced_one_after_the_other() {
    let kit = Kit::new();
    let certificates = vec![kit.pair("old", "rsa:2048"), kit.pair("new", "rsa:2048")];
    let entra = Entra::new(spec());
    entra.change(|tenant| tenant.certificates = certificates);
    let (path, key_path) = (kit.path("app.crt"), kit.path("app.key"));
    kit.put(kit.read("old.crt"), &path);
    kit.put(kit.read("old.key"), &key_path);
    let files =
        CertificateFiles { key_path: Some(key_path.clone()), ..one_file(path.clone(), None) };
    let client = entra.client(certificate(files));
    let first = thumbprint(&client).await;
    kit.put(kit.read("new.key"), &key_path);
    assert_eq!(thumbprint(&client).await, first);
    client.sign_in().await.unwrap();
    kit.put(kit.read("new.crt"), &path);
    assert_ne!(thumbprint(&client).await, first);
    pass_an_hour().await;
    client.sign_in().await.unwrap();
    assert_eq!(entra.fake.stats().tokens_issued, 2);
}

#[tokio::test(start_paused = true)]
async fn a_certificate_that_nobody_registered_is_refused_with_its_cause() {
    let kit = Kit::new();
    kit.pair("app", "rsa:2048");
    kit.join(&["app.crt", "app.key"], "app.pem");
    let entra = Entra::new(spec());
    let client = entra.client(certificate(one_file(kit.path("app.pem"), None)));
    let error = client.sign_in().await.unwrap_err();
    assert!(chain(&error).contains("AADSTS700027"), "{}", chain(&error));
    assert_eq!(error.class(), ErrorClass::Misconfigured);
    assert!(error.hint().unwrap().fix.contains("upload"));
}

#[tokio::test(start_paused = true)]
async fn a_wrong_clock_is_made_up_for() {
    let kit = Kit::new();
    let entra = Entra::new(spec().with_certificate(kit.pair("app", "rsa:2048")));
    kit.join(&["app.crt", "app.key"], "app.pem");
    for (hours, algorithm) in [(3, SigningAlgorithm::Ps256), (-30, SigningAlgorithm::Rs256)] {
        let files = CertificateFiles { algorithm, ..one_file(kit.path("app.pem"), None) };
        let settings = entra.settings(certificate(files), TimeDelta::hours(hours));
        let client = entra.client_with(settings);
        client.sign_in().await.unwrap();
        // From then on it is known how wrong the clock is.
        let requests = entra.requests();
        pass_an_hour().await;
        client.sign_in().await.unwrap();
        assert_eq!(entra.requests(), requests + 1);
    }
}
