//! Secrets that a command gives, by the protocol of Vector's backend `exec`: keys as JSON on its standard input, secrets
//! as JSON on its standard output.
//!
//! One call for all keys, bounded in time and in size. What the command writes to standard error is shown when it
//! fails, with whatever it gave as a secret taken out.

use std::{collections::BTreeMap, collections::BTreeSet, process::Stdio};

use serde_json::{Value, json};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWriteExt},
    process::{Child, Command},
};

use super::{Answer, ExecBackend};
use crate::config::fault::Fault;

/// Longest answer that is read.
const ANSWER_BYTES_MAX: u64 = 1_000_000;
/// How much of standard error is read.
const COMPLAINT_BYTES_MAX: u64 = 1_000_000;
/// How much of standard error, and of what is said of one secret, is shown.
const SHOWN_BYTES_MAX: usize = 2_000;

/// Runs the command and asks it for `keys`.
pub(super) fn ask(backend: &ExecBackend, keys: &BTreeSet<String>) -> Answer {
    let Some((program, arguments)) = backend.command.split_first() else {
        let fault = Fault::general("its `command` is empty");
        return Err(fault.fix("name the program and its arguments, as [\"/usr/bin/secrets\"]"));
    };
    let cannot = |error| {
        Fault::general(format!("cannot run `{program}`: {error}"))
            .fix("give the path of a program that this user may run")
    };
    let request = json!({"version": "1.0", "secrets": keys}).to_string();
    let run = async {
        let child = Command::new(program)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        tokio::time::timeout(backend.timeout, converse(child, &request)).await.map_err(Into::into)
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let said = runtime.and_then(|runtime| runtime.block_on(run)).map_err(|error| {
        if error.kind() == std::io::ErrorKind::TimedOut {
            let waited = humantime::format_duration(backend.timeout);
            return Fault::general(format!("`{program}` has not answered within {waited}"))
                .fix("see why, or give it more `timeout`")
                .passing();
        }
        cannot(error)
    })?;
    said.map_err(cannot)?.answer(program)
}

/// What a command has said, and how it ended.
struct Said {
    answer: Vec<u8>,
    complaint: Vec<u8>,
    status: std::process::ExitStatus,
}

async fn converse(mut child: Child, request: &str) -> std::io::Result<Said> {
    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let ask = async {
        if let Some(mut stdin) = stdin {
            // A command that does not read what it is asked may still answer.
            drop(stdin.write_all(request.as_bytes()).await);
        }
    };
    let ((), answer, complaint) =
        tokio::join!(ask, read(stdout, ANSWER_BYTES_MAX), read(stderr, COMPLAINT_BYTES_MAX));
    Ok(Said { answer: answer?, complaint: complaint?, status: child.wait().await? })
}

/// Reads all, and keeps the first `bytes_max`: a pipe that is not read would stop the command.
async fn read(pipe: Option<impl AsyncRead + Unpin>, bytes_max: u64) -> std::io::Result<Vec<u8>> {
    let mut kept = Vec::new();
    if let Some(mut pipe) = pipe {
        (&mut pipe).take(bytes_max).read_to_end(&mut kept).await?;
        tokio::io::copy(&mut pipe, &mut tokio::io::sink()).await?;
    }
    Ok(kept)
}

impl Said {
    fn answer(&self, program: &str) -> Answer {
        let parsed: Option<Value> = serde_json::from_slice(&self.answer).ok();
        let secrets = parsed.as_ref().and_then(Value::as_object);
        if !self.status.success() {
            let fault = Fault::general(format!("`{program}` failed: {}", self.status)).passing();
            return Err(self.explained(fault, secrets).fix("run it by hand to see what it lacks"));
        }
        let Some(secrets) = secrets else {
            let fault = Fault::general(format!("`{program}` has not answered with a JSON object"));
            let fix = "it has to write {\"key\": {\"value\": \"…\", \"error\": null}}";
            return Err(self.explained(fault, None).fix(fix));
        };
        let mut answer = BTreeMap::new();
        for (key, one) in secrets {
            let value = match (one.get("value"), one.get("error")) {
                (Some(Value::String(value)), None | Some(Value::Null)) => Ok(value.clone()),
                (_, Some(Value::String(error))) => {
                    let message = format!("`{program}` could not give `{key}`: {error}");
                    Err(self.explained(Fault::general(message).passing(), Some(secrets)))
                }
                _ => Err(Fault::general(format!("`{program}` gave no `value` for `{key}`"))
                    .fix("its `value` has to be a string, its `error` null")),
            };
            answer.insert(key.clone(), value);
        }
        Ok(answer)
    }

    /// Adds what the command wrote to standard error, without any secret that it gave: all of its answer may be one,
    /// where that is not what was asked for.
    fn explained(
        &self,
        mut fault: Fault,
        secrets: Option<&serde_json::Map<String, Value>>,
    ) -> Fault {
        let complaint = String::from_utf8_lossy(&self.complaint).trim().to_owned();
        if !complaint.is_empty() {
            fault.detail = Some(complaint);
        }
        for value in secrets.iter().flat_map(|secrets| secrets.values()) {
            if let Some(value) = value.get("value").and_then(Value::as_str) {
                fault.hide(value);
            }
        }
        if secrets.is_none() {
            fault.hide(&String::from_utf8_lossy(&self.answer));
        }
        // Cut last: a part of a secret would not be found.
        for text in [Some(&mut fault.message), fault.detail.as_mut()].into_iter().flatten() {
            text.truncate(text.floor_char_boundary(SHOWN_BYTES_MAX));
        }
        fault
    }
}
