//! One file of the folder: what it says, what of that is in force, whether it can be used as it is.

use std::{
    fs::File,
    hash::{DefaultHasher, Hash, Hasher},
    io::{self, Read},
    path::Path,
    sync::Arc,
};

use super::{FileTenant, folder::Stamp};
use crate::{
    config::{
        ReadTable, TableReader,
        fault::{Fault, SourceFile},
    },
    sources::office365::config::{App, Tenant},
};

/// Bytes of a file: a table of ten lines has far less.
const FILE_BYTES_MAX: u64 = 256 * 1024;

/// A file, as far as it was seen.
#[derive(Debug, Default)]
pub(super) struct KnownFile {
    /// As it looked the last time.
    pub(super) seen: Option<Stamp>,
    /// As it looked when its content was taken.
    pub(super) taken: Option<Stamp>,
    /// It was not there at the last look.
    pub(super) was_missing: bool,
    /// Of the content that was taken last.
    digest: Option<u64>,
    /// Why it was last done without, whatever its text.
    refusal: Option<String>,
    /// The content that was taken last has mistakes of its own.
    has_mistakes: bool,
    pub(super) in_force: Option<FileTenant>,
    /// Free of mistakes, and not in force yet.
    pub(super) candidate: Option<Candidate>,
    /// What the candidate was found to collide with.
    pub(super) collision: Option<String>,
}

/// What may come in force.
#[derive(Debug)]
pub(super) struct Candidate {
    pub(super) declared: FileTenant,
    pub(super) read: ReadTable<Tenant>,
}

impl KnownFile {
    /// Whether the content is to be read: it is another than was taken, and is not being written just now.
    pub(super) fn is_settled(&self, stamp: &Stamp, is_first_look: bool) -> bool {
        is_first_look || (self.seen.as_ref() == Some(stamp) && self.taken.as_ref() != Some(stamp))
    }

    pub(super) fn is_faulty(&self) -> bool {
        self.has_mistakes || self.candidate.is_some()
    }

    /// Takes the file's text, where that is another than before.
    pub(super) fn take(
        &mut self,
        path: &Path,
        reader: &TableReader,
    ) -> Result<Option<Arc<SourceFile>>, Fault> {
        let cannot = |error| Fault::general(format!("cannot read `{}`: {error}", path.display()));
        let read = match reader.refusal(path) {
            Some(fault) => Err(fault),
            None => read_text(path).map_err(cannot),
        };
        let text = match read {
            Ok(text) => text,
            Err(fault) => return self.refuse(fault).map_or(Ok(None), Err),
        };
        let digest = Some(digest_of(&text));
        if std::mem::replace(&mut self.digest, digest) == digest {
            return Ok(None);
        }
        Ok(Some(Arc::new(SourceFile { path: path.to_owned(), text })))
    }

    /// Notes what the text was read as, and gives what is wrong with it.
    pub(super) fn note(
        &mut self,
        file: &SourceFile,
        read: Result<ReadTable<Tenant>, Vec<Fault>>,
        app: Option<&App>,
        reader: &TableReader,
    ) -> Vec<Fault> {
        self.collision = None;
        self.candidate = None;
        let candidate = read.and_then(|read| candidate(file, read, app));
        self.has_mistakes = candidate.is_err();
        let candidate = match candidate {
            Ok(candidate) => candidate,
            Err(faults) => return faults,
        };
        let refusal = {
            let mut private = candidate.declared.tenant.private_files();
            private.find_map(|path| reader.refusal(&path))
        };
        if let Some(fault) = refusal {
            return self.refuse(fault).into_iter().collect();
        }
        self.refusal = None;
        self.candidate = Some(candidate);
        Vec::new()
    }

    /// Does without the file for what no other text mends. It is tried again at each look, and the same is told once.
    fn refuse(&mut self, fault: Fault) -> Option<Fault> {
        self.taken = None;
        self.digest = None;
        self.has_mistakes = true;
        let is_known = self.refusal.as_ref() == Some(&fault.message);
        self.refusal = Some(fault.message.clone());
        (!is_known).then_some(fault)
    }
}

fn candidate(
    file: &SourceFile,
    mut read: ReadTable<Tenant>,
    app: Option<&App>,
) -> Result<Candidate, Vec<Fault>> {
    read.settings.file = Some(file.path.clone());
    let problems = read.settings.own_problems(app);
    let faults: Vec<Fault> = problems.into_iter().map(|problem| read.fault(problem)).collect();
    match read.settings.tenant_id.parse() {
        Ok(id) if faults.is_empty() => {
            let tenant = Arc::new(read.settings.clone());
            // The file's name gives the tenant its own where the text does not.
            let fingerprint = digest_of(&(&file.text, &tenant.name));
            let declared = FileTenant { tenant, id, fingerprint };
            Ok(Candidate { declared, read })
        }
        Ok(_) | Err(_) => Err(faults),
    }
}

fn read_text(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    File::open(path)?.take(FILE_BYTES_MAX + 1).read_to_string(&mut text)?;
    if text.len() as u64 > FILE_BYTES_MAX {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, "it is larger than 256 KiB"));
    }
    Ok(text)
}

fn digest_of(content: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    content.hash(&mut hasher);
    hasher.finish()
}
