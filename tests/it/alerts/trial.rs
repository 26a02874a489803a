//! Brings about what each alert is for, in two running pipelines that a real Prometheus scrapes, sees the alert fire,
//! mends the cause, and sees it clear.
//!
//! Nobody waits an hour: the rules that are loaded are those of `config/prometheus` with each time shortened, which is
//! what stands behind `for:`, between brackets, and behind `offset`. Thresholds are as they are.

use std::{collections::BTreeSet, fs, path::Path, time::Duration};

use chrono::TimeDelta;
use fake_tenant::{ContentType, Fault, FaultKind, FaultRates, FaultTarget, Operation};
use tokio::time::{Instant, sleep};

use super::{FOLDER, dashboards, rules, text_at};
use crate::{
    scene::{Program, Tenant, certificate},
    services::{lumberjack::Lumberjack, prometheus::Prometheus},
};

/// What takes the place of a `for:`.
const FOR: &str = "2s";

/// What takes the place of a range or an offset: long enough for some scrapes before and after a restart.
const RANGE: &str = "12s";

/// How long an alert may take to fire or to clear.
const PATIENCE: Duration = Duration::from_mins(1);

/// The rules, or the scrape configuration, with every time shortened.
fn shortened(text: &str) -> String {
    let is_time = |part: &str| {
        let digits = part.trim_end_matches(['s', 'm', 'h', 'd']);
        digits.len() + 1 == part.len() && digits.parse::<u32>().is_ok()
    };
    let mut short = text.to_owned();
    for (before, after, time) in [
        ("for: ", "\n", FOR),
        ("[", "]", RANGE),
        ("offset ", ")", RANGE),
        ("_interval: ", "\n", "1s"),
    ] {
        let mut pieces = short.split(before);
        let mut made = pieces.next().unwrap_or_default().to_owned();
        for piece in pieces {
            made.push_str(before);
            match piece.split_once(after) {
                Some((part, rest)) if is_time(part) => {
                    made.extend([time, after, rest]);
                }
                Some(_) | None => made.push_str(piece),
            }
        }
        short = made;
    }
    short
}

#[test]
fn times_are_shortened_and_nothing_else() {
    let text =
        "for: 30m\nexpr: increase(a[1h]) > 3600 unless a offset 15m)\nb[x]\nscrape_interval: 15s\n";
    let short =
        "for: 2s\nexpr: increase(a[12s]) > 3600 unless a offset 12s)\nb[x]\nscrape_interval: 1s\n";
    assert_eq!(shortened(text), short);
}

/// Sees alerts come and go, and remembers which.
struct Trial {
    prometheus: Prometheus,
    begun: Instant,
}

impl Trial {
    fn start(targets: &[&Program]) -> Trial {
        let read = |name: &str| fs::read_to_string(Path::new(FOLDER).join(name)).expect(name);
        let addresses: Vec<_> =
            targets.iter().map(|program| format!("{:?}", program.address)).collect();
        let targets = format!("- targets: [{}]\n", addresses.join(", "));
        let scrape = shortened(&read("prometheus.yml"));
        let (head, _) = scrape.split_once("- targets:").expect("it has targets");
        let files = [
            ("prometheus.yml", format!("{head}{targets}")),
            ("alerts.yml", shortened(&read("alerts.yml"))),
        ];
        Trial { prometheus: Prometheus::start("alerts", &files), begun: Instant::now() }
    }

    /// Whether the alert fires with this label.
    fn is_firing(&self, alert: &str, (label, value): (&str, &str)) -> bool {
        self.prometheus.firing().iter().any(|labels| {
            labels["alertname"] == alert && labels.get(label).is_some_and(|other| other == value)
        })
    }

