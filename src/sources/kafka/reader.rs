//! The thread that polls librdkafka: reads messages, hands them over in chunks, commits what is settled.
//!
//! Librdkafka's consumer blocks its caller, and answers for partitions that come and go in the middle of a poll; so it
//! has a thread, which is never one of the runtime's workers.

use std::{collections::HashMap, sync::Arc, time::Duration};

use pipeline_core::RunMode;
use rdkafka::{
    ClientContext, Message as _, Offset, TopicPartitionList,
    config::RDKafkaLogLevel,
    consumer::{BaseConsumer, CommitMode, Consumer as _, ConsumerContext, Rebalance},
    error::{KafkaError, KafkaResult},
    message::BorrowedMessage,
    types::RDKafkaErrorCode,
};
use tokio::{sync::mpsc, time::Instant};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use super::{
    config::Schema,
    message::Incoming,
    offsets::{Offsets, Partition, Place},
    progress::Progress,
};
use crate::kafka::Listener;

/// Messages that go on together at most.
const CHUNK_MESSAGES_MAX: usize = 500;

/// Bytes of messages that go on together, about.
const CHUNK_BYTES_MAX: usize = 1024 * 1024;

/// How long a poll waits for a message: the time in which an order to end is heard.
const POLL_WAIT: Duration = Duration::from_millis(100);

/// How long is waited for room before partitions are paused, so that the group hears of this consumer.
const ROOM_WAIT: Duration = Duration::from_secs(1);

/// How long a partition that is taken away waits for what is under way of it.
const REVOKE_WAIT: Duration = Duration::from_secs(5);

/// The wait before a partition is read again of which something was not delivered.
const REWIND_WAIT: Duration = Duration::from_secs(1);

/// How long a broker may take to answer what is asked of it.
const ANSWER_WAIT: Duration = Duration::from_secs(10);

/// How long nothing may come from partitions that all have ended before they count as read, without having come to the
/// offset at which they ended: what lies there can be marks of transactions.
const END_WAIT: Duration = Duration::from_secs(5);

/// What the thread works with.
pub(super) struct Reader {
    pub consumer: BaseConsumer<Group>,
    pub progress: Arc<Progress>,
    pub schema: Schema,
    pub bytes_max: usize,
    pub chunks: mpsc::Sender<Vec<Incoming>>,
    pub draining: CancellationToken,
    pub mode: RunMode,
}

/// Hears what librdkafka says of the group.
pub(super) struct Group {
    pub listener: Listener,
    pub progress: Arc<Progress>,
}

impl ClientContext for Group {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        self.listener.log(level, facility, message);
    }

    fn stats_raw(&self, statistics: &[u8]) {
        self.listener.stats_raw(statistics);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        // The end of a partition is told in the same way.
        if error.rdkafka_error_code() != Some(RDKafkaErrorCode::PartitionEOF) {
            self.listener.error(error, reason);
        }
    }
}

impl ConsumerContext for Group {
    fn pre_rebalance(&self, consumer: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        let component_id = self.listener.complaints().component_id();
        match rebalance {
            Rebalance::Assign(list) => {
                for partition in partitions(list) {
                    info!(%component_id, topic = partition.topic, partition = partition.number, "partition assigned");
                    self.progress.offsets(|offsets| offsets.assign(partition));
                }
            }
            Rebalance::Revoke(list) => {
                let revoked = partitions(list);
                if !consumer.assignment_lost() {
                    self.progress.wait_until_idle(&revoked, REVOKE_WAIT);
                    commit(consumer, &self.progress);
                }
                for partition in &revoked {
                    info!(%component_id, topic = partition.topic, partition = partition.number, "partition revoked");
                    self.progress.offsets(|offsets| offsets.revoke(partition));
                }
            }
            Rebalance::Error(error) => warn!(%component_id, %error, "the group cannot rebalance"),
        }
    }

    fn commit_callback(&self, result: KafkaResult<()>, _offsets: &TopicPartitionList) {
        if let Err(error) = result {
            let component_id = self.listener.complaints().component_id();
            warn!(%component_id, %error, "offsets could not be committed; what they cover may be read again");
        }
    }
}

