//! What a log gets to see: never what a server quotes of an event.

use std::{
    io::{self, Write},
    sync::{Arc, Mutex},
};

use super::{Outcome, REJECTED, Reply, run};

/// A log in memory.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn the_servers_reasons_are_in_the_dead_letters_alone() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(move || writer.clone())
        .finish();
    // With one subscriber alone, what another test's thread logs first is taken to interest nobody.
    let _other = tracing::Dispatch::new(tracing_subscriber::registry());
    let guard = tracing::subscriber::set_default(subscriber);
    let busy = r#"{"items":[{"create":{"status":429,"error":{"type":"busy_exception","reason":"geheim"}}},
        {"create":{"status":400,"error":{"type":"closed_exception","reason":"'geheim'"}}}]}"#;
    let down = r#"{"error":{"type":"down_exception","reason":"geheim"},"status":500}"#;
    let cut = r#"{"items":[{"create":{"status":400,"error":{"type":"t","reason":"geheim"#;
    let spoilt = r#"{"error":{"type":"spoilt_exception","reason":"geheim"},"status":400}"#;
    let script = [(200, busy), (500, down), (200, cut), (400, spoilt)];
    let script = script.map(|(status, body)| Reply::Status(status, body)).to_vec();
    let outcomes = run("", 2, script).await;
    drop(guard);
    assert_eq!(outcomes.fates.outcomes(), [REJECTED; 2]);
    assert_eq!(outcomes.fates.count(Outcome::Rejected), 2);
    assert!(outcomes.reasons().iter().all(|reason| reason.contains("geheim")));
    let log = String::from_utf8(log.0.lock().unwrap().clone()).expect("text");
    for told in ["busy_exception", "down_exception", "items", "go to the dead letters"] {
        assert!(log.contains(told), "{log}");
    }
    assert!(!log.contains("geheim"), "{log}");
}