    #[expect(clippy::print_stdout, reason = "what went before, where the test fails")]
    async fn wait(&self, alert: &str, label: (&str, &str), is_wanted: bool) {
        let since = Instant::now();
        while self.is_firing(alert, label) != is_wanted {
            let word = if is_wanted { "fire" } else { "clear" };
            assert!(since.elapsed() < PATIENCE, "{alert} of {label:?} does not {word}");
            sleep(Duration::from_millis(500)).await;
        }
        let (at, word) =
            (self.begun.elapsed().as_secs(), if is_wanted { "fires" } else { "cleared" });
        println!("{at:>3} s: {alert} of {} {word}", label.1);
    }

    /// Until nothing fires any more. Two clocks were moved for other reasons and stay where they are.
    async fn settles(&self) {
        let moved = [("O365ClockSkew", "gap"), ("O365ClockSkew", "unsubscribed")];
        let since = Instant::now();
        loop {
            let firing = self.prometheus.firing();
            let left: BTreeSet<(&str, &str)> = firing
                .iter()
                .map(|labels| (&*labels["alertname"], labels.get("tenant").map_or("", |name| name)))
                .collect();
            if left == BTreeSet::from(moved) {
                return;
            }
            assert!(since.elapsed() < PATIENCE, "{firing:?}");
            sleep(Duration::from_millis(500)).await;
        }
    }

    async fn fires(&self, alert: &str, label: (&str, &str)) {
        self.wait(alert, label, true).await;
    }

    async fn clears(&self, alert: &str, label: (&str, &str)) {
        self.wait(alert, label, false).await;
    }
}

fn failing(kind: FaultKind) -> FaultRates {
    let mut rates = FaultRates { retry_after: Duration::from_secs(1), ..FaultRates::default() };
    rates.set(kind, 1.0);
    rates
}

/// The tenants of the first pipeline, each with a trouble of its own.
struct Cast {
    well: Tenant,
    lost: Tenant,
    late: Tenant,
    unsubscribed: Tenant,
    locked_out: Tenant,
    throttled: Tenant,
    letters: Tenant,
    skewed: Tenant,
    gap: Tenant,
    /// In no trouble that anybody has to see to yet.
    stuck: Tenant,
}

impl Cast {
    async fn new(certificates: [Vec<u8>; 2]) -> Cast {
        let cast = Cast {
            well: Tenant::new(1, "well", |mut spec| {
                spec.certificates = certificates.into();
                spec
            })
            .await,
            lost: Tenant::new(2, "lost", |spec| spec).await,
            late: Tenant::new(3, "late", |spec| spec).await,
            unsubscribed: Tenant::new(4, "unsubscribed", |spec| spec).await,
            locked_out: Tenant::new(5, "locked-out", |mut spec| {
                "another".clone_into(&mut spec.client_secret);
                spec
            })
            .await,
            throttled: Tenant::new(6, "throttled", |spec| spec).await,
            letters: Tenant::new(7, "letters", |spec| spec).await,
            skewed: Tenant::new(8, "skewed", |spec| spec).await,
            gap: Tenant::new(9, "gap", |spec| spec).await,
            stuck: Tenant::new(11, "stuck", |spec| spec).await,
        };
        cast.well.add_blob(20, TimeDelta::days(7));
        cast.lost.api.set_fault_rates(failing(FaultKind::Gone));
        cast.lost.add_blob(20, TimeDelta::hours(20));
        cast.late.api.set_fault_rates(failing(FaultKind::ServerError));
        let (api, id) = (&cast.unsubscribed.api, &cast.unsubscribed.id);
        api.disable_subscription(id, ContentType::Exchange);
        let start = FaultTarget::operation(Operation::StartSubscription);
        api.script(start, Fault::AfError { status: 500, code: "AF50000".to_owned() }, 1);
        cast.throttled.api.set_fault_rates(failing(FaultKind::Throttle));
        cast.stuck.api.set_fault_rates(failing(FaultKind::Gone));
        cast.stuck.add_blob(20, TimeDelta::days(7));
        // An API whose clock is behind is one beside which ours is ahead.
        cast.skewed.move_clock(-TimeDelta::minutes(10));
        cast
    }

