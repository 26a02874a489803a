//! Which names say that their value is a secret, or a person.
//!
//! A name is compared by its end, without regard to case and separators: `NewPassword`, `client_secret` and
//! `Client Secret` all tell. What only sounds like a secret (`ResetPasswordOnNextLogon`, `UniqueTokenId`) ends otherwise.

/// The ends of names whose values are secrets, in lower case, without separators.
const SECRET_ENDINGS: &[&str] = &[
    "accesskey",
    "accesstoken",
    "accountkey",
    "apikey",
    "authkey",
    "authtoken",
    "bearertoken",
    "clientassertion",
    "connectionstring",
    "credential",
    "credentials",
    "devicetoken",
    "encryptionkey",
    "guestaccesstoken",
    "idtoken",
    "keymaterial",
    "masterkey",
    "passcode",
    "passphrase",
    "passwd",
    "password",
    "passwordhash",
    "passwords",
    "privatekey",
    "pwd",
    "recoverykey",
    "refreshtoken",
    "sastoken",
    "secret",
    "secrets",
    "secretkey",
    "secrettext",
    "secretvalue",
    "securestring",
    "securitytoken",
    "sessiontoken",
    "sharedkey",
    "signingkey",
    "subscriptionkey",
];

/// Whole names, likewise, that would mean something else at the end of a longer one.
const SECRET_NAMES: &[&str] = &["authorization", "cookie", "pin", "setcookie", "tempauth"];

/// Whether the value of a field or parameter `name` is a secret.
pub(super) fn is_secret(name: &str) -> bool {
    // Forms number what they ask for twice: `Password2`.
    let name = name.trim_end_matches(|letter: char| letter.is_ascii_digit());
    // Nearly every name is told apart by its last letter and its length.
    let Some(last) = name.bytes().last() else { return false };
    if name.len() < 3 || !b"dgnltsyehDGNLTSYEH".contains(&last) {
        return false;
    }
    SECRET_ENDINGS.iter().any(|ending| ends_with(name, ending).is_some())
        || SECRET_NAMES.iter().any(|whole| ends_with(name, whole) == Some(0))
}

/// How many bytes of `name` stand before `ending`, if that is how it ends.
fn ends_with(name: &str, ending: &str) -> Option<usize> {
    let mut rest = name.as_bytes();
    for wanted in ending.bytes().rev() {
        let byte = loop {
            let (last, before) = rest.split_last()?;
            rest = before;
            if !matches!(last, b'_' | b'-' | b' ' | b'.') {
                break last;
            }
        };
        if byte.to_ascii_lowercase() != wanted {
            return None;
        }
    }
    Some(rest.len())
}

/// Whether a field `name` holds the text that a detection found, or what stood around it.
pub(super) fn is_detected(name: &str) -> bool {
    name == "DetectedValues"
}

/// Microsoft's fields that name a person, beside those that hold an e-mail address or user principal name, which are
/// known by their form.
const PERSONS: &[&str] = &[
    "ActorUserId",
    "ActorYammerUserId",
    "LogonUserDisplayName",
    "LogonUserSid",
    "MailboxOwnerMasterAccountSid",
    "MailboxOwnerSid",
    "MailboxOwnerUPN",
    "TargetUserId",
    "TargetYammerUserId",
    "UPN",
    "UserDisplayName",
    "UserId",
    "UserKey",
];

/// The fields of ECS's `user` that name a person.
const PERSONS_IN_USER: &[&str] = &["email", "full_name", "id", "name"];

/// Whether a field `name`, in an object that stands under `parent`, names a person.
pub(super) fn is_person(parent: &str, name: &str) -> bool {
    let of_user = matches!(parent, "user" | "target" | "effective" | "changes");
    PERSONS.binary_search(&name).is_ok()
        || (of_user && PERSONS_IN_USER.contains(&name))
        || matches!((parent, name), ("related", "user") | ("file", "owner"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_secrets_are_told_by_their_end() {
        for name in [
            "Password",
            "NewPassword",
            "new_password",
            "Client Secret",
            "RoomMailboxPassword",
            "PasswordCredentials",
            "Credential",
            "SecureString",
            "ACCESS-TOKEN",
            "KeyMaterial",
            "x.api.key",
            "Pin",
            "pwd",
        ] {
            assert!(is_secret(name), "{name}");
        }
        for name in [
            "",
            "Operation",
            "ResetPasswordOnNextLogon",
            "PasswordPolicies",
            "LastPasswordChangeTimestamp",
            "UniqueTokenId",
            "TokenType",
            "KeyDescription",
            "Spin",
            "word",
            "SecretName",
        ] {
            assert!(!is_secret(name), "{name}");
        }
    }

    #[test]
    fn persons_are_sorted_for_the_search() {
        assert!(PERSONS.is_sorted());
        assert!(is_person("", "UserId") && is_person("user", "id") && !is_person("cloud", "id"));
    }
}
