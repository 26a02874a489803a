//! What is in force after each look at a real folder.

use std::{fs, os::unix::fs::PermissionsExt, path::Path};

use tempfile::TempDir;

use super::*;
use crate::config::{Privacy, Secrets};

const IDS: [&str; 4] = [
    "2d6f1f0c-9c4e-4f0b-8a58-0d4b1c3c7a11",
    "5e0a9b7e-0f4d-4a8e-b7f1-3f0c8d1e2b22",
    "7f1c9c58-55cb-4a3c-9a3e-5a1c1f5b2d33",
    "9c0d1e2f-3a4b-4c5d-8e6f-7a8b9c0d1e44",
];

/// A file for the tenant with this number.
fn table(tenant: usize, more: &str) -> String {
    let (id, client) = (IDS[tenant], IDS[0]);
    format!("tenant_id = '{id}'\nclient_id = '{client}'\nclient_secret = 'hush-{tenant}'\n{more}\n")
}

fn write(folder: &TempDir, name: &str, text: &str) {
    fs::write(folder.path().join(name), text).unwrap();
}

fn remove(folder: &TempDir, name: &str) {
    fs::remove_file(folder.path().join(name)).unwrap();
}

struct Watched {
    folder: TempDir,
    dir: TenantsDir,
}

impl Watched {
    fn new(inline: &[usize]) -> Watched {
        let folder = tempfile::tempdir().unwrap();
        let declared = inline.iter().map(|tenant| {
            let text = format!("name = 'inline-{tenant}'\n{}", table(*tenant, ""));
            FileTenant::inline(&toml::from_str(&text).unwrap()).unwrap()
        });
        let reader = TableReader::new(Secrets::default(), |name| {
            (name == "SECRET").then(|| "very-hush".to_owned())
        });
        let dir = TenantsDir::new(folder.path(), reader, declared.collect());
        Watched { folder, dir }
    }

    /// Names of the tenants in force, and what is newly wrong, without the folder's name.
    fn look(&mut self) -> (Vec<String>, Vec<String>) {
        let look = self.dir.look().unwrap();
        let names = look.tenants.iter().map(|declared| declared.tenant.name.clone()).collect();
        let folder = format!("{}/", self.folder.path().display());
        let text = |fault: &Fault| {
            let text = fault.to_string().replace(&folder, "");
            assert!(!text.contains("hush"), "{text}");
            text.lines().next().unwrap().to_owned()
        };
        (names, look.faults.iter().map(text).collect())
    }

    fn check(&mut self, names: &[&str], faults: &[&str]) {
        let (found_names, found_faults) = self.look();
        assert_eq!(found_names, names, "{found_faults:?}");
        assert_eq!(found_faults, faults);
    }

    fn fingerprints(&mut self) -> Vec<u64> {
        self.dir.look().unwrap().tenants.iter().map(|declared| declared.fingerprint).collect()
    }
}

#[test]
fn the_first_look_takes_all_and_a_later_one_what_stands_still() {
    let mut watched = Watched::new(&[]);
    write(&watched.folder, "contoso.toml", &table(0, ""));
    write(&watched.folder, "other.toml", &table(1, "name = 'Fabrikam'"));
    watched.check(&["contoso", "Fabrikam"], &[]);
    write(&watched.folder, "third.toml", "tenant_id =");
    watched.check(&["contoso", "Fabrikam"], &[]);
    // It was half written.
    write(&watched.folder, "third.toml", &table(2, ""));
    watched.check(&["contoso", "Fabrikam"], &[]);
    watched.check(&["contoso", "Fabrikam", "third"], &[]);
    remove(&watched.folder, "contoso.toml");
    watched.check(&["contoso", "Fabrikam", "third"], &[]);
    watched.check(&["Fabrikam", "third"], &[]);
    write(&watched.folder, "contoso.toml", &table(0, ""));
    watched.check(&["Fabrikam", "third"], &[]);
    watched.check(&["contoso", "Fabrikam", "third"], &[]);
}

