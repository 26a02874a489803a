//! Who may use the API: whoever shows the token, or a session that was opened with it.
//!
//! Invariants: neither the token nor a session's id is kept, only what proves them; both are compared in constant time.
//! Who guesses is slowed down, and only those who call from the same place with them. A session has an end.

use std::{
    collections::VecDeque,
    fmt::Write,
    net::{IpAddr, Ipv6Addr},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use http::{HeaderMap, StatusCode, header};
use ring::{
    digest::{SHA256, SHA256_OUTPUT_LEN, digest},
    hmac,
    rand::{SecureRandom, SystemRandom},
};
use secrecy::{ExposeSecret, SecretString};
use tokio::time::Instant;

use super::refusal::{Reason, Refusal};

/// How long a session lasts: a working day, and a night's watch.
pub(super) const SESSION_LIFE: Duration = Duration::from_hours(12);

/// Sessions that can be open. The oldest is closed for a new one.
const SESSIONS_MAX: usize = 64;

/// Bytes of a session's id, which is drawn by chance.
const SESSION_ID_BYTES: usize = 32;

/// Wrong tokens that a place has free: people mistype.
const FREE_ATTEMPTS: u32 = 10;

/// After that many, a place has one attempt in this time.
const ATTEMPT_INTERVAL: Duration = Duration::from_secs(3);

/// Places whose wrong tokens are counted. The one that tried least lately is forgotten first.
const PLACES_MAX: usize = 256;

/// The name of the session's cookie.
pub(super) const COOKIE: &str = "o365flow_session";

/// Decides who may come in.
pub(super) struct Access {
    /// Nothing where everybody may.
    proof: Option<Proof>,
    random: SystemRandom,
    state: Mutex<State>,
}

/// What a token is compared with: its authentication code under a key of this process.
struct Proof {
    key: hmac::Key,
    tag: hmac::Tag,
}

#[derive(Default)]
struct State {
    /// The oldest first.
    sessions: VecDeque<Session>,
    /// Wrong tokens by place, the one that tried last at the end.
    places: VecDeque<Place>,
}

struct Session {
    id_digest: [u8; SHA256_OUTPUT_LEN],
    end: Instant,
}

struct Place {
    ip: IpAddr,
    /// When all of its attempts will be free again.
    even_at: Instant,
}

/// There is no randomness to be had.
#[derive(Debug, thiserror::Error)]
#[error("the system gives no random numbers")]
pub struct RandomError;

impl Access {
    pub(super) fn new(token: Option<&SecretString>) -> Result<Access, RandomError> {
        let random = SystemRandom::new();
        let proof = token.map(|token| {
            let key = hmac::Key::generate(hmac::HMAC_SHA256, &random).map_err(|_| RandomError)?;
            let tag = hmac::sign(&key, token.expose_secret().as_bytes());
            Ok(Proof { key, tag })
        });
        Ok(Access { proof: proof.transpose()?, random, state: Mutex::default() })
    }

    /// Whether there is a token at all.
    pub(super) fn is_guarded(&self) -> bool {
        self.proof.is_some()
    }

    /// Lets in whoever has a session, or shows the token by `Authorization: Bearer`.
    pub(super) fn admit(
        &self,
        headers: &HeaderMap,
        session: Option<&str>,
        caller: IpAddr,
    ) -> Result<(), Refusal> {
        if !self.is_guarded() || session.is_some_and(|session| self.is_open(session)) {
            return Ok(());
        }
        let refusal = Refusal::new(StatusCode::UNAUTHORIZED, Reason::Token, "a token is needed");
        match bearer(headers) {
            Some(token) => self.check(token, caller),
            None if session.is_some() => {
                Err(refusal.fix("the session is over: give the token again"))
            }
            None => {
                Err(refusal.fix("send `Authorization: Bearer TOKEN`, with the token of `[api]`"))
            }
        }
    }

    /// Compares a token with the right one.
    pub(super) fn check(&self, token: &[u8], caller: IpAddr) -> Result<(), Refusal> {
        let Some(proof) = &self.proof else { return Ok(()) };
        let place = place(caller);
        let mut state = self.state();
        let now = Instant::now();
        let known = state.places.iter().position(|known| known.ip == place);
        let even_at = known.map_or(now, |index| state.places[index].even_at.max(now));
        if even_at - now > ATTEMPT_INTERVAL * (FREE_ATTEMPTS - 1) {
            let error = "too many wrong tokens came from there";
            let refusal = Refusal::new(StatusCode::TOO_MANY_REQUESTS, Reason::Attempts, error);
            return Err(refusal.fix("wait a few seconds"));
        }
        if hmac::verify(&proof.key, token, proof.tag.as_ref()).is_ok() {
            return Ok(());
        }
        if let Some(index) = known {
            state.places.remove(index);
        } else if state.places.len() == PLACES_MAX {
            state.places.pop_front();
        }
        state.places.push_back(Place { ip: place, even_at: even_at + ATTEMPT_INTERVAL });
        let refusal =
            Refusal::new(StatusCode::UNAUTHORIZED, Reason::Token, "that is not the token");
        Err(refusal.fix("the token is the one that `[api]` sets in the configuration"))
    }

    /// Opens a session and gives its id, once.
    pub(super) fn open_session(&self) -> Result<String, RandomError> {
        let mut bytes = [0; SESSION_ID_BYTES];
        self.random.fill(&mut bytes).map_err(|_| RandomError)?;
        let mut id = String::new();
        for byte in bytes {
            write!(id, "{byte:02x}").map_err(|_| RandomError)?;
        }
        let mut state = self.state();
        if state.sessions.len() == SESSIONS_MAX {
            state.sessions.pop_front();
        }
        let end = Instant::now() + SESSION_LIFE;
        state.sessions.push_back(Session { id_digest: digested(&id), end });
        Ok(id)
    }

    /// Closes a session, if it is one.
    pub(super) fn close_session(&self, id: &str) {
        let id_digest = digested(id);
        self.state().sessions.retain(|session| session.id_digest != id_digest);
    }

    fn is_open(&self, id: &str) -> bool {
        let id_digest = digested(id);
        let now = Instant::now();
        let mut state = self.state();
        state.sessions.retain(|session| session.end > now);
        // How long this takes tells something of a digest, and nothing of an id.
        state.sessions.iter().any(|session| session.id_digest == id_digest)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn bearer(headers: &HeaderMap) -> Option<&[u8]> {
    let value = headers.get(header::AUTHORIZATION)?.as_bytes();
    let (scheme, token) = value.split_at_checked("bearer ".len())?;
    scheme.eq_ignore_ascii_case(b"bearer ").then_some(token.trim_ascii())
}

fn digested(id: &str) -> [u8; SHA256_OUTPUT_LEN] {
    let mut bytes = [0; SHA256_OUTPUT_LEN];
    bytes.copy_from_slice(digest(&SHA256, id.as_bytes()).as_ref());
    bytes
}

/// Where somebody calls from: whoever has one address of version 6 has a whole network of them.
fn place(caller: IpAddr) -> IpAddr {
    match caller.to_canonical() {
        IpAddr::V4(ip) => IpAddr::V4(ip),
        IpAddr::V6(ip) => {
            let [a, b, c, d, ..] = ip.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: &str = "correct-horse-battery";
    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));
    const THERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 2));

    fn access() -> Access {
        Access::new(Some(&TOKEN.into())).unwrap()
    }

    fn status(result: Result<(), Refusal>) -> u16 {
        result.map_or_else(|refusal| refusal.status.as_u16(), |()| 200)
    }

    fn with(value: &str) -> HeaderMap {
        HeaderMap::from_iter([(header::AUTHORIZATION, value.parse().unwrap())])
    }

    #[tokio::test(start_paused = true)]
    async fn only_the_token_opens() {
        let access = access();
        for (value, expected) in [
            ("Bearer correct-horse-battery", 200),
            ("bearer correct-horse-battery", 200),
            ("Bearer correct-horse-batter", 401),
            ("Bearer correct-horse-battery2", 401),
            ("Bearer ", 401),
            ("Bearer", 401),
            ("Basic correct-horse-battery", 401),
        ] {
            assert_eq!(status(access.admit(&with(value), None, HERE)), expected, "{value}");
        }
        assert_eq!(status(access.admit(&HeaderMap::new(), None, HERE)), 401);
        let open = Access::new(None).unwrap();
        assert_eq!(status(open.admit(&HeaderMap::new(), None, HERE)), 200);
    }

    #[tokio::test(start_paused = true)]
    async fn who_guesses_waits_and_nobody_else() {
        let access = access();
        for _ in 0..FREE_ATTEMPTS {
            assert_eq!(status(access.check(b"wrong", HERE)), 401);
        }
        assert_eq!(status(access.check(b"wrong", HERE)), 429);
        assert_eq!(
            status(access.check(TOKEN.as_bytes(), HERE)),
            429,
            "what is guessed is not told"
        );
        assert_eq!(status(access.check(TOKEN.as_bytes(), THERE)), 200);
        tokio::time::advance(ATTEMPT_INTERVAL).await;
        assert_eq!(status(access.check(b"wrong", HERE)), 401);
        assert_eq!(status(access.check(b"wrong", HERE)), 429);
        tokio::time::advance(ATTEMPT_INTERVAL).await;
        assert_eq!(status(access.check(TOKEN.as_bytes(), HERE)), 200);
    }

    #[tokio::test(start_paused = true)]
    async fn a_network_of_version_6_is_one_place() {
        let access = access();
        for number in 0..FREE_ATTEMPTS {
            let ip: IpAddr = format!("2001:db8::{number}").parse().unwrap();
            assert_eq!(status(access.check(b"wrong", ip)), 401);
        }
        assert_eq!(status(access.check(b"wrong", "2001:db8::ffff".parse().unwrap())), 429);
        assert_eq!(status(access.check(b"wrong", "2001:db8:0:1::1".parse().unwrap())), 401);
    }

    #[tokio::test(start_paused = true)]
    async fn a_session_opens_until_its_end() {
        let access = access();
        let id = access.open_session().unwrap();
        assert_eq!(id.len(), 64);
        let enter = |id: &str| status(access.admit(&HeaderMap::new(), Some(id), HERE));
        assert_eq!(enter(&id), 200);
        assert_eq!(enter(&id[..63]), 401);
        assert_eq!(enter(""), 401);
        let other = access.open_session().unwrap();
        access.close_session(&other);
        assert_eq!(enter(&other), 401);
        tokio::time::advance(SESSION_LIFE.saturating_sub(Duration::from_secs(1))).await;
        assert_eq!(enter(&id), 200);
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(enter(&id), 401);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_remembered_has_a_bound() {
        let access = access();
        let first = access.open_session().unwrap();
        for _ in 0..SESSIONS_MAX {
            access.open_session().unwrap();
        }
        assert_eq!(status(access.admit(&HeaderMap::new(), Some(&first), HERE)), 401);
        for number in 0..2_000_u32 {
            drop(access.check(b"wrong", IpAddr::V4(number.into())));
        }
        let state = access.state();
        assert_eq!((state.sessions.len(), state.places.len()), (SESSIONS_MAX, PLACES_MAX));
    }
}
