//! What a program is compiled with besides its text: settings, and the tables that its functions read.

use std::{cell::RefCell, collections::BTreeMap, collections::BTreeSet, rc::Rc};

use vrl::value::Value;

/// What functions find when a program is compiled.
#[derive(Clone, Debug, Default)]
pub struct Surroundings {
    /// What the user set for this program, which `setting()` reads.
    pub settings: BTreeMap<String, Value>,
    /// The settings that the program asked for.
    pub(super) asked: Rc<RefCell<BTreeSet<String>>>,
}

/// The text of the program that is compiled, for functions whose kind depends on what the program asks of it.
#[derive(Clone, Debug)]
pub(super) struct ProgramText(pub(super) Rc<str>);
