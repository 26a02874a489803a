//! Kafka, by the scripts in `tests/services`.

use std::{fs, path::PathBuf, process::Command, sync::OnceLock, time::Duration};

use rdkafka::{
    ClientConfig, Message as _, Offset, TopicPartitionList,
    admin::{AdminClient, AdminOptions, NewTopic, TopicReplication},
    client::DefaultClientContext,
    consumer::{BaseConsumer, Consumer},
    error::KafkaError,
    message::Headers,
};

use super::{folder, script};

/// How long a server may take to answer a test's question.
const PATIENCE: Duration = Duration::from_mins(1);

/// A running cluster.
#[derive(Debug)]
pub(crate) struct Kafka {
    /// Where it lives: what `kafka-start.sh` writes.
    pub(crate) folder: PathBuf,
    /// Whether it was started here, and so ends with this value.
    is_own: bool,
}

/// Where a cluster listens, by the name that `kafka-start.sh` gives it.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Listener {
    /// Without encryption and credentials.
    Plaintext,
    /// TLS, users `alice`, who may do everything, and `bob`, who may do nothing.
    SaslSsl,
    /// TLS that asks for a client certificate.
    Ssl,
    /// Where a proxy is to listen that leads to [`Kafka::upstream`].
    Proxied,
}

/// A message as it lies in a topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Message {
    pub(crate) partition: i32,
    pub(crate) offset: i64,
    pub(crate) key: Option<Vec<u8>>,
    pub(crate) value: Vec<u8>,
    pub(crate) headers: Vec<(String, Vec<u8>)>,
}

/// One broker that all tests share.
pub(crate) fn broker() -> &'static Kafka {
    static CLUSTER: OnceLock<Kafka> = OnceLock::new();
    CLUSTER.get_or_init(|| match std::env::var("O365FLOW_TEST_KAFKA_DIR") {
        Ok(folder) => Kafka { folder: folder.into(), is_own: false },
        Err(_) => Kafka::start("kafka", 1),
    })
}

impl Kafka {
    /// Starts a cluster that one test has to itself; it ends with the value. No other has the `name`.
    pub(crate) fn start(name: &str, nodes: usize) -> Kafka {
        let cluster = Kafka { folder: folder(name), is_own: true };
        cluster.run_start(nodes, &[]);
        cluster
    }

    /// Starts nodes that were stopped or killed, with their data and addresses.
    pub(crate) fn start_again(&self, nodes: &[usize]) {
        self.run_start(0, nodes);
    }

