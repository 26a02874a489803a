//! The status page: files that are built in. They hold no data, and ask for it as everybody does.

use http::StatusCode;

use super::{
    answer,
    route::{Audience, Route},
};

const CSS: &str = "text/css; charset=utf-8";
const HTML: &str = "text/html; charset=utf-8";
const JS: &str = "text/javascript; charset=utf-8";

/// The files: the path that each is served at, what it is, and its text.
const FILES: [(&str, &str, &str); 16] = [
    ("/", HTML, include_str!("page/index.html")),
    ("/assets/app.js", JS, include_str!("page/app.js")),
    ("/assets/connection.js", JS, include_str!("page/connection.js")),
    ("/assets/diagram.js", JS, include_str!("page/diagram.js")),
    ("/assets/diff.js", JS, include_str!("page/diff.js")),
    ("/assets/dom.js", JS, include_str!("page/dom.js")),
    ("/assets/editor.js", JS, include_str!("page/editor.js")),
    ("/assets/feeds.js", JS, include_str!("page/feeds.js")),
    ("/assets/format.js", JS, include_str!("page/format.js")),
    ("/assets/layout.js", JS, include_str!("page/layout.js")),
    ("/assets/pipeline.js", JS, include_str!("page/pipeline.js")),
    ("/assets/problems.js", JS, include_str!("page/problems.js")),
    ("/assets/rates.js", JS, include_str!("page/rates.js")),
    ("/assets/results.js", JS, include_str!("page/results.js")),
    ("/assets/workbench.js", JS, include_str!("page/workbench.js")),
    (
        "/assets/style.css",
        CSS,
        concat!(include_str!("page/style.css"), include_str!("page/panels.css")),
    ),
];

pub(super) const ROUTES: &[Route] = &[
    file::<0>(),
    file::<1>(),
    file::<2>(),
    file::<3>(),
    file::<4>(),
    file::<5>(),
    file::<6>(),
    file::<7>(),
    file::<8>(),
    file::<9>(),
    file::<10>(),
    file::<11>(),
    file::<12>(),
    file::<13>(),
    file::<14>(),
    file::<15>(),
];

const fn file<const INDEX: usize>() -> Route {
    Route::get(FILES[INDEX].0, Audience::Page, |_, _| {
        let (_, content_type, text) = FILES[INDEX];
        Box::pin(async move { Ok(answer::whole(StatusCode::OK, content_type, text)) })
    })
}
