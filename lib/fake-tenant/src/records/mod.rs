//! Writes audit records: JSON as the service sends it, from the templates beside this file, at memory speed.
//! What varies in a template is a placeholder; [`template`] reads them, this file fills them in.
//! It checks nothing: a template that is not JSON gives a record that is not JSON. A test parses every one.

use std::fmt::Write as _;
use std::sync::Arc;

use self::template::{Part, TEMPLATES, Templates};
use crate::guid::{Guid, mix};
use crate::tenant::ContentType;

mod template;

const CAST: [&str; 16] = [
    "alice.martin",
    "bob.keller",
    "carla.rossi",
    "david.novak",
    "erika.muster",
    "farid.haddad",
    "grace.okoro",
    "hiro.tanaka",
    "ines.silva",
    "jonas.berg",
    "katja.lind",
    "liam.walsh",
    "maria.lopez",
    "noah.jansen",
    "olga.petrova",
    "priya.nair",
];

const AGENTS: [&str; 6] = [
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36 Edg/131.0.0.0",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.1 Safari/605.1.15",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148",
    "Mozilla/5.0 (X11; Linux x86_64; rv:132.0) Gecko/20100101 Firefox/132.0",
    "Microsoft Office/16.0 (Windows NT 10.0; Microsoft Outlook 16.0.17928; Pro)",
    "python-requests/2.32.3",
];

const FILES: [&str; 8] = [
    "Quarterly report.docx",
    "Budget 2026.xlsx",
    "Roadmap.pptx",
    "Contract draft v3.pdf",
    "Team photo.png",
    "Salary bands.xlsx",
    "Minutes 14.docx",
    "Backup.zip",
];

/// The tenant as its records show it.
#[derive(Debug)]
pub(crate) struct Org {
    pub(crate) organization_id: String,
    pub(crate) domain: String,
    /// First label of the domain: `contoso`.
    pub(crate) name: String,
}

impl Org {
    pub(crate) fn new(organization_id: &str, domain: &str) -> Self {
        let name = domain.split('.').next().unwrap_or(domain).to_owned();
        Org { organization_id: organization_id.to_owned(), domain: domain.to_owned(), name }
    }
}

/// What decides a record.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Identity<'a> {
    pub(crate) id: &'a str,
    /// When the first blob that holds it was created, in seconds.
    pub(crate) created: i64,
    pub(crate) dice_seed: u64,
    /// Put the fields in another order, as the service does when it delivers a record again.
    pub(crate) repeated: bool,
}

/// Writes the records of one content type for one tenant.
pub(crate) struct Writer {
    org: Arc<Org>,
    templates: &'static Templates,
}

impl Writer {
    pub(crate) fn new(content_type: ContentType, org: Arc<Org>) -> Self {
        Writer { org, templates: &TEMPLATES[content_type as usize] }
    }

    /// Appends one record that happened minutes to hours before its blob was created.
    pub(crate) fn write(&self, out: &mut String, identity: &Identity<'_>) {
        let Identity { id, created, dice_seed, repeated } = *identity;
        let mut dice = fastrand::Rng::with_seed(dice_seed);
        let happened = created - dice.i64(60..5400) * dice.i64(1..3);
        let template = self.templates.pick(&mut dice);
        let mut scene = Scene::new(&self.org, dice, happened);
        out.push('{');
        if !repeated {
            push_key_fields(out, id, happened);
            out.push(',');
        }
        for part in &template.parts {
            scene.push(out, part);
        }
        if repeated {
            out.push(',');
            push_key_fields(out, id, happened);
        }
        out.push('}');
    }
}

fn push_key_fields(out: &mut String, id: &str, happened: i64) {
    out.push_str("\"CreationTime\":\"");
    push_time(out, happened);
    out.push_str("\",\"Id\":\"");
    out.push_str(id);
    out.push('"');
}

/// `YYYY-MM-DDTHH:MM:SS`, by the calendar arithmetic of Howard Hinnant's `civil_from_days`.
fn push_time(out: &mut String, seconds: i64) {
    let (days, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_index = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_index + 2) / 5 + 1;
    let month = if month_index < 10 { month_index + 3 } else { month_index - 9 };
    let year = era * 400 + year_of_era + i64::from(month <= 2);
    let two = |out: &mut String, number: i64, mark: char| {
        for digit in [number / 10, number % 10] {
            out.push(char::from(b'0' + u8::try_from(digit % 10).unwrap_or(0)));
        }
        if mark != ' ' {
            out.push(mark);
        }
    };
    two(out, year / 100, ' ');
    two(out, year % 100, '-');
    two(out, month, '-');
    two(out, day, 'T');
    two(out, second / 3600, ':');
    two(out, second / 60 % 60, ':');
    two(out, second % 60, ' ');
}

