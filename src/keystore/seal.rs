//! Sealing and opening: PBKDF2-HMAC-SHA512 makes a key of the password, AES-256-GCM seals with it.

use std::{collections::BTreeMap, num::NonZeroU32, path::Path};

use base64::{Engine, engine::general_purpose::STANDARD};
use ring::{
    aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey},
    pbkdf2,
    rand::{SecureRandom, SystemRandom},
};
use secrecy::{ExposeSecret, SecretBox, SecretString};
use serde::{Deserialize, Serialize};

use super::KeystoreError;

/// What the file says that it is.
const FORMAT: &str = "o365flow-keystore";
const VERSION: u32 = 1;

/// As OWASP advises for PBKDF2-HMAC-SHA512; a tenth of a second.
const ITERATIONS: u32 = 210_000;
/// A file that asks for more was not written by us, and would only keep the processor busy.
const ITERATIONS_MAX: u32 = 10_000_000;

const KEY_BYTES: usize = 32;
const SALT_BYTES: usize = 16;

/// The file.
#[derive(Deserialize, Serialize)]
struct SealedFile {
    format: String,
    version: u32,
    kdf: Kdf,
    nonce: String,
    secrets: String,
}

/// How the key is made.
#[derive(Deserialize, Serialize)]
struct Kdf {
    name: String,
    iterations: u32,
    salt: String,
}

const KDF: &str = "pbkdf2-hmac-sha512";

/// Seals `secrets`, each time with another salt and nonce.
pub(super) fn seal(
    secrets: &BTreeMap<String, SecretString>,
    password: &SecretString,
) -> Result<Vec<u8>, KeystoreError> {
    let random = SystemRandom::new();
    let (mut salt, mut nonce) = ([0; SALT_BYTES], [0; NONCE_LEN]);
    random.fill(&mut salt).map_err(|_| KeystoreError::Seal)?;
    random.fill(&mut nonce).map_err(|_| KeystoreError::Seal)?;
    let exposed: BTreeMap<&str, &str> =
        secrets.iter().map(|(name, value)| (name.as_str(), value.expose_secret())).collect();
    // Sealed in place, and with room for all of it, so that nothing readable is left in memory.
    let mut bytes = Vec::with_capacity(room(&exposed));
    serde_json::to_writer(&mut bytes, &exposed).map_err(|_| KeystoreError::Seal)?;
    let key = key(password, &salt, ITERATIONS).ok_or(KeystoreError::Seal)?;
    let vouched = Aad::from(vouched(VERSION, ITERATIONS));
    key.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), vouched, &mut bytes)
        .map_err(|_| KeystoreError::Seal)?;
    let file = SealedFile {
        format: FORMAT.to_owned(),
        version: VERSION,
        kdf: Kdf { name: KDF.to_owned(), iterations: ITERATIONS, salt: STANDARD.encode(salt) },
        nonce: STANDARD.encode(nonce),
        secrets: STANDARD.encode(bytes),
    };
    let mut text = serde_json::to_vec_pretty(&file).map_err(|_| KeystoreError::Seal)?;
    text.push(b'\n');
    Ok(text)
}

/// More bytes than the sealed object takes: JSON escapes a byte by six at most, and an entry has six of its own.
fn room(secrets: &BTreeMap<&str, &str>) -> usize {
    let entry = |(name, value): (&&str, &&str)| 6 * (name.len() + value.len()) + 6;
    2 + secrets.iter().map(entry).sum::<usize>() + AES_256_GCM.tag_len()
}

/// Opens the content of the file at `path`.
pub(super) fn open(
    path: &Path,
    text: &[u8],
    password: &SecretString,
) -> Result<BTreeMap<String, SecretString>, KeystoreError> {
    let damaged = |reason| KeystoreError::Damaged { path: path.to_owned(), reason };
    if text.is_empty() {
        return Err(damaged("it is empty"));
    }
    let file: SealedFile =
        serde_json::from_slice(text).map_err(|_| damaged("it is not the JSON that we write"))?;
    if file.format != FORMAT {
        return Err(damaged("it says that it is something else"));
    }
    if file.version > VERSION {
        return Err(KeystoreError::Newer { path: path.to_owned() });
    }
    if file.kdf.name != KDF || !(1..=ITERATIONS_MAX).contains(&file.kdf.iterations) {
        return Err(damaged("it makes its key in a way that we do not"));
    }
    let decode = |text: &str| STANDARD.decode(text).map_err(|_| damaged("a part is no base64"));
    let salt = decode(&file.kdf.salt)?;
    let nonce: [u8; NONCE_LEN] = decode(&file.nonce)?
        .try_into()
        .map_err(|_| damaged("its nonce has another length than ours"))?;
    // Wiped when dropped: it is opened in place.
    let mut bytes = SecretBox::new(Box::new(decode(&file.secrets)?));
    let sealed = || KeystoreError::Sealed { path: path.to_owned() };
    let key = key(password, &salt, file.kdf.iterations).ok_or_else(sealed)?;
    let vouched = Aad::from(vouched(file.version, file.kdf.iterations));
    let opened = key
        .open_in_place(
            Nonce::assume_unique_for_key(nonce),
            vouched,
            secrecy::ExposeSecretMut::expose_secret_mut(&mut bytes),
        )
        .map_err(|_| sealed())?;
    serde_json::from_slice(opened).map_err(|_| damaged("what is sealed is not what we seal"))
}

/// What is not sealed and must not be changed. Salt and nonce need no voucher: with others the seal does not open.
fn vouched(version: u32, iterations: u32) -> String {
    format!("{FORMAT} {version} {KDF} {iterations}")
}

fn key(password: &SecretString, salt: &[u8], iterations: u32) -> Option<LessSafeKey> {
    let mut key = SecretBox::new(Box::new([0_u8; KEY_BYTES]));
    let bytes = secrecy::ExposeSecretMut::expose_secret_mut(&mut key);
    let password = password.expose_secret().as_bytes();
    let iterations = NonZeroU32::new(iterations)?;
    pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA512, iterations, salt, password, bytes);
    UnboundKey::new(&AES_256_GCM, bytes).ok().map(LessSafeKey::new)
}