    fn tables(&self, certificate: &Path) -> String {
        let certificate = certificate.display();
        let certificate =
            format!("certificate = {{ path = \"{certificate}\", algorithm = \"RS256\" }}");
        let others = [
            &self.lost,
            &self.late,
            &self.unsubscribed,
            &self.locked_out,
            &self.throttled,
            &self.letters,
            &self.skewed,
            &self.gap,
            &self.stuck,
        ];
        let tables = others.iter().map(|tenant| tenant.table(None));
        std::iter::once(self.well.table(Some(&certificate))).chain(tables).collect()
    }
}

/// The pipeline of all tenants but one.
fn many(folder: &Path, cast: &Cast) -> Program {
    let config = format!(
        r#"
data_dir = "{folder}/many"
[metrics]
address = "ADDRESS"
[sources.office365]
type = "office365"
content_types = ["Audit.Exchange"]
poll_interval = "1s"
settle_time = "0s"
{tables}
[transforms.map]
type = "remap"
inputs = ["office365"]
source = 'if %tenant == "letters" {{ .x = parse_json!("no JSON") }}'
[sinks.file]
type = "file"
inputs = ["map"]
path = "{folder}/out.ndjson"
buffer = {{ type = "memory", max_events = 500 }}
"#,
        folder = folder.display(),
        tables = cast.tables(&folder.join("app.pem")),
    );
    Program::start(folder, "many", &config)
}

/// The pipeline whose sink, configuration and process get into trouble.
fn one(folder: &Path, tenant: &Tenant, receiver: &Lumberjack) -> Program {
    let config = format!(
        r#"
data_dir = "{folder}/one"
[metrics]
address = "ADDRESS"
[sources.office365]
type = "office365"
content_types = ["Audit.Exchange"]
poll_interval = "1s"
settle_time = "0s"
{table}
[sinks.logstash]
type = "lumberjack"
inputs = ["office365"]
hosts = [{address:?}]
request = {{ retry_max_backoff = "1s" }}
"#,
        folder = folder.display(),
        table = tenant.table(None),
        address = receiver.address,
    );
    Program::start(folder, "one", &config)
}

async fn a_tenant_that_cannot_be_collected_from(trial: &Trial, cast: &Cast) {
    let of = |tenant: &Tenant| ("tenant", tenant.name);
    let late = async {
        trial.fires("O365FeedBehind", of(&cast.late)).await;
        cast.late.api.set_fault_rates(FaultRates::default());
        trial.clears("O365FeedBehind", of(&cast.late)).await;
    };
    let unsubscribed = async {
        trial.fires("O365SubscriptionOff", of(&cast.unsubscribed)).await;
        // After a quarter of an hour it may be asked for again.
        cast.unsubscribed.move_clock(TimeDelta::minutes(16));
        trial.clears("O365SubscriptionOff", of(&cast.unsubscribed)).await;
    };
    let locked_out = async {
        trial.fires("O365SignInFailing", of(&cast.locked_out)).await;
        let secret = cast.lost.api.tenants()[0].client_secret.clone();
        cast.locked_out.api.change_tenant(&cast.locked_out.id, |spec| spec.client_secret = secret);
        trial.clears("O365SignInFailing", of(&cast.locked_out)).await;
    };
    let throttled = async {
        trial.fires("O365Throttled", of(&cast.throttled)).await;
        cast.throttled.api.set_fault_rates(FaultRates::default());
        trial.clears("O365Throttled", of(&cast.throttled)).await;
    };
    let skewed = async {
        trial.fires("O365ClockSkew", of(&cast.skewed)).await;
        cast.skewed.move_clock(TimeDelta::minutes(10));
        trial.clears("O365ClockSkew", of(&cast.skewed)).await;
    };
    tokio::join!(late, unsubscribed, locked_out, throttled, skewed);
}

