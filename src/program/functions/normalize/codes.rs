//! Numbers that stand for names, where some records have the name: exports of the audit log, for example.

use std::{collections::HashMap, sync::LazyLock};

/// Numbers by name.
pub(super) type Codes = HashMap<&'static str, i64>;

const RECORD_TYPES: &str = include_str!("../../../../vrl/ecs/record_types.csv");

const USER_TYPES: &[&str] = &[
    "Regular",
    "Reserved",
    "Admin",
    "DcAdmin",
    "System",
    "Application",
    "ServicePrincipal",
    "CustomPolicy",
    "SystemPolicy",
    "PartnerTechnician",
    "Guest",
];

const LOGON_TYPES: &[&str] =
    &["Owner", "Admin", "Delegated", "Transport", "SystemService", "BestAccess", "DelegatedAdmin"];

const SCOPES: &[&str] = &["Online", "Onprem"];

const MEMBER_ROLES: &[&str] = &["Member", "Owner", "Guest"];

const FILE_VERDICTS: &[&str] = &["Good", "Bad", "Unknown"];

/// The names of the numbers in the field of this full name, if it has any.
pub(super) fn codes_of(field: &str) -> Option<&'static Codes> {
    static KNOWN: LazyLock<HashMap<&'static str, Codes>> = LazyLock::new(|| {
        HashMap::from([
            ("o365.audit.AttachmentData.FileVerdict", counted(FILE_VERDICTS)),
            ("o365.audit.FileData.FileVerdict", counted(FILE_VERDICTS)),
            ("o365.audit.InternalLogonType", counted(LOGON_TYPES)),
            ("o365.audit.LogonType", counted(LOGON_TYPES)),
            ("o365.audit.Members.Role", counted(MEMBER_ROLES)),
            ("o365.audit.RecordType", record_types()),
            ("o365.audit.Scope", counted(SCOPES)),
            ("o365.audit.UserType", counted(USER_TYPES)),
        ])
    });
    KNOWN.get(field)
}

/// Names whose numbers count from 0.
fn counted(names: &[&'static str]) -> Codes {
    names.iter().copied().zip(0..).collect()
}

fn record_types() -> Codes {
    let rows = RECORD_TYPES.lines().skip(1).filter_map(|row| row.split_once(','));
    rows.filter_map(|(number, name)| Some((name.trim(), number.parse().ok()?))).collect()
}
