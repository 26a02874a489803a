//! The folder with a file for each tenant: which of its files are in force, and what is wrong with the others.
//!
//! Invariants: a file that cannot be used changes nothing, what was in force for it stays; no two tenants in force have
//! one id or one name; a file is taken only when it looked the same twice, so that a half-written one is not. The first
//! look takes all at once.
//!
//! It is looked at every few seconds. Notices of the kernel would be quicker, and do not come on network file systems
//! nor, reliably, for the swapped links of mounted `ConfigMap`s; a name, a size and some times tell the same everywhere.
//! Nothing here starts or stops a tenant: `roster` does.

mod folder;
mod known_file;

use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use office365::TenantId;

use self::{folder::Found, known_file::KnownFile};
use super::config::{App, Tenant};
use crate::config::{
    TableReader,
    fault::{Fault, SourceFile},
};

/// A tenant as its file declares it.
#[derive(Clone, Debug)]
pub(super) struct FileTenant {
    pub(super) tenant: Arc<Tenant>,
    pub(super) id: TenantId,
    /// Differs where the settings may differ.
    pub(super) fingerprint: u64,
}

/// What one look has brought.
#[derive(Debug, Default)]
pub(super) struct Look {
    /// What is newly wrong, each told once.
    pub(super) faults: Vec<Fault>,
    /// Files that cannot be used as they are now.
    pub(super) unusable: usize,
    /// All tenants in force.
    pub(super) tenants: Vec<FileTenant>,
}

/// The folder, as far as it was seen.
#[derive(Debug)]
pub(super) struct TenantsDir {
    path: PathBuf,
    reader: TableReader,
    /// The tenants of the main configuration, which come first.
    inline: Vec<FileTenant>,
    files: BTreeMap<PathBuf, KnownFile>,
    is_first_look: bool,
    /// What serves a tenant without an app of its own.
    app: Option<App>,
}

impl TenantsDir {
    /// A folder that was not looked at yet, beside the tenants that stand in the main configuration.
    pub(super) fn new(path: &Path, reader: TableReader, inline: Vec<FileTenant>) -> TenantsDir {
        let files = BTreeMap::new();
        let path = path.to_owned();
        TenantsDir { path, reader, inline, files, is_first_look: true, app: None }
    }

    /// The folder of a source that may have an app for tenants without one.
    pub(super) fn with_app(self, app: Option<App>) -> TenantsDir {
        TenantsDir { app, ..self }
    }

    /// Looks at the folder. Waits for the disk. An error leaves everything as it was.
    pub(super) fn look(&mut self) -> io::Result<Look> {
        let found = folder::list(&self.path)?;
        let mut faults = Vec::new();
        self.forget_what_is_gone(&found);
        let mut taken = Vec::new();
        for Found { path, stamp } in found {
            let file = self.files.entry(path.clone()).or_default();
            if file.is_settled(&stamp, self.is_first_look) {
                // The first look takes what it finds, so a second one must not rely on the times alone.
                file.taken = (!self.is_first_look).then(|| stamp.clone());
                match file.take(&path, &self.reader) {
                    Ok(text) => taken.extend(text),
                    Err(fault) => faults.push(fault),
                }
            }
            file.seen = Some(stamp);
        }
        faults.extend(self.read(&taken));
        self.is_first_look = false;
        faults.extend(self.accept_candidates());
        let tenants = self.files.values().filter_map(|file| file.in_force.clone()).collect();
        let unusable = self.files.values().filter(|file| file.is_faulty()).count();
        Ok(Look { faults, unusable, tenants })
    }

    /// Reads texts as tenants. Together, as their secrets may be a command's to tell.
    fn read(&mut self, taken: &[Arc<SourceFile>]) -> Vec<Fault> {
        if taken.is_empty() {
            return Vec::new();
        }
        let mut faults = Vec::new();
        for (file, read) in taken.iter().zip(self.reader.read_named(taken, "name")) {
            if let Some(known) = self.files.get_mut(&file.path) {
                faults.extend(known.note(file, read, self.app.as_ref(), &self.reader));
            }
        }
        faults
    }

    /// `found` is in the order of its paths. A file that is missing twice is gone: some editors put a new file in the place of the old one.
    fn forget_what_is_gone(&mut self, found: &[Found]) {
        self.files.retain(|path, file| {
            if found.binary_search_by(|found| found.path.cmp(path)).is_ok() {
                file.was_missing = false;
                return true;
            }
            file.seen = None;
            !std::mem::replace(&mut file.was_missing, true)
        });
    }

    /// Puts in force what collides with nothing that is, in the order of the files' names.
    fn accept_candidates(&mut self) -> Vec<Fault> {
        let mut faults = Vec::new();
        let waiting: Vec<PathBuf> = self
            .files
            .iter()
            .filter(|(_, file)| file.candidate.is_some())
            .map(|(path, _)| path.clone())
            .collect();
        for path in waiting {
            let Some(mut file) = self.files.remove(&path) else { continue };
            if let Some(candidate) = file.candidate.take() {
                match self.collision(&candidate.declared) {
                    None => {
                        file.in_force = Some(candidate.declared);
                        file.collision = None;
                    }
                    Some(problem) => {
                        if file.collision.replace(problem.message.clone()).as_ref()
                            != Some(&problem.message)
                        {
                            faults.push(candidate.read.fault(problem));
                        }
                        file.candidate = Some(candidate);
                    }
                }
            }
            self.files.insert(path, file);
        }
        faults
    }

    /// What of the main configuration, or of a file in force, has the id or the name already.
    fn collision(&self, new: &FileTenant) -> Option<pipeline_core::Problem> {
        let of_files = self.files.iter().filter_map(|(path, file)| {
            let place = format!("`{}`", path.display());
            file.in_force.as_ref().map(|declared| (declared, place))
        });
        let inline =
            self.inline.iter().map(|declared| (declared, "the main configuration".to_owned()));
        for (other, place) in inline.chain(of_files) {
            if other.id == new.id {
                let message = format!("{place} is for the same tenant");
                let problem = pipeline_core::Problem::at("tenant_id", message);
                return Some(problem.fix("keep one table or file for each tenant"));
            }
            if other.tenant.name.to_lowercase() == new.tenant.name.to_lowercase() {
                let message = format!("{place} has a tenant named `{}` as well", new.tenant.name);
                let problem = pipeline_core::Problem::at("name", message);
                return Some(problem.fix("give each tenant a name of its own"));
            }
        }
        None
    }
}

impl FileTenant {
    /// A tenant that stands in the main configuration; nothing where its id is none, which was reported.
    pub(super) fn inline(tenant: &Tenant) -> Option<FileTenant> {
        let id = tenant.tenant_id.parse().ok()?;
        Some(FileTenant { tenant: Arc::new(tenant.clone()), id, fingerprint: 0 })
    }
}

#[cfg(test)]
mod tests;