impl Reader {
    /// Reads until it is told to end, or until all that was there at the start is read and settled. Ends when what was
    /// handed over is settled or abandoned.
    pub(super) fn run(mut self) {
        let mut ends = Ends::default();
        let mut is_paused = false;
        while !self.draining.is_cancelled() {
            store(&self.consumer, &self.progress);
            self.rewind();
            if self.mode == RunMode::Once && ends.are_reached(&self.consumer, &self.progress) {
                if self.progress.offsets(|offsets| offsets.is_settled()) {
                    break;
                }
                // What is under way may have to be read again.
                self.stay_in_the_group(&mut is_paused);
                continue;
            }
            // A chunk must find a place, or partitions would be revoked behind its back.
            let has_room = self.progress.wait_for_room(self.bytes_max, ROOM_WAIT);
            let place = if has_room { self.chunks.clone().try_reserve_owned().ok() } else { None };
            let Some(place) = place else {
                self.stay_in_the_group(&mut is_paused);
                continue;
            };
            if std::mem::take(&mut is_paused) {
                self.each_partition(BaseConsumer::resume);
            }
            let chunk = self.gather(&mut ends);
            let chunk = self.admit(chunk);
            if !chunk.is_empty() {
                place.send(chunk);
            }
        }
        // Whoever delivers knows by this that no more comes.
        let (closed, _) = mpsc::channel(1);
        self.chunks = closed;
        let held: Vec<Partition> =
            self.progress.offsets(|offsets| offsets.held().map(|(it, _)| it.clone()).collect());
        self.progress.wait_until_idle(&held, Duration::MAX);
        commit(&self.consumer, &self.progress);
        // The consumer leaves the group when it is dropped, which takes a moment.
    }

    /// Messages that have come, a chunk at most.
    fn gather(&self, ends: &mut Ends) -> Vec<Incoming> {
        let (mut chunk, mut bytes) = (Vec::new(), 0);
        let mut wait = POLL_WAIT;
        while chunk.len() < CHUNK_MESSAGES_MAX && bytes < CHUNK_BYTES_MAX {
            match self.consumer.poll(wait) {
                Some(Ok(message)) => {
                    self.consumer.context().listener.complaints().passed();
                    ends.message();
                    if let Some(incoming) = self.incoming(&message) {
                        bytes += incoming.bytes;
                        chunk.push(incoming);
                    }
                    wait = Duration::ZERO;
                }
                Some(Err(KafkaError::PartitionEOF(_))) => ends.end(),
                Some(Err(error)) => self.complain(&error),
                None => break,
            }
        }
        chunk
    }

    /// A message, unless its partition is gone.
    fn incoming(&self, message: &BorrowedMessage<'_>) -> Option<Incoming> {
        let partition =
            Partition { topic: message.topic().to_owned(), number: message.partition() };
        let tenure = self.progress.offsets(|offsets| offsets.tenure(&partition))?;
        let place = Place { partition, offset: message.offset(), tenure };
        Some(Incoming::new(place, message, self.schema))
    }

    /// Notes what goes on its way, and drops what the consumer has lost since it was read.
    fn admit(&self, chunk: Vec<Incoming>) -> Vec<Incoming> {
        let admitted: Vec<Incoming> = self.progress.offsets(|offsets| {
            chunk.into_iter().filter(|incoming| offsets.take(&incoming.place)).collect()
        });
        self.progress.take_bytes(admitted.iter().map(|incoming| incoming.bytes).sum());
        admitted
    }

    fn complain(&self, error: &KafkaError) {
        let code = error.rdkafka_error_code().unwrap_or(RDKafkaErrorCode::Fail);
        debug!(%error, ?code, "a poll brings an error");
        // What is wrong with the client as a whole was heard already.
        if let KafkaError::MessageConsumption(code) = error {
            self.consumer.context().listener.complaints().failed(*code, &error.to_string());
        }
    }

    /// Polls without taking messages: librdkafka hands over none of a partition that is paused.
    fn stay_in_the_group(&self, is_paused: &mut bool) {
        if !std::mem::replace(is_paused, true) {
            self.each_partition(BaseConsumer::pause);
        }
        if let Some(Ok(message)) = self.consumer.poll(POLL_WAIT) {
            // A partition that came in between: it is read again from here.
            let partition =
                Partition { topic: message.topic().to_owned(), number: message.partition() };
            self.seek(&partition, message.offset());
            *is_paused = false;
        }
    }

    fn each_partition(
        &self,
        what: impl FnOnce(&BaseConsumer<Group>, &TopicPartitionList) -> KafkaResult<()>,
    ) {
        let result =
            self.consumer.assignment().and_then(|assigned| what(&self.consumer, &assigned));
        if let Err(error) = result {
            debug!(%error, "partitions are not paused or resumed");
        }
    }

