//! The client against a receiver in the same process, which does what each test says. No time passes but on paper.

use std::{num::NonZeroU32, time::Duration};

use lumberjack::{Client, ClientError, Undelivered, ack, window_of};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex},
    time::{Instant, sleep, timeout},
};

const ACK_TIMEOUT: Duration = Duration::from_secs(30);

fn pair() -> (Client<DuplexStream>, DuplexStream) {
    let (ours, theirs) = duplex(64);
    (Client::new(ours, ACK_TIMEOUT), theirs)
}

/// Delivers a window that says of itself that it has so many events.
async fn deliver(client: &Client<DuplexStream>, events: u32) -> Result<(), Undelivered> {
    let events = NonZeroU32::new(events).expect("it has events");
    client.deliver(events, &[&window_of(events.get()), b"the rest"]).await
}

/// Reads one such window.
async fn receive(peer: &mut DuplexStream) -> u32 {
    let mut window = [0; 14];
    peer.read_exact(&mut window).await.expect("a window comes");
    assert_eq!((&window[..2], &window[6..]), (&b"2W"[..], &b"the rest"[..]));
    u32::from_be_bytes([window[2], window[3], window[4], window[5]])
}

async fn say(peer: &mut DuplexStream, bytes: &[u8]) {
    peer.write_all(bytes).await.expect("it is read");
}

