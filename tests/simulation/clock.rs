//! The clock of the machine that the source runs on, which is set wrong now and then.

use std::sync::Arc;

use pipeline_core::{Clock, Timestamp};

use crate::{stage::SimulatedClock, weather::Weather};

#[derive(Debug)]
pub(crate) struct LocalClock {
    pub(crate) api: Arc<SimulatedClock>,
    pub(crate) weather: Arc<Weather>,
}

impl Clock for LocalClock {
    fn now(&self) -> Timestamp {
        let now = Clock::now(&*self.api);
        now + self.weather.clock_ahead(now)
    }
}