#[test]
fn what_is_no_tenants_file_is_passed_over() {
    let mut watched = Watched::new(&[]);
    for name in [".contoso.toml", "contoso.toml~", "contoso.toml.swp", "#contoso.toml", "README"] {
        write(&watched.folder, name, "not TOML");
    }
    fs::create_dir(watched.folder.path().join("folder.toml")).unwrap();
    std::os::unix::fs::symlink("nowhere", watched.folder.path().join("gone.toml")).unwrap();
    watched.check(&[], &[]);
}

#[test]
fn a_faulty_file_is_told_once_and_leaves_in_force_what_was() {
    let mut watched = Watched::new(&[]);
    write(&watched.folder, "a.toml", &table(0, ""));
    write(&watched.folder, "b.toml", &table(1, "client_sicret = '${SECRET}'"));
    let unknown = "b.toml:4:1: unknown option `client_sicret`";
    watched.check(&["a"], &[unknown]);
    watched.check(&["a"], &[]);
    let before = watched.fingerprints();
    write(&watched.folder, "a.toml", &table(0, "cloud = 'mars'\nlogin_url = '${NOBODY}'"));
    watched.check(&["a"], &[]);
    let wrong = [
        "a.toml:5:13: the variable `NOBODY` is not set",
        "a.toml:4:9: `mars` is not a cloud, expected enterprise, gcc, gcc-high or dod",
    ];
    watched.check(&["a"], &wrong);
    watched.check(&["a"], &[]);
    assert_eq!(watched.fingerprints(), before);
    assert_eq!(watched.dir.look().unwrap().unusable, 2);
    write(&watched.folder, "a.toml", &table(0, "cloud = 'gcc'"));
    write(&watched.folder, "b.toml", &table(1, ""));
    watched.check(&["a"], &[]);
    watched.check(&["a", "b"], &[]);
    assert_ne!(watched.fingerprints()[0], before[0]);
    assert_eq!(watched.dir.look().unwrap().unusable, 0);
}

#[test]
fn a_file_that_others_can_read_is_as_one_with_a_mistake_until_they_cannot() {
    let mut watched = Watched::new(&[]);
    watched.dir.reader = watched.dir.reader.clone().of(Privacy::Strict);
    let root = watched.folder.path().to_owned();
    let chmod = |name: &str, mode: u32| {
        fs::set_permissions(root.join(name), fs::Permissions::from_mode(mode)).unwrap();
    };
    for (tenant, name, mode) in [(0, "a.toml", 0o600), (1, "b.toml", 0o644)] {
        write(&watched.folder, name, &table(tenant, ""));
        chmod(name, mode);
    }
    let refused =
        |name: &str, mode: &str| format!("`{name}` can be read by any user (its mode is {mode})");
    watched.check(&["a"], &[&refused("b.toml", "0644")]);
    watched.check(&["a"], &[]);
    chmod("b.toml", 0o600);
    chmod("a.toml", 0o604);
    watched.check(&["a"], &[]);
    watched.check(&["a", "b"], &[&refused("a.toml", "0604")]);
    assert_eq!(watched.dir.look().unwrap().unusable, 1);
    let before = watched.fingerprints();
    chmod("a.toml", 0o400);
    watched.look();
    watched.check(&["a", "b"], &[]);
    assert_eq!(watched.dir.look().unwrap().unusable, 0);
    // The same of a private key.
    let key = root.join("key.pfx");
    fs::write(&key, "").unwrap();
    chmod("key.pfx", 0o640);
    let with_key = format!(
        "tenant_id = '{}'\nclient_id = '{}'\ncertificate = {{ path = '{}' }}",
        IDS[2],
        IDS[0],
        key.display()
    );
    write(&watched.folder, "c.toml", &with_key);
    chmod("c.toml", 0o600);
    chmod("key.pfx", 0o644);
    watched.look();
    watched.check(&["a", "b"], &[&refused("key.pfx", "0644")]);
    watched.check(&["a", "b"], &[]);
    chmod("key.pfx", 0o600);
    watched.check(&["a", "b", "c"], &[]);
    assert_eq!(watched.dir.look().unwrap().unusable, 0);
    assert_eq!(watched.fingerprints()[..2], before);
}

