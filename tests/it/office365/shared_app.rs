//! One app with one certificate for all tenants, which is replaced while the source runs.

use std::{fs, path::Path, process::Command, time::Duration};

use fake_tenant::TenantSpec;
use o365flow::sources::office365::Config;

use super::rig::{CONTOSO, FABRIKAM, Rig, history, simulate, tenant};

const APP: &str = "9c0b7d1e-6a5f-4e3d-8c2b-1a0f9e8d7c33";

/// `NAME.pem`, a certificate with its key; gives the certificate in DER.
fn pair(folder: &Path, name: &str) -> Vec<u8> {
    let openssl = |arguments: String| {
        let output =
            Command::new("openssl").args(arguments.split(' ')).current_dir(folder).output();
        let output = output.expect("openssl is installed; `make test` does that");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    };
    openssl(format!(
        "req -x509 -newkey rsa:2048 -nodes -days 3650 -subj /CN={name} -keyout {name}.pem -out {name}.crt"
    ));
    openssl(format!("x509 -in {name}.crt -outform DER -out {name}.der"));
    let read = |kind: &str| fs::read(folder.join(format!("{name}.{kind}"))).unwrap();
    fs::write(folder.join(format!("{name}.pem")), [read("pem"), read("crt")].concat()).unwrap();
    read("der")
}

fn spec(id: &str, domain: &str, seed: u64) -> TenantSpec {
    let mut spec = tenant(id, domain).with_history(history(seed));
    APP.clone_into(&mut spec.client_id);
    spec
}

#[test]
fn one_certificate_serves_all_tenants_through_its_rotation() {
    let folder = tempfile::tempdir().unwrap();
    let (old, new) = (pair(folder.path(), "old"), pair(folder.path(), "new"));
    let path = folder.path().join("app.pem");
    let put = |name: &str| fs::copy(folder.path().join(name), &path).map(drop).unwrap();
    let ((), metrics) = simulate(async || {
        let contoso = spec(CONTOSO, "contoso.example", 1).with_certificate(old.clone());
        let fabrikam = spec(FABRIKAM, "fabrikam.example", 2).with_certificate(old.clone());
        let mut rig = Rig::new(vec![contoso, fabrikam]);
        let app = format!(
            "[app]\nclient_id = '{APP}'\ncertificate = {{ path = '{}', algorithm = 'RS256' }}\n",
            path.display()
        );
        let app: Config = toml::from_str(&app).unwrap();
        rig.config.app = app.app;
        for tenant in &mut rig.config.tenants {
            (tenant.client_id, tenant.client_secret) = (None, None);
        }
        put("old.pem");
        let rotate = async {
            tokio::time::sleep(Duration::from_mins(90)).await;
            // In place at one instant, registered in one tenant an hour before the other.
            put("new.pem");
            rig.tenants.change_tenant(CONTOSO, |spec| spec.certificates = vec![new.clone()]);
            tokio::time::sleep(Duration::from_mins(60)).await;
            rig.tenants.change_tenant(FABRIKAM, |spec| spec.certificates = vec![new.clone()]);
        };
        let (result, ()) = tokio::join!(rig.run_for(Duration::from_hours(5)), rotate);
        result.unwrap();
        rig.assert_exact();
        // Five hours need six tokens of an hour each, for both.
        assert!(rig.tenants.stats().tokens_issued >= 12);
    });
    for tenant in ["contoso", "fabrikam"] {
        let label = format!("tenant=\"{tenant}\"");
        let ends = metrics.sum("o365_certificate_expiry_timestamp_seconds", &[&label]);
        let token_ends = metrics.sum("o365_token_expiry_timestamp_seconds", &[&label]);
        assert!(ends > token_ends && token_ends > 0, "{tenant}: {ends}, {token_ends}");
    }
    assert_eq!(metrics.sum("component_errors_total", &[]), 0, "no poll failed");
}

#[test]
fn a_tenant_with_a_secret_has_no_end_of_a_certificate() {
    let ((), metrics) = simulate(async || {
        let rig = Rig::new(vec![tenant(CONTOSO, "contoso.example").with_history(history(3))]);
        rig.once().await.unwrap();
    });
    assert_eq!(metrics.sum("o365_certificate_expiry_timestamp_seconds", &[]), 0);
    assert!(metrics.sum("o365_token_expiry_timestamp_seconds", &[]) > 0);
}
