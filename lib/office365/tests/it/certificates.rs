//! Every form in which a certificate comes signs in, and what cannot be used says why.

use std::fs;

use office365::{CertificateFiles, ErrorClass, SigningAlgorithm, TenantSettings, TokenEndpoint};

use crate::entra::{Entra, certificate, one_file, spec};
use crate::openssl_tool::{Kit, PASSWORD};
use crate::script::chain;

/// Signs in with both algorithms at both endpoints.
async fn check_signs_in(entra: &Entra, what: &str, files: &CertificateFiles) {
    for algorithm in [SigningAlgorithm::Ps256, SigningAlgorithm::Rs256] {
        for token_endpoint in [TokenEndpoint::V1, TokenEndpoint::V2] {
            let credential = certificate(CertificateFiles { algorithm, ..files.clone() });
            let settings = entra.settings(credential, chrono::TimeDelta::zero());
            let client = entra.client_with(TenantSettings { token_endpoint, ..settings });
            let signed_in = client.sign_in().await;
            let claims = signed_in
                .unwrap_or_else(|error| panic!("{what} {algorithm:?}: {}", chain(&error)))
                .claims
                .unwrap();
            assert_eq!(claims.audience.as_deref(), Some("https://manage.office.com"), "{what}");
        }
    }
}

/// The options of `openssl pkcs12 -export` that make a container, and the password that opens it.
const CONTAINERS: [(&str, &str, Option<&str>); 10] = [
    ("modern", "-passout pass:PASSWORD", Some(PASSWORD)),
    ("legacy", "-legacy -passout pass:PASSWORD", Some(PASSWORD)),
    (
        "triple-des",
        "-keypbe PBE-SHA1-3DES -certpbe PBE-SHA1-3DES -macalg sha1 -passout pass:PASSWORD",
        Some(PASSWORD),
    ),
    (
        "rc2",
        "-legacy -keypbe PBE-SHA1-RC2-40 -certpbe PBE-SHA1-RC2-40 -macalg sha1 -passout pass:PASSWORD",
        Some(PASSWORD),
    ),
    ("unencrypted", "-keypbe NONE -certpbe NONE -passout pass:PASSWORD", Some(PASSWORD)),
    ("without-mac", "-keypbe NONE -certpbe NONE -nomac -passout pass:", None),
    ("no-password", "-passout pass:", None),
    ("empty-password", "-passout pass:", Some("")),
    ("legacy-empty", "-legacy -passout pass:", None),
    ("with-chain", "-certfile other.crt -passout pass:PASSWORD", Some(PASSWORD)),
];

#[tokio::test]
async fn every_pfx_container_signs_in() {
    let kit = Kit::new();
    let entra = Entra::new(spec().with_certificate(kit.pair("app", "rsa:2048")));
    kit.pair("other", "rsa:2048");
    for (name, options, password) in CONTAINERS {
        let options = options.replace("PASSWORD", PASSWORD);
        kit.run(&format!("pkcs12 -export -inkey app.key -in app.crt -out {name}.pfx {options}"));
        let path = kit.path(&format!("{name}.pfx"));
        check_signs_in(&entra, name, &one_file(path, password)).await;
    }
}

/// What makes a private key of `app.key`, and whether it needs the password.
const KEYS: [(&str, &str, bool); 8] = [
    ("pkcs8", "pkcs8 -topk8 -nocrypt -in app.key", false),
    ("pkcs1", "rsa -traditional -in app.key", false),
    ("pkcs8-aes", "pkcs8 -topk8 -v2 aes-256-cbc -in app.key -passout pass:PASSWORD", true),
    ("pkcs8-scrypt", "pkcs8 -topk8 -scrypt -in app.key -passout pass:PASSWORD", true),
    ("pkcs8-3des", "pkcs8 -topk8 -v1 PBE-SHA1-3DES -in app.key -passout pass:PASSWORD", true),
    (
        "pkcs8-des",
        "pkcs8 -topk8 -v1 PBE-MD5-DES -in app.key -passout pass:PASSWORD -provider legacy -provider default",
        true,
    ),
    ("pkcs1-aes", "rsa -traditional -aes128 -in app.key -passout pass:PASSWORD", true),
    ("pkcs1-3des", "rsa -traditional -des3 -in app.key -passout pass:PASSWORD", true),
];

#[tokio::test]
async fn every_pem_key_signs_in_from_the_same_file_or_another() {
    let kit = Kit::new();
    let entra = Entra::new(spec().with_certificate(kit.pair("app", "rsa:3072")));
    kit.pair("other", "rsa:2048");
    for (name, command, is_encrypted) in KEYS {
        let command = command.replace("PASSWORD", PASSWORD);
        kit.run(&format!("{command} -out {name}.key"));
        kit.join(&["app.crt", &format!("{name}.key")], &format!("{name}.pem"));
        let password = is_encrypted.then_some(PASSWORD);
        let files = one_file(kit.path(&format!("{name}.pem")), password);
        check_signs_in(&entra, name, &files).await;
        let key_path = Some(kit.path(&format!("{name}.key")));
        let apart = CertificateFiles { key_path, ..one_file(kit.path("app.crt"), password) };
        check_signs_in(&entra, name, &apart).await;
    }
    // A chain before the app's own certificate, and the key before all of them.
    kit.join(&["app.key", "other.crt", "app.crt"], "chain.pem");
    check_signs_in(&entra, "chain", &one_file(kit.path("chain.pem"), None)).await;
}