/// What becomes of a window of ten events when the receiver says `bytes` and then, if told, hangs up.
async fn outcome(bytes: &[u8], hangs_up: bool) -> String {
    let (client, mut peer) = pair();
    let receiver = async {
        receive(&mut peer).await;
        say(&mut peer, bytes).await;
        if hangs_up { None } else { Some(peer) }
    };
    let (result, _peer) = tokio::join!(deliver(&client, 10), receiver);
    match result {
        Ok(()) => format!("delivered, open: {}", client.is_open()),
        Err(Undelivered { acked, error }) => {
            assert!(!client.is_open(), "it is over");
            let again = deliver(&client, 1).await.expect_err("nothing goes over it again");
            assert_eq!((again.acked, again.error.to_string()), (0, error.to_string()));
            let source = std::error::Error::source(&error);
            let source = source.map(|source| format!(": {source}")).unwrap_or_default();
            format!("{acked}: {error}{source}")
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_window_is_delivered_with_its_last_event() {
    assert_eq!(outcome(&ack(10), false).await, "delivered, open: true");
    let bytes = [ack(0), ack(3), ack(0), ack(3), ack(9), ack(10)].concat();
    assert_eq!(outcome(&bytes, false).await, "delivered, open: true");
    assert_eq!(outcome(&[ack(10), ack(0)].concat(), false).await, "delivered, open: true");
    assert_eq!(outcome(&ack(10), true).await, "delivered, open: false");
}

#[tokio::test(start_paused = true)]
async fn what_was_acknowledged_before_the_end_is_known() {
    let closed = "the receiver closed the connection";
    assert_eq!(outcome(b"", true).await, format!("0: {closed}"));
    assert_eq!(outcome(&ack(4), true).await, format!("4: {closed}"));
    assert_eq!(outcome(&[&ack(4)[..], b"2A\0\0"].concat(), true).await, format!("4: {closed}"));
    let late = "of 10 events were acknowledged within 30 s";
    assert_eq!(outcome(b"", false).await, format!("0: 0 {late}"));
    assert_eq!(outcome(&ack(9), false).await, format!("9: 9 {late}"));
}

#[tokio::test(start_paused = true)]
async fn answers_that_make_no_sense_end_the_connection() {
    let beyond = "the receiver acknowledged 11 events of a window of 10";
    assert_eq!(outcome(&ack(11), false).await, format!("0: {beyond}"));
    let backwards = "the receiver acknowledged 4 events after it had acknowledged 5";
    assert_eq!(outcome(&[ack(5), ack(4)].concat(), false).await, format!("5: {backwards}"));
    let http = outcome(b"HTTP/1.1 400 Bad Request\r\n", false).await;
    assert_eq!(
        http,
        "0: the receiver's answer is not understood: this is no frame of Lumberjack 2: \
         \"HTTP/1.1 400 Bad Request\\r\\n\" (HTTP)"
    );
    let twice = outcome(&[ack(10), ack(10)].concat(), false).await;
    assert_eq!(twice, "delivered, open: false");
}

#[tokio::test(start_paused = true)]
async fn signs_of_life_do_not_prolong_the_deadline() {
    let (client, mut peer) = pair();
    let start = Instant::now();
    let receiver = async {
        receive(&mut peer).await;
        while peer.write_all(&ack(0)).await.is_ok() {
            sleep(Duration::from_secs(3)).await;
        }
    };
    let result = tokio::select! {
        result = deliver(&client, 10) => result,
        () = receiver => panic!("the client hung up before it said why"),
    };
    let error = result.expect_err("it is late").error;
    assert!(matches!(error, ClientError::Timeout { acked: 0, events: 10, .. }), "{error}");
    assert_eq!(start.elapsed(), ACK_TIMEOUT);
}

#[tokio::test(start_paused = true)]
async fn a_receiver_that_reads_nothing_is_noticed_as_well() {
    let (ours, _theirs) = duplex(5);
    let client = Client::new(ours, ACK_TIMEOUT);
    let error = deliver(&client, 10).await.expect_err("it is late").error;
    assert!(matches!(error, ClientError::Timeout { .. }), "{error}");
}

#[tokio::test(start_paused = true)]
async fn windows_under_way_together_are_acknowledged_in_order() {
    let (client, mut peer) = pair();
    let receiver = async {
        assert_eq!([receive(&mut peer).await, receive(&mut peer).await], [5, 7]);
        // The first one takes nearly all of its time, and the clock of the second one starts then.
        sleep(ACK_TIMEOUT * 9 / 10).await;
        say(&mut peer, &[ack(5), ack(2)].concat()).await;
        sleep(ACK_TIMEOUT * 9 / 10).await;
        say(&mut peer, &ack(7)).await;
    };
    let start = Instant::now();
    let first = async { (deliver(&client, 5).await, start.elapsed()) };
    let second = async { (deliver(&client, 7).await, start.elapsed()) };
    let ((first, first_at), (second, second_at), ()) = tokio::join!(first, second, receiver);
    first.expect("it is delivered");
    second.expect("it is delivered");
    assert_eq!((first_at, second_at), (ACK_TIMEOUT * 9 / 10, ACK_TIMEOUT * 18 / 10));
    assert!(client.is_open() && client.idle_since().is_some());
}

#[tokio::test(start_paused = true)]
async fn each_window_under_way_learns_its_own_share_at_the_end() {
    let (client, mut peer) = pair();
    let receiver = async {
        assert_eq!([receive(&mut peer).await, receive(&mut peer).await], [5, 7]);
        say(&mut peer, &[ack(5), ack(3)].concat()).await;
        drop(peer);
    };
    let (first, second, third, ()) =
        tokio::join!(deliver(&client, 5), deliver(&client, 7), deliver(&client, 9), receiver);
    first.expect("it is delivered");
    assert_eq!(second.expect_err("it is not").acked, 3);
    assert_eq!(third.expect_err("it is not").acked, 0);
}

#[tokio::test(start_paused = true)]
async fn a_window_that_is_given_up_while_it_is_written_ends_the_connection() {
    let (ours, mut theirs) = duplex(5);
    let client = Client::new(ours, ACK_TIMEOUT);
    let given_up = timeout(Duration::from_secs(1), deliver(&client, 10)).await;
    assert!(given_up.is_err() && !client.is_open());
    let error = deliver(&client, 1).await.expect_err("nothing follows half a window").error;
    assert!(matches!(error, ClientError::Interrupted), "{error}");
    drop(client);
    let mut half = Vec::new();
    theirs.read_to_end(&mut half).await.expect("the client hung up");
    assert_eq!(half, b"2W\0\0\0");
}

#[tokio::test(start_paused = true)]
async fn a_window_whose_sender_has_given_up_waiting_does_not_disturb_the_next() {
    let (client, mut peer) = pair();
    let given_up = timeout(Duration::from_secs(1), deliver(&client, 5)).await;
    assert!(given_up.is_err() && client.is_open());
    let receiver = async {
        assert_eq!([receive(&mut peer).await, receive(&mut peer).await], [5, 7]);
        say(&mut peer, &[ack(5), ack(7)].concat()).await;
    };
    let (second, ()) = tokio::join!(deliver(&client, 7), receiver);
    second.expect("it is delivered");
}

#[tokio::test(start_paused = true)]
async fn a_greeting_needs_no_answer_but_takes_no_nonsense() {
    const PATIENCE: Duration = Duration::from_secs(2);
    let (client, mut peer) = pair();
    assert!(!client.greet(PATIENCE).await.expect("silence is fine"));
    let mut greeting = [0; 6];
    peer.read_exact(&mut greeting).await.expect("it came");
    assert_eq!(greeting, window_of(0));
    say(&mut peer, &ack(0)).await;
    assert!(client.greet(PATIENCE).await.expect("it is an answer"));
    say(&mut peer, b"SSH-2.0-x\r\n").await;
    client.greet(PATIENCE).await.expect_err("it is nonsense");
    let (client, peer) = pair();
    drop(peer);
    client.greet(PATIENCE).await.expect_err("nobody is there");
}
