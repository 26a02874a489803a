//! The five kinds of content that the API serves.

use std::fmt;
use std::str::FromStr;

/// What is subscribed to, listed and fetched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ContentType {
    AzureActiveDirectory,
    Exchange,
    SharePoint,
    General,
    Dlp,
}

/// A name that is none of [`ContentType::ALL`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{name}` is not a content type, expected Audit.AzureActiveDirectory, Audit.Exchange, Audit.SharePoint, \
     Audit.General or DLP.All"
)]
pub struct ContentTypeError {
    name: String,
}

impl ContentType {
    pub const ALL: [ContentType; 5] = [
        ContentType::AzureActiveDirectory,
        ContentType::Exchange,
        ContentType::SharePoint,
        ContentType::General,
        ContentType::Dlp,
    ];

    /// The name as Microsoft writes it.
    pub fn name(self) -> &'static str {
        match self {
            ContentType::AzureActiveDirectory => "Audit.AzureActiveDirectory",
            ContentType::Exchange => "Audit.Exchange",
            ContentType::SharePoint => "Audit.SharePoint",
            ContentType::General => "Audit.General",
            ContentType::Dlp => "DLP.All",
        }
    }

    /// The application permission that a token needs for this type.
    pub fn role(self) -> &'static str {
        match self {
            ContentType::Dlp => "ActivityFeed.ReadDlp",
            ContentType::AzureActiveDirectory
            | ContentType::Exchange
            | ContentType::SharePoint
            | ContentType::General => "ActivityFeed.Read",
        }
    }
}

impl fmt::Display for ContentType {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.name())
    }
}

impl FromStr for ContentType {
    type Err = ContentTypeError;

    /// The API and people vary the case, so it does not count.
    fn from_str(name: &str) -> Result<Self, ContentTypeError> {
        ContentType::ALL
            .into_iter()
            .find(|content_type| content_type.name().eq_ignore_ascii_case(name.trim()))
            .ok_or_else(|| ContentTypeError { name: name.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_its_own_names_in_any_case() {
        for content_type in ContentType::ALL {
            assert_eq!(content_type.to_string().parse(), Ok(content_type));
            assert_eq!(content_type.name().to_uppercase().parse(), Ok(content_type));
        }
        assert!("Audit.Teams".parse::<ContentType>().is_err());
    }
}
