//! What a look at a component's surroundings has found: whether its server answers, whether its folder can be written.
//!
//! Made for people: what was looked at, what was found, and where that is not as it should be, why and what to do. A
//! finding never holds a secret.

/// How something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Health {
    /// As it should be.
    Ok,
    /// It works, and deserves a look.
    Warn,
    /// It does not work.
    Fail,
}

impl Health {
    /// The name in reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Health::Ok => "ok",
            Health::Warn => "warn",
            Health::Fail => "fail",
        }
    }
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What was looked at, in one word, as `tls`.
    pub check: &'static str,
    /// How it is.
    pub health: Health,
    /// What was found: lower case, no full stop.
    pub found: String,
    /// Why it is so, where more is known than was found.
    pub cause: Option<String>,
    /// What to do about it.
    pub fix: Option<String>,
}

impl Finding {
    /// A finding of any health, without cause and fix.
    pub fn new(check: &'static str, health: Health, found: impl Into<String>) -> Finding {
        Finding { check, health, found: found.into(), cause: None, fix: None }
    }

    /// Something is as it should be.
    pub fn ok(check: &'static str, found: impl Into<String>) -> Finding {
        Finding::new(check, Health::Ok, found)
    }

    /// Something works, and deserves a look.
    pub fn warn(check: &'static str, found: impl Into<String>) -> Finding {
        Finding::new(check, Health::Warn, found)
    }

    /// Something does not work.
    pub fn fail(check: &'static str, found: impl Into<String>) -> Finding {
        Finding::new(check, Health::Fail, found)
    }

    /// Adds why it is so.
    #[must_use]
    pub fn cause(mut self, cause: impl Into<String>) -> Finding {
        self.cause = Some(cause.into());
        self
    }

    /// Adds what to do about it.
    #[must_use]
    pub fn fix(mut self, fix: impl Into<String>) -> Finding {
        self.fix = Some(fix.into());
        self
    }
}
