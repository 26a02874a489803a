//! What is logged at all: by module, and by component.

use std::{
    collections::BTreeMap,
    sync::{Arc, PoisonError, RwLock},
};

use pipeline_core::ComponentId;
use tracing::{Event, Metadata, Subscriber, level_filters::LevelFilter, subscriber::Interest};
use tracing_subscriber::{
    EnvFilter,
    layer::{Context, Filter},
    registry::LookupSpan,
};

use super::record::Place;
use crate::config::LogLevel;

/// Levels by module, as the command line gives them, and by component, as the configuration does. Clones are the same.
#[derive(Clone)]
pub(super) struct Levels {
    by_module: Arc<EnvFilter>,
    by_component: Arc<RwLock<ByComponent>>,
}

#[derive(Default)]
struct ByComponent(BTreeMap<String, LevelFilter>);

impl ByComponent {
    /// Of all components with a level of their own, that of the one that says most.
    fn most(&self) -> LevelFilter {
        self.0.values().copied().max().unwrap_or(LevelFilter::OFF)
    }
}

impl Levels {
    pub(super) fn new(filter: &str) -> Levels {
        let by_module = Arc::new(EnvFilter::builder().parse_lossy(filter));
        Levels { by_module, by_component: Arc::default() }
    }

    pub(super) fn set_components(&self, levels: &BTreeMap<ComponentId, LogLevel>) {
        let levels = levels.iter().map(|(id, level)| (id.to_string(), level.filter())).collect();
        *self.by_component.write().unwrap_or_else(PoisonError::into_inner) = ByComponent(levels);
        tracing::callsite::rebuild_interest_cache();
    }

    fn with_components<T>(&self, ask: impl FnOnce(&ByComponent) -> T) -> T {
        ask(&self.by_component.read().unwrap_or_else(PoisonError::into_inner))
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Filter<S> for Levels {
    fn enabled(&self, metadata: &Metadata<'_>, ctx: &Context<'_, S>) -> bool {
        // A span says where its events belong, whatever its level.
        metadata.is_span()
            || Filter::<S>::enabled(&*self.by_module, metadata, ctx)
            || self.with_components(|levels| *metadata.level() <= levels.most())
    }

    fn callsite_enabled(&self, metadata: &'static Metadata<'static>) -> Interest {
        if metadata.is_span() {
            return Interest::always();
        }
        if self.with_components(|levels| levels.0.is_empty()) {
            return Filter::<S>::callsite_enabled(&*self.by_module, metadata);
        }
        Interest::sometimes()
    }

    fn event_enabled(&self, event: &Event<'_>, ctx: &Context<'_, S>) -> bool {
        self.with_components(|levels| {
            if levels.0.is_empty() {
                return true;
            }
            let own = Place::of_event(event, ctx).component_id;
            match own.and_then(|id| levels.0.get(&id)) {
                Some(level) => event.metadata().level() <= level,
                None => Filter::<S>::enabled(&*self.by_module, event.metadata(), ctx),
            }
        })
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        let hint = Filter::<S>::max_level_hint(&*self.by_module)?;
        Some(hint.max(self.with_components(ByComponent::most)))
    }
}