    /// Reads again what was not delivered.
    fn rewind(&self) {
        let failed = self.progress.offsets(Offsets::take_failed);
        if failed.is_empty() {
            return;
        }
        std::thread::sleep(REWIND_WAIT);
        for (partition, offset) in failed {
            let component_id = self.consumer.context().listener.complaints().component_id();
            let (topic, number) = (&partition.topic, partition.number);
            warn!(%component_id, topic, partition = number, offset, "not delivered; the partition is read again from here");
            self.seek(&partition, offset);
        }
    }

    fn seek(&self, partition: &Partition, offset: i64) {
        let (topic, number) = (&partition.topic, partition.number);
        if let Err(error) = self.consumer.seek(topic, number, Offset::Offset(offset), ANSWER_WAIT) {
            // Otherwise what is read from here on would be committed, and what lies before it with it.
            self.progress.offsets(|offsets| offsets.hold_back(partition, offset));
            warn!(topic, partition = number, offset, %error, "cannot go back in a partition; it is tried again");
        }
    }
}

/// Where the partitions ended when the source began, for a run that ends there.
#[derive(Default)]
struct Ends {
    high: HashMap<Partition, i64>,
    /// Ends that were told since the last message.
    told: usize,
    last_news: Option<Instant>,
}

impl Ends {
    fn message(&mut self) {
        self.last_news = Some(Instant::now());
    }

    fn end(&mut self) {
        self.told += 1;
        self.last_news = Some(Instant::now());
    }

    /// Whether all that was there has been read. Asks the brokers once for each partition.
    fn are_reached(&mut self, consumer: &BaseConsumer<Group>, progress: &Progress) -> bool {
        let held: Vec<(Partition, Option<i64>)> = progress.offsets(|offsets| {
            offsets.held().map(|(partition, read)| (partition.clone(), read)).collect()
        });
        if held.is_empty() {
            return false;
        }
        let are_quiet = self.told >= held.len()
            && self.last_news.is_some_and(|news| news.elapsed() >= END_WAIT);
        let is_read = |(partition, read): &(Partition, Option<i64>)| {
            if !self.high.contains_key(partition)
                && let Some(high) = end_of(consumer, partition)
            {
                self.high.insert(partition.clone(), high);
            }
            let high = self.high.get(partition);
            high.is_some_and(|high| read.map_or(0, |read| read + 1) >= *high)
        };
        are_quiet || held.iter().all(is_read)
    }
}

/// The offset at which a partition ends, or 0 where nothing is left to read of it.
fn end_of(consumer: &BaseConsumer<Group>, partition: &Partition) -> Option<i64> {
    let (topic, number) = (&partition.topic, partition.number);
    let (low, high) = consumer.fetch_watermarks(topic, number, ANSWER_WAIT).ok()?;
    let mut asked = TopicPartitionList::new();
    asked.add_partition(topic, number);
    let committed = consumer.committed_offsets(asked, ANSWER_WAIT).ok()?;
    let committed = match committed.find_partition(topic, number)?.offset() {
        Offset::Offset(offset) => offset,
        _ => low,
    };
    Some(if committed >= high { 0 } else { high })
}

fn partitions(list: &TopicPartitionList) -> Vec<Partition> {
    let partition = |(topic, number): (&str, i32)| Partition { topic: topic.to_owned(), number };
    list.elements()
        .iter()
        .map(|element| partition((element.topic(), element.partition())))
        .collect()
}

/// Tells librdkafka up to where it may commit; it does so in its own time.
fn store(consumer: &BaseConsumer<Group>, progress: &Progress) -> Option<TopicPartitionList> {
    let due = progress.offsets(Offsets::take_due);
    if due.is_empty() {
        return None;
    }
    let mut list = TopicPartitionList::new();
    for (partition, offset) in due {
        let added =
            list.add_partition_offset(&partition.topic, partition.number, Offset::Offset(offset));
        debug_assert!(added.is_ok(), "an offset of a message is an offset");
    }
    if let Err(error) = consumer.store_offsets(&list) {
        // A partition that was lost in between: its next owner reads it again.
        debug!(%error, "offsets are not stored");
    }
    Some(list)
}

/// Commits what is settled, and waits for it.
fn commit(consumer: &BaseConsumer<Group>, progress: &Progress) {
    store(consumer, progress);
    match consumer.commit_consumer_state(CommitMode::Sync) {
        Ok(()) | Err(KafkaError::ConsumerCommit(RDKafkaErrorCode::NoOffset)) => {}
        Err(error) => {
            warn!(%error, "offsets could not be committed; what they cover may be read again");
        }
    }
}