struct BadFiles {
    what: &'static str,
    file: &'static str,
    key_file: Option<&'static str>,
    password: Option<&'static str>,
    /// The file that the error names, and what it says of it.
    names: &'static str,
    says: &'static str,
}

const fn bad(what: &'static str, file: &'static str, says: &'static str) -> BadFiles {
    BadFiles { what, file, key_file: None, password: None, names: file, says }
}

const BAD_FILES: [BadFiles; 20] = [
    bad("missing", "missing.pfx", "cannot read"),
    bad("a folder", "folder", "cannot read"),
    bad("empty", "empty.pfx", "neither a PFX container nor PEM"),
    bad("other content", "noise.pfx", "neither a PFX container nor PEM"),
    bad("a certificate in DER", "app.der", "neither a PFX container nor PEM"),
    bad("too large", "huge.pem", "larger than a certificate can be"),
    bad("no password for a container", "app.pfx", "needs a password"),
    BadFiles { password: Some("wrong"), ..bad("wrong password", "app.pfx", "does not open") },
    BadFiles { password: Some("a\0b"), ..bad("a password with NUL", "app.pfx", "does not open") },
    bad("no password for a key", "encrypted.pem", "needs a password"),
    BadFiles {
        password: Some("wrong"),
        ..bad("wrong for a key", "encrypted.pem", "does not open")
    },
    BadFiles {
        password: Some("wrong"),
        ..bad("wrong for an old key", "encrypted1.pem", "does not open")
    },
    BadFiles {
        password: Some(PASSWORD),
        ..bad("cut", "cut.pfx", "neither a PFX container nor PEM")
    },
    bad("a damaged key", "damaged.pem", "is damaged"),
    bad("a certificate alone", "app.crt", "no private key"),
    BadFiles { password: Some(PASSWORD), ..bad("no key", "certs.pfx", "no private key") },
    bad("a key alone", "app.key", "no certificate"),
    bad("an EC key", "ec.pem", "not an RSA key"),
    bad("a short key", "short.pem", "1024 bits, fewer than 2048"),
    BadFiles {
        key_file: Some("other.key"),
        names: "other.key",
        ..bad("another key", "app.crt", "does not belong")
    },
];

fn make_bad_files(kit: &Kit) {
    for (name, key) in [
        ("app", "rsa:2048"),
        ("other", "rsa:2048"),
        ("short", "rsa:1024"),
        ("ec", "ec -pkeyopt ec_paramgen_curve:P-256"),
    ] {
        kit.pair(name, key);
        kit.join(&[&format!("{name}.crt"), &format!("{name}.key")], &format!("{name}.pem"));
    }
    let out = format!("-passout pass:{PASSWORD}");
    kit.run(&format!("pkcs12 -export -inkey app.key -in app.crt -out app.pfx {out}"));
    kit.run(&format!("pkcs12 -export -nokeys -in app.crt -out certs.pfx {out}"));
    kit.run(&format!("pkcs8 -topk8 -in app.key -out encrypted.key {out}"));
    kit.run(&format!("rsa -traditional -aes256 -in app.key -out encrypted1.key {out}"));
    kit.join(&["app.crt", "encrypted.key"], "encrypted.pem");
    kit.join(&["app.crt", "encrypted1.key"], "encrypted1.pem");
    fs::create_dir(kit.path("folder")).unwrap();
    let write = |name, content: &[u8]| fs::write(kit.path(name), content).unwrap();
    write("empty.pfx", b"");
    write("noise.pfx", b"hush-noise, which nobody may see in a log");
    write("huge.pem", &vec![b' '; 2 << 20]);
    let whole = kit.read("app.pfx");
    write("cut.pfx", &whole[..whole.len() / 2]);
    let whole = String::from_utf8(kit.read("app.pem")).unwrap();
    let at = whole.find("PRIVATE KEY-----\n").unwrap() + 200;
    write("damaged.pem", format!("{}{}", &whole[..at], &whole[at + 4..]).as_bytes());
}

#[tokio::test]
async fn what_cannot_be_used_says_why_and_shows_nothing_of_it() {
    let kit = Kit::new();
    make_bad_files(&kit);
    let entra = Entra::new(spec());
    let pem = String::from_utf8(kit.read("app.key")).unwrap();
    let key_lines: Vec<&str> = pem.lines().skip(1).take(20).collect();
    for bad in BAD_FILES {
        let files = CertificateFiles {
            key_path: bad.key_file.map(|name| kit.path(name)),
            ..one_file(kit.path(bad.file), bad.password)
        };
        let client = entra.client(certificate(files));
        let error = client.sign_in().await.unwrap_err();
        let text = chain(&error);
        assert!(text.contains(bad.says), "{}: {text}", bad.what);
        let path = kit.path(bad.names).display().to_string();
        assert!(text.contains(&path), "{}: {text}", bad.what);
        assert_eq!(error.class(), ErrorClass::Misconfigured, "{}", bad.what);
        assert!(!error.hint().unwrap().fix.is_empty());
        for secret in key_lines.iter().copied().chain([PASSWORD, "wrong", "hush-noise"]) {
            let shown = format!("{text} {client:?}");
            assert!(!shown.contains(secret), "{}: {secret} in {shown}", bad.what);
        }
    }
    assert_eq!(entra.requests(), 0, "nothing was sent");
}
