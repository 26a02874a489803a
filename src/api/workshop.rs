//! The programs of transforms: read, tried, saved.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use http::{Response, StatusCode};
use net::Body;
use pipeline_core::{Event, EventAck, Origin};
use serde::{Deserialize, Serialize};
use tokio::task::spawn_blocking;
use tracing::info;
use vrl::value::{ObjectMap, Value};

use super::{
    Context, answer,
    overview::RefusedReload,
    refusal::{Reason, Refusal},
    request::Call,
    route::{Answer, Audience, Route},
};
use crate::live::{
    Changes, ReloadEnd,
    workshop::{Broken, Diagnostic, NoProgram, ProgramText, SaveError, Saved},
};

/// Events that one trial takes.
const EVENTS_MAX: usize = 100;

pub(super) const ROUTES: &[Route] = &[
    Route::get("/api/transforms/{id}/program", Audience::Token, program),
    Route::get("/api/transforms/{id}/samples", Audience::Token, samples),
    Route::post("/api/transforms/{id}/try", Audience::Token, try_program),
    Route::put("/api/transforms/{id}/program", save),
];

fn program(context: Arc<Context>, call: Call) -> BoxFuture<'static, Answer> {
    Box::pin(async move {
        let workshop = context.watched.live.workshop();
        let read = spawn_blocking(move || workshop.program(&call.id)).await;
        let read = read
            .map_err(|error| broken(&Broken::from(error)))?
            .map_err(|error| no_program(&error))?;
        let writable = read.writable && context.allow_edit;
        Ok(answer::json(StatusCode::OK, &ProgramText { writable, ..read }))
    })
}

/// Events that have passed a transform lately.
#[derive(Serialize)]
struct Samples {
    events: Vec<Value>,
}

fn samples(context: Arc<Context>, call: Call) -> BoxFuture<'static, Answer> {
    Box::pin(async move {
        let samples = context.watched.live.taps().samples(&call.id);
        let events = samples.into_iter().map(|mut event| event.take_value()).collect();
        Ok(answer::json(StatusCode::OK, &Samples { events }))
    })
}

/// A program to be tried.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Attempt {
    program: String,
    /// By default what has passed the transform lately.
    events: Option<Vec<Value>>,
}

fn try_program(context: Arc<Context>, call: Call) -> BoxFuture<'static, Answer> {
    Box::pin(async move {
        let Attempt { program, events } = call.json()?;
        let events = events.map(events_of).transpose()?;
        let watched = &context.watched;
        let clock = Arc::clone(&watched.clock);
        let tried = watched.live.try_program(&call.id, program, events, clock).await;
        let trial = tried.map_err(|error| broken(&error))?.map_err(|error| no_program(&error))?;
        Ok(answer::json(StatusCode::OK, &trial))
    })
}

/// Events of these contents.
fn events_of(contents: Vec<Value>) -> Result<Vec<Event>, Refusal> {
    if contents.len() > EVENTS_MAX {
        return Err(Refusal::invalid(format!("there are more than {EVENTS_MAX} events")));
    }
    if !contents.iter().all(Value::is_object) {
        return Err(Refusal::invalid("an event is an object"));
    }
    let origin = Origin::new("trial", Value::Object(ObjectMap::new()));
    let event = |content| Event::new(content, 0, Arc::clone(&origin), EventAck::unattended());
    Ok(contents.into_iter().map(event).collect())
}

/// A program to be saved.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Save {
    text: String,
    /// Of the text that it was made from.
    digest: String,
}

/// A program that was saved, and what came of it.
#[derive(Serialize)]
struct Done<'a> {
    #[serde(flatten)]
    saved: Saved,
    /// Nothing where the topology is ending.
    reload: Option<Reload<'a>>,
}

#[derive(Serialize)]
struct Reload<'a> {
    ok: bool,
    generation: Option<u64>,
    changed: Option<&'a Changes>,
    #[serde(flatten)]
    refused: Option<RefusedReload<'a>>,
}

fn save(context: Arc<Context>, call: Call) -> BoxFuture<'static, Answer> {
    Box::pin(async move {
        if !context.allow_edit {
            let error = "programs may not be saved here";
            return Err(Refusal::new(StatusCode::FORBIDDEN, Reason::Forbidden, error)
                .fix("set `allow_edit = true` in `[api]`"));
        }
        let Save { text, digest } = call.json()?;
        let live = &context.watched.live;
        let saved = live.save_program(&call.id, text, digest).await;
        let saved = match saved.map_err(|error| broken(&error))? {
            Ok(saved) => saved,
            Err(SaveError::Wrong { diagnostics }) => return Ok(wrong(&diagnostics)),
            Err(error) => return Err(not_saved(error)),
        };
        info!(component_id = call.id, file = %saved.file.display(), caller = %call.caller, "a program was saved");
        let end = live.reload().await;
        let done = Done { saved, reload: end.as_ref().map(told) };
        Ok(answer::json(StatusCode::OK, &done))
    })
}

fn told(end: &ReloadEnd) -> Reload<'_> {
    match end {
        Ok(reloaded) => Reload {
            ok: true,
            generation: Some(reloaded.generation),
            changed: Some(&reloaded.changed),
            refused: None,
        },
        Err(refused) => {
            let refused = Some((&**refused).into());
            Reload { ok: false, generation: None, changed: None, refused }
        }
    }
}

/// Why nothing was written.
#[derive(Serialize)]
struct Wrong<'a> {
    error: &'a str,
    diagnostics: &'a [Diagnostic],
}

fn wrong(diagnostics: &[Diagnostic]) -> Response<Body> {
    Reason::Invalid.count();
    let error = "the program does not compile; nothing was written";
    answer::json(StatusCode::UNPROCESSABLE_ENTITY, &Wrong { error, diagnostics })
}

fn not_saved(error: SaveError) -> Refusal {
    match error {
        SaveError::NoProgram(error) => no_program(&error),
        SaveError::NoFile { .. } => {
            Refusal::new(StatusCode::FORBIDDEN, Reason::Forbidden, error.to_string())
                .fix("put the program into a file of its own, named by the option `file`")
        }
        SaveError::Changed { .. } => {
            Refusal::new(StatusCode::CONFLICT, Reason::Invalid, error.to_string())
                .fix("read it again, and make the change there")
        }
        SaveError::Write { ref source, .. } => {
            let told = format!("{error}: {source}");
            Refusal::new(StatusCode::FORBIDDEN, Reason::Forbidden, told)
                .fix("let the program's user write the file and its folder")
        }
        SaveError::Wrong { .. } => Refusal::invalid(error.to_string()),
    }
}

fn no_program(error: &NoProgram) -> Refusal {
    match error {
        NoProgram::Unreadable { source, .. } => Refusal::not_found(format!("{error}: {source}")),
        NoProgram::NoComponent { .. } | NoProgram::NoProgram { .. } => {
            Refusal::not_found(error.to_string())
        }
    }
}

fn broken(error: &Broken) -> Refusal {
    Refusal::new(StatusCode::UNPROCESSABLE_ENTITY, Reason::Invalid, error.to_string())
}
