//! Whoever wants to see the programs of a topology.

use std::sync::{Arc, Mutex, PoisonError};

use crate::program::Program;

/// A transform's id, and its program.
type Seen = (String, Arc<Program>);

/// Gets to see each program that is compiled for a transform. Clones see the same.
#[derive(Clone, Debug, Default)]
pub struct Observer {
    programs: Arc<Mutex<Vec<Seen>>>,
    statements: bool,
}

impl Observer {
    /// Sees programs as they are.
    pub fn of_programs() -> Observer {
        Observer::default()
    }

    /// Sees which of their statements run, for which they are compiled to be observed.
    pub fn of_statements() -> Observer {
        Observer { statements: true, ..Observer::default() }
    }

    /// Whether programs are to be compiled so that their statements can be observed.
    pub fn wants_statements(&self) -> bool {
        self.statements
    }

    /// Takes note of the program of the transform `id`.
    pub fn see(&self, id: &str, program: &Arc<Program>) {
        let mut programs = self.programs.lock().unwrap_or_else(PoisonError::into_inner);
        programs.push((id.to_owned(), Arc::clone(program)));
    }

    /// What was seen so far, in order: transforms with their programs. One can be there several times.
    pub fn programs(&self) -> Vec<Seen> {
        self.programs.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl PartialEq for Observer {
    fn eq(&self, other: &Observer) -> bool {
        Arc::ptr_eq(&self.programs, &other.programs)
    }
}

impl Eq for Observer {}