#[test]
fn problems_found_after_reading_have_their_line() {
    let mut watched = Watched::new(&[]);
    write(&watched.folder, "a.toml", &table(0, "resource_url = 'http://example.com'"));
    write(
        &watched.folder,
        "b.toml",
        "tenant_id = 'x'\nclient_id = ''\nclient_secret = '${SECRET}'",
    );
    let wrong = [
        "a.toml:4:1: `http://example.com` must be https; http is for loopback addresses only",
        "b.toml:1:1: it is not a GUID",
        "b.toml:2:1: it is empty",
    ];
    watched.check(&[], &wrong);
}

#[test]
fn of_two_files_for_one_tenant_the_later_is_faulty() {
    let mut watched = Watched::new(&[3]);
    write(&watched.folder, "a.toml", &table(0, ""));
    write(&watched.folder, "b.toml", &table(0, ""));
    write(&watched.folder, "c.toml", &table(2, "name = 'A'"));
    write(&watched.folder, "d.toml", &table(3, ""));
    let (names, faults) = watched.look();
    assert_eq!(names, ["a"]);
    let folder = watched.folder.path().display().to_string();
    let faults: Vec<_> = faults.iter().map(|fault| fault.replace(&folder, "F")).collect();
    assert_eq!(
        faults,
        [
            "b.toml:1:1: `a.toml` is for the same tenant",
            "c.toml:4:1: `a.toml` has a tenant named `A` as well",
            "d.toml:1:1: the main configuration is for the same tenant",
        ]
    );
    // What is in force stays so, whatever a new file is called.
    write(&watched.folder, "0.toml", &table(0, ""));
    watched.look();
    watched.check(&["a"], &["0.toml:1:1: `a.toml` is for the same tenant"]);
    remove(&watched.folder, "a.toml");
    watched.check(&["a"], &[]);
    let (names, faults) = watched.look();
    assert_eq!(names, ["0", "A"], "{faults:?}");
    assert_eq!(faults, ["b.toml:1:1: `0.toml` is for the same tenant"]);
}

#[test]
fn swapped_links_are_seen() {
    let mut watched = Watched::new(&[]);
    let root = watched.folder.path().to_owned();
    let link = |target: &str, name: &Path| {
        let new = root.join(".new");
        std::os::unix::fs::symlink(target, &new).unwrap();
        fs::rename(&new, name).unwrap();
    };
    for (version, secret) in [("..1", "cloud = 'gcc'"), ("..2", "cloud = 'dod'")] {
        fs::create_dir(root.join(version)).unwrap();
        fs::write(root.join(version).join("a.toml"), table(0, secret)).unwrap();
    }
    link("..1", &root.join("..data"));
    link("..data/a.toml", &root.join("a.toml"));
    let first = watched.fingerprints();
    link("..2", &root.join("..data"));
    assert_eq!(watched.fingerprints(), first);
    assert_ne!(watched.fingerprints(), first);
}

#[test]
fn a_folder_that_cannot_be_read_changes_nothing() {
    let mut watched = Watched::new(&[]);
    write(&watched.folder, "a.toml", &table(0, ""));
    watched.check(&["a"], &[]);
    let here = watched.folder.path().to_owned();
    let away = here.with_extension("away");
    fs::rename(&here, &away).unwrap();
    assert!(watched.dir.look().is_err());
    fs::rename(&away, &here).unwrap();
    watched.check(&["a"], &[]);
}
