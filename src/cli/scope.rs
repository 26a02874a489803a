//! What of a configuration a command is about: `--source`, `--tenant` and `--content-type`, alike wherever they occur.
//!
//! Invariant: a name that nothing has is an error that says which names there are; it never means "nothing".

use clap::Args;
use office365::ContentType;

use super::{
    Failure, complain,
    load::{self, Loaded, Office365Source},
};
use crate::components::office365::Tenant;

/// Which sources, tenants and content types are meant: all where none is named.
#[derive(Clone, Debug, Args)]
pub(super) struct Scope {
    #[command(flatten)]
    pub(super) config: load::ConfigFiles,
    /// Only this source of type office365, by its id; may be given several times.
    #[arg(long = "source", value_name = "ID")]
    sources: Vec<String>,
    /// Only this tenant, by its name or GUID; may be given several times.
    #[arg(long = "tenant", value_name = "NAME")]
    pub(super) tenants: Vec<String>,
    /// Only this content type, such as Audit.Exchange; may be given several times.
    #[arg(long = "content-type", value_name = "TYPE")]
    pub(super) content_types: Vec<ContentType>,
}

/// The configuration has nothing of what was named.
#[derive(Debug, thiserror::Error)]
pub(super) enum ScopeError {
    #[error("the configuration has no source of type office365")]
    NoSource,
    #[error("there is no source `{name}` of type office365; there are: {known}")]
    UnknownSource { name: String, known: String },
    #[error("there is no tenant `{name}`; there are: {known}")]
    UnknownTenant { name: String, known: String },
    #[error("no source collects `{name}`; they collect: {known}")]
    UnknownContentType { name: ContentType, known: String },
}

impl Scope {
    /// Reads and checks the configuration. What is wrong with a tenant's file is told, and concerns no other tenant.
    pub(super) fn load(&self) -> Result<Loaded, Failure> {
        let loaded = self.config.load()?;
        for fault in &loaded.file_faults {
            complain(format_args!("warning: {fault}"));
        }
        Ok(loaded)
    }

    /// Whether anything is named, so that the rest of the configuration is not meant.
    pub(super) fn is_narrow(&self) -> bool {
        !(self.sources.is_empty() && self.tenants.is_empty() && self.content_types.is_empty())
    }

    /// The sources that are meant, as they are configured.
    pub(super) fn whole_sources(
        &self,
        loaded: &Loaded,
    ) -> Result<Vec<Office365Source>, ScopeError> {
        let mut sources = load::office365_sources(loaded);
        if sources.is_empty() {
            return Err(ScopeError::NoSource);
        }
        let is_there = |name: &&String| sources.iter().any(|source| *source.id == ***name);
        if let Some(name) = self.sources.iter().find(|name| !is_there(name)) {
            let known = listed(sources.iter().map(|source| source.id.to_string()));
            return Err(ScopeError::UnknownSource { name: name.clone(), known });
        }
        if !self.sources.is_empty() {
            sources.retain(|source| self.sources.iter().any(|name| *source.id == **name));
        }
        Ok(sources)
    }

    /// The sources with the tenants that are meant, and all that they collect.
    pub(super) fn tenants_of(&self, loaded: &Loaded) -> Result<Vec<Office365Source>, ScopeError> {
        let mut sources = self.whole_sources(loaded)?;
        let tenants = || sources.iter().flat_map(|source| &source.config.tenants);
        let is_there = |name: &&String| tenants().any(|tenant| tenant.is_called(name));
        if let Some(name) = self.tenants.iter().find(|name| !is_there(name)) {
            let known = listed(tenants().map(|tenant| tenant.name.clone()));
            return Err(ScopeError::UnknownTenant { name: name.clone(), known });
        }
        if !self.tenants.is_empty() {
            let is_meant = |tenant: &Tenant| self.tenants.iter().any(|name| tenant.is_called(name));
            for source in &mut sources {
                source.config.tenants.retain(is_meant);
            }
        }
        sources.retain(|source| !source.config.tenants.is_empty());
        Ok(sources)
    }

    /// The sources with the tenants and the content types that are meant.
    pub(super) fn feeds_of(&self, loaded: &Loaded) -> Result<Vec<Office365Source>, ScopeError> {
        let mut sources = self.tenants_of(loaded)?;
        let types = || sources.iter().flat_map(|source| &source.config.content_types);
        let is_there = |name: &&ContentType| types().any(|one| one == *name);
        if let Some(name) = self.content_types.iter().find(|name| !is_there(name)) {
            let known = listed(types().map(ToString::to_string));
            return Err(ScopeError::UnknownContentType { name: *name, known });
        }
        if !self.content_types.is_empty() {
            for source in &mut sources {
                source.config.content_types.retain(|one| self.content_types.contains(one));
            }
        }
        sources.retain(|source| !source.config.content_types.is_empty());
        Ok(sources)
    }
}

/// Names as an error shows them, each once.
pub(super) fn listed(names: impl Iterator<Item = String>) -> String {
    let mut names: Vec<String> = names.collect();
    names.sort_unstable();
    names.dedup();
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}