    fn run_start(&self, cluster_size: usize, nodes: &[usize]) {
        let output = Command::new(script("kafka-start.sh"))
            .arg(&self.folder)
            .args(nodes.iter().map(ToString::to_string))
            .env("KAFKA_NODES", cluster_size.to_string())
            .env("KAFKA_OWNER_PID", std::process::id().to_string())
            .output()
            .expect("the script runs");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "kafka does not start: {said}");
    }

    /// Stops nodes in order, all of them when none is named; their data stays.
    pub(crate) fn stop(&self, nodes: &[usize]) {
        let status = Command::new(script("kafka-stop.sh"))
            .arg(&self.folder)
            .args(nodes.iter().map(ToString::to_string))
            .status()
            .expect("the script runs");
        assert!(status.success(), "kafka does not stop");
    }

    /// Kills a node at once.
    pub(crate) fn kill(&self, node: usize) {
        let pid = self.text(&format!("n{node}.pid"));
        let pid = nix::unistd::Pid::from_raw(pid.parse().expect("a process id"));
        nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL).expect("it runs");
    }

    /// The addresses of all brokers, separated by commas.
    pub(crate) fn bootstrap(&self, listener: Listener) -> String {
        self.text(match listener {
            Listener::Plaintext => "bootstrap.plaintext",
            Listener::SaslSsl => "bootstrap.sasl_ssl",
            Listener::Ssl => "bootstrap.ssl",
            Listener::Proxied => "bootstrap.proxied",
        })
    }

    /// What a proxy at [`Listener::Proxied`] leads to.
    pub(crate) fn upstream(&self) -> String {
        self.text("upstream.proxied")
    }

    /// The password of `alice` and `bob`.
    pub(crate) fn password(&self) -> String {
        self.text("password")
    }

    /// The path of a file that the cluster's start has written: `ca.crt`, `client.crt`, `client.key`.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    fn text(&self, name: &str) -> String {
        fs::read_to_string(self.folder.join(name)).expect("the start writes it").trim().to_owned()
    }

    /// A client's settings, without encryption.
    pub(crate) fn client(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", self.bootstrap(Listener::Plaintext));
        // What it has to say of brokers that a test has stopped is no news.
        config.set_log_level(rdkafka::config::RDKafkaLogLevel::Emerg);
        config
    }

    /// Makes a topic, replicated as widely as the cluster has by default, with settings of its own.
    pub(crate) async fn create_topic(
        &self,
        name: &str,
        partitions: i32,
        settings: &[(&str, &str)],
    ) {
        let admin: AdminClient<DefaultClientContext> = self.client().create().expect("a client");
        let replication = if self.text("nodes") == "1" { 1 } else { 3 };
        let mut topic = NewTopic::new(name, partitions, TopicReplication::Fixed(replication));
        for (option, value) in settings {
            topic = topic.set(option, value);
        }
        let options = AdminOptions::new().operation_timeout(Some(PATIENCE));
        let made = admin.create_topics([&topic], &options).await.expect("the cluster answers");
        for made in made {
            made.expect("the topic is made");
        }
    }

    /// All messages of a topic, partition by partition.
    pub(crate) fn messages(&self, topic: &str) -> Vec<Message> {
        let mut config = self.client();
        config.set("group.id", "reader").set("enable.auto.commit", "false");
        config.set("enable.partition.eof", "true");
        let consumer: BaseConsumer = config.create().expect("a client");
        let metadata = consumer.fetch_metadata(Some(topic), PATIENCE).expect("it answers");
        let partitions = metadata.topics()[0].partitions();
        assert!(!partitions.is_empty(), "there is no topic {topic}");
        let mut assignment = TopicPartitionList::new();
        for partition in partitions {
            assignment
                .add_partition_offset(topic, partition.id(), Offset::Beginning)
                .expect("an offset");
        }
        consumer.assign(&assignment).expect("the partitions are there");
        let (mut messages, mut ends) = (Vec::new(), 0);
        while ends < partitions.len() {
            match consumer.poll(PATIENCE).expect("it answers in time") {
                Ok(message) => messages.push(Message::from(&message)),
                Err(KafkaError::PartitionEOF(_)) => ends += 1,
                // A broker that was killed: another one answers.
                Err(KafkaError::MessageConsumption(_)) => {}
                Err(error) => panic!("reading {topic}: {error}"),
            }
        }
        messages.sort_by_key(|message| (message.partition, message.offset));
        messages
    }

    /// The broker that leads a partition.
    pub(crate) fn leader(&self, topic: &str, partition: usize) -> usize {
        let consumer: BaseConsumer =
            self.client().set("group.id", "reader").create().expect("a client");
        let metadata = consumer.fetch_metadata(Some(topic), PATIENCE).expect("it answers");
        let leader = metadata.topics()[0].partitions()[partition].leader();
        usize::try_from(leader).expect("the partition has a leader")
    }

    /// What a consumer group has committed: the next offset of each partition that has one.
    pub(crate) fn committed(&self, group: &str, topic: &str) -> Vec<(i32, i64)> {
        let consumer: BaseConsumer =
            self.client().set("group.id", group).create().expect("a client");
        let metadata = consumer.fetch_metadata(Some(topic), PATIENCE).expect("it answers");
        let mut asked = TopicPartitionList::new();
        for partition in metadata.topics()[0].partitions() {
            asked.add_partition(topic, partition.id());
        }
        let committed = consumer.committed_offsets(asked, PATIENCE).expect("it answers");
        let offset =
            |element: &rdkafka::topic_partition_list::TopicPartitionListElem<'_>| match element
                .offset()
            {
                Offset::Offset(offset) => Some((element.partition(), offset)),
                _ => None,
            };
        committed.elements().iter().filter_map(offset).collect()
    }
}

impl Drop for Kafka {
    fn drop(&mut self) {
        if self.is_own {
            self.stop(&[]);
        }
    }
}

impl From<&rdkafka::message::BorrowedMessage<'_>> for Message {
    fn from(message: &rdkafka::message::BorrowedMessage<'_>) -> Message {
        let header = |header: rdkafka::message::Header<'_, &[u8]>| {
            (header.key.to_owned(), header.value.unwrap_or_default().to_vec())
        };
        Message {
            partition: message.partition(),
            offset: message.offset(),
            key: message.key().map(<[u8]>::to_vec),
            value: message.payload().unwrap_or_default().to_vec(),
            headers: message
                .headers()
                .map_or_else(Vec::new, |all| all.iter().map(header).collect()),
        }
    }
}