async fn records_that_are_lost_or_given_up(trial: &Trial, cast: &Cast) {
    let of = |tenant: &Tenant| ("tenant", tenant.name);
    let lost = async {
        // Long enough to be listed, whatever else the machine does.
        cast.lost.add_blob(20, TimeDelta::seconds(15));
        tokio::join!(
            trial.fires("O365BlobLost", of(&cast.lost)),
            trial.fires("O365BlobsNearExpiry", of(&cast.lost))
        );
        cast.lost.api.set_fault_rates(FaultRates::default());
        tokio::join!(
            trial.clears("O365BlobLost", of(&cast.lost)),
            trial.clears("O365BlobsNearExpiry", of(&cast.lost))
        );
    };
    let gap = async {
        cast.gap.move_clock(TimeDelta::days(8));
        trial.fires("O365ListingGap", of(&cast.gap)).await;
        trial.clears("O365ListingGap", of(&cast.gap)).await;
    };
    let letters = async {
        let map = ("component_id", "map");
        cast.letters.add_blob(20, TimeDelta::days(7));
        trial.fires("O365DeadLettersGrow", map).await;
        trial.clears("O365DeadLettersGrow", map).await;
        // This time the counter is there already.
        cast.letters.add_blob(20, TimeDelta::days(7));
        trial.fires("O365DeadLettersGrow", map).await;
        trial.clears("O365DeadLettersGrow", map).await;
    };
    tokio::join!(lost, gap, letters);
}

async fn a_certificate_that_ends(trial: &Trial, folder: &Path) {
    let well = ("tenant", "well");
    trial.fires("O365CertificateEndsSoon", well).await;
    fs::copy(folder.join("new.pem"), folder.join("app.pem")).expect("the file is replaced");
    trial.clears("O365CertificateEndsSoon", well).await;
}

async fn a_process_and_its_sink(trial: &Trial, program: &mut Program, receiver: &mut Lumberjack) {
    let sink = ("component_id", "logstash");
    trial.fires("O365SinkDown", sink).await;
    receiver.start_again(&[]);
    trial.clears("O365SinkDown", sink).await;
    let address = program.address.clone();
    let instance = ("instance", &*address);
    program.kill();
    program.start_again();
    trial.fires("O365flowRestarted", instance).await;
    trial.clears("O365flowRestarted", instance).await;
    program.kill();
    trial.fires("O365flowDown", instance).await;
    program.start_again();
    trial.clears("O365flowDown", instance).await;
    let mistake = "\nmistake = 1\n";
    program.reload(|config| format!("{mistake}{config}"));
    trial.fires("O365flowReloadFailed", instance).await;
    program.reload(|config| config.replace(mistake, ""));
    trial.clears("O365flowReloadFailed", instance).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_alert_fires_and_clears_and_each_panel_has_data() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    let certificates = [certificate(folder, "old", 5), certificate(folder, "new", 90)];
    fs::copy(folder.join("old.pem"), folder.join("app.pem")).expect("the file is put there");
    let cast = Cast::new(certificates).await;
    let sunk = Tenant::new(10, "sunk", |spec| spec).await;
    sunk.add_blob(200, TimeDelta::days(7));
    let mut receiver = Lumberjack::plain();
    receiver.stop();
    let (many, mut one) = (many(folder, &cast), one(folder, &sunk, &receiver));
    let trial = Trial::start(&[&many, &one]);
    tokio::join!(
        a_tenant_that_cannot_be_collected_from(&trial, &cast),
        records_that_are_lost_or_given_up(&trial, &cast),
        a_certificate_that_ends(&trial, folder),
        a_process_and_its_sink(&trial, &mut one, &mut receiver),
    );
    trial.settles().await;
    let seconds = trial.begun.elapsed().as_secs() + 1;
    let fired = trial.prometheus.query(&format!(
        "count by (alertname) (count_over_time(ALERTS{{alertstate=\"firing\"}}[{seconds}s]))"
    ));
    let fired: BTreeSet<&str> =
        fired.iter().map(|series| text_at(series, "/metric/alertname")).collect();
    let rules = rules();
    let known: BTreeSet<&str> = rules.iter().map(|rule| text_at(rule, "/alert")).collect();
    assert_eq!(fired, known, "each alert has fired");
    dashboards::all_have_data(&trial.prometheus, seconds);
}