/// Who did what from where, fixed for one record.
struct Scene<'a> {
    org: &'a Org,
    dice: fastrand::Rng,
    happened: i64,
    user: usize,
    other: usize,
    session: Guid,
    address: u64,
}

impl<'a> Scene<'a> {
    fn new(org: &'a Org, mut dice: fastrand::Rng, happened: i64) -> Self {
        let user = dice.usize(0..CAST.len());
        let other = (user + dice.usize(1..CAST.len())) % CAST.len();
        let session = Guid::new(dice.u64(..), dice.u64(..));
        // Most people stay at one of a few addresses; a record in eight comes from anywhere.
        let address =
            if dice.u8(..) < 32 { dice.u64(..) } else { mix(user as u64, dice.u64(0..3)) };
        Scene { org, dice, happened, user, other, session, address }
    }

    fn push(&mut self, out: &mut String, part: &Part) {
        match part {
            Part::Text(text) => out.push_str(text),
            Part::Guid => out.push_str(Guid::new(self.dice.u64(..), self.dice.u64(..)).as_str()),
            Part::Session => out.push_str(self.session.as_str()),
            Part::Org => out.push_str(&self.org.organization_id),
            Part::Domain => out.push_str(&self.org.domain),
            Part::Company => out.push_str(&self.org.name),
            Part::User => self.push_address(out, self.user),
            Part::Other => self.push_address(out, self.other),
            Part::UserId => self.push_object_id(out, self.user),
            Part::OtherId => self.push_object_id(out, self.other),
            Part::Puid => push(out, format_args!("10032{:011X}", mix(self.user as u64, 7) >> 20)),
            Part::UserSlug => {
                let slug = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
                out.extend(CAST[self.user].chars().map(slug));
                out.push('_');
                out.extend(self.org.domain.chars().map(slug));
            }
            Part::Guest => {
                let name = self.dice.choice(CAST).unwrap_or(CAST[0]);
                push(out, format_args!("{name}@fabrikam.example"));
            }
            Part::Ip => self.push_ip(out),
            Part::IpForm => self.push_ip_form(out),
            Part::Agent => out.push_str(AGENTS[self.user % AGENTS.len()]),
            Part::File => out.push_str(self.dice.choice(FILES).unwrap_or(FILES[0])),
            Part::Time => push_time(out, self.happened),
            Part::Int(low, high) => push(out, format_args!("{}", self.dice.i64(low..high))),
            Part::Hex(digits) => {
                for _ in 0..*digits {
                    out.push(char::from(b"0123456789abcdef"[self.dice.usize(0..16)]));
                }
            }
            Part::Pick(choices) => {
                out.push_str(self.dice.choice(choices).map_or("", String::as_str));
            }
        }
    }

    fn push_address(&self, out: &mut String, person: usize) {
        out.push_str(CAST[person]);
        out.push('@');
        out.push_str(&self.org.domain);
    }

    fn push_object_id(&self, out: &mut String, person: usize) {
        let salt = self.org.domain.len() as u64;
        out.push_str(Guid::new(mix(person as u64, salt), mix(salt, person as u64)).as_str());
    }

    /// An address of the documentation ranges: two in three IPv4.
    fn push_ip(&self, out: &mut String) {
        if self.address.is_multiple_of(3) {
            push(
                out,
                format_args!(
                    "2001:db8:{:x}::{:x}",
                    self.address >> 48,
                    (self.address >> 16) & 0xffff
                ),
            );
        } else {
            self.push_ipv4(out);
        }
    }

    fn push_ipv4(&self, out: &mut String) {
        let net = ["192.0.2", "198.51.100", "203.0.113"][(self.address >> 8) as usize % 3];
        push(out, format_args!("{net}.{}", (self.address >> 24) & 0xff));
    }

    fn push_ip_form(&mut self, out: &mut String) {
        let port = self.dice.u16(1024..);
        let form = self.dice.u8(0..20);
        if form == 0 {
            out.push_str("null");
            return;
        }
        out.push('"');
        match form {
            1 => {}
            2 => out.push_str("<null>"),
            3 => out.push_str("null"),
            4 | 5 => {
                out.push_str("::ffff:");
                self.push_ipv4(out);
            }
            6..=9 => {
                self.push_ipv4(out);
                push(out, format_args!(":{port}"));
            }
            10..=12 => {
                out.push('[');
                self.push_ip(out);
                push(out, format_args!("]:{port}"));
            }
            _ => self.push_ip(out),
        }
        out.push('"');
    }
}

fn push(out: &mut String, what: std::fmt::Arguments<'_>) {
    out.write_fmt(what).expect("a string takes all text");
}

#[cfg(test)]
mod tests;
