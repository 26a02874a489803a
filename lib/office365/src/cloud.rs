//! Microsoft's national clouds: where to sign in, and where the API is.

use crate::Origin;

/// A cloud that serves the API.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Cloud {
    #[default]
    Enterprise,
    Gcc,
    GccHigh,
    Dod,
}

/// The two origins that a tenant's client talks to. The API's own is also the resource that tokens are for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiUrls {
    pub login: Origin,
    pub resource: Origin,
}

impl Cloud {
    pub const ALL: [Cloud; 4] = [Cloud::Enterprise, Cloud::Gcc, Cloud::GccHigh, Cloud::Dod];

    /// The name that configuration uses.
    pub fn name(self) -> &'static str {
        match self {
            Cloud::Enterprise => "enterprise",
            Cloud::Gcc => "gcc",
            Cloud::GccHigh => "gcc-high",
            Cloud::Dod => "dod",
        }
    }

    pub fn login_host(self) -> &'static str {
        match self {
            Cloud::Enterprise | Cloud::Gcc => "login.microsoftonline.com",
            Cloud::GccHigh | Cloud::Dod => "login.microsoftonline.us",
        }
    }

    pub fn resource_host(self) -> &'static str {
        match self {
            Cloud::Enterprise => "manage.office.com",
            Cloud::Gcc => "manage-gcc.office.com",
            Cloud::GccHigh => "manage.office365.us",
            Cloud::Dod => "manage.protection.apps.mil",
        }
    }

    /// The cloud's own origins; a field of the result can be replaced.
    pub fn urls(self) -> ApiUrls {
        let origin = |host: &str| host.parse().expect("the hosts of the table are valid");
        ApiUrls { login: origin(self.login_host()), resource: origin(self.resource_host()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cloud_has_urls() {
        let shown = Cloud::ALL.map(|cloud| cloud.urls().resource.to_string());
        assert_eq!(shown[3], "https://manage.protection.apps.mil");
        assert_eq!(Cloud::GccHigh.urls().login.to_string(), "https://login.microsoftonline.us");
    }
}
