//! What gives a secret in a text away, and one quick search for all of it.
//!
//! Most texts hold none of it, and cost one pass over their bytes.

use std::sync::LazyLock;

use aho_corasick::{AhoCorasick, Input, MatchKind};

/// What a found text may be the start of, or the name of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Needle {
    /// A name whose value follows: `Password=…`, `"Password":"…"`, `-Password …`, `<Password>…`.
    Name,
    /// As `Name`, but only where it is a whole word.
    WholeName,
    /// The name of what a detection found, in JSON inside a text.
    Detected,
    /// The name of a URL's parameter, and only there: elsewhere it is a common word.
    Parameter,
    /// A JSON Web Token.
    Jwt,
    /// What follows is a bearer token.
    Bearer,
    /// Four characters into a client secret as Entra makes them.
    ClientSecret,
    /// A private key in PEM.
    Pem,
    /// What precedes the authority of a URL, in which a password can stand.
    UserInfo,
    /// A webhook's address, whose last parts are its key.
    Webhook,
    /// A sharing link, whose last part is its key.
    Link,
    /// A sharing link of the older form, whose key is a parameter.
    GuestAccess,
}

/// In lower case. Names are found inside longer ones (`password` in `NewPassword`); what follows them decides.
const NEEDLES: &[(&str, Needle)] = &[
    ("password", Needle::Name),
    ("passwords", Needle::Name),
    ("passwordhash", Needle::Name),
    ("password_hash", Needle::Name),
    ("passcode", Needle::Name),
    ("passwd", Needle::Name),
    ("pwd", Needle::Name),
    ("passphrase", Needle::Name),
    ("secret", Needle::Name),
    ("secrets", Needle::Name),
    ("secretvalue", Needle::Name),
    ("secret_value", Needle::Name),
    ("secret_text", Needle::Name),
    ("secrettext", Needle::Name),
    ("secretkey", Needle::Name),
    ("secret_key", Needle::Name),
    ("credential", Needle::Name),
    ("credentials", Needle::Name),
    ("securestring", Needle::Name),
    ("apikey", Needle::Name),
    ("api_key", Needle::Name),
    ("api-key", Needle::Name),
    ("accesskey", Needle::Name),
    ("accountkey", Needle::Name),
    ("privatekey", Needle::Name),
    ("private_key", Needle::Name),
    ("sharedkey", Needle::Name),
    ("subscription-key", Needle::Name),
    ("functions-key", Needle::Name),
    ("keymaterial", Needle::Name),
    ("accesstoken", Needle::Name),
    ("access_token", Needle::Name),
    ("refreshtoken", Needle::Name),
    ("refresh_token", Needle::Name),
    ("idtoken", Needle::Name),
    ("id_token", Needle::Name),
    ("sastoken", Needle::Name),
    ("sas_token", Needle::Name),
    ("devicetoken", Needle::Name),
    ("sessiontoken", Needle::Name),
    ("session_token", Needle::Name),
    ("client_assertion", Needle::Name),
    ("clientassertion", Needle::Name),
    ("guestaccesstoken", Needle::Name),
    ("authkey", Needle::Name),
    ("authtoken", Needle::Name),
    ("auth_token", Needle::Name),
    ("bearertoken", Needle::Name),
    ("securitytoken", Needle::Name),
    ("encryptionkey", Needle::Name),
    ("masterkey", Needle::Name),
    ("recoverykey", Needle::Name),
    ("signingkey", Needle::Name),
    ("tempauth", Needle::WholeName),
    ("authorization", Needle::WholeName),
    ("detectedvalues", Needle::Detected),
    ("sig=", Needle::Parameter),
    ("sig%3d", Needle::Parameter),
    ("code=", Needle::Parameter),
    ("code%3d", Needle::Parameter),
    ("key=", Needle::Parameter),
    ("key%3d", Needle::Parameter),
    ("eyj", Needle::Jwt),
    ("bearer ", Needle::Bearer),
    ("bearer%20", Needle::Bearer),
    ("q~", Needle::ClientSecret),
    ("-----begin ", Needle::Pem),
    ("://", Needle::UserInfo),
    ("/incomingwebhook/", Needle::Webhook),
    (":/g/", Needle::Link),
    (":/s/", Needle::Link),
    ("guestaccess.aspx?", Needle::GuestAccess),
];

static SEARCH: LazyLock<AhoCorasick> = LazyLock::new(|| {
    AhoCorasick::builder()
        .ascii_case_insensitive(true)
        .match_kind(MatchKind::LeftmostLongest)
        .kind(Some(aho_corasick::AhoCorasickKind::DFA))
        .build(NEEDLES.iter().map(|(text, _)| text))
        .expect("fixed texts, few and short")
});

/// A needle in a text.
#[derive(Clone, Copy, Debug)]
pub(super) struct Found {
    pub(super) needle: Needle,
    pub(super) start: usize,
    pub(super) end: usize,
}

/// The first needle in `text` that starts at `from` or behind it.
pub(super) fn next(text: &str, from: usize) -> Option<Found> {
    let found = SEARCH.find(Input::new(text).range(from.min(text.len())..))?;
    let (_, needle) = NEEDLES.get(found.pattern().as_usize())?;
    Some(Found { needle: *needle, start: found.start(), end: found.end() })
}
