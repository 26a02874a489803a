//! The compact description of Kibana's objects, `config/kibana/dashboards.toml`.

use serde::Deserialize;

use crate::reference::read;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Description {
    pub(super) searches: Vec<Search>,
    pub(super) dashboards: Vec<Dashboard>,
}

/// A table of events.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Search {
    pub(super) id: String,
    pub(super) title: String,
    pub(super) query: String,
    pub(super) columns: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Dashboard {
    pub(super) id: String,
    pub(super) title: String,
    pub(super) description: String,
    pub(super) panels: Vec<Panel>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Panel {
    pub(super) title: String,
    #[serde(default = "everything")]
    pub(super) query: String,
    pub(super) width: u32,
    #[serde(default = "usual_height")]
    pub(super) height: u32,
    #[serde(flatten)]
    pub(super) kind: Kind,
}

/// What a panel shows of the events that its query finds.
#[derive(Debug, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(super) enum Kind {
    Count,
    Distinct {
        field: String,
    },
    Newest {
        field: String,
    },
    Time {
        field: String,
        #[serde(default = "time_of_event")]
        time_field: String,
    },
    Share {
        field: String,
    },
    Top {
        field: String,
    },
    Table {
        fields: Vec<String>,
    },
    Search {
        search: String,
    },
}

impl Kind {
    /// Every field that it needs.
    pub(super) fn fields(&self) -> Vec<&str> {
        match self {
            Kind::Count | Kind::Search { .. } => Vec::new(),
            Kind::Distinct { field }
            | Kind::Newest { field }
            | Kind::Share { field }
            | Kind::Top { field } => vec![field],
            Kind::Time { field, time_field } => vec![field, time_field],
            Kind::Table { fields } => fields.iter().map(String::as_str).collect(),
        }
    }
}

fn everything() -> String {
    "*".to_owned()
}

fn usual_height() -> u32 {
    14
}

fn time_of_event() -> String {
    "@timestamp".to_owned()
}

impl Description {
    pub(super) fn read() -> Description {
        toml::from_str(&read("config/kibana/dashboards.toml")).expect("the description is sound")
    }
}
