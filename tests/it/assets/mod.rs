//! What is made of the description of the fields, `vrl/ecs/fields.csv`, and lies in the repository: templates, Kibana's
//! objects, the reference of the fields.
//!
//! Each file is made anew and compared, so that none can disagree with the description. `UPDATE_EXPECT=1` writes them.

mod dashboards;
mod field_reference;
mod kibana;
mod layout;
mod mapped;
mod panels;
mod refusals;
mod templates;

use std::{collections::BTreeMap, fs, path::Path};

use crate::reference::{ROOT, read};

/// Compares files of the repository, by path, with what they should be.
fn hold(made: &BTreeMap<String, String>) {
    assert!(!made.is_empty(), "nothing was made");
    for (path, text) in made {
        if std::env::var_os("UPDATE_EXPECT").is_some() {
            fs::write(Path::new(ROOT).join(path), text).expect("it can be written");
        } else {
            let hint = "is not as made: run UPDATE_EXPECT=1 cargo test --test it assets";
            assert!(&read(path) == text, "{path} {hint}");
        }
    }
}
