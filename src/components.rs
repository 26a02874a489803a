//! The registry: one line a component. The only file that names concrete ones; delete a line here and the
//! component's folder, and it is gone.

use std::{any::Any, path::Path, sync::Arc};

use pipeline_core::{ComponentKind, Problem, Schema, SinkConfig, SourceConfig, TransformConfig};
use schemars::JsonSchema;
use serde::de::DeserializeOwned;

/// Commands that concern this type of sink reach it here.
pub use crate::sinks::elasticsearch;
/// Commands that concern this type of source reach it here.
pub use crate::sources::office365;
use crate::{
    config::{Registry, RegistryEntry, Settings, TableReader, fault::Fault, read_settings},
    program::Observer,
    sinks::{blackhole, console, file, kafka, lumberjack},
    sources,
    transforms::{dedupe, filter, remap, route, sample, throttle},
};

/// All types of component there are.
pub const REGISTRY: &Registry = &[
    source::<sources::file::Config>("file"),
    source::<sources::kafka::Config>("kafka"),
    source::<office365::Config>("office365"),
    transform::<dedupe::Config>("dedupe"),
    transform::<route::ExclusiveConfig>("exclusive_route"),
    transform::<filter::Config>("filter"),
    transform::<remap::Config>("remap"),
    transform::<route::Config>("route"),
    transform::<sample::Config>("sample"),
    transform::<throttle::Config>("throttle"),
    sink::<blackhole::Config>("blackhole"),
    sink::<console::Config>("console"),
    sink::<elasticsearch::Config>("elasticsearch"),
    sink::<file::Config>("file"),
    sink::<kafka::Config>("kafka"),
    sink::<lumberjack::Config>("lumberjack"),
];

const fn source<C: SourceConfig + DeserializeOwned + JsonSchema + 'static>(
    name: &'static str,
) -> RegistryEntry {
    RegistryEntry {
        name,
        kind: ComponentKind::Source,
        read: |node, faults| {
            read_settings::<C>(node, faults).map(|config| Settings::Source(Box::new(config)))
        },
        schema: C::json_schema,
    }
}

const fn transform<C: TransformConfig + DeserializeOwned + JsonSchema + 'static>(
    name: &'static str,
) -> RegistryEntry {
    RegistryEntry {
        name,
        kind: ComponentKind::Transform,
        read: |node, faults| {
            read_settings::<C>(node, faults).map(|config| Settings::Transform(Box::new(config)))
        },
        schema: C::json_schema,
    }
}

const fn sink<C: SinkConfig + DeserializeOwned + JsonSchema + 'static>(
    name: &'static str,
) -> RegistryEntry {
    RegistryEntry {
        name,
        kind: ComponentKind::Sink,
        read: |node, faults| {
            read_settings::<C>(node, faults).map(|config| Settings::Sink(Arc::new(config)))
        },
        schema: C::json_schema,
    }
}

/// Reads the files of tables that `settings` name, if they do. Gives what is wrong in them, or why they cannot be found.
pub fn read_table_files(
    settings: &mut Settings,
    reader: &TableReader,
) -> Result<Vec<Fault>, Problem> {
    let Settings::Source(source) = settings else { return Ok(Vec::new()) };
    let source: &mut dyn Any = &mut **source;
    match source.downcast_mut::<office365::Config>() {
        Some(config) => config.read_tenants_dir(reader),
        None => Ok(Vec::new()),
    }
}

/// Lets `observer` see the program that `settings` name, if they do.
pub fn observe_program(settings: &mut Settings, observer: &Observer) {
    let Settings::Transform(transform) = settings else { return };
    let transform: &mut dyn Any = &mut **transform;
    if let Some(config) = transform.downcast_mut::<remap::Config>() {
        config.observer = Some(observer.clone());
    }
}

/// The settings of a source, where it is of type `office365`.
pub fn office365_config(source: &dyn SourceConfig) -> Option<&office365::Config> {
    (source as &dyn Any).downcast_ref()
}

/// The settings of a sink, where it is of type `elasticsearch`.
pub fn elasticsearch_config(sink: &dyn SinkConfig) -> Option<&elasticsearch::Config> {
    (sink as &dyn Any).downcast_ref()
}

/// The file of a transform's program, where it is of type `remap` and has one.
pub fn program_file(transform: &dyn TransformConfig) -> Option<&Path> {
    (transform as &dyn Any).downcast_ref::<remap::Config>()?.file.as_deref()
}

/// What a program that reads records from the source `office365` is compiled against.
pub fn record_schema() -> Schema {
    let outputs = office365::Config::default().outputs();
    outputs.into_iter().next().expect("the source has an output").schema
}
