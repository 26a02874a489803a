//! What a user writes under `[transforms.<id>]` with `type = "remap"`, and its check.

use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use pipeline_core::{
    DROPPED_PORT, Output, Prepared, Problem, Schema, TransformConfig, TransformContext,
    TransformProgram,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    Fate, Policy, Remap,
    setting::{self, Setting},
};
use crate::{
    config::units,
    program::{
        Observer, Place, Program, ReadFile, Source, Surroundings, compile_observed, compile_source,
        read_or_builtin, tables::Tables,
    },
    transforms::dropping::{dropped_output, problem},
};

/// A VRL program applied to every event. Give `file` or `source`.
///
/// A program that leaves an array of objects at the root splits the record: each object goes on as an event. Give each
/// an id of its own, for a sink that goes by an id takes the second of the same id for a copy of the first.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// The file with the VRL program, relative to the working directory. `vrl/ecs.vrl` and others
    /// come with the binary: where no such file exists, the built-in one runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<PathBuf>,
    /// The VRL program itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// What the program reads by `setting()`: strings, numbers, `true` or `false`, each under a name that the program
    /// knows. `vrl/ecs.vrl` has `mode`, `keep_original` and `namespace`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub settings: BTreeMap<String, Setting>,
    /// Whether an event on which the program fails leaves by the port `dropped`, as it came and with the reason under
    /// `%dropped`. Where nothing reads that port, it becomes a dead letter. With `false`, the event goes on as it came.
    pub drop_on_error: bool,
    /// Whether an event on which the program calls `abort` is filtered out, which counts as delivered. With `false`,
    /// the event goes on as it came.
    pub drop_on_abort: bool,
    /// How long the program may work on one event; then it fails on that event.
    #[serde(with = "units::duration")]
    pub timeout: Duration,
    /// Whoever wants to see the program. No option: a command that tries programs sets it.
    #[serde(skip)]
    pub observer: Option<Observer>,
    /// Another text in the place of that of `file`. No option: whoever tries a change of the program sets it.
    #[serde(skip)]
    pub tried: Option<String>,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            file: None,
            source: None,
            settings: BTreeMap::new(),
            drop_on_error: true,
            drop_on_abort: true,
            timeout: Duration::from_secs(1),
            observer: None,
            tried: None,
        }
    }
}

impl TransformConfig for Config {
    fn ports(&self) -> Vec<String> {
        if self.drop_on_error { vec![DROPPED_PORT.to_owned()] } else { Vec::new() }
    }

    fn program(&self) -> Option<Box<dyn TransformProgram>> {
        Some(Box::new(self.clone()))
    }

    fn prepare(&self, context: &TransformContext<'_>) -> Result<Prepared, Vec<Problem>> {
        let (key, place, text) =
            self.located_text(context.read_file).map_err(|problem| vec![problem])?;
        let compile = match &self.observer {
            Some(observer) if observer.wants_statements() => compile_observed,
            Some(_) | None => compile_source,
        };
        let settings = self.settings.iter().map(|(name, set)| (name.clone(), set.0.clone()));
        let tables = Tables::shared_by(context.tables);
        let surroundings = Surroundings::new(settings.collect(), tables);
        let program = Source::new(&text, &place, context.read_file)
            .and_then(|source| compile(source, &context.input, &surroundings))
            .map_err(|error| vec![problem(key, error)])?;
        let mistakes = surroundings.mistakes();
        if !mistakes.is_empty() {
            return Err(mistakes.iter().map(setting::problem).collect());
        }
        let files = program.files().map(Path::to_owned).collect();
        let outputs = self.outputs(&program, &context.input);
        let warnings = program.warnings().cloned().map(|warning| problem(key, warning));
        let warnings = warnings.into_iter().collect();
        let fate = |drop| if drop { Fate::Drop } else { Fate::Pass };
        let program = Arc::new(program);
        if let Some(observer) = &self.observer {
            observer.see(&context.id, &program);
        }
        let factory = Remap {
            id: Arc::clone(&context.id),
            program,
            timeout: self.timeout,
            policy: Policy {
                on_error: fate(self.drop_on_error),
                on_abort: fate(self.drop_on_abort),
            },
        };
        Ok(Prepared { outputs, factory: Arc::new(factory), warnings, files })
    }
}

impl TransformProgram for Config {
    fn file(&self) -> Option<&Path> {
        self.file.as_deref()
    }

    fn text(&self, read_file: ReadFile<'_>) -> io::Result<String> {
        match (&self.source, &self.file) {
            (Some(source), _) => Ok(source.clone()),
            (None, Some(file)) => read_or_builtin(file, read_file),
            (None, None) => Ok(String::new()),
        }
    }

    fn with_text(&self, text: &str) -> Box<dyn TransformConfig> {
        let text = text.to_owned();
        Box::new(match self.source {
            Some(_) => Config { source: Some(text), ..self.clone() },
            None => Config { tried: Some(text), ..self.clone() },
        })
    }
}

impl Config {
    /// The program's text, with the option that gave it.
    fn located_text(
        &self,
        read_file: ReadFile<'_>,
    ) -> Result<(&'static str, Place, String), Problem> {
        let both = "give either `file` or `source`";
        match (&self.file, &self.source) {
            (Some(_), Some(_)) => {
                Err(Problem::at("source", "there is both a `file` and a `source`").fix(both))
            }
            (None, None) => Err(Problem::at("", "there is no program").fix(both)),
            (None, Some(source)) => Ok(("source", Place::Inline, source.clone())),
            (Some(path), None) => match self
                .tried
                .clone()
                .map_or_else(|| read_or_builtin(path, read_file), Ok)
            {
                Ok(text) => Ok(("file", Place::File(path.clone()), text)),
                Err(error) => {
                    let path = path.display();
                    Err(Problem::at("file", format!("cannot read the program `{path}`: {error}")))
                }
            },
        }
    }

    fn outputs(&self, program: &Program, input: &Schema) -> Vec<Output> {
        let mut main = program.output().clone();
        // A timeout can end any run, but only a loop over a huge array takes so long: for that, the kinds of every
        // program are not loosened.
        let passes_unchanged = (!self.drop_on_error && program.is_fallible())
            || (!self.drop_on_abort && program.is_abortable());
        if passes_unchanged {
            main = main.merge(input.clone());
        }
        let mut outputs = vec![Output::main(main)];
        if self.drop_on_error {
            outputs.push(dropped_output(input));
        }
        outputs
    }
}
