//! The functions that programs may call: VRL's own, and ours, which do in one call what would be a slow loop.
//!
//! Ours never fail, whatever they are given: audit records are hostile, and a mapping must not lose an event over a
//! field of an unexpected type.

mod address;
mod agent;
mod among;
mod call;
mod categorize;
mod compact;
mod directory;
mod distinct;
mod enrichment;
mod extensible;
mod file_path;
mod fill;
mod fingerprint;
mod identity;
mod link;
mod literal;
mod locate;
mod mail;
mod names;
mod normalize;
mod pair_value;
mod pairs;
mod property_text;
mod redact;
mod setting;
mod text;
mod time;

use vrl::compiler::Function;

use self::compact::Compact;

/// Every function that a program may call.
pub fn functions() -> Vec<Box<dyn Function>> {
    let mut functions = vrl::stdlib::all();
    functions.retain(|function| function.identifier() != Compact.identifier());
    functions.push(Box::new(Compact));
    functions.extend(own());
    functions
}

/// The functions that are ours.
fn own() -> Vec<Box<dyn Function>> {
    vec![
        Box::new(address::FirstAddress),
        Box::new(address::HostName),
        Box::new(address::ParseAddress),
        Box::new(agent::DescribeAgent),
        Box::new(among::IsAmong),
        Box::new(categorize::Categorize),
        Box::new(categorize::RecordTypeName),
        Box::new(enrichment::FindEnrichmentTableRecords),
        Box::new(enrichment::GetEnrichmentTableRecord),
        Box::new(locate::Locate),
        Box::new(directory::DirectoryObject),
        Box::new(distinct::Distinct),
        Box::new(extensible::Extensible),
        Box::new(fill::Fill),
        Box::new(fingerprint::Fingerprint),
        Box::new(identity::ParseUser),
        Box::new(mail::MailAddresses),
        Box::new(file_path::ParseFilePath),
        Box::new(link::ParseLink),
        Box::new(normalize::NormalizeRecord),
        Box::new(pair_value::PairValue),
        Box::new(pairs::FlattenPairs),
        Box::new(property_text::PropertyText),
        Box::new(redact::RedactSecrets),
        Box::new(setting::Setting),
        Box::new(text::EncodeNested),
        Box::new(text::TextOrEmpty),
        Box::new(text::TextOrNull),
        Box::new(time::ParseUtc),
    ]
}

#[cfg(test)]
pub(super) mod tests;
